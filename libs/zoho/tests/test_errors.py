"""What Zoho's answers mean."""

import json
from typing import Any

import pytest

from vendor import Answer, Verdict
from zoho.errors import assess, assess_results, finding_of, judge

TOO_MANY = "You have made too many requests continuously. Please try again after some time."
ACCESS_DENIED = {"error": "Access Denied", "error_description": TOO_MANY}


@pytest.mark.parametrize(
    ("status", "code", "words", "verdict"),
    [
        (200, "", "", Verdict.OK),
        (201, "SUCCESS", "", Verdict.OK),
        (204, "", "", Verdict.OK),
        (304, "", "", Verdict.OK),
        (302, "", "", Verdict.REJECTED),
        (400, "INVALID_DATA", "", Verdict.REJECTED),
        (400, "MANDATORY_NOT_FOUND", "", Verdict.REJECTED),
        (400, "DUPLICATE_DATA", "", Verdict.REJECTED),
        (400, "LIMIT_EXCEEDED", "", Verdict.REJECTED),
        (400, "OAUTH_SCOPE_MISMATCH", "", Verdict.REJECTED),
        (400, "RECORD_LOCKED", "", Verdict.UNAVAILABLE),
        (400, "TOO_MANY_REQUESTS", "", Verdict.UNAVAILABLE),
        (400, "Access Denied", TOO_MANY, Verdict.UNAVAILABLE),
        (400, "Access Denied", "", Verdict.REJECTED),
        (401, "INVALID_TOKEN", "", Verdict.TOKEN_REFUSED),
        (401, "AUTHENTICATION_FAILURE", "", Verdict.TOKEN_REFUSED),
        (401, "", "", Verdict.TOKEN_REFUSED),
        (401, "OAUTH_SCOPE_MISMATCH", "", Verdict.REJECTED),
        (403, "NO_PERMISSION", "", Verdict.REJECTED),
        (404, "INVALID_URL_PATTERN", "", Verdict.REJECTED),
        (408, "", "", Verdict.UNAVAILABLE),
        (412, "ALREADY_MODIFIED", "", Verdict.STALE),
        (400, "ALREADY_MODIFIED", "", Verdict.STALE),
        (413, "", "", Verdict.REJECTED),
        (429, "TOO_MANY_REQUESTS", "", Verdict.UNAVAILABLE),
        (500, "INTERNAL_ERROR", "", Verdict.UNAVAILABLE),
        (503, "", "", Verdict.UNAVAILABLE),
    ],
)
def test_status_code_and_words_decide(status: int, code: str, words: str, verdict: Verdict) -> None:
    assert judge(status, code, words) is verdict


def answer(status: int, body: Any) -> Answer:
    return Answer(status, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("given", "verdict", "code"),
    [
        (
            answer(401, {"code": "INVALID_TOKEN", "details": {}, "status": "error"}),
            Verdict.TOKEN_REFUSED,
            "INVALID_TOKEN",
        ),
        # A scope that is missing comes as the "result" of a record that nobody looked at.
        (answer(401, {"data": [{"code": "OAUTH_SCOPE_MISMATCH"}]}), Verdict.REJECTED, "OAUTH_SCOPE_MISMATCH"),
        (answer(500, {"data": [{"code": "INTERNAL_ERROR"}]}), Verdict.UNAVAILABLE, "INTERNAL_ERROR"),
        (answer(400, {"webhooks": [{"code": "INVALID_DATA"}]}), Verdict.REJECTED, "INVALID_DATA"),
        (
            answer(400, {"error": "Access Denied", "error_description": TOO_MANY}),
            Verdict.UNAVAILABLE,
            "Access Denied",
        ),
        (Answer(503, b"<html><body>Too busy</body></html>"), Verdict.UNAVAILABLE, ""),
        (Answer(400, b""), Verdict.REJECTED, ""),
        (answer(400, []), Verdict.REJECTED, ""),
        (answer(400, {"code": "<script> anna@example.org"}), Verdict.REJECTED, ""),
    ],
)
def test_a_whole_answer_is_judged_by_the_error_in_it(given: Answer, verdict: Verdict, code: str) -> None:
    finding = assess(given)
    assert (finding.verdict, finding.code) == (verdict, code)


@pytest.mark.parametrize(
    ("status", "verdict"), [(400, Verdict.OK), (412, Verdict.OK), (401, Verdict.REJECTED)]
)
def test_results_one_by_one_are_left_to_the_records(status: int, verdict: Verdict) -> None:
    assert assess_results(answer(status, {"data": [{"code": "INVALID_DATA"}]})).verdict is verdict


def test_a_duplicate_names_the_record_in_the_way() -> None:
    finding = finding_of(
        400,
        {
            "code": "DUPLICATE_DATA",
            "message": "duplicate data",
            "details": {
                "api_name": "Kundennummer",
                "json_path": "$.data[0].Kundennummer",
                "duplicate_record": {"id": "3652397000000624046", "module": {"api_name": "Contacts"}},
            },
        },
    )
    assert (finding.api_name, finding.json_path) == ("Kundennummer", "$.data[0].Kundennummer")
    assert (finding.duplicate_id, finding.duplicate_module) == ("3652397000000624046", "Contacts")


def test_of_several_errors_the_first_is_shown() -> None:
    errors = [
        {
            "code": "DUPLICATE_DATA",
            "message": "dup",
            "details": {"api_name": "A", "duplicate_record": {"id": 9}},
        },
        {"code": "INVALID_DATA", "message": "inv", "details": {"api_name": "B"}},
    ]
    whole = {"code": "MULTIPLE_OR_MULTI_ERRORS", "message": "several", "details": {"errors": errors}}
    finding = finding_of(400, whole)
    assert (finding.code, finding.api_name, finding.duplicate_id) == ("MULTIPLE_OR_MULTI_ERRORS", "A", "9")
    assert finding.words == "several: DUPLICATE_DATA dup"


@pytest.mark.parametrize(
    "details", [None, [], "x", {"duplicate_record": None}, {"errors": [None]}, {"errors": 1}]
)
def test_odd_details_are_no_reason_to_fail(details: Any) -> None:
    assert finding_of(400, {"code": "INVALID_DATA", "details": details}).verdict is Verdict.REJECTED
