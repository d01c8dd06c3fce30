"""What audit hears: every event, and requests for the Aktivitätslog."""

from audit.indexing import Indexing
from audit.searching import Searching
from audit.settings import Settings
from chassis.process import Foundation
from chassis.rpc import Caller, serve
from chassis.subscriber import subscribe_batches
from contracts.events import Event
from contracts.rpc.audit import COUNT, SEARCH, CountLog, LogCounts, LogPage, SearchLog
from contracts.streams import AUDIT_EVENTS


def register(base: Foundation, settings: Settings, indexing: Indexing, searching: Searching) -> None:
    """Subscribe to everything; begins with `base.start()`."""
    broker = base.broker.faststream

    async def search(request: SearchLog, caller: Caller) -> LogPage:
        return await searching.page(request, caller.tenant)

    async def count(request: CountLog, caller: Caller) -> LogCounts:
        return await searching.counts(request, caller.tenant)

    serve(broker, SEARCH, search)
    serve(broker, COUNT, count)
    subscribe_batches(
        broker,
        AUDIT_EVENTS,
        Event,
        indexing.index,
        park=base.parking,
        size=settings.bulk_events,
        wait_seconds=settings.bulk_wait_seconds,
    )
