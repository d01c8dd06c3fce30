"""Holds the connections of every tenant to Ameise and Zoho, and keeps their tokens alive."""
