"""From messages to rows of work: the queue is the table, the stream only carries."""

from dataclasses import dataclass

import structlog

from chassis.cause import Cause
from chassis.database import Database
from chassis.subscriber import Received
from contracts.actor import ActorKind
from contracts.names import Table
from contracts.work import LookAtZohoRecord, ObjectsChanged
from sync import pipeline_store, work_store
from sync.work_store import Lane

log: structlog.stdlib.BoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Intake:
    """Each call commits before it returns; the message is acknowledged after that."""

    database: Database

    async def look_at_record(self, message: Received[LookAtZohoRecord]) -> None:
        """A webhook: one row per record, however often it comes."""
        work = message.body
        cause = Cause(work.tenant, ActorKind.ZOHO, ActorKind.ZOHO.value, work.correlationid, work.id)
        async with self.database.tenant(work.tenant) as session:
            await work_store.intake(
                session,
                cause,
                pipeline=work.pipeline,
                direction="to_ameise",
                lane=Lane.WEBHOOK,
                objects=[work.zoho_id],
            )

    async def objects_changed(self, message: Received[ObjectsChanged]) -> None:
        """A chunk of a delivery: a row per object and pipeline that its table goes through."""
        work = message.body
        cause = Cause(
            work.tenant, ActorKind.BLAUDIREKT, ActorKind.BLAUDIREKT.value, work.correlationid, work.id
        )
        async with self.database.tenant(work.tenant) as session:
            for pipeline in await pipeline_store.fed_by(session, work.table):
                await work_store.intake(
                    session,
                    cause,
                    pipeline=pipeline.id,
                    direction="to_zoho",
                    lane=Lane.AFTER_CHUNK if work.table is Table.VERTRAG else Lane.CHUNK,
                    objects=[changed.key for changed in work.objects],
                )
