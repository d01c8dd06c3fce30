"""What the overview of a team shows, gathered from the services at once; each part may fail alone."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Generic, TypeVar

from contracts.names import Service, System, Table
from contracts.problems import Problem, Unavailable
from contracts.rpc import Empty
from contracts.rpc.auth import LIST_CONNECTIONS, Connection, Connections, ConnectionState
from contracts.rpc.ingest import (
    PREVIEW_DELIVERY,
    STATUS,
    DailyUpStatus,
    DeliveryPreview,
    DeliveryRequest,
    DeliveryState,
    DeliveryStatus,
)
from contracts.rpc.sync import LIST_PIPELINES, Pipelines
from gateway.asking import Asking
from gateway.wording import label

T = TypeVar("T")

UNDER_WAY = frozenset({DeliveryState.RECEIVING, DeliveryState.WAITING, DeliveryState.IMPORTING})
"""States that go by without a person."""
SHOWN_HELD = 5
"""Held deliveries with their previews on the overview; the list of deliveries names all."""


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """What a service answered, or in words why there is nothing to show."""

    value: T | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A delivery that waits for a person's decision, and what would change."""

    delivery: DeliveryStatus
    preview: Part[DeliveryPreview]


@dataclass(frozen=True, slots=True)
class Overview:
    connections: Part[Connections]
    dailyup: Part[DailyUpStatus]
    pipelines: Part[Pipelines]
    held: tuple[Held, ...]

    def active(self, system: System) -> tuple[Connection, ...]:
        """The connections to one system that work now."""
        known = self.connections.value.connections if self.connections.value else ()
        return tuple(c for c in known if c.system is system and c.state is ConnectionState.ACTIVE)

    def unconnected(self) -> tuple[System, ...]:
        """The systems to which there is no connection at all."""
        if self.connections.value is None:
            return ()
        connected = {c.system for c in self.connections.value.connections}
        return tuple(system for system in System if system not in connected)


@dataclass(frozen=True, slots=True)
class TableLine:
    """One table: rows stored, and what the newest imported delivery did to it."""

    table: Table
    stored: int
    new: int
    changed: int
    gone: int
    rejected: int


async def part_of(service: Service, answer: Awaitable[T]) -> Part[T]:
    """Wait for an answer; a Problem becomes words."""
    try:
        return Part(await answer)
    except Unavailable:
        return Part(None, f"Der Dienst „{label(service)}“ antwortet zurzeit nicht.")
    except Problem as problem:
        return Part(None, problem.detail)


async def gather(asking: Asking) -> Overview:
    """All parts at once."""
    connections, dailyup, pipelines = await asyncio.gather(
        part_of(Service.AUTH, asking.call(LIST_CONNECTIONS, Empty())),
        part_of(Service.INGEST, asking.call(STATUS, Empty())),
        part_of(Service.SYNC, asking.call(LIST_PIPELINES, Empty())),
    )
    return Overview(connections, dailyup, pipelines, await _held(asking, dailyup.value))


async def _held(asking: Asking, dailyup: DailyUpStatus | None) -> tuple[Held, ...]:
    known = dailyup.deliveries if dailyup else ()
    held = [delivery for delivery in known if delivery.state is DeliveryState.HELD][:SHOWN_HELD]
    previews = await asyncio.gather(
        *(
            part_of(Service.INGEST, asking.call(PREVIEW_DELIVERY, DeliveryRequest(delivery=delivery.id)))
            for delivery in held
        )
    )
    return tuple(map(Held, held, previews))


def table_lines(status: DailyUpStatus) -> list[TableLine]:
    """The tables in the order of a delivery; those never delivered are left out."""
    newest = next((d for d in status.deliveries if d.counts), None)
    counts = newest.counts if newest else {}
    lines: list[TableLine] = []
    for table in Table:
        if table not in counts and table not in status.stored:
            continue
        done = counts.get(table)
        lines.append(
            TableLine(
                table,
                stored=status.stored.get(table, 0),
                new=done.new if done else 0,
                changed=done.changed if done else 0,
                gone=done.gone if done else 0,
                rejected=done.rejected if done else 0,
            )
        )
    return lines


def totals(delivery: DeliveryStatus) -> dict[str, int]:
    """New, changed and gone rows of a delivery over all its tables."""
    counts = delivery.counts.values()
    return {
        "new": sum(c.new for c in counts),
        "changed": sum(c.changed for c in counts),
        "gone": sum(c.gone for c in counts),
    }
