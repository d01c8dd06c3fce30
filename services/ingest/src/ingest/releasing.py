"""A person decides on a held delivery: release it, or reject it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.cause import Cause
from chassis.database import Database
from chassis.outbox import Outbox
from chassis.stop_list import StopList
from contracts.events import DeliveryRejected, DeliveryReleased
from contracts.ids import TenantId, Uuid
from contracts.names import Table
from contracts.problems import Conflict, NotFound
from contracts.rpc.ingest import DeliveryPreview, DeliveryState, DeliveryStatus, TablePreview
from ingest import store
from ingest.format_overrides import Formats
from ingest.looking import shown_delivery
from ingest.originals import remove_stopped
from ingest.spool import Spool
from ingest.tables import DeliveryRow

log: structlog.stdlib.BoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Releasing:
    """Decides, as the tenant who asks. `wake` tells the importer that there is something to do."""

    database: Database
    outbox: Outbox
    spool: Spool
    formats: Formats
    stop_list: StopList
    wake: Callable[[], None]

    async def preview(self, tenant: TenantId, delivery: Uuid) -> DeliveryPreview:
        """What the delivery would change. Raises NotFound, or Conflict if it is not held."""
        async with self.database.tenant(tenant) as session:
            row = await _held(session, delivery)
            superseded = await store.is_superseded(session, row)
        return DeliveryPreview(
            delivery=delivery,
            reasons=tuple(row.preview.get("reasons", ())),
            superseded=superseded,
            tables={
                table: TablePreview.model_validate(shown)
                for table in Table  # PostgreSQL's jsonb keeps no order
                if (shown := row.preview.get("tables", {}).get(table))
            },
        )

    async def release(self, cause: Cause, tenant: TenantId, delivery: Uuid) -> DeliveryStatus:
        """Have it imported from its files with the guards off. Raises NotFound or Conflict."""
        has_files = await asyncio.to_thread(self.spool.has_files, tenant, delivery)
        async with self.database.tenant(tenant) as session:
            row = await _held(session, delivery)
            if await store.is_superseded(session, row):
                raise Conflict(
                    "Eine neuere Lieferung ist schon importiert: diese kann nur noch abgelehnt werden.",
                    remedy="Lieferung ablehnen.",
                )
            if not has_files:
                raise Conflict(
                    "Die Dateien dieser Lieferung sind nicht mehr da.",
                    remedy="Lieferung ablehnen und neu senden lassen.",
                )
            row.state, row.attempts = DeliveryState.WAITING, 0
            row.started_at = row.finished_at = None
            row.released_at, row.released_by = datetime.now(UTC), cause.actor_id
            await self.outbox.tell(session, cause, DeliveryReleased(delivery=delivery))
        log.info("delivery.released", delivery=delivery)
        self.wake()
        return shown_delivery(row)

    async def reject(self, cause: Cause, tenant: TenantId, delivery: Uuid) -> DeliveryStatus:
        """Let it have no effect, now and later. Raises NotFound or Conflict."""
        async with self.database.tenant(tenant) as session:
            row = await _held(session, delivery)
            row.state, row.finished_at = DeliveryState.REJECTED, datetime.now(UTC)
            await self.outbox.tell(session, cause, DeliveryRejected(delivery=delivery))
        # Not before: until then it could have been released, and its import needs the files as they came.
        form, folder = await self.formats.of(tenant), self.spool.delivery(tenant, delivery)
        await asyncio.to_thread(remove_stopped, folder, form, self.stop_list, tenant)
        log.info("delivery.rejected", delivery=delivery)
        return shown_delivery(row)


async def _held(session: AsyncSession, delivery: Uuid) -> DeliveryRow:
    row = await store.delivery_to_decide_on(session, delivery)
    if row is None:
        raise NotFound(f"Die Lieferung {delivery} gibt es nicht.")
    if row.state != DeliveryState.HELD:
        raise Conflict("Diese Lieferung ist nicht angehalten.", remedy="Die Seite neu laden.")
    return row
