"""The page of conflicts that a person must decide: by record, with what became of the last decisions."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from contracts.events import Event
from contracts.ids import PipelineId, Uuid, ZohoId
from contracts.names import Service
from contracts.rpc import Empty
from contracts.rpc.audit import SEARCH, LogFilter, SearchLog
from contracts.rpc.auth import LIST_CONNECTIONS, Connection
from contracts.rpc.sync import LIST_PIPELINES, Pipeline
from contracts.rpc.sync_pipelines import LIST_CONFLICTS, DecideConflict, ListConflicts, OpenConflict
from gateway.asking import Asking
from gateway.log_page import LogLine, line_of, mapping_of
from gateway.overview import Part, part_of
from gateway.zoho_links import record_link

MOST = 200
"""Fields on one page, the oldest first."""
DECISIONS = 10
"""Shown with what became of them."""
_DECIDED = "conflict_decided"


@dataclass(frozen=True, slots=True)
class Record:
    """One link with its fields that wait for a decision, the oldest first."""

    link: int
    pipeline: PipelineId
    pipeline_name: str
    module: str
    key: str
    zoho_id: ZohoId
    ameise_link: str | None
    zoho_link: str | None
    fields: tuple[OpenConflict, ...]

    @property
    def since(self) -> datetime:
        return self.fields[0].since


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided, and what happened then."""

    line: LogLine
    fields: tuple[str, ...]
    words: str
    afterwards: tuple[LogLine, ...]


@dataclass(frozen=True, slots=True)
class View:
    records: Part[tuple[Record, ...]]
    decisions: Part[tuple[Decision, ...]]
    pipelines: tuple[Pipeline, ...]
    count: int
    next_page: str | None


async def gather(asking: Asking, pipeline: PipelineId | None, after: str | None) -> View:
    """All parts at once; each may fail alone. `after`: the page before. Raises ValueError if it is none."""
    wanted = ListConflicts(pipeline=pipeline, limit=MOST, after=after)
    conflicts, pipelines, connections, decisions = await asyncio.gather(
        part_of(Service.SYNC, asking.call(LIST_CONFLICTS, wanted)),
        part_of(Service.SYNC, asking.call(LIST_PIPELINES, Empty())),
        part_of(Service.AUTH, asking.call(LIST_CONNECTIONS, Empty())),
        part_of(Service.AUDIT, _decisions(asking, pipeline)),
    )
    known = pipelines.value.pipelines if pipelines.value else ()
    found = conflicts.value.conflicts if conflicts.value else ()
    records = records_of(found, known, connections.value.connections if connections.value else ())
    return View(
        records=Part(records, conflicts.problem),
        decisions=decisions,
        pipelines=known,
        count=len(found),
        next_page=conflicts.value.next_page if conflicts.value else None,
    )


def records_of(
    conflicts: Iterable[OpenConflict], pipelines: Iterable[Pipeline], connections: Iterable[Connection]
) -> tuple[Record, ...]:
    """The fields by record, in the order in which the records were first asked about. Pure."""
    by_id: dict[str, Pipeline] = {p.id: p for p in pipelines}
    connection_of: dict[str, Connection] = {c.id: c for c in connections}
    by_link: dict[int, list[OpenConflict]] = {}
    for conflict in conflicts:
        by_link.setdefault(conflict.link, []).append(conflict)
    return tuple(_record(fields, by_id, connection_of) for fields in by_link.values())


def _record(
    fields: list[OpenConflict], pipelines: Mapping[str, Pipeline], connections: Mapping[str, Connection]
) -> Record:
    first = fields[0]
    pipeline = pipelines.get(first.pipeline)
    zoho = connections.get(pipeline.zoho_connection) if pipeline else None
    module = pipeline.module if pipeline else ""
    return Record(
        link=first.link,
        pipeline=first.pipeline,
        pipeline_name=pipeline.name if pipeline else f"Pipeline {first.pipeline}",
        module=module,
        key=first.key,
        zoho_id=first.zoho_id,
        ameise_link=first.ameise_link,
        zoho_link=record_link(zoho, module, first.zoho_id),
        fields=tuple(fields),
    )


async def _decisions(asking: Asking, pipeline: PipelineId | None) -> tuple[Decision, ...]:
    """The last ones. Raises Problem."""
    decided = LogFilter(types=(_DECIDED,), pipeline=pipeline)
    page = await asking.call(SEARCH, SearchLog(filter=decided, limit=DECISIONS))
    operations = dict.fromkeys(event.correlationid for event in page.events)
    told = await asyncio.gather(*(_all_of(asking, operation) for operation in operations))
    afterwards = dict(zip(operations, told, strict=True))
    return tuple(_decision(event, afterwards[event.correlationid]) for event in page.events)


async def _all_of(asking: Asking, operation: Uuid) -> tuple[Event, ...]:
    return (await asking.call(SEARCH, SearchLog(filter=LogFilter(correlationid=operation)))).events


def _decision(event: Event, told: Iterable[Event]) -> Decision:
    fields = mapping_of(event.data.get("object")).get("fields") or ()
    then = [other for other in told if other.type != _DECIDED]
    return Decision(
        line=line_of(event),
        fields=tuple(map(str, fields)),
        words=str(event.data.get("reason") or ""),
        afterwards=tuple(map(line_of, sorted(then, key=lambda other: other.time))),
    )


def decision_of(link: str | None, fields: list[str], button: str | None) -> DecideConflict:
    """What a form asks for: `button` is `winner` for all `fields`, or `winner:field`. Raises ValueError."""
    winner, _, one = (button or "").partition(":")
    names = [one] if one else fields
    return DecideConflict.model_validate(
        {"link": link, "field": names[0] if names else "", "winner": winner, "also": names[1:]}
    )
