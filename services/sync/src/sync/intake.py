"""From messages to rows of work: the queue is the table, the stream only carries."""

from chassis.batching import Batcher
from chassis.cause import Cause
from chassis.database import Database
from chassis.subscriber import Received
from contracts.actor import ActorKind
from contracts.ids import PipelineId, TenantId
from contracts.names import Table
from contracts.work import CHUNK_SIZE, LookAtZohoRecord, ObjectsChanged
from sync import bulk_store, pipeline_store, work_store
from sync.stopping import Stopping, skipped_kunde, skipped_record
from sync.work_store import Lane, lane_of

MOST_AT_ONCE = 100
"""Webhooks in one transaction."""


class Intake:
    """Each call commits before it returns; the message is acknowledged after that.

    What is on the stop list becomes no work, and is told. While the list cannot be used, messages come again.
    """

    def __init__(self, database: Database, stopping: Stopping, *, bulk_min_rows: int) -> None:
        self._database = database
        self._many = min(bulk_min_rows, CHUNK_SIZE)
        """Objects of a chunk that may be one of so many that a bulk write is worth it."""
        self._stopping = stopping
        self._webhooks = Batcher(self._store_webhooks, size=MOST_AT_ONCE)

    async def look_at_record(self, message: Received[LookAtZohoRecord]) -> None:
        """A webhook: one row per record, however often it comes. Many at once share a transaction."""
        work = message.body
        await self._webhooks.add((work.tenant, work.pipeline), work)

    async def _store_webhooks(self, key: tuple[TenantId, PipelineId], works: list[LookAtZohoRecord]) -> None:
        tenant, pipeline = key
        causes = {str(work.zoho_id): _cause(work, ActorKind.ZOHO) for work in works}
        stopped = await self._stopping.records(tenant, causes)
        async with self._database.tenant(tenant) as session:
            for zoho_id in sorted(stopped):
                await self._stopping.tell(session, causes.pop(zoho_id), skipped_record(pipeline, zoho_id))
            if causes:
                await work_store.intake(
                    session,
                    tenant,
                    pipeline=pipeline,
                    direction="to_ameise",
                    lane=Lane.WEBHOOK,
                    objects=causes,
                )

    async def objects_changed(self, message: Received[ObjectsChanged]) -> None:
        """A chunk of a delivery: a row per object and pipeline that its table goes through."""
        work = message.body
        cause = _cause(work, ActorKind.BLAUDIREKT)
        keys = [changed.key for changed in work.objects]
        is_kunde = work.table is Table.KUNDE
        stopped = await self._stopping.kunden(work.tenant, keys) if is_kunde else frozenset[str]()
        objects = {str(key): cause for key in keys if key not in stopped}
        async with self._database.tenant(work.tenant) as session:
            await self._stopping.tell(session, cause, *(skipped_kunde(None, key) for key in sorted(stopped)))
            for pipeline in await pipeline_store.fed_by(session, work.table):
                if len(objects) >= self._many:
                    await bulk_store.gather(session, pipeline)
                await work_store.intake(
                    session,
                    work.tenant,
                    pipeline=pipeline.id,
                    direction="to_zoho",
                    lane=lane_of(work.table),
                    objects=objects,
                )


def _cause(work: LookAtZohoRecord | ObjectsChanged, kind: ActorKind) -> Cause:
    return Cause(work.tenant, kind, kind.value, work.correlationid, work.id)
