"""What a call costs an organisation: API credits of the day, and a place among its simultaneous calls. Pure.

Zoho counts credits over a rolling window of 24 hours: most calls 1, a write 1 per 10 records, a bulk write
job 500. Calls in flight are limited by edition, and those of the complex group to ten whatever the edition.
"""

from __future__ import annotations

import re
from typing import Any, cast

from vendor import Call

COMPLEX_CALLS = 10
"""Calls of the complex group that an organisation may have in flight, on every edition."""

_JOB = re.compile(r"/bulk/v\d+/(read|write)$")
_JOB_CREDITS = {"read": 50, "write": 500}
_RECORDS_OF_ONE_CREDIT = 10
_LIMIT = re.compile(r"\blimit\s+(\d+)\s*$", re.IGNORECASE)


def credits_of(call: Call) -> int:
    """Return the API credits that the call costs."""
    job = _JOB.search(call.path)
    if job and call.method == "POST":
        return _JOB_CREDITS[job.group(1)]
    if call.path.endswith("/upload"):
        return 0  # of files: counted with the job that uses it
    if call.path.endswith("/coql"):
        return _of_query(call)
    if call.method == "GET" and call.path.endswith("/deleted"):
        return 2
    if "cvid" in call.params:
        return 3
    return max(1, -(-_records_of(call) // _RECORDS_OF_ONE_CREDIT))


def _of_query(call: Call) -> int:
    """By the rows that it may return: 200, 1,000, or 2,000 at most."""
    body = cast("dict[str, Any]", call.body) if isinstance(call.body, dict) else {}
    limit = _LIMIT.search(str(body.get("select_query") or ""))
    rows = int(limit.group(1)) if limit else 2000
    return 1 if rows <= 200 else 2 if rows <= 1000 else 3


def is_complex(call: Call) -> bool:
    """Whether the call counts against `COMPLEX_CALLS`: COQL, sorted reads, writes of more than 10 records."""
    if call.path.endswith("/coql"):
        return True
    if {"cvid", "sort_by"} & set(call.params):
        return True
    return _records_of(call) > _RECORDS_OF_ONE_CREDIT


def _records_of(call: Call) -> int:
    """How many records the call writes or deletes; 0 for everything else."""
    if call.method == "DELETE":
        return len(str(call.params.get("ids") or "").split(","))
    if not call.write or not isinstance(call.body, dict):
        return 0
    data = cast("dict[str, Any]", call.body).get("data")
    return len(cast("list[Any]", data)) if isinstance(data, list) else 0
