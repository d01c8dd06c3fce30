"""Takes work that is due and keeps a bounded number of it in hand.

A dispatcher per direction serves tenants and pipelines in turns, so that one tenant's backlog does not
delay another's webhook. Told to stop, it takes nothing new and lets what is in hand finish.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from prometheus_client import Counter, Gauge
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError

from chassis.database import Database, is_unreachable
from chassis.leases import LeaseLost
from chassis.wakeups import listen
from contracts.ids import PipelineId, TenantId
from sync import work_store
from sync.work_store import CHANNEL, Work, WorkDirection

log: structlog.stdlib.BoundLogger = structlog.get_logger()

POLL_SECONDS = 5.0
"""How long a lost NOTIFY may go unnoticed."""
ERROR_PAUSE_SECONDS = 1.0
FAILED_DELAY = timedelta(seconds=30)

batches_total = Counter("sync_batches_total", "Batches of work by how they ended", ["direction", "result"])
in_hand = Gauge("sync_batches_in_hand", "Batches being worked on now", ["direction"])


@dataclass(slots=True)
class Dispatcher:
    """Feeds `do` with batches of up to `batch` rows of one pipeline, `workers` batches at once.

    Taking spans all tenants and runs as the all-tenants role; it sees ids only.
    """

    direction: WorkDirection
    do: Callable[[list[Work]], Awaitable[None]]
    database: Database
    all_tenants: Database
    listen_url: SecretStr
    owner: str
    lease: timedelta
    workers: int
    batch: int
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _running: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    async def run(self) -> None:
        """Work until cancelled; then finish what is in hand."""
        listener = asyncio.create_task(listen(self.listen_url, CHANNEL, self._wake))
        try:
            while True:
                self._wake.clear()
                try:
                    wait_seconds = await self._round()
                except (SQLAlchemyError, OSError, TimeoutError) as error:
                    log.warning("work.waits", direction=self.direction, error=type(error).__name__)
                    wait_seconds = ERROR_PAUSE_SECONDS
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), wait_seconds)
        finally:
            listener.cancel()
            if self._running:
                await asyncio.wait(self._running)

    async def _round(self) -> float:
        """Take for every tenant and pipeline that waits, in turns; returns how long to sleep at most."""
        async with self.all_tenants.unbound() as session:
            turns = await work_store.waiting(session, self.direction)
        while turns and (free := self.workers - len(self._running)) > 0:
            for tenant, pipeline in turns[:free]:
                works = await self._take(tenant, pipeline)
                if works:
                    self._start(works)
                else:
                    turns.remove((tenant, pipeline))
            turns = turns[free:] + turns[:free]
        if turns:
            return POLL_SECONDS  # every worker is busy: the first to finish wakes us
        async with self.all_tenants.unbound() as session:
            next_due = await work_store.seconds_until_next(session, self.direction)
        return POLL_SECONDS if next_due is None else min(next_due, POLL_SECONDS)

    async def _take(self, tenant: TenantId, pipeline: PipelineId) -> list[Work]:
        async with self.all_tenants.unbound() as session:
            return await work_store.take(
                session,
                direction=self.direction,
                tenant=tenant,
                pipeline=pipeline,
                owner=self.owner,
                lasting=self.lease,
                count=self.batch,
            )

    def _start(self, works: list[Work]) -> None:
        task = asyncio.create_task(self._do(works), name=f"{self.direction}:{works[0].id}")
        self._running.add(task)
        in_hand.labels(self.direction).inc()
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        in_hand.labels(self.direction).dec()
        self._wake.set()

    async def _do(self, works: list[Work]) -> None:
        first = works[0]
        with first.cause.bound(pipeline=str(first.pipeline)):
            try:
                await self.do(works)
            except LeaseLost as error:
                # Somebody else has the rows by now and does them; whatever we would have stored is not stored.
                log.warning("work.lease_lost", direction=self.direction, what=str(error))
                batches_total.labels(self.direction, "lease_lost").inc()
            except Exception as error:
                away = isinstance(error, SQLAlchemyError) and is_unreachable(error)
                log.exception("work.failed", direction=self.direction, rows=[w.id for w in works])
                batches_total.labels(self.direction, "failed").inc()
                if not away:
                    await self._put_back(works, error)
            else:
                batches_total.labels(self.direction, "done").inc()

    async def _put_back(self, works: list[Work], error: Exception) -> None:
        """An error of our own: the rows wait a while, and their reason names it (never its text: it may
        quote values)."""
        reason = f"interner Fehler ({type(error).__name__}), siehe Protokoll des Dienstes"
        with contextlib.suppress(SQLAlchemyError, OSError):
            async with self.database.tenant(works[0].tenant) as session:
                await work_store.postpone(session, works, delay=FAILED_DELAY, reason=reason, counts=True)
