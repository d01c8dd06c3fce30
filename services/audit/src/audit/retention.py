"""Keeps the store within its bounds: old months go; a memory-only store keeps its newest events."""

import asyncio
import re
from collections.abc import Iterable
from datetime import UTC, datetime

import structlog
from opensearchpy.exceptions import OpenSearchException
from prometheus_client import Gauge
from sqlalchemy.exc import SQLAlchemyError

from audit.event_index import EventIndex, StoreUnavailable
from audit.mapping import Fill
from audit.store import count_missing
from audit.watch import StoreWatch
from chassis.database import Database

log: structlog.stdlib.BoundLogger = structlog.get_logger()

EVERY_SECONDS = 15.0
"""At 650 documents a second, which is what the memory-only store takes, about 10,000 too many."""

missing_events = Gauge(
    "audit_missing_events", "Events below the highest number seen that never came, by service", ["source"]
)

_MONTH = re.compile(r"-(\d{4})\.(\d{2})$")


def too_old(names: Iterable[str], *, now: datetime, months: int) -> list[str]:
    """Which monthly indices (`...-YYYY.MM`) lie more than `months` before the month of `now`."""
    current = now.year * 12 + now.month
    return [
        name
        for name in names
        if (month := _MONTH.search(name)) and int(month[1]) * 12 + int(month[2]) < current - months
    ]


class Housekeeping:
    """Run by one task per process; any number may do the same work."""

    def __init__(
        self,
        index: EventIndex,
        watch: StoreWatch,
        all_tenants: Database,
        *,
        months: int,
        keep_documents: int | None,
    ) -> None:
        self._index = index
        self._watch = watch
        self._all_tenants = all_tenants
        self._months = months
        self._keep_documents = keep_documents

    async def run(self) -> None:
        """Tidy up now and then, until cancelled."""
        while True:
            await self._watch.usable()
            try:
                await self.tidy_up()
            except (StoreUnavailable, OpenSearchException, SQLAlchemyError) as error:
                log.warning("housekeeping.postponed", error=type(error).__name__)
            await asyncio.sleep(EVERY_SECONDS)

    async def tidy_up(self) -> None:
        """One round. Raises StoreUnavailable, SQLAlchemyError."""
        for name in too_old(await self._index.months(), now=datetime.now(UTC), months=self._months):
            await self._index.delete_index(name)
            log.info("retention.deleted", index=name)
        if self._keep_documents is not None:
            await self._drop_oldest(self._keep_documents)
        for service, missing in (await count_missing(self._all_tenants)).items():
            missing_events.labels(service.value).set(missing)

    async def _drop_oldest(self, keep: int) -> None:
        """Not while it fills: the store then says itself how far it reaches back."""
        marker = self._watch.marker
        if marker is None or marker.fill is Fill.FILLING:
            return
        while deleted := await self._index.delete_oldest(keep=keep):
            log.info("retention.oldest_deleted", documents=deleted)
            if marker.fill is not Fill.NEWEST:
                await self._watch.filled(marker.store, Fill.NEWEST)
