"""The Aktivitätslog: indexes every event into OpenSearch and answers searches."""
