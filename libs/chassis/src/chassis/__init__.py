"""What every service process needs: settings, logs, broker, database, outbox, health, metrics, crypto."""
