"""What is done with one delivery: stage, compare, guard, merge, compose, tell; all of it in one transaction.

`importing` says which delivery, and what happens if this fails.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from prometheus_client import Counter
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis import leases
from chassis.database import run_sql
from chassis.leases import Lease
from chassis.process import Foundation
from chassis.stop_list import StopList, check_size
from contracts.events import DeliveryHeld, DeliveryImported, TableCounts
from contracts.ids import Kundennummer
from contracts.names import Outcome, Table
from contracts.rpc.ingest import DeliveryState
from ingest import merging, store, versions
from ingest.archives import ArchiveLimits, unpacked
from ingest.composing import OBJECT_TABLES
from ingest.ending import SUPERSEDED, deliveries_total, end
from ingest.guards import Incoming, Limit, Limits, is_whole, reasons_to_hold
from ingest.holding import preview_of
from ingest.problems import Problem, Rule, TableRejected
from ingest.progress import Progress
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

rows_total = Counter("ingest_rows_total", "Rows by what a delivery did to them", ["table", "change"])


class NothingReadable(Exception):  # noqa: N818
    """No file of the delivery could be read as its table."""

    def __init__(self, read: "ReadDelivery") -> None:
        super().__init__(f"{len(read.problems)} problems")
        self.read = read


@dataclass(frozen=True, slots=True)
class Compared:
    """What a delivery would do, and the Kunden who were left out because they are on the stop list."""

    counts: dict[Table, TableCounts]
    staged: dict[Table, Staged]
    left_out: set[Kundennummer]


@dataclass(frozen=True, slots=True)
class OneDelivery:
    """Imports a delivery, or holds it for a person."""

    base: Foundation
    settings: IngestSettings
    spool: Spool
    stop_list: StopList

    async def __call__(
        self, current: Import, lease: Lease, form: Format, progress: Progress
    ) -> set[Kundennummer]:
        """Returns the Kunden who were left out of what is stored now. Raises NothingReadable."""
        started = time.monotonic()
        async with self._opened(current, form) as read:
            progress.checking(read.files)
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
            raise NothingReadable(read)
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
        never_stored = {table for table, staged in found.staged.items() if staged.is_first}
        first = differing & never_stored
        whole = {table for table in counts if self._is_whole(read, table)}
        first_whole = {table for table in whole if table not in known or not known[table].whole_once}
        touched = await versions.find_touched(
            session, form, tenant=current.tenant, differing=differing, never_stored=never_stored,
            first_whole=first_whole,
        )  # fmt: skip
        for table, read_table in read.tables.items():
            await store.remember_table(
                session, table, tenant=current.tenant, filled=read_table.filled, counts=counts[table],
                whole=table in whole, delivery=current.delivery, as_of=current.as_of,
            )  # fmt: skip
        await merging.forget_lines(session, tenant=current.tenant)
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
            if table in counts and table not in never_stored:
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
        await end(session, self.base.outbox, current, state, told, read, counts)

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
        await end(session, self.base.outbox, current, DeliveryState.HELD, told, read)
        preview = await preview_of(session, reasons, counts)
        await store.change_delivery(
            session, current.delivery, preview=preview, released_at=None, released_by=None
        )
