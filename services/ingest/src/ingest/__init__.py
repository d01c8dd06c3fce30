"""ingest: receives, checks, stores and compares the DailyUp deliveries."""
