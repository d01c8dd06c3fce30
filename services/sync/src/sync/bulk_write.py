"""Very many waiting rows of one pipeline written by one job of Zoho, for down to a fifth of the credits.

Only where an admin has allowed it, and only updates of linked records. While a job is open, the pipeline's
rows of deliveries are kept for it. A job begins with a chunk of a delivery that may be one of many, or with
enough rows that wait; it is waited for (until no more rows come, or there are enough; too few are let go),
filled (read, merged, and what is to be stored afterwards is remembered), created, and asked for until it is
over. Its states are committed before each step, and any replica goes on with it, under a lease and as it is
then:

- cut off while it was filled or created, it is given up, and its rows go the ordinary way: Zoho may have the
  job, but its number is unknown, and it is never uploaded twice;
- once its number is stored, it is only asked for.

A row that would erase a value or set a lookup goes the ordinary way: in a file an empty cell changes nothing.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from chassis import leases
from chassis.cause import Cause
from chassis.database import Database
from chassis.leases import Lease, LeaseLost
from chassis.outbox import Outbox
from chassis.stop_list import UNUSABLE
from contracts.events import BulkWriteEnded, BulkWriteStarted, ObjectAction
from contracts.names import Service
from contracts.problems import Problem
from sync import bulk_store, pipeline_store, work_store
from sync.batch import Item, Merging, Unsettled, Verdict, written
from sync.batch_store import BatchStore
from sync.bulk_store import HELD, BulkRow, Job
from sync.full_calls import FULL_CALL
from sync.link_store import Link
from sync.pipelines import Pipeline
from sync.recognising import unread
from sync.retry import Postpone
from sync.stopping import NotStopped
from sync.systems import Systems
from sync.to_zoho import ToZoho
from sync.work_store import Lane, Turn, Work
from sync.zoho_records import sent_to_zoho
from vendor.errors import NotConnected, Unavailable, VendorError
from zoho.bulk import BulkJob, RowResult, table_of

log: structlog.stdlib.BoundLogger = structlog.get_logger()

FILE = "rows.csv"
AT_ONCE = 8
"""Hundreds of rows that are judged, or read and merged, at once; the gate says how many calls may be."""
TOO_FEW = "zu wenige Zeilen, die sich so schreiben lassen"
SETTLED_AT_ONCE = 500
LEASE = timedelta(minutes=5)
LONGEST_JOB = timedelta(hours=6)
LONGEST_WAIT = 12
"""Looks in which more rows are waited for, at most: two minutes."""
CLOCK_SKEW = timedelta(minutes=2)
"""Between Zoho and us, at most: for recognising the job's own writes."""
NOW = timedelta(0)


@dataclass(frozen=True, slots=True)
class BulkWriter:
    """Looks for jobs that are worth it, and after those that are open."""

    database: Database
    all_tenants: Database
    outbox: Outbox
    to_zoho: ToZoho
    systems: Systems
    store: BatchStore
    not_stopped: NotStopped
    owner: str
    min_rows: int
    max_rows: int
    poll: timedelta

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                await self.look()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("bulk.waits", error=type(error).__name__)
            await asyncio.sleep(self.poll.total_seconds())

    async def look(self) -> None:
        """One round: announce what is worth it, and bring every open job a step further.

        First those that wait: to count their rows takes milliseconds, and lets go what is kept in vain. To
        fill one takes minutes.
        """
        async with self.all_tenants.unbound() as session:
            jobs = await bulk_store.open_jobs(session)
            for tenant, pipeline, rows in await bulk_store.worth_it(session, least=self.min_rows):
                await bulk_store.announce(session, tenant, pipeline, rows=rows)
        ready: list[Job] = []
        for job in jobs:
            with postponed_by_errors(job):
                if job.state == "waiting" and await self._is_ready(job):
                    ready.append(job)
        begun = [job for job in jobs if job.state != "waiting"]
        for job in [*begun, *ready]:
            with postponed_by_errors(job):
                await self._go_on(job)

    async def _go_on(self, seen: Job) -> None:
        async with self._held(seen) as held:
            if held is None:
                return
            job, pipeline, lease = held
            match job.state:
                case "waiting":
                    await self._begin(job, pipeline, lease)
                case "running":
                    await self._ask(job, pipeline, lease)
                case _:
                    # Whoever was at it is gone, else the lease were not ours.
                    await self._end(job, pipeline, failed=True, outcome=f"abgebrochen: {job.state}")

    @asynccontextmanager
    async def _held(self, seen: Job) -> AsyncGenerator[tuple[Job, Pipeline, Lease] | None]:
        """The job as it is under its lease; None if it is not ours, or not to be gone on with."""
        lease = await self._take(seen)
        if lease is None:
            yield None
            return
        try:
            async with self.database.tenant(seen.tenant) as session:
                job = await bulk_store.reload(session, seen)
                pipeline = await pipeline_store.load(session, seen.pipeline)
            if job is None:
                yield None
            elif pipeline is None or not (pipeline.enabled and pipeline.definition.takes_deliveries):
                await self._end(job, None, failed=False, outcome="die Pipeline ist pausiert oder fort")
                yield None
            else:
                yield job, pipeline, lease
        finally:
            async with self.database.tenant(seen.tenant) as session:
                await leases.give_back(session, lease)

    async def _take(self, job: Job) -> Lease | None:
        async with self.database.tenant(job.tenant) as session:
            return await leases.take(
                session, job.tenant, f"bulk:{job.pipeline}", owner=self.owner, lasting=LEASE
            )

    async def _still_ours(self, job: Job, lease: Lease) -> None:
        async with self.database.tenant(job.tenant) as session:
            await leases.extend(session, lease, lasting=LEASE)

    # -- waiting and filling --------------------------------------------------------------------------------

    async def _is_ready(self, seen: Job) -> bool:
        """Whether the job is to begin; with too few rows it is dismissed. Asks PostgreSQL only."""
        async with self._held(seen) as held:
            if held is None:
                return False
            job, pipeline, _ = held
            async with self.database.tenant(job.tenant) as session:
                rows = await bulk_store.waiting_rows(session, pipeline.id)
                longest = LONGEST_WAIT * self.poll
                if job.age < longest and is_still_growing(rows, before=job.rows, most=self.max_rows):
                    await bulk_store.move(session, job, "waiting", rows=rows)
                    return False
                if rows <= self.min_rows:
                    await bulk_store.dismiss(session, job)
                    return False
                return True

    async def _begin(self, job: Job, pipeline: Pipeline, lease: Lease) -> None:
        pipeline = await self.to_zoho.drift.checked(pipeline)
        if pipeline.drift.blocked:
            await self._end(job, None, failed=False, outcome="die Pipeline passt nicht mehr zu Zoho")
            return
        async with self.database.tenant(job.tenant) as session:
            filling = await bulk_store.move(session, job, "filling", rows=0)
        async with self._ended_by_errors(filling, pipeline):
            rows = await self._filled(filling, pipeline, lease)
            if len(rows) < self.min_rows:
                await self._end(filling, pipeline, failed=False, outcome=TOO_FEW)
                return
            async with self.database.tenant(job.tenant) as session:
                creating = await bulk_store.move(session, filling, "creating", rows=len(rows))
            async with self._ended_by_errors(creating, pipeline):
                await self._create(creating, pipeline, rows)

    @asynccontextmanager
    async def _ended_by_errors(self, job: Job, pipeline: Pipeline) -> AsyncGenerator[None]:
        """What cannot be begun is given up; not where the lease is lost: then somebody else has done so."""
        try:
            yield
        except (VendorError, Problem, *UNUSABLE) as error:
            await self._end(job, pipeline, failed=True, outcome=f"nicht begonnen: {type(error).__name__}")

    async def _filled(self, job: Job, pipeline: Pipeline, lease: Lease) -> list[BulkRow]:
        """What goes in bulk of the rows that wait; none if it is clear early that they are too few."""
        async with self.all_tenants.unbound() as session:
            works = await work_store.take(
                session, direction="to_zoho", turn=Turn(job.tenant, job.pipeline, Lane.CHUNK),
                owner=job.owner, lasting=HELD, count=self.max_rows, for_bulk=True,
            )  # fmt: skip
        works = await self.not_stopped.kept(works)
        items: list[Item] = []
        for some in _slices(works, FULL_CALL * AT_ONCE):
            await self._still_ours(job, lease)
            chunks = _slices(some, FULL_CALL)
            judged = await asyncio.gather(*(self._judge(job, pipeline, chunk) for chunk in chunks))
            items += [item for found in judged for item in found]
        if len(items) < self.min_rows:
            return []
        rows: list[BulkRow] = []
        for some in _slices(items, FULL_CALL * AT_ONCE):
            await self._still_ours(job, lease)
            chunks = _slices(some, FULL_CALL)
            filled = await asyncio.gather(*(self._fill(job, pipeline, chunk) for chunk in chunks))
            rows += [row for found in filled for row in found]
        return rows

    async def _judge(self, job: Job, pipeline: Pipeline, works: Sequence[Work]) -> list[Item]:
        """The items that need writing; all others have their verdict."""
        verdicts, items = await self.to_zoho.judge(pipeline, works)
        await self._keep_out(job, verdicts)
        await self.store(pipeline, verdicts, [], duration_ms=0)
        return items

    async def _fill(self, job: Job, pipeline: Pipeline, items: Sequence[Item]) -> list[BulkRow]:
        """Read and merge: what goes in bulk is remembered, all others have their verdict."""
        leased: list[Link] = []
        prepared = await self.to_zoho.prepare(pipeline, items, leased, urgent=False, lasting=HELD)
        rows = [row_of(pipeline, m) for m in prepared.merging if fits(pipeline, m)]
        kept = {row.settled.item.work.id for row in rows}
        later = Postpone(NOW, "geht nicht im Massenschreiben", counts=False)
        others: list[Verdict] = [
            *prepared.verdicts,
            *(Unsettled(m.item.work, later) for m in prepared.merging if m.item.work.id not in kept),
        ]
        async with self.database.tenant(job.tenant) as session:
            await bulk_store.add_rows(session, job, rows)
        await self._keep_out(job, others)
        linked = {row.settled.link.id for row in rows if row.settled.link}
        await self.store(pipeline, others, [link for link in leased if link.id not in linked], duration_ms=0)
        return rows

    async def _keep_out(self, job: Job, verdicts: Sequence[Verdict]) -> None:
        """What is not settled goes the ordinary way, while the job runs."""
        async with self.database.tenant(job.tenant) as session:
            await bulk_store.keep_out(session, [v.work for v in verdicts if isinstance(v, Unsettled)])

    async def _create(self, job: Job, pipeline: Pipeline, rows: Sequence[BulkRow]) -> None:
        zoho = await self.systems.zoho(pipeline, urgent=False)
        bulk = await self.systems.zoho_bulk(pipeline)
        zgid = (await zoho.get_org()).zgid or ""
        columns = ["id", *sorted({name for row in rows for name in row.sent})]
        file_id = await bulk.upload(
            zgid, FILE, table_of(columns, [row.sent | {"id": row.zoho_id} for row in rows])
        )
        created = await bulk.start_update(pipeline.module, file_id, FILE, columns)
        async with self.database.tenant(job.tenant) as session:
            await bulk_store.started(session, job, zoho_job=created.id, author=created.created_by.id)
            told = BulkWriteStarted(pipeline=pipeline.id, module=pipeline.module, rows=len(rows))
            await self.outbox.tell(session, Cause.of_service(Service.SYNC, job.tenant), told)

    # -- running --------------------------------------------------------------------------------------------

    async def _ask(self, job: Job, pipeline: Pipeline, lease: Lease) -> None:
        bulk = await self.systems.zoho_bulk(pipeline)
        try:
            found = await bulk.get_job(job.zoho_job or "")
            if not found.is_over:
                await self._give_up_late(job, pipeline)
                return
            results = await bulk.get_results(found)
        except (Unavailable, NotConnected):
            raise  # asked again
        except VendorError as error:
            await self._end(job, pipeline, failed=True, outcome=f"Zoho kennt den Auftrag nicht: {error.code}")
            return
        await self._settle(job, pipeline, lease, found, results)

    async def _give_up_late(self, job: Job, pipeline: Pipeline) -> None:
        if job.job_created_at is not None and job.now - job.job_created_at > LONGEST_JOB:
            await self._end(job, pipeline, failed=True, outcome="Zoho wurde nicht fertig")

    async def _settle(
        self,
        job: Job,
        pipeline: Pipeline,
        lease: Lease,
        found: BulkJob,
        results: dict[str, RowResult],
    ) -> None:
        """Store what became of each row, some hundreds at a time; cut off, the rest is stored next time."""
        counts: dict[str, int] = {"written": 0, "parked": 0}
        after = 0
        while True:
            await self._still_ours(job, lease)
            async with self.database.tenant(job.tenant) as session:
                rows = await bulk_store.rows_after(session, job, after=after, count=SETTLED_AT_ONCE)
            if not rows:
                break
            after = rows[-1].settled.item.work.id
            verdicts = [verdict_of(job, row, results.get(row.zoho_id)) for row in rows]
            await self._store(pipeline, rows, verdicts, counts)
        failed = found.status.upper() != "COMPLETED"
        await self._end(job, pipeline, failed=failed, outcome=found.status, **counts)

    async def _store(
        self,
        pipeline: Pipeline,
        rows: Sequence[BulkRow],
        verdicts: Sequence[Verdict | None],
        counts: dict[str, int],
    ) -> None:
        """Rows without a verdict are freed with the job."""
        judged = [v for v in verdicts if v is not None]
        links = [
            r.settled.link for r, v in zip(rows, verdicts, strict=True) if v is not None and r.settled.link
        ]
        await self.store(pipeline, judged, links, duration_ms=0)
        parked = sum(isinstance(v, Unsettled) for v in judged)
        counts["parked"] += parked
        counts["written"] += len(judged) - parked

    async def _end(
        self,
        job: Job,
        pipeline: Pipeline | None,
        *,
        failed: bool,
        outcome: str,
        written: int = 0,
        parked: int = 0,
    ) -> None:
        """Close the job; if as many rows again wait, they are kept for the next one."""
        async with self.database.tenant(job.tenant) as session:
            given_back = await bulk_store.end(session, job, failed=failed, outcome=outcome)
            rows = await bulk_store.waiting_rows(session, job.pipeline)
            if not failed and pipeline is not None and rows > self.min_rows:
                await bulk_store.announce(session, job.tenant, job.pipeline, rows=rows)
            if pipeline is not None and job.state == "running":
                told = BulkWriteEnded(
                    pipeline=pipeline.id,
                    module=pipeline.module,
                    written=written,
                    parked=parked,
                    given_back=given_back,
                    reason=outcome,
                )
                await self.outbox.tell(session, Cause.of_service(Service.SYNC, job.tenant), told)
        log.info("bulk.ended", job=str(job.id), outcome=outcome, written=written, given_back=given_back)


@contextmanager
def postponed_by_errors(job: Job) -> Generator[None]:
    """One job's error is logged, and holds up no other job."""
    try:
        yield
    except (VendorError, Problem, LeaseLost, SQLAlchemyError, OSError, TimeoutError) as error:
        log.warning("bulk.postponed", job=str(job.id), error=type(error).__name__)


def is_still_growing(rows: int, *, before: int, most: int) -> bool:
    """Whether it is worth to wait for more rows."""
    return before < rows < most


def fits(pipeline: Pipeline, merging: Merging) -> bool:
    """Whether an item can be a row of a file: an update that neither erases nor sets a lookup, nor overwrites
    an edit, which is told right before it is done."""
    sent = sent_to_zoho(pipeline, merging.merged)
    is_plain = all(value is not None and not isinstance(value, dict) for value in sent.values())
    return merging.link.zoho_id is not None and is_plain and not merging.merged.conflicts


def row_of(pipeline: Pipeline, merging: Merging) -> BulkRow:
    """The row of an item that `fits`, with what is true once Zoho has written it."""
    zoho_id = merging.link.zoho_id or ""
    settled = written(pipeline, merging, zoho_id=zoho_id, action=ObjectAction.UPDATED, unread=None)
    return BulkRow(zoho_id, sent_to_zoho(pipeline, merging.merged), settled)


def verdict_of(job: Job, row: BulkRow, result: RowResult | None) -> Verdict | None:
    """What became of a row; None if Zoho did not write it, so that it goes the ordinary way.

    What a skipped row lacked is not told in a form that one could decide by. The ordinary way finds out: its
    record is gone, or its values are refused.
    """
    if result is None or not result.was_written:
        return None
    link = row.settled.link
    if link is None or job.job_created_at is None:
        return row.settled
    remembered = unread(
        row.sent,
        since=job.job_created_at - CLOCK_SKEW,
        until=datetime.now(UTC) + CLOCK_SKEW,
        author=job.author or "",
    )
    return replace(row.settled, link=replace(link, unread=remembered))


_T = TypeVar("_T")


def _slices(things: Sequence[_T], size: int) -> list[Sequence[_T]]:
    return [things[start : start + size] for start in range(0, len(things), size)]
