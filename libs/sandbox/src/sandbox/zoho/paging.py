"""Pages: numbers up to 2,000 records, from there on tokens that are bound to the question asked."""

import base64
import hashlib
import json
import time
from typing import Any

from starlette.requests import Request

from sandbox.zoho.problems import ZohoError

PER_PAGE = 200
DISCRETE_LIMIT = 2000
TOKEN_SECONDS = 24 * 3600


def page_of(request: Request) -> tuple[int, int]:
    """(page, per_page) of a request. Raises ZohoError 400."""
    numbers: dict[str, int] = {}
    for name, default in (("page", 1), ("per_page", PER_PAGE)):
        text = request.query_params.get(name, str(default))
        if not text.isdigit() or int(text) < 1 or (name == "per_page" and int(text) > PER_PAGE):
            details = {"param_name": name, "expected_data_type": "integer"}
            raise ZohoError(400, "INVALID_DATA", "invalid data", details)
        numbers[name] = int(text)
    return numbers["page"], numbers["per_page"]


def info_of(page: int, per_page: int, count: int, *, more: bool) -> dict[str, Any]:
    """The `info` object of a list."""
    return {"page": page, "per_page": per_page, "count": count, "more_records": more}


def _question(request: Request) -> str:
    asked = sorted(
        (name, value) for name, value in request.query_params.items() if name not in ("page", "page_token")
    )
    return hashlib.sha256(json.dumps([request.url.path, asked]).encode()).hexdigest()[:16]


def token_after(request: Request, last: tuple[float | str, str], page: int) -> str:
    """A token for the page that follows the record `last` (sort value, id)."""
    content = [_question(request), time.time() + TOKEN_SECONDS, list(last), page + 1]
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


def read_token(request: Request, token: str) -> tuple[tuple[float | str, str], int]:
    """(last record of the page before, number of this page). Raises ZohoError 400."""
    try:
        question, expires, last, page = json.loads(base64.urlsafe_b64decode(token))
    except ValueError:
        details = {"param_name": "page_token"}
        raise ZohoError(400, "INVALID_DATA", "the page_token given seems to be invalid", details) from None
    if question != _question(request):
        details = {"param_name": "page_token"}
        raise ZohoError(400, "TOKEN_BOUND_DATA_MISMATCH", "the parameters differ from the token's", details)
    if expires < time.time():
        raise ZohoError(400, "EXPIRED_VALUE", "the page_token has expired", {"param_name": "page_token"})
    return (last[0], last[1]), page
