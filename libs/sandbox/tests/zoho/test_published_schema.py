"""Zoho's published OpenAPI files drive the stand-in: whatever may be asked, it answers as Zoho's API would,
and never breaks. They lie in `ZOHO_OAS_DIR`, by default beside the checkout."""

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("ZOHO_OAS_DIR") or Path(__file__).parents[5] / "shared" / "zoho-oas")
IS_THERE = (FOLDER / "record.json").exists()

pytestmark = pytest.mark.skipif(
    not IS_THERE, reason=f"no copy of Zoho's OpenAPI files at {FOLDER} (ZOHO_OAS_DIR)"
)
