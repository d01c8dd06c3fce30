"""The stand-in of Zoho: accounts server and CRM API v8 under one base URL."""
