"""The page that says how a team's pipelines and connections are doing."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from contracts.ids import Uuid
from contracts.names import Service, System
from contracts.rpc import Empty
from contracts.rpc.auth import LIST_CONNECTIONS, Connection
from contracts.rpc.sync_capabilities import (
    CAPABILITIES,
    AmeiseCapabilities,
    AskCapabilities,
    SetCapabilities,
)
from contracts.rpc.sync_limits import (
    CONNECTION_LIMITS,
    AskConnectionLimits,
    ConnectionLimits,
    SetConnectionLimits,
)
from contracts.rpc.sync_state import SYNC_STATE, SyncState
from gateway.asking import Asking
from gateway.faults import fault_words
from gateway.overview import Part, part_of
from gateway.pipeline_form import Faults, FormError

LIMITS = ("daily_credits", "share_percent", "simultaneous_calls")


@dataclass(frozen=True, slots=True)
class Line:
    """One connection with its limits, and what stands in their form."""

    connection: Connection
    limits: Part[ConnectionLimits]
    values: Mapping[str, str]
    faults: Faults
    capabilities: Part[AmeiseCapabilities] | None = None
    """Of a connection to Ameise."""


@dataclass(frozen=True, slots=True)
class View:
    state: Part[SyncState]
    lines: Part[tuple[Line, ...]]


async def gather(asking: Asking, typed: Uuid | None, values: Mapping[str, str], faults: Faults) -> View:
    """All parts at once; each may fail alone. `typed`: the connection whose form was not taken."""
    state, connections = await asyncio.gather(
        part_of(Service.SYNC, asking.call(SYNC_STATE, Empty())),
        part_of(Service.AUTH, asking.call(LIST_CONNECTIONS, Empty())),
    )
    known = connections.value.connections if connections.value else ()
    limits = await asyncio.gather(
        *(
            part_of(Service.SYNC, asking.call(CONNECTION_LIMITS, AskConnectionLimits(connection=c.id)))
            for c in known
        )
    )
    able = await asyncio.gather(*(_capabilities(asking, c) for c in known))
    lines = tuple(
        Line(c, part, values, faults, can) if c.id == typed else Line(c, part, _values(part.value), {}, can)
        for c, part, can in zip(known, limits, able, strict=True)
    )
    return View(state, Part(lines, connections.problem))


async def _capabilities(asking: Asking, connection: Connection) -> Part[AmeiseCapabilities] | None:
    if connection.system is not System.AMEISE:
        return None
    return await part_of(Service.SYNC, asking.call(CAPABILITIES, AskCapabilities(connection=connection.id)))


def capabilities_of(connection: Uuid, values: Mapping[str, str]) -> SetCapabilities:
    """What was ticked; a box that is not sent is not ticked. Pure."""
    return SetCapabilities(
        connection=connection,
        creates_vertraege=bool(values.get("creates_vertraege")),
        changes_vertraege=bool(values.get("changes_vertraege")),
    )


def _values(limits: ConnectionLimits | None) -> dict[str, str]:
    if limits is None:
        return {}
    values = {name: str(getattr(limits, name)) for name in LIMITS}
    return values | {"bulk_write_allowed": "ja" if limits.bulk_write_allowed else ""}


def changes_of(connection: Uuid, values: Mapping[str, str]) -> SetConnectionLimits:
    """What was typed; an empty field stays as it is. Raises FormError. Pure."""
    typed: dict[str, Any] = {name: values.get(name, "").strip() or None for name in LIMITS}
    typed["bulk_write_allowed"] = bool(values.get("bulk_write_allowed"))
    try:
        return SetConnectionLimits.model_validate({"connection": connection, **typed})
    except ValidationError as error:
        raise FormError({str(e["loc"][0]): [fault_words(e)] for e in error.errors()}) from error
