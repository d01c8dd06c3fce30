"""Fills a memory-only store from EVENTS, newest first, after it lost its memory.

Messages are got one by one by their sequence: that needs no consumer, so no right to create any.
"""

import asyncio
from datetime import datetime

import structlog
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from pydantic import ValidationError

from audit.documents import Document, document_of, place_of
from audit.event_index import EventIndex, StoreBusy, StoreUnavailable
from audit.mapping import Fill, Marker
from audit.watch import StoreWatch
from contracts.events import Event
from contracts.streams import EVENTS

log: structlog.stdlib.BoundLogger = structlog.get_logger()

CHUNK = 200
"""Messages that are asked for at the same time."""
PAUSE_AFTER_ERROR_SECONDS = 1.0
SAY_EVERY = 10
"""Chunks between two lines of progress."""


class Refill:
    """Run by one task per process; does nothing while the store's marker says that it is filled."""

    def __init__(self, index: EventIndex, watch: StoreWatch, js: JetStreamContext, *, documents: int) -> None:
        self._index = index
        self._watch = watch
        self._js = js
        self._documents = documents
        self._reached: datetime | None = None

    async def run(self) -> None:
        """Fill whenever the store says that it is not, until cancelled."""
        while True:
            await self._watch.filling.wait()
            marker = await self._watch.usable()
            try:
                await self._fill(marker)
            except (StoreUnavailable, StoreBusy, NatsError, OSError, TimeoutError) as error:
                log.warning("refill.interrupted", error=f"{type(error).__name__}: {error}"[:300])
                if isinstance(error, StoreUnavailable):
                    self._watch.lost()
                await asyncio.sleep(PAUSE_AFTER_ERROR_SECONDS)

    async def oldest_kept(self, marker: Marker) -> datetime | None:
        """From when on the store holds everything: while it fills, how far back it has got (None: not
        begun). Raises StoreUnavailable."""
        if marker.fill is Fill.FILLING:
            return self._reached
        return await self._index.oldest_time()

    async def _fill(self, marker: Marker) -> None:
        """From the newest event that EVENTS holds now, backwards; newer ones come by the subscriber."""
        self._reached = None
        state = (await self._js.stream_info(EVENTS.name)).state
        oldest = max(state.first_seq, state.last_seq - self._documents + 1, 1)
        log.info("refill.begun", events=max(state.last_seq - oldest + 1, 0))
        indexed = 0
        for round_, newest in enumerate(range(state.last_seq, oldest - 1, -CHUNK)):
            got = await asyncio.gather(
                *(self._document(n) for n in range(newest, max(newest - CHUNK, oldest - 1), -1))
            )
            documents = [document for document in got if document is not None]
            if documents:
                await self._index.write(documents, store=marker.store)
                self._reached = datetime.fromisoformat(documents[-1].body["time"])
            indexed += len(documents)
            if round_ % SAY_EVERY == 0:
                log.info("refill.progress", indexed=indexed, of=state.last_seq - oldest + 1)
        whole = oldest <= max(state.first_seq, 1)
        await self._watch.filled(marker.store, Fill.WHOLE if whole else Fill.NEWEST)
        log.info("refill.done", indexed=indexed)

    async def _document(self, sequence: int) -> Document | None:
        """The document of one message; None if it is gone, or no event (then the subscriber parks it)."""
        try:
            message = await self._js.get_msg(EVENTS.name, sequence)
        except NotFoundError:
            return None
        try:
            event = Event.model_validate_json(message.data or b"")
        except ValidationError:
            return None
        headers: dict[str, str] = message.headers or {}  # pyright: ignore[reportUnknownVariableType]
        return document_of(event, place_of(headers, sequence))
