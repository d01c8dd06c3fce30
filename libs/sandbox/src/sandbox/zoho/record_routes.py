"""`/crm/v8/{module}`: reading and writing records over HTTP."""

import time
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.shapes import is_object, object_of, objects_of
from sandbox.state import SORT_COLUMNS, PageQuery, Stored
from sandbox.zoho.access import Session, session_of
from sandbox.zoho.orgs import unix_time, zoho_time
from sandbox.zoho.paging import DISCRETE_LIMIT, TOKEN_SECONDS, info_of, page_of, read_token, token_after
from sandbox.zoho.problems import ZohoError
from sandbox.zoho.records import Outcome, status_of
from sandbox.zoho.schema import Module

FIELDS_LIMIT = 50
RECORDS_LIMIT = 100

router = APIRouter(prefix="/crm/v8")


def _moment(request: Request, header: str) -> float | None:
    text = request.headers.get(header)
    moment = unix_time(text) if text else None
    if text and moment is None:
        raise ZohoError(400, "INVALID_DATA", "invalid header", {"header_name": header})
    return moment


def _fields(request: Request) -> list[str]:
    text = request.query_params.get("fields")
    if not text:
        message = "One of the expected parameter is missing"
        raise ZohoError(400, "REQUIRED_PARAM_MISSING", message, {"param_name": "fields"})
    names = [name.strip() for name in text.split(",") if name.strip()]
    if len(names) > FIELDS_LIMIT:
        details = {"limit": FIELDS_LIMIT, "param_name": "fields"}
        raise ZohoError(400, "LIMIT_EXCEEDED", "the limit of fields is exceeded", details)
    return names


def _sort(request: Request) -> tuple[str, bool]:
    sort_by = request.query_params.get("sort_by", "id")
    if sort_by not in SORT_COLUMNS:
        raise ZohoError(400, "INVALID_DATA", "invalid sort_by", {"param_name": "sort_by"})
    return sort_by, request.query_params.get("sort_order", "desc") == "desc"


def _by_ids(session: Session, module: Module, ids: str) -> list[Stored]:
    found = [
        session.context.store.get(session.org.world, module.api_name, id_.strip()) for id_ in ids.split(",")
    ]
    return [stored for stored in found if stored is not None]


@router.get("/{module_name}")
async def list_records(request: Request, module_name: str) -> Response:
    """Many records. 204 when there are none, 304 when none changed since `If-Modified-Since`."""
    session = session_of(request)
    module = session.module(module_name)
    fields = _fields(request)
    since = _moment(request, "If-Modified-Since")
    page, per_page = page_of(request)
    sort_by, descending = _sort(request)
    after = None
    ids, token = request.query_params.get("ids"), request.query_params.get("page_token")
    if ids:
        rows = [row for row in _by_ids(session, module, ids) if since is None or row.modified_at >= since]
    else:
        if token:
            after, page = read_token(request, token)
        elif page * per_page > DISCRETE_LIMIT:
            details = {"limit": DISCRETE_LIMIT, "param_name": "page"}
            raise ZohoError(400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED", "use page_token from here on", details)
        offset = 0 if token else (page - 1) * per_page
        query = PageQuery(sort_by, descending, per_page + 1, after, offset, since)
        rows = session.context.store.page(session.org.world, module.api_name, query)
    if not rows:
        return Response(status_code=204 if since is None else 304)
    shown, more = rows[:per_page], len(rows) > per_page
    info = {
        **info_of(page, per_page, len(shown), more=more),
        "sort_by": sort_by,
        "sort_order": "desc" if descending else "asc",
        "next_page_token": None,
        "previous_page_token": None,
        "page_token_expiry": None,
    }
    if more:
        last = shown[-1]
        value = {"id": last.id, "created_at": last.created_at, "modified_at": last.modified_at}[
            SORT_COLUMNS[sort_by]
        ]
        info["next_page_token"] = token_after(request, (value, last.id), page)
        info["page_token_expiry"] = zoho_time(time.time() + TOKEN_SECONDS)
    return JSONResponse(
        {"data": [session.book.shown(module, row.data, fields) for row in shown], "info": info}
    )


@router.get("/{module_name}/deleted")
async def list_deleted(request: Request, module_name: str) -> Response:
    """Deleted records, newest first."""
    session = session_of(request)
    module = session.module(module_name)
    page, per_page = page_of(request)
    since = _moment(request, "If-Modified-Since")
    query = PageQuery("Modified_Time", True, per_page + 1, None, (page - 1) * per_page, since, deleted=True)
    rows = session.context.store.page(session.org.world, module.api_name, query)
    if not rows:
        return Response(status_code=204 if since is None else 304)
    data = [
        {
            "id": row.id,
            "display_name": row.data.get(module.name_field),
            "type": "recycle",
            "deleted_time": zoho_time(row.modified_at),
            "deleted_by": row.data["Modified_By"],
            "created_by": row.data["Created_By"],
        }
        for row in rows[:per_page]
    ]
    return JSONResponse({"data": data, "info": info_of(page, per_page, len(data), more=len(rows) > per_page)})


@router.get("/{module_name}/{record_id}")
async def read_record(request: Request, module_name: str, record_id: str) -> Response:
    """One record with all its fields, or those in `fields`. 204 when there is none."""
    session = session_of(request)
    module = session.module(module_name)
    stored = session.context.store.get(session.org.world, module.api_name, record_id)
    if stored is None:
        return Response(status_code=204)
    since = _moment(request, "If-Modified-Since")
    if since is not None and stored.modified_at < since:
        return Response(status_code=304)
    fields = _fields(request) if request.query_params.get("fields") else None
    return JSONResponse({"data": [session.book.shown(module, stored.data, fields)]})


async def _body(request: Request) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(body, its `data`). Raises ZohoError 400."""
    try:
        body = object_of(await request.json())
    except ValueError:
        raise ZohoError(400, "INVALID_DATA", "the request body is not valid JSON") from None
    data = body.get("data")
    where = {"api_name": "data", "json_path": "$.data"}
    if data is None:
        raise ZohoError(400, "MANDATORY_NOT_FOUND", "required field not found", where)
    records = objects_of(data)
    if not records or not all(map(is_object, data)):
        raise ZohoError(400, "INVALID_DATA", "invalid data", {"expected_data_type": "jsonarray", **where})
    if len(records) > RECORDS_LIMIT:
        raise ZohoError(400, "INVALID_DATA", "invalid data", {"maximum_length": RECORDS_LIMIT, **where})
    return body, records


def _answer(
    session: Session, module: Module, outcomes: list[Outcome], body: dict[str, Any], *, success: int
) -> JSONResponse:
    """Answer, and fire workflow rules unless `trigger` leaves them out; an absent `trigger` means all."""
    trigger = body.get("trigger")
    if trigger is None or "workflow" in trigger:
        session.book.fire_rules(module, outcomes)
    return JSONResponse(
        {"data": [outcome.body for outcome in outcomes]}, status_code=status_of(outcomes, success)
    )


@router.post("/{module_name}")
async def insert_records(request: Request, module_name: str) -> JSONResponse:
    """Add up to 100 records. Repeating the call adds them again."""
    session = session_of(request)
    module = session.module(module_name)
    body, data = await _body(request)
    return _answer(session, module, session.book.insert(module, data), body, success=201)


@router.put("/{module_name}")
async def update_records(request: Request, module_name: str) -> JSONResponse:
    """Change up to 100 records, each with its `id`."""
    session = session_of(request)
    module = session.module(module_name)
    body, data = await _body(request)
    outcomes = session.book.update(module, data, _moment(request, "If-Unmodified-Since"))
    return _answer(session, module, outcomes, body, success=200)


@router.post("/{module_name}/upsert")
async def upsert_records(request: Request, module_name: str) -> JSONResponse:
    """Add or change up to 100 records by `duplicate_check_fields`."""
    session = session_of(request)
    module = session.module(module_name)
    body, data = await _body(request)
    fields = body.get("duplicate_check_fields") or module.default_duplicate_fields
    unknown = [name for name in fields if name not in module.searched_fields]
    if unknown:
        where = {"api_name": unknown[0], "json_path": "$.duplicate_check_fields"}
        raise ZohoError(400, "INVALID_DATA", "the field given is no duplicate check field", where)
    outcomes = session.book.upsert(module, data, fields, _moment(request, "If-Unmodified-Since"))
    return _answer(session, module, outcomes, body, success=200)


@router.put("/{module_name}/{record_id}")
async def update_record(request: Request, module_name: str, record_id: str) -> JSONResponse:
    """Change one record."""
    session = session_of(request)
    module = session.module(module_name)
    body, data = await _body(request)
    item = {**data[0], "id": record_id}
    outcomes = session.book.update(module, [item], _moment(request, "If-Unmodified-Since"))
    return _answer(session, module, outcomes, body, success=200)


@router.delete("/{module_name}")
async def delete_records(request: Request, module_name: str) -> JSONResponse:
    """Delete up to 100 records named in `ids`."""
    session = session_of(request)
    module = session.module(module_name)
    ids = [id_ for id_ in request.query_params.get("ids", "").split(",") if id_]
    if not ids:
        message = "One of the expected parameter is missing"
        raise ZohoError(400, "REQUIRED_PARAM_MISSING", message, {"param_name": "ids"})
    if len(ids) > RECORDS_LIMIT:
        details = {"limit": RECORDS_LIMIT, "param_name": "ids"}
        raise ZohoError(400, "LIMIT_EXCEEDED", "the limit of ids is exceeded", details)
    outcomes = session.book.delete(module, ids)
    return _answer(session, module, outcomes, {}, success=200)


@router.delete("/{module_name}/{record_id}")
async def delete_record(request: Request, module_name: str, record_id: str) -> JSONResponse:
    """Delete one record."""
    session = session_of(request)
    module = session.module(module_name)
    return _answer(session, module, session.book.delete(module, [record_id]), {}, success=200)
