"""The embedded runner: the whole MVP-Connector as supervised processes on one machine."""
