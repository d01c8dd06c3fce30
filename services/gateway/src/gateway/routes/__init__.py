"""Requests in, one call, answers out.

Every route that changes something declares the events that it leads to (`x-tells` in OpenAPI), or says
why there is none (`x-silent-because`); a test walks all of them.
"""

from typing import Any

from contracts.events import EventData
from contracts.rpc import Rpc


def tells(*events: type[EventData] | Rpc[Any, Any]) -> dict[str, Any]:
    """The events that a route tells itself, and those of the RPCs that it calls."""
    names: list[str] = []
    for event in events:
        told = event.events if isinstance(event, Rpc) else (event,)
        names += [kind.event_name for kind in told]
    return {"x-tells": names}


def silent(because: str) -> dict[str, Any]:
    return {"x-silent-because": because}
