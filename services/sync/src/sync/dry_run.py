"""A whole pipeline tried on all that ingest has, by the code of the work itself, with nothing written.

It runs in the background, by one replica at a time; how far it is and what it counted is kept, so that
another one goes on with it. Zoho's records are read within what batches may spend: where that does not do,
the run waits.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from chassis import leases
from chassis.cause import Cause
from chassis.database import Database, is_unreachable
from chassis.deadline import end
from chassis.leases import Lease, LeaseLost
from chassis.rpc import Caller, RpcClient
from chassis.wakeups import pause
from contracts.actor import Actor
from contracts.ids import AmeiseKey, PipelineId, TenantId
from contracts.names import Service
from contracts.problems import Conflict, NotFound, Problem
from contracts.rpc.ingest import BUCKETS, DIGEST, BucketsRequest, DigestRequest
from contracts.rpc.sync_dry_run import DryRun, DryRunAnswer, DryRunState
from contracts.rpc.sync_pipelines import PipelineRequest
from sync import dry_run_store, link_store, pipeline_store
from sync.alone import alone
from sync.batch import Item, Merging, Verdict, merge_both
from sync.dry_run_counts import Tally, credits_for, tally_of
from sync.dry_run_store import Run
from sync.full_calls import FULL_CALL
from sync.outside_words import named, why_refused
from sync.pipelines import Pipeline
from sync.preview import imagined, no_link
from sync.to_zoho import ToZoho
from vendor.errors import NotConnected, NotNow, Rejected, VendorError

log: structlog.stdlib.BoundLogger = structlog.get_logger()

POLL_SECONDS = 5.0
AT_ONCE = 2
"""Dry runs of one process at a time: real work goes first."""
COUNTED_AT_ONCE = 10 * FULL_CALL
"""Objects between two moments at which it is kept how far it is."""
WAIT_FOR_OTHERS = timedelta(seconds=10)


@dataclass(slots=True)
class DryRunning:
    """Answers two RPCs, and does the runs."""

    database: Database
    all_tenants: Database
    rpc: RpcClient
    to_zoho: ToZoho
    owner: str
    lease: timedelta
    bulk_min_rows: int
    bulk_max_rows: int
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _running: dict[tuple[TenantId, PipelineId], asyncio.Task[None]] = field(
        default_factory=dict[tuple[TenantId, PipelineId], asyncio.Task[None]]
    )

    async def start(self, request: PipelineRequest, caller: Caller) -> DryRun:
        """Begin a new one; the one before is given up. Raises NotFound, and Conflict for a pipeline that
        takes no deliveries."""
        async with self.database.tenant(caller.tenant) as session:
            pipeline = await pipeline_store.load(session, request.pipeline)
            if pipeline is None:
                raise NotFound(f"es gibt keine Pipeline {request.pipeline}")
            if not pipeline.definition.takes_deliveries:
                raise Conflict("ein Probelauf braucht eine Pipeline, die nach Zoho geht")
            run = await dry_run_store.begin(session, pipeline)
        self._wake.set()
        return self._told(run)

    async def get(self, request: PipelineRequest, caller: Caller) -> DryRunAnswer:
        """The last one, with how far it is."""
        async with self.database.tenant(caller.tenant) as session:
            run = await dry_run_store.load(session, request.pipeline)
        return DryRunAnswer(run=self._told(run) if run else None)

    def _told(self, run: Run) -> DryRun:
        return DryRun(
            id=run.id, pipeline=run.pipeline, state=DryRunState(run.state), started_at=run.started_at,
            ended_at=run.ended_at, total=run.total, done=run.done, reason=run.reason, counts=run.counts,
            credits=credits_for(
                run.counts, bulk_min_rows=self.bulk_min_rows, bulk_max_rows=self.bulk_max_rows
            ),
        )  # fmt: skip

    async def run(self) -> None:
        """Go on with what is due until cancelled."""
        try:
            while True:
                self._wake.clear()
                try:
                    await self._look()
                except (SQLAlchemyError, OSError, TimeoutError) as error:
                    log.warning("dry_run.waits", error=type(error).__name__)
                await pause(self._wake, POLL_SECONDS)
        finally:
            for task in list(self._running.values()):
                await end(task)

    async def _look(self) -> None:
        async with self.all_tenants.unbound() as session:
            due = await dry_run_store.due(session)
        for place in due:
            if place not in self._running and len(self._running) < AT_ONCE:
                task = asyncio.create_task(self._go_on(*place), name=f"dry-run:{place[0]}:{place[1]}")
                self._running[place] = task
                task.add_done_callback(lambda _, place=place: self._over(place))

    def _over(self, place: tuple[TenantId, PipelineId]) -> None:
        del self._running[place]
        self._wake.set()  # a new one may wait for its place

    async def _go_on(self, tenant: TenantId, number: PipelineId) -> None:
        name = f"dry_run:{number}"
        with Cause.of_service(Service.SYNC, tenant).bound(pipeline=str(number)):
            try:
                async with alone(self.database, tenant, name, owner=self.owner, lasting=self.lease) as lease:
                    if lease is not None:
                        await self._try(tenant, number, lease)
            except (LeaseLost, SQLAlchemyError, OSError, TimeoutError) as error:
                away = not isinstance(error, SQLAlchemyError) or is_unreachable(error)
                log.log(30 if away else 40, "dry_run.interrupted", error=type(error).__name__)
                await asyncio.sleep(1)

    async def _try(self, tenant: TenantId, number: PipelineId, lease: Lease) -> None:
        async with self.database.tenant(tenant) as session:
            run = await dry_run_store.load(session, number)
            pipeline = await pipeline_store.load(session, number)
        if run is None or pipeline is None or run.state != DryRunState.RUNNING:
            return
        try:
            failed, delay = await self._walk(pipeline, run, lease), None
        except (VendorError, Problem) as error:
            failed, delay = after_error(error)
        except (LeaseLost, SQLAlchemyError, OSError):
            raise
        except Exception as error:
            log.exception("dry_run.failed")
            failed, delay = f"interner Fehler ({type(error).__name__}), siehe Protokoll des Dienstes", None
        async with self.database.tenant(tenant) as session:
            if delay is not None:
                await dry_run_store.wait(session, run, failed or "", delay)
            else:
                await dry_run_store.end(session, run, failed=failed)

    async def _walk(self, pipeline: Pipeline, run: Run, lease: Lease) -> str | None:
        """Count all objects from where the run stands; why it cannot be done, if so. Raises LeaseLost,
        VendorError, Problem. Ends early if a new run has taken its place, whose row is not touched then."""
        if pipeline.version != run.version:
            return "die Pipeline wurde inzwischen geändert"
        pipeline = await self.to_zoho.drift.checked(pipeline)
        if pipeline.drift.blocked:
            return pipeline.drift.blocked
        actor = Actor.of_service(Service.SYNC, pipeline.tenant)
        digest = await self.rpc.call(DIGEST, DigestRequest(table=pipeline.table, buckets=256), actor=actor)
        run = replace(run, total=sum(bucket.objects for bucket in digest.buckets))
        buckets, more = tuple(bucket.bucket for bucket in digest.buckets), bool(digest.buckets)
        tally = tally_of(run.counts)
        while more:
            after = AmeiseKey(run.after) if run.after else None
            page = await self.rpc.call(
                BUCKETS, BucketsRequest(table=pipeline.table, buckets=buckets, after=after), actor=actor
            )
            keys = [found.key for found in page.objects]
            for some in _slices(keys, COUNTED_AT_ONCE):
                await self._count(pipeline, some, tally)
                run = dry_run_store.counted(run, keys=len(some), after=some[-1], counts=tally.counts())
                async with self.database.tenant(pipeline.tenant) as session:
                    await leases.check(session, lease)
                    if not await dry_run_store.advance(session, run):
                        return None
            more = page.more
        return None

    async def _count(self, pipeline: Pipeline, keys: Sequence[AmeiseKey], tally: Tally) -> None:
        """Objects are judged first: those that need a record fill the reading calls together."""
        judged = await asyncio.gather(*(self._judge(pipeline, some) for some in _slices(keys, FULL_CALL)))
        items = [item for _, found in judged for item in found]
        merged = await asyncio.gather(*(self._merge(pipeline, some) for some in _slices(items, FULL_CALL)))
        for verdicts, _ in judged:
            tally.add(pipeline, verdicts)
        for found in merged:
            tally.add(pipeline, found)

    async def _judge(self, pipeline: Pipeline, keys: Sequence[AmeiseKey]) -> tuple[list[Verdict], list[Item]]:
        return await self.to_zoho.judge(pipeline, [imagined(pipeline, key) for key in keys])

    async def _merge(self, pipeline: Pipeline, items: Sequence[Item]) -> list[Merging | Verdict]:
        async with self.database.tenant(pipeline.tenant) as session:
            known = await link_store.of_keys(session, pipeline, [item.object.key for item in items])
        links = {str(item.object.key): no_link(key=item.object.key) for item in items} | known
        sides = await self.to_zoho.read(pipeline, items, links, urgent=False)
        return [merge_both(pipeline, item, *sides.of(item), sides.conversion) for item in items]


def after_error(error: VendorError | Problem) -> tuple[str, timedelta | None]:
    """Why the run cannot go on, and after which time it may; None: never by itself. Pure."""
    match error:
        case NotConnected():
            return f"{named(error.system)} ist nicht verbunden", None
        case Rejected():
            return why_refused(error), None
        case NotNow():
            return str(error), max(error.after, timedelta(seconds=1))
        case VendorError():
            return f"{named(error.system)} antwortet zurzeit nicht", WAIT_FOR_OTHERS
        case _:
            return f"die Lieferungen sind nicht zu lesen: {error.detail}", WAIT_FOR_OTHERS


_T = TypeVar("_T")


def _slices(things: Sequence[_T], size: int) -> list[Sequence[_T]]:
    return [things[start : start + size] for start in range(0, len(things), size)]
