"""The page of records that wait to be deleted in Zoho, since their objects are gone in Ameise."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from contracts.ids import PipelineId
from contracts.names import Service
from contracts.rpc import Empty
from contracts.rpc.auth import LIST_CONNECTIONS, Connection
from contracts.rpc.sync import LIST_PIPELINES, Pipeline
from contracts.rpc.sync_waiting import LIST_DELETIONS, ListDeletions, WaitingDeletion, WaitingDeletions
from gateway.asking import Asking
from gateway.overview import Part, part_of
from gateway.zoho_links import record_link

LINES = 50


@dataclass(frozen=True, slots=True)
class Line:
    deletion: WaitingDeletion
    pipeline_name: str
    zoho_link: str | None


@dataclass(frozen=True, slots=True)
class View:
    """`page` is what sync said, `lines` the same with what belongs to it."""

    page: Part[WaitingDeletions]
    lines: tuple[Line, ...]
    pipelines: tuple[Pipeline, ...]


async def gather(asking: Asking, pipeline: PipelineId | None, after: str | None) -> View:
    """All parts at once; each may fail alone. Raises ValueError if `after` is no page."""
    wanted = ListDeletions(pipeline=pipeline, limit=LINES, after=after)
    page, pipelines, connections = await asyncio.gather(
        part_of(Service.SYNC, asking.call(LIST_DELETIONS, wanted)),
        part_of(Service.SYNC, asking.call(LIST_PIPELINES, Empty())),
        part_of(Service.AUTH, asking.call(LIST_CONNECTIONS, Empty())),
    )
    known = pipelines.value.pipelines if pipelines.value else ()
    found = page.value.deletions if page.value else ()
    return View(
        page, lines_of(found, known, connections.value.connections if connections.value else ()), known
    )


def lines_of(
    deletions: Iterable[WaitingDeletion], pipelines: Iterable[Pipeline], connections: Iterable[Connection]
) -> tuple[Line, ...]:
    """Each with the name of its pipeline and a link to its record. Pure."""
    by_id: Mapping[str, Pipeline] = {p.id: p for p in pipelines}
    connection_of: Mapping[str, Connection] = {c.id: c for c in connections}
    lines: list[Line] = []
    for deletion in deletions:
        pipeline = by_id.get(deletion.pipeline)
        zoho = connection_of.get(pipeline.zoho_connection) if pipeline else None
        name = pipeline.name if pipeline else f"Pipeline {deletion.pipeline}"
        lines.append(Line(deletion, name, record_link(zoho, deletion.module, deletion.zoho_id)))
    return tuple(lines)
