"""The stand-in of blau direkt's DailyUp: exports a Hauptvermittler's Ameise and pushes it by FTP."""
