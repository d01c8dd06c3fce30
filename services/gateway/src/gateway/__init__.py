"""The way in: Zoho's webhooks, the admin's API and the web pages."""
