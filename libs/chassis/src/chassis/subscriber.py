"""The one factory for subscribers of streams.

It closes the traps of the default: an ack policy that ends a message whose handler raised, a stream
declaration that resets the stream's limits, a body that fails to parse before our code sees it. Here:

- the handler returns  → the message is acknowledged (its own transaction has committed by then)
- the handler raises   → the message is given back with a growing delay, and comes again
- the body is garbage  → its bytes are kept in `parked_message` and told as an event, then it is acknowledged
- the process stops    → the handler may finish; what it does not finish in time is given back at once
- the process dies     → NATS delivers it again after `ack_wait`
- it takes long        → the server is told every third of `ack_wait` that we are still at it
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, cast

import structlog
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsMessage, PullSub
from faststream.nats.subscriber.usecases import stream_pull_subscriber
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from prometheus_client import Counter, Histogram
from pydantic import BaseModel, ValidationError

from contracts.streams import Consumer
from contracts.subjects import inbox_prefix

log: structlog.stdlib.BoundLogger = structlog.get_logger()

T = TypeVar("T", bound=BaseModel)

# nats-py raises the built-in TimeoutError where a fetch runs out of time between its two requests. FastStream
# 0.7.8 expects only nats-py's subclass of it: its loop broke with a batch in hand, which then came again
# after `ack_wait` only.
stream_pull_subscriber.TimeoutError = TimeoutError  # pyright: ignore[reportPrivateImportUsage, reportAttributeAccessIssue]

CONCURRENCY = 64
"""Messages of one consumer that a process handles at the same time, each settled by itself."""
REQUESTS = 8
"""Requests for a message that are open at the same time. Each asks for one: nats-py holds back what has
come of a larger one until it is complete or its time is over. With a single request, a busy process would
take one message a round trip."""
_CHAIN = ("tenant", "correlationid")
FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 60.0

handled_total = Counter("messages_handled_total", "Messages by what became of them", ["consumer", "result"])
handling_seconds = Histogram(
    "message_handling_seconds",
    "Time from receiving a message (or a batch) to its acknowledgement",
    ["consumer"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30),
)


@dataclass(frozen=True, slots=True)
class Received(Generic[T]):
    """A message that could be read, with what the stream says about it."""

    body: T
    subject: str
    sequence: int
    headers: dict[str, str]
    size: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message that could not be read, with its bytes."""

    stream: str
    sequence: int
    subject: str
    raw: bytes
    reason: str


class Park(Protocol):
    """Keeps an unreadable message for a person; must be durable when it returns, and may run twice."""

    async def __call__(self, message: Unreadable, /) -> None: ...


def subscribe(
    broker: NatsBroker,
    consumer: Consumer,
    model: type[T],
    handle: Callable[[Received[T]], Awaitable[None]],
    *,
    park: Park,
) -> None:
    """Handle the messages of a durable consumer one by one, up to CONCURRENCY at the same time."""

    async def handle_one(readable: list[Received[T]]) -> None:
        with _chain(readable[0].body):
            await handle(readable[0])

    async def on_message(message: Any) -> None:
        await _settle(consumer, [message], handle_one, park)

    on_message.__annotations__["message"] = model  # what the AsyncAPI document shows
    for number in range(REQUESTS):
        broker.subscriber(
            **_options(consumer),
            pull_sub=PullSub(batch_size=1, timeout=5),
            max_workers=CONCURRENCY // REQUESTS,
            decoder=_decoder(consumer, model),
            include_in_schema=number == 0,
        )(on_message)


def subscribe_batches(
    broker: NatsBroker,
    consumer: Consumer,
    model: type[T],
    handle: Callable[[list[Received[T]]], Awaitable[None]],
    *,
    park: Park,
    size: int,
    wait_seconds: float,
) -> None:
    """Handle up to `size` messages by one call, at most `wait_seconds` after the first one came."""

    async def decode_all(message: NatsMessage, original: Any = None) -> Any:  # noqa: ARG001
        raws = cast("list[Msg]", message.raw_message)
        return [await _decode(consumer, model, raw) for raw in raws]

    async def on_batch(messages: Any) -> None:
        await _settle(consumer, messages, handle, park)

    on_batch.__annotations__["messages"] = list[model]
    broker.subscriber(
        **_options(consumer),
        pull_sub=PullSub(batch_size=size, timeout=wait_seconds, batch=True),
        decoder=decode_all,
    )(on_batch)


def _options(consumer: Consumer) -> dict[str, Any]:
    return {
        "subject": consumer.stream.subjects[0],
        "stream": JStream(consumer.stream.name, declare=False),
        "durable": consumer.durable,
        "ack_policy": AckPolicy.MANUAL,
        # FastStream's default is `_INBOX.`, which no service may hear.
        "inbox_prefix": f"{inbox_prefix(consumer.service)}.".encode(),
        "title": f"{consumer.stream.name}:{consumer.durable}",
    }


@dataclass(frozen=True, slots=True)
class _Decoded(Generic[T]):
    raw: Msg
    content: Received[T] | Unreadable


def _decoder(consumer: Consumer, model: type[T]) -> Callable[..., Awaitable[_Decoded[T]]]:
    async def decode(message: NatsMessage, original: Any = None) -> _Decoded[T]:  # noqa: ARG001
        return await _decode(consumer, model, message.raw_message)

    return decode


async def _decode(consumer: Consumer, model: type[T], raw: Msg) -> _Decoded[T]:
    sequence = raw.metadata.sequence.stream
    try:
        body = model.model_validate_json(raw.data)
    except ValidationError as error:
        reason = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['type']}" for e in error.errors()[:5])
        return _Decoded(raw, Unreadable(consumer.stream.name, sequence, raw.subject, raw.data, reason))
    return _Decoded(raw, Received(body, raw.subject, sequence, dict(raw.headers or {}), len(raw.data)))


async def _settle(
    consumer: Consumer,
    messages: list[_Decoded[T]],
    handle: Callable[[list[Received[T]]], Awaitable[None]],
    park: Park,
) -> None:
    """Park what is unreadable, hand over the rest, acknowledge; on any error give everything back."""
    with handling_seconds.labels(consumer.durable).time():
        heartbeat = asyncio.create_task(_say_in_progress(consumer, messages))
        try:
            for message in messages:
                if isinstance(message.content, Unreadable):
                    log.error(
                        "message.unreadable",
                        subject=message.content.subject,
                        reason=message.content.reason,
                    )
                    await park(message.content)
            if readable := [m.content for m in messages if isinstance(m.content, Received)]:
                await handle(readable)
        except Exception:
            log.exception("message.given_back", consumer=consumer.durable, messages=len(messages))
            handled_total.labels(consumer.durable, "given_back").inc(len(messages))
            await _for_each(messages, lambda raw: raw.nak(delay=retry_delay(raw.metadata.num_delivered or 1)))
            return
        except asyncio.CancelledError:
            await _for_each(messages, lambda raw: raw.nak())
            raise
        finally:
            heartbeat.cancel()
        handled_total.labels(consumer.durable, "done").inc(len(messages))
        await _for_each(messages, lambda raw: raw.ack())


def _chain(body: BaseModel) -> AbstractContextManager[None]:
    """Put the ids of the message's chain on every log line of its handler."""
    ids = {name: str(value) for name in _CHAIN if (value := getattr(body, name, None)) is not None}
    return structlog.contextvars.bound_contextvars(**ids)


def retry_delay(delivered: int) -> float:
    """Seconds until a message comes again after it was delivered `delivered` times: 1, 2, 4, ... 60."""
    return min(FIRST_RETRY_SECONDS * 2 ** min(delivered - 1, 10), LONGEST_RETRY_SECONDS)


async def _say_in_progress(consumer: Consumer, messages: list[_Decoded[T]]) -> None:
    while True:
        await asyncio.sleep(consumer.ack_wait.total_seconds() / 3)
        await _for_each(messages, lambda raw: raw.in_progress())


async def _for_each(messages: list[_Decoded[T]], do: Callable[[Msg], Awaitable[None]]) -> None:
    """A reply that does not reach the server is no loss: the message comes again after `ack_wait`."""
    for message in messages:
        with contextlib.suppress(NatsError, OSError):
            await do(message.raw)
