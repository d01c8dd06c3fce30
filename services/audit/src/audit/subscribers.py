"""What audit hears: every event, and requests for the Aktivitätslog."""

from audit.indexing import Indexing
from audit.searching import Searching
from audit.settings import Settings
from chassis.process import Foundation
from chassis.rpc import Caller, serve
from chassis.subscriber import subscribe_batches
from contracts.events import Event, RequestsRefused, SignedIn
from contracts.rpc.audit import (
    COUNT,
    INSTALLATION_LOG,
    SEARCH,
    CountLog,
    InstallationLog,
    LogCounts,
    LogFilter,
    LogPage,
    SearchLog,
)
from contracts.streams import AUDIT_EVENTS
from contracts.subjects import SYSTEM_TENANT

_OF_THE_INSTALLATION = LogFilter(types=(SignedIn.event_name, RequestsRefused.event_name))


def register(base: Foundation, settings: Settings, indexing: Indexing, searching: Searching) -> None:
    """Subscribe to everything; begins with `base.start()`."""
    broker = base.broker.faststream

    async def search(request: SearchLog, caller: Caller) -> LogPage:
        return await searching.page(request, caller.tenant)

    async def count(request: CountLog, caller: Caller) -> LogCounts:
        return await searching.counts(request, caller.tenant)

    async def installation_log(request: InstallationLog, caller: Caller) -> LogPage:  # noqa: ARG001
        wanted = SearchLog(filter=_OF_THE_INSTALLATION, limit=request.limit)
        return await searching.page(wanted, SYSTEM_TENANT)

    serve(broker, SEARCH, search)
    serve(broker, COUNT, count)
    serve(broker, INSTALLATION_LOG, installation_log)
    subscribe_batches(
        broker,
        AUDIT_EVENTS,
        Event,
        indexing.index,
        park=base.parking,
        size=settings.bulk_events,
        wait_seconds=settings.bulk_wait_seconds,
    )
