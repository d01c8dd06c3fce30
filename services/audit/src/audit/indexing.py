"""Takes a batch of events: into the index, what it refuses into parking, their numbers into the database.

Everything is done when `index` returns, so the batch may be acknowledged; it may run twice.
"""

from collections import defaultdict

import structlog

from audit.documents import document_of, place_of
from audit.event_index import EventIndex, Refusal, StoreUnavailable
from audit.store import add_seen
from audit.watch import StoreWatch
from chassis.database import Database
from chassis.parking import Parking
from chassis.subscriber import Received, Unreadable
from contracts.events import Event, MessageParked
from contracts.names import Service
from contracts.streams import EVENTS
from contracts.subjects import EventTenant

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Indexing:
    """Given to the subscriber."""

    def __init__(self, index: EventIndex, watch: StoreWatch, database: Database, parking: Parking) -> None:
        self._index = index
        self._watch = watch
        self._database = database
        self._parking = parking

    async def index(self, batch: list[Received[Event]]) -> None:
        """Index a batch; while the store is away, wait with it in hand, unacknowledged.

        Raises StoreBusy, SQLAlchemyError, Stopping: then the whole batch comes again.
        """
        documents = [document_of(r.body, place_of(r.headers, r.sequence)) for r in batch]
        while True:
            marker = await self._watch.usable()
            try:
                refusals = await self._index.write(documents, store=marker.store)
                break
            except StoreUnavailable:
                self._watch.lost()
        by_id = {received.body.id: received for received in batch}
        for refusal in refusals:
            await self._park(by_id[refusal.document.id], refusal)
        await self._remember(batch)

    async def _park(self, received: Received[Event], refusal: Refusal) -> None:
        event = received.body
        log.error("event.refused", type=event.type, id=event.id, reason=refusal.reason)
        # A store that refuses the event "parked" too must not bring forth another one, without end.
        tell = not (event.source is Service.AUDIT and event.type == MessageParked.event_name)
        raw = event.model_dump_json(exclude_none=True).encode()
        message = Unreadable(EVENTS.name, received.sequence, received.subject, raw, refusal.reason)
        await self._parking(message, tell=tell)

    async def _remember(self, batch: list[Received[Event]]) -> None:
        """One transaction per tenant, so that row-level security holds here too."""
        seen: defaultdict[EventTenant, list[tuple[Service, int, int]]] = defaultdict(list)
        for received in batch:
            place = place_of(received.headers, received.sequence)
            if place.epoch is not None and place.number is not None:
                seen[received.body.tenant].append((received.body.source, place.epoch, place.number))
        for tenant, numbers in seen.items():
            await add_seen(self._database, tenant, numbers)
