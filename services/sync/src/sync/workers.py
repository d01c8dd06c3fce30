"""Takes work that is due and keeps a bounded number of it in hand.

A dispatcher per direction serves tenants in turns, so that one tenant's backlog does not delay another's
webhook. Told to stop, it takes nothing new and lets what is in hand finish.
"""

import asyncio
import contextlib
import itertools
import time
from collections import Counter as Tally
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import psycopg
import structlog
from prometheus_client import Counter, Gauge
from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from chassis.database import Database, is_unreachable
from chassis.deadline import end
from chassis.leases import LeaseLost
from chassis.wakeups import listen, pause
from contracts.ids import TenantId
from sync import link_store, work_store
from sync.retry import Postpone
from sync.work_store import Turn, Work, WorkDirection

log: structlog.stdlib.BoundLogger = structlog.get_logger()

POLL_SECONDS = 5.0
"""How long a lost NOTIFY may go unnoticed."""
ERROR_PAUSE_SECONDS = 1.0
FAILED_DELAY = timedelta(seconds=30)

batches_total = Counter("sync_batches_total", "Batches of work by how they ended", ["direction", "result"])
in_hand = Gauge("sync_batches_in_hand", "Batches being worked on now", ["direction"])


More = Callable[[int], Awaitable[list[Work]]]
"""Takes up to so many further rows of a batch's pipeline and adds them to the batch."""


@dataclass(slots=True)
class Dispatcher:
    """Feeds `do` with batches of rows of one pipeline, `batch` of them at most, `workers` batches at once.

    Taking spans all tenants and runs as the all-tenants role; it sees ids only.
    """

    direction: WorkDirection
    do: Callable[[list[Work], More], Awaitable[None]]
    database: Database
    all_tenants: Database
    listen_url: SecretStr
    owner: str
    lease: timedelta
    workers: int
    batch: Callable[[Turn], int]
    _left_out: bool = False
    """Whether somebody waits for want of a free worker: the next one to finish wakes us."""
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _running: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    _held: dict[tuple[int, int], Work] = field(default_factory=dict[tuple[int, int], Work])
    """By number and fence: a row that was lost may be taken again before the first holding of it ends."""
    _of_tenant: Tally[TenantId] = field(default_factory=Tally[TenantId])
    _served: dict[TenantId, int] = field(default_factory=dict[TenantId, int])
    _serial: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def run(self) -> None:
        """Work until cancelled; then finish what is in hand."""
        listener = asyncio.create_task(
            listen(self.listen_url, work_store.channel(self.direction), self._wake)
        )
        keeper = asyncio.create_task(self._keep_leases())
        round_: asyncio.Task[float] | None = None
        try:
            while True:
                self._wake.clear()
                round_ = asyncio.create_task(self._round())
                # Shielded: cancelled between the taking and the doing, rows would lie until their lease ends.
                wait_seconds = await asyncio.shield(round_)
                await pause(self._wake, wait_seconds)
        finally:
            await end(listener)
            if round_ is not None:
                await asyncio.wait([round_])
            if self._running:
                await asyncio.wait(self._running)
            await end(keeper)

    async def _round(self) -> float:
        """Take what waits, tenants in turns, as much as there are free workers; returns how long to sleep."""
        try:
            return await self._take_in_turns()
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("work.waits", direction=self.direction, error=type(error).__name__)
            return ERROR_PAUSE_SECONDS

    async def _take_in_turns(self) -> float:
        taken: list[tuple[Turn, list[Work]]] = []
        of_tenant = self._of_tenant.copy()
        left_out = False
        self._left_out = True  # until we know better: who gets free meanwhile is not counted as free
        seconds: float | None = None  # if somebody is left out, the next who is free wakes us
        where = self.all_tenants.each_alone(None)
        try:
            turns = await work_store.turns(where, self.direction)
            while turns and (free := self.workers - len(self._running) - len(taken)) > 0:
                turn = min(turns, key=self._rank)
                batches = min(max(1, free // len(turns)), self._share - of_tenant[turn.tenant])
                size = self.batch(turn)
                works = await self._take(turn, batches * size) if batches > 0 else []
                self._served[turn.tenant] = next(self._serial)
                some = [(turn, works[start : start + size]) for start in range(0, len(works), size)]
                taken += some
                of_tenant[turn.tenant] += len(some)
                if len(works) < batches * size or batches <= 0:
                    turns.remove(turn)
                left_out = left_out or batches <= 0
            left_out = left_out or bool(turns)
            if not left_out:
                seconds = await work_store.seconds_until_next(where, self.direction)
            self._left_out = left_out
        finally:
            for turn, works in taken:  # what is ours by now is done, whatever failed after it
                self._start(turn, works)
        return min(POLL_SECONDS, max(seconds or POLL_SECONDS, 0.01))

    @property
    def _share(self) -> int:
        """Batches of one tenant at most: one whose Ameise hardly answers leaves room for the others."""
        return max(1, self.workers * 3 // 4)

    def _rank(self, turn: Turn) -> tuple[int, int, int]:
        """Whose tenant was served longest ago goes first; within a tenant, the most urgent lane."""
        return self._served.get(turn.tenant, 0), turn.lane, int(turn.pipeline)

    async def _take(self, turn: Turn, count: int) -> list[Work]:
        return await work_store.take(
            self.all_tenants.each_alone(None),
            direction=self.direction, turn=turn, owner=self.owner, lasting=self.lease, count=count,
        )  # fmt: skip

    def _start(self, turn: Turn, works: list[Work]) -> None:
        tenant = works[0].tenant
        held = _by_holding(works)

        async def more(count: int) -> list[Work]:
            taken = await self._take(turn, count)
            fresh = _by_holding(taken)
            held.update(fresh)
            self._held.update(fresh)
            works.extend(taken)
            return taken

        task = asyncio.create_task(self._do(works, more), name=f"{self.direction}:{works[0].id}")
        self._running.add(task)
        self._held.update(held)
        self._of_tenant[tenant] += 1
        in_hand.labels(self.direction).inc()

        def finished(task: asyncio.Task[None]) -> None:
            self._running.discard(task)
            for holding in held:
                del self._held[holding]
            self._of_tenant[tenant] -= 1
            in_hand.labels(self.direction).dec()
            if self._left_out:
                self._wake.set()

        task.add_done_callback(finished)

    async def _do(self, works: list[Work], more: More) -> None:
        first = works[0]
        with first.cause.bound(pipeline=str(first.pipeline)):
            try:
                await self.do(works, more)
            except LeaseLost as error:
                # Somebody else has the rows by now and does them; what we would have stored is not stored.
                log.warning("work.lease_lost", direction=self.direction, what=str(error))
                batches_total.labels(self.direction, "lease_lost").inc()
            except Exception as error:
                away = (
                    isinstance(error, SQLAlchemyError) and is_unreachable(error) and not _is_deadlock(error)
                )
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
        later = Postpone(FAILED_DELAY, reason)
        with contextlib.suppress(SQLAlchemyError, OSError, LeaseLost):
            async with self.database.tenant(works[0].tenant) as session:
                await link_store.give_back_all(session, works)
                await work_store.check(session, works)
                await work_store.postpone(session, [(work, later) for work in works])

    async def _keep_leases(self) -> None:
        """Extend what is in hand: so a lease can be short, and what a dead process held is soon free.

        Not what was just taken: most of it is done before the next look, at which its lease is half over.
        """
        look = self.lease.total_seconds() / 4
        while True:
            await asyncio.sleep(look)
            a_look_ago = time.monotonic() + look  # `safe_until` is half a lease after the taking
            works = [work for _, work in sorted(self._held.items()) if work.safe_until < a_look_ago]
            if not works:
                continue
            try:
                async with self.all_tenants.unbound() as session:
                    await work_store.extend(session, works, lasting=self.lease)
                    await link_store.extend(session, works, lasting=self.lease)
            except (SQLAlchemyError, OSError) as error:
                log.warning("leases.not_extended", direction=self.direction, error=type(error).__name__)


def _by_holding(works: Sequence[Work]) -> dict[tuple[int, int], Work]:
    return {(work.id, work.fence): work for work in works}


def _is_deadlock(error: Exception) -> bool:
    """An OperationalError like those of a database that is away; but this one can take the rows back."""
    return isinstance(error, DBAPIError) and isinstance(error.orig, psycopg.errors.DeadlockDetected)
