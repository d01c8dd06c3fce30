"""Requests in, one call, answers out.

Every route that changes something declares the events that it leads to (`x-tells` in OpenAPI), or says
why there is none (`x-silent-because`); a test walks all of them.
"""

from typing import Any

from fastapi import APIRouter, Depends

from contracts.events import EventData
from contracts.problems import ProblemDetails
from contracts.rpc import Rpc
from gateway.signing_in import basic_scheme

_PROBLEM: dict[int | str, dict[str, Any]] = {
    "default": {
        "model": ProblemDetails,
        "content": {"application/problem+json": {}},
        "description": "a problem (RFC 9457)",
    }
}


def admin_router(tag: str) -> APIRouter:
    """Of a part of the admin's API: HTTP Basic, JSON, problems."""
    return APIRouter(prefix="/api", tags=[tag], responses=_PROBLEM, dependencies=[Depends(basic_scheme)])


def tells(*events: type[EventData] | Rpc[Any, Any]) -> dict[str, Any]:
    """The events that a route tells itself, and those of the RPCs that it calls."""
    names: list[str] = []
    for event in events:
        told = event.events if isinstance(event, Rpc) else (event,)
        names += [kind.event_name for kind in told]
    return {"x-tells": names}


def silent(because: str) -> dict[str, Any]:
    return {"x-silent-because": because}
