"""Zoho's published OpenAPI files drive the stand-in: whatever may be asked, it answers as Zoho's API does and
never breaks. They lie in `ZOHO_OAS_DIR`, by default beside the checkout; no copy of them is kept here."""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

FOLDER = Path(os.environ.get("ZOHO_OAS_DIR") or Path(__file__).parents[5] / "shared" / "zoho-oas")
FILES = ("record.json", "fields.json", "modules.json", "org.json", "webhooks.json", "workflow-rules.json")
EXAMPLES = 15

pytestmark = pytest.mark.skipif(
    not (FOLDER / "record.json").exists(),
    reason=f"no copy of Zoho's OpenAPI files at {FOLDER} (ZOHO_OAS_DIR)",
)


def _operations() -> Iterator[Any]:
    for name in FILES if (FOLDER / "record.json").exists() else ():
        schema = schemathesis.openapi.from_dict(json.loads((FOLDER / name).read_text()))
        for found in schema.get_all_operations():
            operation = found.ok()
            yield pytest.param(operation, id=f"{operation.method} {operation.path}")


@pytest.mark.parametrize("operation", list(_operations()))
async def test_whatever_is_asked_is_answered(zoho: Any, operation: Any) -> None:
    """JSON with a code and words for what it does not take, the results for what it takes; never a 500."""
    loop = asyncio.get_running_loop()

    async def ask(case: Any) -> httpx.Response:
        if "module" in case.path_parameters:  # any other one is INVALID_MODULE at once
            case.path_parameters["module"] = "Contacts"
        return await zoho.call(
            case.method, case.formatted_path.removeprefix("/"),
            params={name: str(value) for name, value in (case.query or {}).items()},
            json=case.body if isinstance(case.body, dict | list) else {},
        )  # fmt: skip

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy())
    def drive(case: Any) -> None:
        answer = asyncio.run_coroutine_threadsafe(ask(case), loop).result(20)
        assert answer.status_code < 500, answer.text
        if answer.status_code in {204, 304}:
            assert answer.content == b""
        else:
            assert isinstance(answer.json(), dict)

    await asyncio.to_thread(drive)
