"""Wires audit together."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from audit import subscribers
from audit.event_index import EventIndex
from audit.indexing import Indexing
from audit.refill import Refill
from audit.retention import Housekeeping
from audit.searching import Searching
from audit.settings import Settings
from audit.watch import StoreWatch
from chassis.process import Foundation, foundation


@asynccontextmanager
async def running(settings: Settings) -> AsyncGenerator[Foundation]:
    """Audit, started. While OpenSearch is away it stays up, is not ready, and acknowledges nothing."""
    index = EventIndex(settings.opensearch_url, settings.index_prefix, bulk_bytes=settings.bulk_bytes)
    watch = StoreWatch(index, settings.index_prefix, embedded=settings.embedded)
    try:
        async with foundation(settings) as base:
            base.health.checks["opensearch"] = watch.check
            refill = Refill(index, watch, base.broker.js, documents=settings.embedded_documents)
            housekeeping = Housekeeping(
                index,
                watch,
                base.all_tenants,
                months=settings.retention,
                keep_documents=settings.embedded_documents if settings.embedded else None,
            )
            subscribers.register(
                base,
                settings,
                Indexing(index, watch, base.database, base.parking),
                Searching(index, watch, refill, page_bytes=settings.page_bytes),
            )
            base.in_background("store-watch", watch.run())
            base.in_background("housekeeping", housekeeping.run())
            if settings.embedded:
                base.in_background("refill", refill.run())
            await base.start()
            try:
                yield base
            finally:
                watch.stop()
    finally:
        await index.close()
