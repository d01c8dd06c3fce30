"""Parked work as a CSV file for a German Excel, page by page."""

from collections.abc import AsyncGenerator, Mapping
from datetime import datetime

from chassis.german_csv import BOM, csv_line
from contracts.names import Direction
from contracts.rpc.sync_parked import LIST_PARKED, ListParked, ParkedFilter, ParkedWork, ParkedWorks
from gateway.asking import Asking
from gateway.rendering import BERLIN
from gateway.wording import label

PAGE = 500
HEADER = (
    "nummer", "seit", "pipeline", "richtung", "ursache", "objekt", "modul", "zoho_id", "grund", "worte",
    "kandidaten", "versuche", "ameise",
)  # fmt: skip


async def parked_csv(
    asking: Asking, wanted: ParkedFilter, pipelines: Mapping[str, str]
) -> AsyncGenerator[bytes]:
    """The file's bytes. The first page is asked for at once, so that a problem is one before the answer.

    `pipelines`: names by id.
    """
    request = ListParked(**wanted.model_dump(), limit=PAGE)
    first = await asking.call(LIST_PARKED, request)
    return _pieces(asking, request, first, pipelines)


async def _pieces(
    asking: Asking, request: ListParked, page: ParkedWorks, pipelines: Mapping[str, str]
) -> AsyncGenerator[bytes]:
    yield BOM + csv_line(HEADER).encode()
    while True:
        yield "".join(line(work, pipelines) for work in page.works).encode()
        if page.next_page is None:
            return
        page = await asking.call(LIST_PARKED, request.model_copy(update={"after": page.next_page}))


def line(work: ParkedWork, pipelines: Mapping[str, str]) -> str:
    """One row of the file. Pure."""
    return csv_line(
        (
            str(work.id), _by_the_clock(work.since), pipelines.get(work.pipeline, work.pipeline),
            label(Direction(work.direction)) if work.direction else None,
            label(work.cause) if work.cause else None, work.object, work.module, work.zoho_id, work.reason,
            work.words, ", ".join(work.candidates), work.attempts, work.ameise_link,
        )
    )  # fmt: skip


def _by_the_clock(at: datetime) -> datetime:
    return at.astimezone(BERLIN).replace(tzinfo=None)
