"""The stand-in of Ameise: its OpenID Connect server and the MitarbeiterWebservice, under one base URL."""
