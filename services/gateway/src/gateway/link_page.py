"""The page of one link: both bases, what both sides say now, and what happened to it."""

import asyncio
from dataclasses import dataclass

from contracts.ids import AmeiseKey, PipelineId, ZohoId
from contracts.names import Service, System
from contracts.rpc import Empty
from contracts.rpc.audit import SEARCH, LogFilter, LogPage, SearchLog
from contracts.rpc.auth import LIST_CONNECTIONS
from contracts.rpc.sync import Pipeline
from contracts.rpc.sync_state import LINK_STATE, LinkState, LinkStateRequest
from gateway.asking import Asking
from gateway.log_page import LogLine, line_of
from gateway.overview import Part, part_of
from gateway.zoho_links import record_link

HISTORY = 20


@dataclass(frozen=True, slots=True)
class View:
    link: Part[LinkState]
    zoho_link: str | None
    history: Part[tuple[LogLine, ...]]


def request_of(pipeline: PipelineId, side: str, number: str) -> LinkStateRequest:
    """Raises ValueError."""
    if System(side) is System.ZOHO:
        ZohoId(number)
    return LinkStateRequest(pipeline=pipeline, side=System(side), id=AmeiseKey(number))


async def gather(asking: Asking, pipeline: Pipeline, wanted: LinkStateRequest) -> View:
    """All parts at once; each may fail alone. A link that is not there may still have a history."""
    of_ameise = wanted.side is System.AMEISE
    about = LogFilter(key=wanted.id) if of_ameise else LogFilter(zoho_id=ZohoId(wanted.id))
    link, connections, log = await asyncio.gather(
        part_of(Service.SYNC, asking.call(LINK_STATE, wanted)),
        part_of(Service.AUTH, asking.call(LIST_CONNECTIONS, Empty())),
        part_of(Service.AUDIT, asking.call(SEARCH, SearchLog(filter=about, limit=HISTORY))),
    )
    known = connections.value.connections if connections.value else ()
    zoho = next((c for c in known if c.id == pipeline.zoho_connection), None)
    record = link.value.zoho_id if link.value else None
    return View(
        link=link,
        zoho_link=record_link(zoho, pipeline.module, record) if record else None,
        history=Part(_lines(log.value, about, pipeline), log.problem),
    )


def _lines(page: LogPage | None, about: LogFilter, pipeline: Pipeline) -> tuple[LogLine, ...]:
    return tuple(line_of(event, about, {pipeline.id: pipeline.name}) for event in page.events) if page else ()
