"""Webhooks and workflow rules, as the connector or a person sets them up, and the list of failed calls.

The real Zoho refuses webhook URLs on private hosts; here loopback is allowed.
"""

import time
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse

from sandbox.shapes import object_of, objects_of
from sandbox.zoho.access import Session, session_of
from sandbox.zoho.orgs import zoho_time
from sandbox.zoho.paging import info_of, page_of
from sandbox.zoho.problems import ZohoError
from sandbox.zoho.schema import MODULES, module_id

RAW_LIMIT = 500
NAME_LIMIT = 250
URL_LIMIT = 2000
METHODS = ("POST", "GET", "PUT", "DELETE")
TRIGGERS = ("create", "edit", "create_or_edit")

router = APIRouter(prefix="/crm/v8/settings/automation")


def _missing(within: str, name: str) -> ZohoError:
    where = {"api_name": name, "json_path": f"$.{within}[0].{name}"}
    return ZohoError(400, "MANDATORY_NOT_FOUND", "mandatory param missing", where, within=within)


def _invalid(within: str, name: str, message: str, **details: object) -> ZohoError:
    where = {"api_name": name, "json_path": f"$.{within}[0].{name}", **details}
    return ZohoError(400, "INVALID_DATA", message, where, within=within)


async def _only_item(request: Request, within: str) -> dict[str, Any]:
    """The one element of the body's list: Zoho takes exactly one."""
    try:
        items = objects_of(object_of(await request.json()).get(within))
    except ValueError:
        items = []
    if len(items) != 1 or not items[0]:
        raise _missing(within, within)
    return items[0]


def _with_module(session: Session, item: dict[str, Any], within: str) -> dict[str, Any]:
    module = MODULES.get(object_of(item.get("module")).get("api_name", ""))
    if module is None:
        raise _invalid(within, "module", "the module id given seems to be invalid")
    return {**item, "module": {"api_name": module.api_name, "id": module_id(session.org.prefix, module)}}


def _store(session: Session, kind: str, item: dict[str, Any]) -> str:
    id_ = session.org.next_id(session.context.store)
    now = zoho_time(time.time())
    full = {**item, "id": id_, "created_time": now, "modified_time": now}
    session.context.store.put(session.org.world, kind, id_, full)
    return id_


def _created(within: str, id_: str, message: str) -> JSONResponse:
    body = {"code": "SUCCESS", "details": {"id": id_}, "message": message, "status": "success"}
    return JSONResponse({within: [body]}, status_code=201)


def _check_webhook(item: dict[str, Any]) -> None:
    within = "webhooks"
    for name in ("name", "module", "url", "http_method", "feature_type", "authentication"):
        if not item.get(name):
            raise _missing(within, name)
    if len(item["name"]) > NAME_LIMIT or "~" in item["name"]:
        raise _invalid(within, "name", "The lenght of name has exceeded the limit", maximum_length=NAME_LIMIT)
    if item["http_method"] not in METHODS:
        raise _invalid(within, "http_method", "The method type given is invalid")
    if len(item["url"]) > URL_LIMIT or not item["url"].startswith(("http://", "https://")):
        raise _invalid(within, "url", "please enter a valid URL")
    names = [
        str(pair.get("name", ""))
        for part in ("custom_parameters", "module_parameters")
        for pair in objects_of(object_of(item.get("headers")).get(part))
    ]
    if len(names) != len(set(names)) or any(name.upper() == "HOST" for name in names):
        raise _invalid(within, "headers", "The header given is invalid")
    body = object_of(item.get("body"))
    if body.get("type") == "raw" and len(body.get("raw_data_content") or "") > RAW_LIMIT:
        raise _invalid(
            within, "raw_data_content", "The length has exceeded the limit", maximum_length=RAW_LIMIT
        )


@router.post("/webhooks")
async def create_webhook(request: Request) -> JSONResponse:
    """A webhook that workflow rules can name as their action."""
    session = session_of(request)
    item = await _only_item(request, "webhooks")
    _check_webhook(item)
    id_ = _store(session, "webhook", _with_module(session, item, "webhooks"))
    return _created("webhooks", id_, "webhook created successfully")


@router.post("/workflow_rules")
async def create_rule(request: Request) -> JSONResponse:
    """A rule that fires webhooks when a record is created, edited, or either."""
    within = "workflow_rules"
    session = session_of(request)
    item = await _only_item(request, within)
    for name in ("name", "module", "execute_when", "conditions"):
        if not item.get(name):
            raise _missing(within, name)
    if object_of(item["execute_when"]).get("type") not in TRIGGERS:
        raise _invalid(within, "type", "The trigger given is not supported", supported_values=list(TRIGGERS))
    for condition in objects_of(item["conditions"]):
        if object_of(condition.get("criteria_details")).get("criteria"):
            raise _invalid(within, "criteria_details", "Criteria not supported for this trigger")
        for action in objects_of(object_of(condition.get("instant_actions")).get("actions")):
            known = session.context.store.get(session.org.world, "webhook", str(action.get("id")))
            if action.get("type") != "webhooks" or known is None:
                raise _invalid(within, "actions", "the id given seems to be invalid")
    id_ = _store(
        session, "workflow_rule", {"status": {"active": True}, **_with_module(session, item, within)}
    )
    return _created(within, id_, "workflow created")


def _listed(request: Request, kind: str, within: str) -> JSONResponse:
    session = session_of(request)
    items = [stored.data for stored in session.context.store.all(session.org.world, kind)]
    module = request.query_params.get("module")
    if module:
        items = [item for item in items if item["module"]["api_name"] == module]
    page, per_page = page_of(request)
    part = items[(page - 1) * per_page : page * per_page]
    return JSONResponse(
        {within: part, "info": info_of(page, per_page, len(part), more=len(items) > page * per_page)}
    )


@router.get("/webhooks")
async def list_webhooks(request: Request) -> JSONResponse:
    """All webhooks."""
    return _listed(request, "webhook", "webhooks")


@router.get("/workflow_rules")
async def list_rules(request: Request) -> JSONResponse:
    """All rules."""
    return _listed(request, "workflow_rule", "workflow_rules")


@router.get("/webhook_failures")
async def list_failures(request: Request) -> JSONResponse:
    """The calls that did not arrive, newest first; `entity_details.id` is the record that was missed."""
    session = session_of(request)
    query = request.query_params
    failures = [stored.data for stored in session.context.store.all(session.org.world, "webhook_failure")]
    failures.reverse()
    if query.get("webhook_id"):
        failures = [item for item in failures if item["webhook"]["id"] == query["webhook_id"]]
    if query.get("module"):
        failures = [
            item for item in failures if item["entity_details"]["module"]["api_name"] == query["module"]
        ]
    page, per_page = page_of(request)
    part = failures[(page - 1) * per_page : page * per_page]
    more = len(failures) > page * per_page
    return JSONResponse({"webhook_failures": part, "info": info_of(page, per_page, len(part), more=more)})
