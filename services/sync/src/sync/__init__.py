"""Writes Zoho's changes to Ameise within seconds, and Ameise's changes to Zoho."""
