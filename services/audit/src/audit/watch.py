"""Knows whether the store is there and prepared, prepares it, and notices when it lost its memory."""

import asyncio
from datetime import UTC, datetime

import structlog
from opensearchpy.exceptions import OpenSearchException

from audit.event_index import EventIndex, StoreUnavailable
from audit.mapping import MAPPING_VERSION, Fill, Marker, month_index
from chassis.wakeups import pause
from contracts.ids import new_id

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LOOK_SECONDS = 2.0
RETRY_SECONDS = 0.5
SAY_AGAIN_SECONDS = 30.0


class Stopping(Exception):  # noqa: N818
    """The process ends while somebody waits for the store."""


class StoreWatch:
    """Run by one task per process.

    `marker` is what the store said last, None while it is not usable.
    """

    def __init__(self, index: EventIndex, prefix: str, *, embedded: bool) -> None:
        self._index = index
        self._prefix = prefix
        self._embedded = embedded
        self._usable = asyncio.Event()
        self._look_now = asyncio.Event()
        self._prepared = False
        self._said_at = float("-inf")
        self._stopping = False
        self.marker: Marker | None = None
        self.filling = asyncio.Event()

    async def run(self) -> None:
        """Look at the store until cancelled."""
        while True:
            self._look_now.clear()
            try:
                await self._look()
            except (StoreUnavailable, OpenSearchException) as error:
                self._forget()
                self._say(error)
            await pause(self._look_now, LOOK_SECONDS if self.marker else RETRY_SECONDS)

    async def usable(self) -> Marker:
        """Wait until the store is prepared; its marker. Raises Stopping."""
        while self.marker is None:
            if self._stopping:
                raise Stopping
            await self._usable.wait()
        return self.marker

    def stop(self) -> None:
        """The process ends: those who wait for a store that is away shall not hold it up."""
        self._stopping = True
        self._usable.set()

    def usable_now(self) -> Marker:
        """The marker. Raises StoreUnavailable."""
        if self.marker is None:
            raise StoreUnavailable("OpenSearch")
        return self.marker

    async def check(self) -> None:
        """For `/health/ready`. Raises StoreUnavailable."""
        self.usable_now()

    def lost(self) -> None:
        """Somebody could not reach the store: nothing goes on before it has been looked at again."""
        self._forget()
        self._look_now.set()

    async def filled(self, store: str, fill: Fill) -> None:
        """Remember, in the store, how much of EVENTS it holds. Raises StoreUnavailable."""
        marker = Marker(store, fill)
        await self._index.put_marker(marker)
        self._found(marker)

    async def _look(self) -> None:
        marker = await self._index.marker()
        if marker is None:
            marker = await self._take_over()
        elif not self._prepared:
            await self._prepare(marker)
        self._prepared = True
        if self.marker is None:
            log.info("opensearch.ready", store=marker.store, holds=marker.fill.value)
        self._found(marker)

    async def _take_over(self) -> Marker:
        """Make a store ours that is new, or lost its memory."""
        self._prepared = False
        if self._embedded:
            # What came in between its start and now has mappings that the store guessed.
            for name in await self._index.months():
                await self._index.delete_index(name)
        marker = Marker(new_id(), Fill.FILLING if self._embedded else Fill.WHOLE)
        await self._index.put_marker(marker)
        await self._prepare(marker)
        return marker

    async def _prepare(self, marker: Marker) -> None:
        """Bring a store that may be of an older release to ours; one of a newer release stays as it is."""
        if marker.mapping_version < MAPPING_VERSION:
            await self._index.put_marker(Marker(marker.store, marker.fill))
        if marker.mapping_version <= MAPPING_VERSION:
            await self._index.add_new_fields()
        await self._index.create_month(month_index(self._prefix, f"{datetime.now(UTC):%Y.%m}"))

    def _found(self, marker: Marker) -> None:
        self.marker = marker
        self._said_at = float("-inf")
        self._usable.set()
        if marker.fill is Fill.FILLING:
            self.filling.set()
        else:
            self.filling.clear()

    def _forget(self) -> None:
        self.marker = None
        if not self._stopping:
            self._usable.clear()
        self.filling.clear()

    def _say(self, error: Exception) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._said_at >= SAY_AGAIN_SECONDS:
            self._said_at = now
            log.warning("opensearch.waiting", error=str(error)[:300])
