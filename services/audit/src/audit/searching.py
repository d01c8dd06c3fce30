"""Answers what is asked of the Aktivitätslog."""

import structlog
from pydantic import ValidationError

from audit import queries
from audit.event_index import EventIndex, StoreUnavailable
from audit.mapping import Fill
from audit.refill import Refill
from audit.watch import StoreWatch
from contracts.events import Event
from contracts.ids import TenantId
from contracts.problems import Unavailable
from contracts.rpc.audit import CountLog, LogCounts, LogPage, SearchLog

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Searching:
    """Searches for one tenant at a time."""

    def __init__(self, index: EventIndex, watch: StoreWatch, refill: Refill, *, page_bytes: int) -> None:
        self._index = index
        self._watch = watch
        self._refill = refill
        self._page_bytes = page_bytes

    async def page(self, request: SearchLog, tenant: queries.OneTenant) -> LogPage:
        """One page, newest first. It is shorter than asked for where its events would not fit into a
        reply. Raises Invalid, Unavailable."""
        # One more than asked for says whether there is a next page.
        body = queries.page(tenant, request.filter, size=request.limit + 1, after=request.after)
        try:
            marker = self._watch.usable_now()
            hits = (await self._index.find(body))["hits"]
            oldest = None if marker.fill is Fill.WHOLE else await self._refill.oldest_kept(marker)
        except StoreUnavailable as error:
            raise _away() from error
        events: list[Event] = []
        shown = size = 0
        for hit in hits["hits"][: request.limit]:
            event = _event(hit["_source"]["event"])
            size += len(event.model_dump_json()) if event else 0
            if events and size > self._page_bytes:
                break
            shown += 1
            events += [event] if event else []
        since = request.filter.since
        all_kept = marker.fill is Fill.WHOLE or bool(since and oldest and since >= oldest)
        return LogPage(
            events=tuple(events),
            total=hits["total"]["value"],
            total_is_exact=hits["total"]["relation"] == "eq" and all_kept,
            next_page=queries.page_end(hits["hits"][shown - 1]["sort"])
            if shown < len(hits["hits"])
            else None,
            oldest_kept=oldest,
        )

    async def counts(self, request: CountLog, tenant: TenantId) -> LogCounts:
        """How many, by a field. Raises Unavailable."""
        try:
            self._watch.usable_now()
            answer = await self._index.find(queries.counts(tenant, request.filter, request.by))
        except StoreUnavailable as error:
            raise _away() from error
        return LogCounts(counts=queries.counted(answer, request.by))


def _away() -> Unavailable:
    return Unavailable(
        "Der Speicher des Aktivitätslogs (OpenSearch) antwortet nicht.",
        remedy="Gleich noch einmal versuchen.",
    )


def _event(stored: object) -> Event | None:
    """A stored event; None for one that a newer release told in a form that this one cannot read."""
    try:
        return Event.model_validate(stored)
    except ValidationError as error:
        log.warning("search.unreadable_event", errors=error.error_count())
        return None
