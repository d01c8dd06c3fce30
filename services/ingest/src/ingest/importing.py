"""Imports deliveries: one at a time per tenant, tenants in turns, everything visible in one transaction.

The table of deliveries is the queue. A delivery is taken under the tenant's lease; a process that dies
lets the lease run out, and the next one begins again from the files, to the same end.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from prometheus_client import Counter, Histogram
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis import leases
from chassis.cause import Cause
from chassis.database import is_unreachable, run_sql
from chassis.leases import Lease, LeaseLost
from chassis.process import Foundation
from chassis.stop_list import StopList, StopListIncomplete, check_size
from chassis.wakeups import pause
from contracts.actor import ActorKind
from contracts.events import DeliveryFailed, DeliveryHeld, DeliveryImported, EventData, TableCounts
from contracts.ids import Kundennummer, TenantId, Uuid
from contracts.names import Outcome, Table
from contracts.rpc.ingest import DeliveryState
from ingest import merging, store, versions
from ingest.archives import ArchiveLimits, unpacked
from ingest.composing import OBJECT_TABLES
from ingest.format_overrides import Formats
from ingest.guards import Incoming, Limit, Limits, is_whole, reasons_to_hold
from ingest.holding import preview_of
from ingest.originals import remove_kunden, remove_stopped
from ingest.problems import Problem, Rule, TableRejected
from ingest.progress import Progress, shown_progress
from ingest.settings import IngestSettings
from ingest.spool import Spool
from ingest.staging import Staged, stage
from ingest.stopping import leave_out
from ingest.table_format import Format
from ingest.tables import DeliveryRow
from ingest.versions import Import

if TYPE_CHECKING:
    from ingest.reading import ReadDelivery

log: structlog.stdlib.BoundLogger = structlog.get_logger()

POLL_SECONDS = 2.0
"""How long a delivery that another replica received may go unnoticed."""
LEASE = "import"
SUPERSEDED = "Eine neuere Lieferung ist schon importiert."
# A million rows are sorted and joined in memory; to compile statements takes longer than it saves; and a few
# changed rows are looked up by their keys, since what is read is in memory for the most part.
_IMPORT_SETTINGS = """
SELECT set_config('statement_timeout', :timeout, true), set_config('jit', 'off', true),
       set_config('work_mem', '64MB', true), set_config('random_page_cost', '1.1', true)
"""
_IN_ORDER_OF_NEED = (
    *(table for table in Table if table is not Table.KUNDE and table is not Table.VERTRAG),
    Table.KUNDE,
    Table.VERTRAG,
)
"""First rows get the versions of their objects at once, so what belongs to an object is written before it."""
_TOO_MUCH = frozenset({"57014", "53100", "53200", "53400"})
"""PostgreSQL's codes: the statement took too long; disk full, out of memory, above a configured limit."""

deliveries_total = Counter("ingest_deliveries_total", "Deliveries by how they ended", ["state"])
rows_total = Counter("ingest_rows_total", "Rows by what a delivery did to them", ["table", "change"])
import_seconds = Histogram(
    "ingest_import_seconds", "Time to import a delivery", buckets=(0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800)
)


class NothingReadable(Exception):  # noqa: N818
    """No file of the delivery could be read as its table."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What a delivery would do, and the Kunden who were left out because they are on the stop list."""

    counts: dict[Table, TableCounts]
    staged: dict[Table, Staged]
    left_out: set[Kundennummer]


@dataclass(slots=True)
class Importer:
    """The importing half of the service. `wake` says that there is something to do."""

    base: Foundation
    settings: IngestSettings
    form: Format
    formats: Formats
    spool: Spool
    stop_list: StopList
    wake: asyncio.Event = field(default_factory=asyncio.Event)

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
            async with shown_progress(self.base.database, current.tenant, current.delivery) as progress:
                left_out = await self._import(current, lease, progress)
        except LeaseLost:
            raise
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

    async def _import(self, current: Import, lease: Lease, progress: Progress) -> set[Kundennummer]:
        """Read the files, then in one transaction: compare, guard, merge, compose, tell. Returns the Kunden
        who were left out of what is stored now."""
        started = time.monotonic()
        form = await self.formats.of(current.tenant)
        async with self._opened(current, form) as read:
            progress.checking(read.files)
            try:
                async with self.base.database.tenant(current.tenant) as session:
                    timeout = int(self.settings.import_timeout.total_seconds() * 1000)
                    await run_sql(session, _IMPORT_SETTINGS, timeout=str(timeout))
                    await check_size(session, self.stop_list, current.tenant)
                    found = await self._compare(session, current, read, form, progress)
                    if reasons := await self._guard(session, current, read, form, found.counts):
                        await self._hold(session, current, read, reasons, found.counts)
                    else:
                        duration_ms = (time.monotonic() - started) * 1000
                        await self._merge(session, current, read, form, found, duration_ms)
                    await leases.check(session, lease)
            except NothingReadable:
                await self._fail(current, lease, "Keine Datei war lesbar.", read)
                return set()
        if reasons:
            return set()
        await self._renew_statistics(current, found)
        deliveries_total.labels("imported").inc()
        for table, count in found.counts.items():
            for change, rows in count.model_dump().items():
                rows_total.labels(table, change).inc(rows)
        log.info(
            "delivery.imported",
            seconds=round(time.monotonic() - started, 3),
            rows=sum(read_table.rows for read_table in read.tables.values()),
            problems=read.problem_count(),
        )
        return found.left_out

    async def _renew_statistics(self, current: Import, found: Compared) -> None:
        """Of a table that got its first rows PostgreSQL thinks for a while that it is empty, and would look
        for the next delivery's few changes by reading all of it."""
        async with self.base.database.tenant(current.tenant) as session:
            for table, staged in found.staged.items():
                if staged.is_first and found.counts[table].new:
                    await run_sql(session, "SELECT renew_statistics(:table)", table=table.value)

    @asynccontextmanager
    async def _opened(self, current: Import, form: Format) -> AsyncGenerator["ReadDelivery"]:
        """The delivery's files, archives unpacked, with their first lines read."""
        # Here, because polars costs memory that a service that only waits does not need.
        from ingest.reading import open_delivery  # noqa: PLC0415

        settings = self.settings
        limits = ArchiveLimits(settings.archive_bytes, settings.archive_ratio, settings.archive_entries)
        folder = self.spool.delivery(current.tenant, current.delivery)
        unpacking = ExitStack()
        contents = await asyncio.to_thread(unpacking.enter_context, unpacked(folder, limits))
        try:
            files = [path for path in contents.files if not settings.is_marker(path.name)]
            read = await asyncio.to_thread(open_delivery, files, form)
            read.problems.extend(contents.problems)
            yield read
        finally:
            await asyncio.to_thread(unpacking.close)

    async def _compare(
        self, session: AsyncSession, current: Import, read: "ReadDelivery", form: Format, progress: Progress
    ) -> Compared:
        """Stage and compare every table, and report what is doubtful about them as a whole."""
        from ingest.references import report_dangling  # noqa: PLC0415 (polars)

        counts: dict[Table, TableCounts] = {}
        staged: dict[Table, Staged] = {}
        stopped = await asyncio.to_thread(self.stop_list.stopped, current.tenant)
        left_out_kunden: set[Kundennummer] = set()
        for table, file in read.files.items():
            loaded = progress.importing(table)
            try:
                async with session.begin_nested():
                    found, staged[table] = await stage(session, file, tenant=current.tenant, loaded=loaded)
            except TableRejected as rejected:
                read.problems.append(rejected.problem)
                continue
            left_out = await leave_out(session, table, self.stop_list, stopped, current.tenant)
            left_out_kunden |= left_out.kunden
            read.tables[table] = found.with_kept(left_out.unclear)
            whole = self._is_whole(read, table)
            counts[table] = await merging.compare(
                session, read.tables[table], form[table], tenant=current.tenant,
                is_first=staged[table].is_first, whole=whole, left_out=left_out.rows,
            )  # fmt: skip
            if not whole:
                read.problems.append(Problem(found.file, Rule.NOTHING_TAKEN_FOR_GONE))
        if not staged:
            raise NothingReadable
        await report_dangling(session, read, staged, form, tenant=current.tenant)
        return Compared(counts, staged, left_out_kunden)

    def _is_whole(self, read: "ReadDelivery", table: Table) -> bool:
        """Whether all of the table came."""
        found = read.tables[table]
        return is_whole(
            rows=found.rows, rejected=found.rejected, every_row_has_key=found.every_row_has_key,
            cut_off=found.cut_off, unfinished=table in read.unfinished, limit=self._limits().rejected,
        )  # fmt: skip

    def _limits(self) -> Limits:
        of = self.settings
        return Limits(
            gone=Limit(of.gone_limit_percent, of.gone_limit_floor),
            emptied=Limit(of.fill_limit_points, of.fill_limit_floor),
            rejected=Limit(of.rejected_limit_percent, of.rejected_limit_floor),
        )

    async def _guard(
        self,
        session: AsyncSession,
        current: Import,
        read: "ReadDelivery",
        form: Format,
        counts: dict[Table, TableCounts],
    ) -> list[str]:
        """Why the delivery must be held. One that a person released passes, unless it came too late."""
        if current.released:
            row = await session.get_one(DeliveryRow, current.delivery)
            return [SUPERSEDED] if await store.is_superseded(session, row) else []
        before = await store.stored_before(session, current.tenant)
        incoming = {
            # A rejected row is there, though unreadable: it is no sign of an emptied table.
            table: Incoming(
                form[table], found.rows + found.rejected, frozenset(found.delivered), counts[table],
                found.filled, found.unreadable, found.new_columns,
            )
            for table, found in read.tables.items()
        }  # fmt: skip
        return reasons_to_hold(before, incoming, self._limits())

    async def _merge(
        self,
        session: AsyncSession,
        current: Import,
        read: "ReadDelivery",
        form: Format,
        found: Compared,
        duration_ms: float,
    ) -> None:
        now, counts = datetime.now(UTC), found.counts
        known = await store.delivered_tables(session, current.tenant)
        differing = {table for table, n in counts.items() if n.new or n.changed or n.gone}
        first = {table for table in differing if found.staged[table].is_first}
        whole = {table for table in counts if self._is_whole(read, table)}
        first_whole = {table for table in whole if table not in known or not known[table].whole_once}
        touched = await versions.find_touched(
            session, form, tenant=current.tenant, differing=differing, first=first, first_whole=first_whole
        )
        for table, read_table in read.tables.items():
            await store.remember_table(
                session, table, tenant=current.tenant, filled=read_table.filled, counts=counts[table],
                whole=table in whole, delivery=current.delivery, as_of=current.as_of,
            )  # fmt: skip
        for table in _IN_ORDER_OF_NEED:
            if table in first:
                await merging.write_first(
                    session, form, form[table], tenant=current.tenant, delivery=current.delivery, now=now
                )
                continue
            if table in differing:
                await merging.apply(
                    session, form[table], tenant=current.tenant, delivery=current.delivery, now=now
                )
            if table in counts:
                await merging.remember_lines(session, form[table], tenant=current.tenant)
        for table in OBJECT_TABLES:
            if table in first:
                await versions.tell_first(session, self.base.outbox, table, current, counts[table].new)
            elif table in touched and (
                told := await versions.compare_versions(session, form, table, current, now=now)
            ):
                await versions.tell(session, self.base.outbox, table, current, told)
        warned = bool(read.problem_count())
        state = DeliveryState.IMPORTED_WITH_WARNINGS if warned else DeliveryState.IMPORTED
        told = DeliveryImported(
            delivery=current.delivery,
            counts=counts,
            outcome=Outcome.WARNING if warned else Outcome.OK,
            reason="; ".join((f"Probleme: {read.problem_count()}", *read.notes)) if warned else None,
            duration_ms=duration_ms,
        )
        await self._end(session, current, state, told, read, counts)

    async def _hold(
        self,
        session: AsyncSession,
        current: Import,
        read: "ReadDelivery",
        reasons: list[str],
        counts: dict[Table, TableCounts],
    ) -> None:
        reason = "; ".join(reasons)
        log.warning("delivery.held", reason=reason)
        deliveries_total.labels("held").inc()
        told = DeliveryHeld(delivery=current.delivery, reason=reason)
        await self._end(session, current, DeliveryState.HELD, told, read)
        preview = await preview_of(session, reasons, counts)
        await store.change_delivery(
            session, current.delivery, preview=preview, released_at=None, released_by=None
        )

    async def _fail(
        self, current: Import, lease: Lease, reason: str, read: "ReadDelivery | None" = None
    ) -> None:
        told = DeliveryFailed(delivery=current.delivery, reason=reason)
        async with self.base.database.tenant(current.tenant) as session:
            ended = await self._end(session, current, DeliveryState.FAILED, told, read)
            await leases.check(session, lease)
        if ended:
            log.error("delivery.failed", reason=reason)
            deliveries_total.labels("failed").inc()
        await self._clean_files(
            current, lambda folder, form: remove_stopped(folder, form, self.stop_list, current.tenant)
        )

    async def _end(
        self,
        session: AsyncSession,
        current: Import,
        state: DeliveryState,
        told: EventData,
        read: "ReadDelivery | None",
        counts: dict[Table, TableCounts] | None = None,
    ) -> bool:
        """False, and nothing is changed or told, if it has ended already: that stays its end."""
        problems = [problem.as_json() for problem in read.all_problems()] if read else []
        ended = await store.change_importing(
            session,
            current.delivery,
            state=state,
            finished_at=datetime.now(UTC),
            counts={table: n.model_dump() for table, n in (counts or {}).items()},
            problems=problems[: store.KEPT_PROBLEMS],
            problem_count=read.problem_count() if read else 0,
            reason=told.reason,
        )
        if ended:
            await store.keep_problems(session, current.tenant, current.delivery, problems)
            await self.base.outbox.tell(session, current.cause, told)
        return ended


def _will_fail_again(error: Exception) -> bool:
    """Whether PostgreSQL is there, but this import takes too long for it, or more than it has (disk,
    memory): tried for ever, it would hold up all other tenants."""
    sqlstate: str | None = getattr(getattr(error, "orig", error), "sqlstate", None)
    return sqlstate in _TOO_MUCH


def cause_of(delivery: DeliveryRow) -> Cause:
    """Everything that a delivery leads to belongs to one chain, on behalf of who sent it."""
    actor = ActorKind(delivery.actor_kind), delivery.actor_id
    return Cause(TenantId(delivery.tenant), *actor, Uuid(delivery.correlationid))
