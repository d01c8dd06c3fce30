"""Measurements of the whole installation, each a module with a function `measure`; `make bench` runs them."""

import sys
from pathlib import Path

# auth and ingest are played as in sync's own tests.
sys.path.insert(0, str(Path(__file__).parents[1] / "services" / "sync" / "tests"))
