"""What an answer of Zoho means.

::

    VendorError                 any of the four below, system "zoho"
    ├── Unavailable             time-out, connection error, 5xx, 408, 429, "too many requests" with 400,
    │                           RECORD_LOCKED, an answer that cannot be read
    ├── Stale                   ALREADY_MODIFIED
    ├── Rejected                any other 4xx, OAUTH_SCOPE_MISMATCH too (a fresh token has no more scopes)
    └── NotConnected            401 INVALID_TOKEN or AUTHENTICATION_FAILURE, with a fresh token too

The status alone says little: results of a write come one by one with 200, 201, 202, 207, 400 and 412, and the
same code comes with several statuses. Zoho sends no Retry-After.
"""

from __future__ import annotations

import re
from typing import Any, cast

from vendor import Answer, Finding, Verdict, shortened, visible_text
from vendor.errors import NotConnected, Rejected, Stale, Unavailable, VendorError

__all__ = [
    "NotConnected",
    "Rejected",
    "Stale",
    "Unavailable",
    "VendorError",
    "assess",
    "assess_results",
    "finding_of",
    "judge",
]

_TOKEN_CODES = frozenset({"INVALID_TOKEN", "AUTHENTICATION_FAILURE"})
_BUSY_CODES = frozenset({"RECORD_LOCKED", "TOO_MANY_REQUESTS", "INTERNAL_ERROR", "DEPENDENT_SERVICE_ERROR"})
_CODE = re.compile(r"[A-Za-z0-9_ -]{1,64}")


def judge(status: int, code: str = "", words: str = "") -> Verdict:
    """Return what a status with Zoho's code and words means.

    Also judges one record's result, whose ``status`` is then 200 for "success" and 400 for "error".
    """
    if code == "ALREADY_MODIFIED":
        return Verdict.STALE
    if status in {408, 429} or status >= 500 or code in _BUSY_CODES:
        return Verdict.UNAVAILABLE
    if "too many requests" in words.lower():
        # 400 {"error": "Access Denied", "error_description": "You have made too many requests ..."}
        return Verdict.UNAVAILABLE
    if status == 401 and (code in _TOKEN_CODES or not code):
        return Verdict.TOKEN_REFUSED
    if 200 <= status < 300 or status == 304:
        return Verdict.OK
    return Verdict.REJECTED


def assess(answer: Answer) -> Finding:
    """Return the verdict on an answer as a whole."""
    if 200 <= answer.status < 300 or answer.status == 304:
        return Finding(Verdict.OK)
    body = _mapping(answer.json())
    if not body:
        words = visible_text(answer.text)
        return Finding(judge(answer.status, words=words), words=words)
    return finding_of(answer.status, _first_error(body))


def assess_results(answer: Answer) -> Finding:
    """Return the verdict on the answer to a write of records: in order if it judges them one by one.

    All records failed is 400, a conflict 412, both with the results of each (``{"data": [...]}``).
    """
    if answer.status in {400, 412} and isinstance(_mapping(answer.json()).get("data"), list):
        return Finding(Verdict.OK)
    return assess(answer)


def _first_error(body: dict[str, Any]) -> dict[str, Any]:
    """Return the error object of an answer: the body itself, or the first element of its list.

    401, 403 and 500 of a write come as ``{"data": [{"code": ...}]}`` though they are about the whole call;
    settings use the name of the thing instead of "data".
    """
    if "code" in body or "error" in body:
        return body
    for value in body.values():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return cast("dict[str, Any]", value[0])
    return body


def finding_of(status: int, error: dict[str, Any]) -> Finding:
    """Return the verdict on one error object with where Zoho says that the fault is.

    ``details`` holds api_name, json_path and for DUPLICATE_DATA the duplicate_record; of
    MULTIPLE_OR_MULTI_ERRORS the first of its ``errors`` is taken.
    """
    code = str(error.get("code") or error.get("error") or "")
    words = shortened(str(error.get("message") or error.get("error_description") or ""))
    details = _mapping(error.get("details"))
    errors = details.get("errors")
    if isinstance(errors, list) and errors:
        first = _mapping(cast("list[Any]", errors)[0])
        details = _mapping(first.get("details"))
        words = shortened(f"{words}: {first.get('code', '')} {first.get('message', '')}")
    duplicate = _mapping(details.get("duplicate_record"))
    return Finding(
        judge(status, code, words),
        code=code if _CODE.fullmatch(code) else "",
        words=words,
        json_path=_text(details.get("json_path")),
        api_name=_text(details.get("api_name")),
        duplicate_id=_text(duplicate.get("id")),
        duplicate_module=_module_name(duplicate.get("module")),
    )


def _mapping(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _module_name(module: Any) -> str:
    return _text(_mapping(module).get("api_name")) if isinstance(module, dict) else _text(module)
