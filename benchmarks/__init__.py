"""Measurements of the whole installation, each a module with one `measure` coroutine. `make bench` runs them."""
