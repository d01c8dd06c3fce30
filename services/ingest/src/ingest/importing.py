"""Imports deliveries: one at a time per tenant, tenants in turns. What is done with one is in `one_delivery`.

The table of deliveries is the queue. A delivery is taken under the tenant's lease; a process that dies
lets the lease run out, and the next one begins again from the files, to the same end.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from prometheus_client import Histogram
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis import leases
from chassis.cause import Cause
from chassis.database import is_unreachable
from chassis.leases import Lease, LeaseLost
from chassis.process import Foundation
from chassis.stop_list import StopList, StopListIncomplete
from chassis.wakeups import pause
from contracts.actor import ActorKind
from contracts.events import DeliveryFailed
from contracts.ids import TenantId, Uuid
from contracts.rpc.ingest import DeliveryState
from ingest import store
from ingest.ending import SUPERSEDED, deliveries_total, end
from ingest.format_overrides import Formats
from ingest.one_delivery import NothingReadable, OneDelivery
from ingest.originals import remove_kunden, remove_stopped
from ingest.progress import shown_progress
from ingest.settings import IngestSettings
from ingest.spool import Spool
from ingest.table_format import Format
from ingest.tables import DeliveryRow
from ingest.versions import Import

if TYPE_CHECKING:
    from ingest.reading import ReadDelivery

log: structlog.stdlib.BoundLogger = structlog.get_logger()

POLL_SECONDS = 2.0
"""How long a delivery that another replica received may go unnoticed."""
LEASE = "import"
_TOO_MUCH = frozenset({"57014", "53100", "53200", "53400"})
"""PostgreSQL's codes: the statement took too long; disk full, out of memory, above a configured limit."""

import_seconds = Histogram(
    "ingest_import_seconds", "Time to import a delivery", buckets=(0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800)
)


@dataclass(slots=True)
class Importer:
    """The importing half of the service. `wake` says that there is something to do."""

    base: Foundation
    settings: IngestSettings
    formats: Formats
    spool: Spool
    stop_list: StopList
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    async def prepare(self) -> None:
        """A delivery begins to come in: load meanwhile what reads it. Not before, because polars costs memory
        that a service does not need while it only waits."""
        await asyncio.to_thread(import_module, "ingest.reading")

    async def run(self) -> None:
        """Import whatever waits, for ever."""
        while True:
            self.wake.clear()
            try:
                imported = await self.import_waiting()
            except Exception as error:
                if not is_unreachable(error):
                    raise
                log.warning("import.postponed", reason="PostgreSQL is away")
                imported = False
            if not imported:
                await pause(self.wake, POLL_SECONDS)

    async def import_waiting(self) -> bool:
        """Import one delivery, of the first tenant whose turn it is and whom no other replica serves;
        whether there was any. Who comes meanwhile waits for this one alone: the queue is asked each time.

        The queue is asked as the all-tenants role; all else happens as one tenant.
        """
        async with self.base.all_tenants.unbound() as session:
            tenants = await store.tenants_with_work(session)
        for tenant in tenants:
            if await self._import_next_of(tenant):
                return True
        return False

    async def _import_next_of(self, tenant: TenantId) -> bool:
        async with self.base.database.tenant(tenant) as session:
            lease = await leases.take(
                session, tenant, LEASE, owner=self.settings.replica, lasting=self.settings.import_lease
            )
            if lease is None:
                return False
            delivery = await store.next_delivery(session, tenant)
            if delivery is None:  # another replica was quicker
                await leases.give_back(session, lease)
                return False
            died = delivery.attempts  # processes that ended in the middle of it
            hopeless = await self._hopeless(session, delivery)
            await store.change_delivery(
                session,
                delivery.id,
                state=DeliveryState.IMPORTING,
                started_at=datetime.now(UTC),
                progress={},
                attempts=died + 1,
            )
        released = delivery.released_at is not None
        current = Import(tenant, Uuid(delivery.id), delivery.as_of, cause_of(delivery), released)
        with current.cause.bound(delivery=delivery.id), import_seconds.time():
            try:
                async with leases.extended(self.base.database, lease, lasting=self.settings.import_lease):
                    if hopeless:
                        await self._fail(current, lease, hopeless)
                    else:
                        await self._import_or_fail(current, lease)
                async with self.base.database.tenant(tenant) as session:
                    await leases.give_back(session, lease)
            except LeaseLost:
                log.warning("import.lease_lost")
            except (Exception, asyncio.CancelledError):
                await self._put_back(current, lease, died)
                raise
        return True

    async def _hopeless(self, session: AsyncSession, delivery: DeliveryRow) -> str | None:
        """Why it is not tried (again). Under the lease, nothing newer can be imported meanwhile."""
        if delivery.attempts >= self.settings.import_attempts:
            return f"Nach {delivery.attempts} Versuchen nicht importiert."
        if delivery.released_at is None and await store.is_superseded(session, delivery):
            return SUPERSEDED
        return None  # one that was released too late is held again, for the person who released it

    async def _put_back(self, current: Import, lease: Lease, died: int) -> None:
        """Stopped in order, or PostgreSQL went away: this attempt does not count, if that can be said. A
        delivery that has ended stays as it is."""
        with suppress(Exception):
            async with self.base.database.tenant(current.tenant) as session:
                await leases.check(session, lease)
                await store.change_importing(
                    session, current.delivery, state=DeliveryState.WAITING, attempts=died
                )
                await leases.give_back(session, lease)

    async def _import_or_fail(self, current: Import, lease: Lease) -> None:
        """A fault of ours fails this delivery; it must not stop those behind it."""
        try:
            form = await self.formats.of(current.tenant)
            import_ = OneDelivery(self.base, self.settings, self.spool, self.stop_list)
            async with shown_progress(self.base.database, current.tenant, current.delivery) as progress:
                left_out = await import_(current, lease, form, progress)
        except LeaseLost:
            raise
        except NothingReadable as nothing:
            await self._fail(current, lease, "Keine Datei war lesbar.", nothing.read)
        except StopListIncomplete as error:
            await self._fail(current, lease, str(error))
        except Exception as error:
            if is_unreachable(error) and not _will_fail_again(error):
                raise
            log.exception("import.failed")
            await self._fail(current, lease, f"Fehler im Connector: {type(error).__name__} (siehe Log)")
        else:
            if left_out:  # not before: an import that begins again must find the files as they came
                await self._clean_files(current, lambda folder, form: remove_kunden(folder, form, left_out))

    async def _clean_files(self, current: Import, clean: Callable[[Path, Format], object]) -> None:
        """Kunden who were left out go from the files too. The delivery has ended, whatever comes of this."""
        try:
            form = await self.formats.of(current.tenant)
            folder = self.spool.delivery(current.tenant, current.delivery)
            await asyncio.to_thread(clean, folder, form)
        except Exception:
            log.exception("originals.not_cleaned")

    async def _fail(
        self, current: Import, lease: Lease, reason: str, read: "ReadDelivery | None" = None
    ) -> None:
        told = DeliveryFailed(delivery=current.delivery, reason=reason)
        async with self.base.database.tenant(current.tenant) as session:
            ended = await end(session, self.base.outbox, current, DeliveryState.FAILED, told, read)
            await leases.check(session, lease)
        if ended:
            log.error("delivery.failed", reason=reason)
            deliveries_total.labels("failed").inc()
        await self._clean_files(
            current, lambda folder, form: remove_stopped(folder, form, self.stop_list, current.tenant)
        )


def _will_fail_again(error: Exception) -> bool:
    """Whether PostgreSQL is there, but this import takes too long for it, or more than it has (disk,
    memory): tried for ever, it would hold up all other tenants."""
    sqlstate: str | None = getattr(getattr(error, "orig", error), "sqlstate", None)
    return sqlstate in _TOO_MUCH


def cause_of(delivery: DeliveryRow) -> Cause:
    """Everything that a delivery leads to belongs to one chain, on behalf of who sent it."""
    actor = ActorKind(delivery.actor_kind), delivery.actor_id
    return Cause(TenantId(delivery.tenant), *actor, Uuid(delivery.correlationid))
