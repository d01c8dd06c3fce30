"""Stand-ins of the outside world: Zoho CRM, Ameise with its OAuth server, blau direkt's DailyUp sender.

They keep state in one SQLite file, answer as the vendors are documented to answer, and can be told to
misbehave. Nothing of the connector imports this package, and it imports nothing of the connector.
"""
