"""Bulk requests and their answers."""

import json
from typing import Any

import pytest

from audit import bulk
from audit.bulk import Verdict
from audit.documents import Document
from contracts.ids import new_id


def document(size: int = 10) -> Document:
    return Document(new_id(), "2026.11", {"reason": "ä" * size})


def test_a_request_creates_in_the_month_under_the_id() -> None:
    one = document()
    ((portion, body),) = bulk.requests([one], "mvp", 10_000)
    assert portion == [one]
    action, source, rest = body.split(b"\n")
    assert json.loads(action) == {"create": {"_index": "mvp-events-2026.11", "_id": one.id}}
    assert json.loads(source) == one.body
    assert rest == b""


def test_requests_stay_below_their_size_and_keep_the_order() -> None:
    documents = [document(100) for _ in range(10)]
    portions = list(bulk.requests(documents, "mvp", 1000))
    assert len(portions) > 1
    assert all(len(body) <= 1000 for _, body in portions)
    assert [d for portion, _ in portions for d in portion] == documents


def test_a_document_above_the_size_goes_alone() -> None:
    small, large = document(), document(5000)
    assert [len(portion) for portion, _ in bulk.requests([small, large, small], "mvp", 1000)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (201, Verdict.CREATED),
        (409, Verdict.PRESENT),
        (400, Verdict.REFUSED),
        (403, Verdict.BUSY),
        (404, Verdict.BUSY),
        (429, Verdict.BUSY),
        (500, Verdict.BUSY),
        (503, Verdict.BUSY),
    ],
)
def test_only_a_400_is_about_the_document(status: int, verdict: Verdict) -> None:
    assert bulk.judge({"create": {"status": status}}) is verdict


def test_the_reason_repeats_no_value() -> None:
    error: dict[str, Any] = {
        "type": "mapper_parsing_exception",
        "reason": "failed to parse field [reason]. Preview of field's value: 'Erika Mustermann'",
        "caused_by": {"type": "illegal_state_exception", "reason": "Erika Mustermann"},
    }
    said = bulk.reason({"create": {"status": 400, "error": error}})
    assert said == "the index refuses it: mapper_parsing_exception, illegal_state_exception"
