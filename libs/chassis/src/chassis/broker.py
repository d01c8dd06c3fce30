"""The NATS connection of a process, and the streams and consumers it needs.

Connects for ever and says so while it waits; reconnects for ever. The inbox prefix is the service's own,
so that no service can hear another's replies.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import nats
import structlog
from faststream.nats import NatsBroker
from faststream.security import SASLPlaintext
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import NotFoundError

from chassis.settings import ServiceSettings
from contracts.names import Service
from contracts.streams import CONSUMERS, Consumer, Retention, Stream, streams_of
from contracts.subjects import inbox_prefix

log: structlog.stdlib.BoundLogger = structlog.get_logger()

RETRY_SECONDS = 0.5
"""Pause between attempts to reach NATS."""


@dataclass(slots=True)
class Broker:
    """A FastStream broker for subscribers, and a plain client beside it for publishing and RPC calls.

    `closed` is set when either connection is closed for good without having been asked to.
    """

    faststream: NatsBroker
    client: Client
    closed: asyncio.Event

    @property
    def js(self) -> JetStreamContext:
        return self.client.jetstream(timeout=10)

    @property
    def is_connected(self) -> bool:
        return self.client.is_connected

    async def keep_declared(self, service: Service, replicas: int, *, every: timedelta) -> None:
        """Declare streams and consumers again and again: a stream that is deleted, or comes back from damage
        without its consumers, would leave us deaf, and nothing would say so. Runs until cancelled."""
        while True:
            await asyncio.sleep(every.total_seconds())
            try:
                await _declare(self.js, service, replicas)
            except (NatsError, TimeoutError) as error:
                log.warning("nats.not_declared", error=type(error).__name__)

    async def start_receiving(self) -> None:
        """Begin to receive and to answer; when it returns, the server knows every subscription."""
        await self.faststream.start()
        # Twice: nats-py 2.16 writes the PING of a flush ahead of the commands that still wait in its buffer.
        await self.faststream.connection.flush()
        await self.faststream.connection.flush()

    async def stop_receiving(self) -> None:
        """Take nothing new, let handlers finish what they have in hand (for `shutdown`), then give back."""
        try:
            await self.faststream.stop()
        except (NatsError, OSError, ExceptionGroup) as error:
            log.warning("nats.stopped_hard", error=type(error).__name__)

    async def close(self) -> None:
        """Let the connection finish what it has to send, then close it."""
        try:
            await self.client.drain()
        except (NatsError, OSError):  # away just now: there is nobody to send to
            await self.client.close()


async def connect(settings: ServiceSettings) -> Broker:
    """Connect, waiting as long as it takes; declare the service's streams and consumers."""
    closed = asyncio.Event()
    options = _options(settings, closed)
    user, password = settings.nats_user, settings.nats_password.get_secret_value()
    client = await _connect_for_ever(options | ({"user": user, "password": password} if user else {}))
    subscribers = NatsBroker(
        **options,
        security=SASLPlaintext(username=user, password=password, use_ssl=False) if user else None,
        apply_types=False,
        logger=None,
        graceful_timeout=settings.shutdown.total_seconds(),
    )
    broker = Broker(faststream=subscribers, client=client, closed=closed)
    await _declare_for_ever(broker.js, settings.service, settings.stream_replicas)
    await _check_sync_interval(settings)
    return broker


def _options(settings: ServiceSettings, closed: asyncio.Event) -> dict[str, Any]:
    async def on_disconnect() -> None:
        log.info("nats.disconnected")

    async def on_reconnect() -> None:
        log.info("nats.reconnected")

    async def on_closed() -> None:
        closed.set()

    async def on_error(error: Exception) -> None:
        log.warning("nats.error", error=f"{type(error).__name__}: {error}"[:300])

    return {
        "servers": [url.strip() for url in settings.nats_url.split(",")],
        "name": settings.service.value,
        "inbox_prefix": inbox_prefix(settings.service),
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": RETRY_SECONDS,
        "ping_interval": 10,
        "max_outstanding_pings": 2,
        "disconnected_cb": on_disconnect,
        "reconnected_cb": on_reconnect,
        "closed_cb": on_closed,
        "error_cb": on_error,
    }


async def _connect_for_ever(options: dict[str, Any]) -> Client:
    while True:
        try:
            await _probe(options)
            return await nats.connect(**options)
        except (NatsError, OSError, TimeoutError) as error:
            log.info("nats.waiting", servers=options["servers"], error=type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)


async def _probe(options: dict[str, Any]) -> None:
    """Try to connect once, and close. With our options nats-py would loop inside, in silence."""

    async def quiet(*_: Exception) -> None:
        """The loop around reports a failed attempt."""

    once: dict[str, Any] = {name: quiet if name.endswith("_cb") else value for name, value in options.items()}
    once["allow_reconnect"], once["max_reconnect_attempts"] = False, 1
    probe = await nats.connect(**once)
    await probe.close()


async def _declare_for_ever(js: JetStreamContext, service: Service, replicas: int) -> None:
    while True:
        try:
            await _declare(js, service, replicas)
        except (NatsError, TimeoutError) as error:
            log.warning("nats.streams_wait", error=f"{type(error).__name__}: {error}"[:300])
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return


async def _declare(js: JetStreamContext, service: Service, replicas: int) -> None:
    for stream in streams_of(service):
        await _declare_stream(js, stream, replicas)
    for consumer in CONSUMERS:
        if consumer.service == service:
            await _declare_consumer(js, consumer)


def stream_config(stream: Stream, replicas: int = 1) -> StreamConfig:
    """`stream` in nats-py's terms."""
    work_queue = stream.retention is Retention.WORK_QUEUE
    return StreamConfig(
        name=stream.name,
        subjects=list(stream.subjects),
        retention=RetentionPolicy.WORK_QUEUE if work_queue else RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD,
        max_age=stream.max_age.total_seconds() if stream.max_age else 0,
        duplicate_window=stream.duplicate_window.total_seconds(),
        num_replicas=replicas,
        allow_direct=True,
        allow_rollup_hdrs=stream.bucket is not None,  # an object's newest description replaces the others
        max_msgs_per_subject=-1,
    )


async def _declare_stream(js: JetStreamContext, stream: Stream, replicas: int) -> None:
    wanted = stream_config(stream, replicas)
    try:
        present = (await js.stream_info(stream.name)).config
    except NotFoundError:
        await js.add_stream(wanted)
        log.info("nats.stream_created", stream=stream.name)
        return
    compared = ("subjects", "retention", "max_age", "duplicate_window", "num_replicas")
    if any(getattr(present, name) != getattr(wanted, name) for name in compared):
        await js.update_stream(wanted)
        log.info("nats.stream_updated", stream=stream.name)


async def _declare_consumer(js: JetStreamContext, consumer: Consumer) -> None:
    wanted = ConsumerConfig(
        durable_name=consumer.durable,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=consumer.ack_wait.total_seconds(),
        max_ack_pending=consumer.max_ack_pending,
        max_deliver=-1,
    )
    await js.add_consumer(consumer.stream.name, wanted)


async def _check_sync_interval(settings: ServiceSettings) -> None:
    """`sync_interval` is hidden from clients: read it from the monitoring port where there is one."""
    if settings.nats_monitoring_url is None:
        log.info("nats.sync_interval", value="unknown", remedy="set <SERVICE>_NATS_MONITORING_URL")
        return
    try:
        async with httpx.AsyncClient(timeout=3) as http:
            answer = await http.get(f"{settings.nats_monitoring_url}/varz")
            jetstream = answer.raise_for_status().json().get("jetstream", {}).get("config", {})
    except (httpx.HTTPError, ValueError) as error:
        log.warning("nats.sync_interval", value="unknown", error=type(error).__name__)
        return
    always = bool(jetstream.get("sync_always"))
    level = log.info if always else log.warning
    level("nats.sync_interval", value="always" if always else "not always: a power cut may lose messages")
