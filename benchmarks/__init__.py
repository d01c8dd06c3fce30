"""Measurements of the whole installation, each a module with a function `measure`; `make bench` runs them."""
