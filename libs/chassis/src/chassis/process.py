"""The life of a service process: start-up that waits for its parts, background work, orderly end.

A service's `app.py` writes one function `running(settings)`; it opens a `Foundation`, wires its parts,
and calls `foundation.start()`. `run()` keeps it up until SIGTERM or SIGINT.
"""

import asyncio
import gc
import logging
import os
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psycopg
import structlog
import uvloop
from nats.errors import Error as NatsError
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from starlette.applications import Starlette
from starlette.types import ASGIApp

from chassis import logs
from chassis.broker import Broker, connect
from chassis.database import Database, is_unreachable
from chassis.deadline import end
from chassis.health import Health
from chassis.migrations import migrate, wait_until_reachable
from chassis.outbox import Outbox
from chassis.parking import Parking
from chassis.relay import Relay, forget_published
from chassis.rpc import RpcClient
from chassis.serving import serving
from chassis.settings import ServiceSettings

log: structlog.stdlib.BoundLogger = structlog.get_logger()

S = TypeVar("S", bound=ServiceSettings)

RETRY_SECONDS = 0.5
HOUSEKEEPING_SECONDS = 3600.0
LAST_WORDS_SECONDS = 0.5
"""How long the outbox may take at the end for what the last handlers told."""
CLOSING_SECONDS = 1.5
"""What all that may take on top of `settings.shutdown`; then the process ends the hard way."""
GARBAGE_AFTER_OBJECTS = 10_000
"""How many new objects Python's collector lets come before it looks among them."""


@dataclass(slots=True)
class Foundation:
    """The parts that every service stands on, open while its process runs."""

    settings: ServiceSettings
    health: Health
    database: Database
    all_tenants: Database
    broker: Broker
    outbox: Outbox
    parking: Parking
    rpc: RpcClient
    _relay: Relay
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])
    _relaying: asyncio.Task[None] | None = None

    def in_background(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` until the process ends. If it raises, the process ends: a supervisor starts it anew."""
        self._tasks.append(self._begin(name, work))

    def _begin(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._on_task_done)
        return task

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.error("process.background_failed", task=task.get_name(), exc_info=error)
        self.health.fatal = f"{task.get_name()} failed"
        self.stopping.set()

    async def start(self) -> None:
        """Begin to publish, to answer and to receive; then the process is ready."""
        self._relaying = self._begin("outbox-relay", self._relay.run())
        self.in_background("housekeeping", self._housekeeping())
        self.in_background("nats-watch", self._watch_connections())
        settings = self.settings
        self.in_background(
            "nats-declare",
            self.broker.keep_declared(
                settings.service, settings.stream_replicas, every=settings.stream_check
            ),
        )
        await self.broker.start_receiving()
        self.health.started()
        log.info("process.ready")

    async def stop(self) -> None:
        """Take nothing new. Handlers finish what they have in hand while cancelled background tasks clean
        up, both for `settings.shutdown` at most; the relay ends last, since handlers tell what they did."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + self.settings.shutdown.total_seconds()
        for task in self._tasks:
            task.cancel()
        await self.broker.stop_receiving()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=max(0.0, ends - loop.time()))
        if self._relaying:
            await end(self._relaying)
            await self._publish_last_words()

    async def _publish_last_words(self) -> None:
        """What the last handlers told; if it does not go out now, the next process publishes it."""
        with suppress(NatsError, SQLAlchemyError, OSError, TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                while await self._relay.publish_once():
                    pass

    async def _housekeeping(self) -> None:
        days = self.settings.event_retention.total_seconds() / 86_400
        while True:
            try:
                await forget_published(self.all_tenants, older_than_days=days)
            except SQLAlchemyError as error:
                if not is_unreachable(error):
                    raise
                log.warning("housekeeping.postponed", error=type(error).__name__)
            await asyncio.sleep(HOUSEKEEPING_SECONDS)

    async def _watch_connections(self) -> None:
        await self.broker.closed.wait()
        self.health.fatal = "the NATS connection is closed for good"
        self.stopping.set()


@asynccontextmanager
async def foundation(
    settings: ServiceSettings, *, http: ASGIApp | None = None, health: Health | None = None
) -> AsyncGenerator[Foundation]:
    """Open everything that a service stands on, waiting for PostgreSQL and NATS as long as it takes.

    `http` replaces the plain health server (gateway brings its own application with `health.routes()`).
    """
    health = health or Health()
    async with AsyncExitStack() as stack:
        app = http or Starlette(routes=health.routes())
        await stack.enter_async_context(serving(app, settings.health_host, settings.health_port))
        await _prepare_database(settings)
        database = Database(settings.database_url, pool_size=settings.database_pool_size)
        stack.push_async_callback(database.close)
        all_tenants = Database(settings.database_all_tenants_url, pool_size=3)
        stack.push_async_callback(all_tenants.close)
        broker = await connect(settings)
        stack.push_async_callback(broker.close)
        outbox = Outbox(settings.service)
        base = Foundation(
            settings=settings, health=health, database=database, all_tenants=all_tenants, broker=broker,
            outbox=outbox, parking=Parking(settings.service, database, outbox), rpc=RpcClient(broker.client),
            _relay=Relay(settings.service, all_tenants, settings.database_all_tenants_url, broker.js),
        )  # fmt: skip
        health.checks |= {"postgresql": database.ping, "nats": _connected(broker)}
        stack.push_async_callback(base.stop)
        yield base
        health.starting = "stopping"
        log.info("process.stopping")


def _connected(broker: Broker) -> Callable[[], Awaitable[None]]:
    async def check() -> None:
        if not broker.is_connected:
            raise ConnectionError("NATS")

    return check


async def _prepare_database(settings: ServiceSettings) -> None:
    while True:
        try:
            if settings.database_owner_url is None:
                await asyncio.to_thread(wait_until_reachable, settings.database_url)
            else:
                revision = await asyncio.to_thread(migrate, settings.service, settings.database_owner_url)
                log.info("database.migrated", revision=revision)
        except (psycopg.OperationalError, OperationalError) as error:
            first_line = next(iter(str(error).splitlines()), "")
            log.info("database.waiting", error=first_line[:200])
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return


def run(settings: S, running: Callable[[S], AbstractAsyncContextManager[Foundation]]) -> None:
    """Run a service until SIGTERM or SIGINT, or until a part of it fails for good (exit status 1)."""
    logs.configure(settings.service, form=settings.log_format, level=settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if not runner.run(_until_stopped(settings, running)):
            raise SystemExit(1)


async def _until_stopped(
    settings: S, running: Callable[[S], AbstractAsyncContextManager[Foundation]]
) -> bool:
    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()
    up = asyncio.Event()

    def on_signal() -> None:
        asked_to_stop.set()
        loop.call_later(settings.shutdown.total_seconds() + CLOSING_SECONDS, _end_the_hard_way)
        if not up.is_set() and main is not None:
            main.cancel()  # still waiting for PostgreSQL or NATS

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    try:
        async with running(settings) as base:
            up.set()
            _spare_the_collector_what_stays()
            waits = [asyncio.create_task(asked_to_stop.wait()), asyncio.create_task(base.stopping.wait())]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            failed = base.health.fatal
    except asyncio.CancelledError:
        if not asked_to_stop.is_set():
            raise
        return True
    if failed:
        log.error("process.failed", reason=failed)
    return not failed


def _spare_the_collector_what_stays() -> None:
    """Take all that start-up made (modules, models, routes) out of the garbage collector's sight: looking
    through half a million objects that never go stops the process for 150 ms, in the middle of a request.

    And let it look less often: nearly all that work makes goes by itself, and to look after every 700 objects
    took a twelfth of the CPU of a process under load."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER_OBJECTS, 10, 10)


def _end_the_hard_way() -> None:
    """Something does not let go. What was in hand comes again: every handler may be cut off anywhere."""
    log.error("process.stopped_hard")
    logging.shutdown()
    os._exit(1)


def migrate_only(settings: ServiceSettings) -> str | None:
    """`<service> migrate`: bring the database to the newest revision and say which it is."""
    logs.configure(settings.service, form=settings.log_format, level=settings.log_level)
    if settings.database_owner_url is None:
        name = f"{settings.service.upper()}_DATABASE_OWNER_URL"
        raise SystemExit(f"{name} is not set: only the owner migrates")
    return migrate(settings.service, settings.database_owner_url)
