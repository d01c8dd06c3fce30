"""Zoho's workflow rules call here.

Zoho sends its form data in three shapes, whatever the webhook was set up with: an urlencoded body, JSON,
or the query string. The token is best sent as a header, since query strings stand in the logs of proxies.
"""

import json
import time
from typing import Any, cast

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from contracts.events import WebhookAccepted
from contracts.ids import PipelineId, TenantId, Uuid, ZohoId
from contracts.problems import Invalid, ProblemDetails
from gateway import intake
from gateway.models import Accepted
from gateway.parts import PartsOf
from gateway.problems import TooManyRequests
from gateway.routes import tells

router = APIRouter(tags=["Webhook"])

MOST_FIELDS = 40
"""Zoho allows 25 module parameters and 10 of one's own."""

_PATH = "/api/{tenant}/pipeline/{pipeline}/trigger-from-crm"
_ANSWERS: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemDetails, "content": {"application/problem+json": {}}, "description": description}
    for status, description in {
        400: "no id, or one that is none",
        401: "no token, or a wrong one",
        404: "no such team, pipeline or webhook",
        413: "body above 64 KB",
        429: "too many requests",
        503: "not stored: send it again",
    }.items()
}
_PARAMETERS = [
    {"name": "id", "in": "query", "schema": {"type": "string"}, "description": "Zoho record id"},
    {"name": "X-Webhook-Token", "in": "header", "schema": {"type": "string"}},
]


@router.get(
    _PATH,
    response_model=Accepted,
    responses=_ANSWERS,
    openapi_extra=tells(WebhookAccepted) | {"parameters": _PARAMETERS},
)
async def trigger_by_get(
    request: Request, tenant: TenantId, pipeline: PipelineId, parts: PartsOf
) -> JSONResponse:
    """A record changed in Zoho. Answered when the work is stored."""
    return await _trigger(request, tenant, pipeline, parts)


@router.post(
    _PATH,
    response_model=Accepted,
    responses=_ANSWERS,
    openapi_extra=tells(WebhookAccepted) | {"parameters": _PARAMETERS},
)
async def trigger(request: Request, tenant: TenantId, pipeline: PipelineId, parts: PartsOf) -> JSONResponse:
    """A record changed in Zoho. The id may also stand in a form or JSON body. Answered when stored."""
    return await _trigger(request, tenant, pipeline, parts)


async def _trigger(request: Request, tenant: TenantId, pipeline: PipelineId, parts: PartsOf) -> JSONResponse:
    if wait := parts.tenants.wait_seconds(tenant, time.monotonic()):
        raise TooManyRequests("Zu viele Webhooks für dieses Team.", seconds=wait)
    fields = await _fields(request)
    correlationid = Uuid(request.state.correlationid)
    await intake.accept(
        parts,
        tenant=tenant,
        pipeline=pipeline,
        zoho_id=_zoho_id(fields),
        token=_token(request, fields),
        correlationid=correlationid,
    )
    return JSONResponse(Accepted(correlationid=correlationid).model_dump())


async def _fields(request: Request) -> dict[str, str]:
    """What was sent, the query string going before the body. Raises Invalid."""
    return await _body_fields(request) | dict(request.query_params)


async def _body_fields(request: Request) -> dict[str, str]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        form = await request.form(max_files=0, max_fields=MOST_FIELDS)
        return {name: value for name, value in form.items() if isinstance(value, str)}
    body = (await request.body()).strip()
    if not body:
        return {}
    try:
        content: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Invalid("Der Inhalt ist weder ein Formular noch lesbares JSON.") from error
    if not isinstance(content, dict):
        raise Invalid("Das JSON ist kein Objekt.")
    items = cast("dict[str, Any]", content).items()
    return {name: str(value) for name, value in items if isinstance(value, str | int)}


def _zoho_id(fields: dict[str, str]) -> ZohoId:
    if "id" not in fields:
        raise Invalid("Der Parameter id fehlt.", remedy="Im Webhook id mit ${!Modul.Id} belegen.")
    try:
        return ZohoId(fields["id"])
    except ValueError as error:
        raise Invalid("Der Parameter id ist keine Zoho-Id (1 bis 20 Ziffern).") from error


def _token(request: Request, fields: dict[str, str]) -> str | None:
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    return (
        request.headers.get("x-webhook-token")
        or (bearer.strip() if scheme.lower() == "bearer" else None)
        or fields.get("_token")
    )
