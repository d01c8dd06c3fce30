"""`POST /crm/v8/coql`: a small part of COQL. What it does not know is refused, never guessed."""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.shapes import is_object, object_of
from sandbox.zoho.access import Session, session_of
from sandbox.zoho.orgs import unix_time
from sandbox.zoho.problems import ZohoError
from sandbox.zoho.schema import Module

LIMIT = 200
FIELDS_LIMIT = 50

router = APIRouter(prefix="/crm/v8")

_QUERY = re.compile(
    r"select\s+(?P<fields>[\w\s,]+?)\s+from\s+(?P<module>\w+)\s+where\s+(?P<where>.+?)"
    r"\s+order\s+by\s+id(?:\s+(?P<order>asc|desc))?(?:\s+limit\s+(?P<limit>\d+))?\s*",
    re.IGNORECASE | re.DOTALL,
)
_CONDITION = re.compile(r"\s*(\w+)\s*(>=|<=|=|>|<)\s*(?:'([^']*)'|(\d+))\s*")
_AND = re.compile(r"\s+and\s+", re.IGNORECASE)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(frozen=True, slots=True)
class Query:
    """A query that was understood; `where` is a list of (field, operator, value), all of which must hold."""

    fields: list[str]
    module: Module
    where: list[tuple[str, str, str]]
    descending: bool
    limit: int


def parsed(session: Session, text: str) -> Query:
    """Raises ZohoError 400."""
    found = _QUERY.fullmatch(text.strip())
    if found is None:
        raise _syntax("near SELECT ... FROM ... WHERE ... ORDER BY id")
    module = session.module(found["module"])
    fields = [name.strip() for name in found["fields"].split(",")]
    if len(fields) > FIELDS_LIMIT:
        raise ZohoError(400, "LIMIT_EXCEEDED", "the limit of fields is exceeded", {"limit": FIELDS_LIMIT})
    limit = int(found["limit"] or LIMIT)
    if not 1 <= limit <= LIMIT:
        raise ZohoError(400, "LIMIT_EXCEEDED", "the limit of records is exceeded", {"limit": LIMIT})
    where = found["where"].strip()
    if where.startswith("(") and where.endswith(")"):
        where = where[1:-1]
    conditions: list[tuple[str, str, str]] = []
    for part in _AND.split(where):
        condition = _CONDITION.fullmatch(part)
        if condition is None:
            raise _syntax("near WHERE")
        conditions.append(
            (condition[1], condition[2], condition[3] if condition[4] is None else condition[4])
        )
    for name in [*fields, *(field for field, _, _ in conditions)]:
        if name != "id" and module.field(name) is None:
            raise ZohoError(
                400, "INVALID_QUERY", "the column name given seems to be invalid", {"column_name": name}
            )
    return Query(fields, module, conditions, (found["order"] or "asc").lower() == "desc", limit)


def _syntax(near: str) -> ZohoError:
    return ZohoError(400, "SYNTAX_ERROR", "the query given is not understood", {"near": near})


def meets(record: dict[str, Any], condition: tuple[str, str, str]) -> bool:
    """Whether a stored record fulfils a condition; an empty field fulfils none."""
    name, compare, text = condition
    value = record.get(name)
    if value is None:
        return False
    if name == "id":
        return _COMPARE[compare](int(value), int(text))
    if name in ("Modified_Time", "Created_Time"):
        return _COMPARE[compare](unix_time(str(value)), unix_time(text))
    if is_object(value):
        value = object_of(value).get("id")
    return _COMPARE[compare](str(value), text)


@router.post("/coql")
async def select(request: Request) -> Response:
    """Up to 200 records. 204 when there are none."""
    session = session_of(request)
    try:
        body = object_of(await request.json())
    except ValueError:
        raise ZohoError(400, "INVALID_DATA", "the request body is not valid JSON") from None
    if not isinstance(body.get("select_query"), str):
        details = {"api_name": "select_query", "json_path": "$.select_query"}
        raise ZohoError(400, "MANDATORY_NOT_FOUND", "required field not found", details)
    query = parsed(session, body["select_query"])
    try:
        met = [
            stored
            for stored in session.context.store.all(session.org.world, query.module.api_name)
            if all(meets(stored.data, condition) for condition in query.where)
        ]
    except (ValueError, TypeError):
        raise ZohoError(400, "INVALID_QUERY", "a value does not fit its column") from None
    met.sort(key=lambda stored: int(stored.id), reverse=query.descending)
    if not met:
        return Response(status_code=204)
    shown = [session.book.shown(query.module, stored.data, query.fields) for stored in met[: query.limit]]
    info = {"count": len(shown), "more_records": len(met) > len(shown)}
    return JSONResponse({"data": shown, "info": info})
