"""Runs the comparisons when they are due, one replica each, and says when one has been silent for too long.

Which flows there are is asked as the all-tenants role; it sees ids and moments only.
"""

import asyncio
from collections import Counter as Tally
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy.exc import SQLAlchemyError

from chassis.cause import Cause
from chassis.database import Database, is_unreachable
from chassis.deadline import end
from chassis.leases import Lease, LeaseLost
from chassis.outbox import Outbox
from contracts.events import ComparingOverdue, ComparingOverdueOver
from contracts.ids import TenantId, Uuid
from contracts.names import Difference, Flow, Service
from contracts.problems import Conflict, Problem
from contracts.rpc.sync_reconcile import CompareRequest, Comparison
from sync import flow_store, pipeline_store
from sync.alone import alone
from sync.comparing import Comparing, Found
from sync.comparing_links import ComparingLinks
from sync.drift_watch import DriftWatch
from sync.flows import FlowState, Plans, due_at, overdue_since
from sync.reconciling import Reconciling
from vendor.errors import NotConnected, VendorError

log: structlog.stdlib.BoundLogger = structlog.get_logger()

CHECK_SECONDS = 15.0
AT_ONCE = 4
"""Runs of one process at a time: one team's long listing does not hold up the others."""

runs_total = Counter("sync_comparing_runs_total", "Comparisons by how they ended", ["flow", "result"])
found_total = Counter("sync_comparing_found_total", "What comparisons found", ["kind"])
last_success = Gauge(
    "sync_comparing_last_success_seconds", "The oldest last success of all teams, Unix time", ["flow"]
)
oldest_age = Gauge("sync_comparing_age_seconds", "How long the longest waits for its next success", ["flow"])


@dataclass(slots=True)
class Schedule:
    """Every replica looks; a claim and a lease decide who runs."""

    database: Database
    all_tenants: Database
    outbox: Outbox
    plans: Plans
    reconciling: Reconciling
    comparing: Comparing
    comparing_links: ComparingLinks
    drift: DriftWatch
    owner: str
    lease: timedelta
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _running: dict[tuple[TenantId, Flow, str], asyncio.Task[None]] = field(
        default_factory=dict[tuple[TenantId, Flow, str], asyncio.Task[None]]
    )

    async def run(self) -> None:
        """Look again and again until cancelled."""
        try:
            while True:
                try:
                    await self.look()
                except (SQLAlchemyError, OSError, TimeoutError) as error:
                    log.warning("comparing.waits", error=type(error).__name__)
                await asyncio.sleep(CHECK_SECONDS)
        finally:
            for task in list(self._running.values()):
                await end(task)

    async def look(self) -> None:
        """Begin what is due, tell what is overdue."""
        async with self.all_tenants.unbound() as session:
            known, new = await flow_store.wanted(session)
        for tenant, flow, thing in new:
            async with self.database.tenant(tenant) as session:
                await flow_store.make(session, tenant, flow, thing)
        now = datetime.now(UTC)
        for state in known:
            plan = self.plans[state.flow]
            if due_at(state, plan) <= now and state.key not in self._running:
                self._begin(state)
            elif not state.overdue_since and (since := overdue_since(state, plan, now)):
                await self._alarm(state, since)
        _measure(known, now)

    async def settled(self) -> None:
        """Wait for all that was begun."""
        while self._running:
            await asyncio.wait(list(self._running.values()))
            await asyncio.sleep(0)

    def _begin(self, state: FlowState) -> None:
        task = asyncio.create_task(self._run_if_ours(state), name=f"{state.flow}:{state.tenant}")
        self._running[state.key] = task
        task.add_done_callback(lambda _: self._running.pop(state.key, None))

    async def _run_if_ours(self, state: FlowState) -> None:
        cause = Cause.of_service(Service.SYNC, state.tenant)
        with cause.bound(flow=state.flow.value):
            try:
                async with self._slots, self._alone(state.tenant, state.flow, state.thing) as lease:
                    if lease is None or not await self._claim(state):
                        return
                    await self._do(cause, state.tenant, state.flow, state.thing, lease)
            except NotConnected:
                # auth has told it already, and asks for a person.
                runs_total.labels(state.flow, "not_connected").inc()
                async with self.database.tenant(state.tenant) as session:
                    await flow_store.excused(session, state.tenant, state.flow, state.thing)
            except (VendorError, Problem, LeaseLost) as error:
                log.warning("comparing.failed", error=type(error).__name__, what=str(error))
                runs_total.labels(state.flow, "failed").inc()
            except Exception as error:
                away = isinstance(error, (SQLAlchemyError, OSError)) and is_unreachable(error)
                log.log(30 if away else 40, "comparing.failed", exc_info=not away, error=type(error).__name__)
                runs_total.labels(state.flow, "failed").inc()

    def _alone(self, tenant: TenantId, flow: Flow, thing: str) -> AbstractAsyncContextManager[Lease | None]:
        return alone(self.database, tenant, f"{flow}:{thing}", owner=self.owner, lasting=self.lease)

    async def _claim(self, state: FlowState) -> bool:
        """Under the lease: the state must still be as it was when it was due."""
        overdue_after = self.plans[state.flow].overdue_after
        async with self.database.tenant(state.tenant) as session:
            return await flow_store.claim(session, state, overdue_after=overdue_after)

    async def _do(self, cause: Cause, tenant: TenantId, flow: Flow, thing: str, lease: Lease) -> Found:
        match flow:
            case Flow.RECONCILIATION:
                found = Found(0, await self.reconciling(cause, tenant, Uuid(thing), lease))
            case Flow.LINKS:
                await self.drift.check_all(tenant, Uuid(thing))
                found = Found(0, await self.comparing_links(cause, tenant, Uuid(thing), lease))
            case Flow.COMPARISON:
                found = await self.comparing(cause, tenant)
        await self._succeeded(cause, tenant, flow, thing, found.counts)
        return found

    async def compare_now(self, cause: Cause, tenant: TenantId, wanted: CompareRequest) -> Comparison:
        """On demand. Raises Conflict while one is running, and what the comparison raises."""
        found = await self._now(cause, tenant, Flow.COMPARISON, "")
        counts = found.counts
        for connection in await self._connections(tenant):
            if wanted.changes:
                counts += (await self._now(cause, tenant, Flow.RECONCILIATION, connection)).counts
            if wanted.links:
                counts += (await self._now(cause, tenant, Flow.LINKS, connection)).counts
        return Comparison(objects=found.objects, counts=dict(counts))

    async def _now(self, cause: Cause, tenant: TenantId, flow: Flow, thing: str) -> Found:
        async with self._alone(tenant, flow, thing) as lease:
            if lease is None:
                raise Conflict("ein Vergleich läuft schon", remedy="sein Ergebnis abwarten")
            return await self._do(cause, tenant, flow, thing, lease)

    async def _connections(self, tenant: TenantId) -> Sequence[Uuid]:
        async with self.database.tenant(tenant) as session:
            return sorted({p.zoho_connection for p in await pipeline_store.enabled(session)})

    async def _succeeded(
        self, cause: Cause, tenant: TenantId, flow: Flow, thing: str, counts: Tally[Difference]
    ) -> None:
        for kind, count in counts.items():
            found_total.labels(kind).inc(count)
        async with self.database.tenant(tenant) as session:
            since = await flow_store.succeeded(session, tenant, flow, thing)
            if since is not None:
                over = ComparingOverdueOver(flow=flow, connection=_connection(thing), since=since)
                await self.outbox.tell(session, cause, over)
        runs_total.labels(flow, "done").inc()

    async def _alarm(self, state: FlowState, since: datetime) -> None:
        async with self.database.tenant(state.tenant) as session:
            if await flow_store.alarmed(session, state, since):
                hours = self.plans[state.flow].overdue_after.total_seconds() / 3600
                told = ComparingOverdue(
                    flow=state.flow, connection=_connection(state.thing), since=since,
                    reason=f"seit über {hours:.0f} h nicht gelungen",
                )  # fmt: skip
                await self.outbox.tell(session, Cause.of_service(Service.SYNC, state.tenant), told)
                log.warning("comparing.overdue", tenant=state.tenant, flow=state.flow.value)


def _connection(thing: str) -> Uuid | None:
    return Uuid(thing) if thing else None


def _measure(known: Sequence[FlowState], now: datetime) -> None:
    for flow in Flow:
        of_flow = [state for state in known if state.flow is flow]
        clocks = [(now - state.clock_from).total_seconds() for state in of_flow]
        successes = [state.last_success.timestamp() if state.last_success else 0.0 for state in of_flow]
        oldest_age.labels(flow).set(max(clocks, default=0.0))
        last_success.labels(flow).set(min(successes, default=0.0))
