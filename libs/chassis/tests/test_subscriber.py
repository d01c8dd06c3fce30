"""Nothing is lost, whatever becomes of the handler, the body or the process."""

import asyncio
import dataclasses
import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from nats.aio.client import Client
from nats.js.api import ConsumerConfig
from sample_service.settings import SampleSettings

from chassis import subscriber
from chassis.broker import Broker, stream_config
from chassis.database import Database, fetch_all
from chassis.outbox import Outbox
from chassis.parking import Parking
from chassis.process import foundation
from chassis.subscriber import Received, Unreadable, retry_delay, subscribe, subscribe_batches
from contracts.ids import PipelineId, TenantId, ZohoId, new_id
from contracts.names import Service
from contracts.streams import SYNC_TO_AMEISE, TO_AMEISE
from contracts.work import LookAtZohoRecord

Eventually = Callable[..., Awaitable[Any]]

TENANT = TenantId("berlin")
SUBJECT = "work.to_ameise.berlin.1.4711"


def work(zoho_id: int = 4711) -> LookAtZohoRecord:
    return LookAtZohoRecord(
        id=new_id(),
        tenant=TENANT,
        correlationid=new_id(),
        time=datetime.now(UTC),
        pipeline=PipelineId("1"),
        zoho_id=ZohoId(str(zoho_id)),
    )


async def publish(client: Client, *works: LookAtZohoRecord) -> None:
    for one in works:
        subject = f"work.to_ameise.{one.tenant}.{one.pipeline}.{one.zoho_id}"
        await client.jetstream().publish(subject, one.model_dump_json().encode())


async def messages_left(client: Client) -> int:
    return (await client.jetstream().stream_info("TO_AMEISE")).state.messages


async def nothing_left(client: Client) -> bool:
    return await messages_left(client) == 0


@dataclasses.dataclass
class Parked:
    """A parking that remembers, in place of the database."""

    messages: list[Unreadable] = dataclasses.field(default_factory=list)

    async def __call__(self, message: Unreadable, /) -> None:
        self.messages.append(message)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriber, "FIRST_RETRY_SECONDS", 0.02)


SHORT = dataclasses.replace(SYNC_TO_AMEISE, ack_wait=timedelta(seconds=0.6))
"""The sample's consumer, with an ack_wait that a test can wait for."""


async def shorten_ack_wait(client: Client) -> None:
    config = ConsumerConfig(durable_name=SHORT.durable, ack_wait=0.6, max_ack_pending=1000)
    await client.jetstream().add_consumer("TO_AMEISE", config)


@pytest.mark.usefixtures("impatient")
async def test_a_message_whose_handler_raised_comes_again_until_it_is_handled(
    broker: Broker, client: Client, eventually: Eventually
) -> None:
    attempts = 0

    async def handle(message: Received[LookAtZohoRecord]) -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise RuntimeError("not yet")

    subscribe(broker.faststream, SYNC_TO_AMEISE, LookAtZohoRecord, handle, park=Parked())
    await broker.start_receiving()
    await publish(client, work())
    await eventually(lambda: nothing_left(client))
    assert attempts == 3


async def test_a_message_leaves_the_stream_only_after_its_handler_returned(
    broker: Broker, client: Client, eventually: Eventually
) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def handle(message: Received[LookAtZohoRecord]) -> None:
        begun.set()
        await may_end.wait()

    subscribe(broker.faststream, SYNC_TO_AMEISE, LookAtZohoRecord, handle, park=Parked())
    await broker.start_receiving()
    await publish(client, work())
    await begun.wait()
    assert await messages_left(client) == 1
    may_end.set()
    await eventually(lambda: nothing_left(client))


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"{}", b"[1]", b'{"v": 99}', b"x" * 100_000])
async def test_garbage_is_parked_with_its_bytes_told_once_and_acknowledged(
    body: bytes, broker: Broker, client: Client, database: Database, eventually: Eventually
) -> None:
    async def handle(message: Received[LookAtZohoRecord]) -> None:
        raise AssertionError("garbage must not reach the handler")

    parking = Parking(Service.SYNC, database, Outbox(Service.SYNC))
    subscribe(broker.faststream, SYNC_TO_AMEISE, LookAtZohoRecord, handle, park=parking)
    await broker.start_receiving()
    await client.jetstream().publish(SUBJECT, body)
    await eventually(lambda: nothing_left(client))
    await parking(Unreadable("TO_AMEISE", 1, SUBJECT, body, "delivered twice"))
    async with database.tenant(TENANT) as session:
        (kept,) = await fetch_all(session, "SELECT subject, body, sequence FROM parked_message")
        (told,) = await fetch_all(session, "SELECT subject FROM outbox")
    assert (kept["subject"], bytes(kept["body"]), kept["sequence"]) == (SUBJECT, body, 1)
    assert told["subject"] == "event.berlin.sync.message_parked"


@pytest.mark.usefixtures("impatient")
async def test_garbage_that_cannot_be_parked_now_stays_in_the_stream(
    broker: Broker, client: Client, eventually: Eventually
) -> None:
    attempts = 0

    async def park(message: Unreadable, /) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise ConnectionError("PostgreSQL is away")

    async def handle(message: Received[LookAtZohoRecord]) -> None: ...

    subscribe(broker.faststream, SYNC_TO_AMEISE, LookAtZohoRecord, handle, park=park)
    await broker.start_receiving()
    await client.jetstream().publish(SUBJECT, b"garbage")
    await eventually(lambda: nothing_left(client))
    assert attempts == 2


async def test_a_slow_message_does_not_hold_up_the_others(
    broker: Broker, client: Client, eventually: Eventually
) -> None:
    done: list[str] = []
    may_end = asyncio.Event()

    async def handle(message: Received[LookAtZohoRecord]) -> None:
        if message.body.zoho_id == "1":
            await may_end.wait()
        done.append(message.body.zoho_id)

    subscribe(broker.faststream, SYNC_TO_AMEISE, LookAtZohoRecord, handle, park=Parked())
    await publish(client, work(1), work(2))
    await broker.start_receiving()
    await eventually(lambda: done == ["2"])
    await publish(client, *(work(i) for i in range(3, 10)))
    await eventually(lambda: len(done) == 8)
    may_end.set()
    await eventually(lambda: nothing_left(client))


async def test_heartbeats_keep_a_slow_message_from_coming_again(
    broker: Broker, client: Client, eventually: Eventually
) -> None:
    await shorten_ack_wait(client)
    times = 0

    async def handle(message: Received[LookAtZohoRecord]) -> None:
        nonlocal times
        times += 1
        await asyncio.sleep(3 * SHORT.ack_wait.total_seconds())

    subscribe(broker.faststream, SHORT, LookAtZohoRecord, handle, park=Parked())
    await broker.start_receiving()
    await publish(client, work())
    await eventually(lambda: nothing_left(client))
    assert times == 1


async def test_a_message_in_the_hand_of_a_killed_process_comes_again(
    start_process: Callable[..., Any], broker: Broker, client: Client, eventually: Eventually
) -> None:
    process = start_process(SYNC_HANDLING_SECONDS="60")
    await eventually(lambda: "process.ready" in process.log)
    await shorten_ack_wait(client)
    await publish(client, work())
    await eventually(lambda: "sample.handling" in process.log)
    process.process.send_signal(signal.SIGKILL)
    process.process.wait()
    again: list[str] = []

    async def handle(message: Received[LookAtZohoRecord]) -> None:
        again.append(message.body.zoho_id)

    assert await messages_left(client) == 1
    subscribe(broker.faststream, SHORT, LookAtZohoRecord, handle, park=Parked())
    await broker.start_receiving()
    await eventually(lambda: nothing_left(client))
    assert again == ["4711"]


async def test_what_a_handler_does_not_finish_before_the_end_is_given_back_at_once(
    settings: SampleSettings, client: Client, broker: Broker
) -> None:
    in_hand, again = asyncio.Event(), asyncio.Event()

    async def never_ends(message: Received[LookAtZohoRecord]) -> None:
        in_hand.set()
        await asyncio.Event().wait()

    async def handle(message: Received[LookAtZohoRecord]) -> None:
        again.set()

    async with foundation(settings.model_copy(update={"shutdown": timedelta(seconds=0.2)})) as base:
        subscribe(base.broker.faststream, SYNC_TO_AMEISE, LookAtZohoRecord, never_ends, park=Parked())
        await base.start()
        await publish(client, work())
        await in_hand.wait()
    subscribe(broker.faststream, SYNC_TO_AMEISE, LookAtZohoRecord, handle, park=Parked())
    await broker.start_receiving()
    await asyncio.wait_for(again.wait(), 5)


async def test_a_batch_is_handled_by_one_call_and_its_garbage_is_parked_apart(
    broker: Broker, client: Client, eventually: Eventually
) -> None:
    batches: list[list[str]] = []
    parked = Parked()

    async def handle(messages: list[Received[LookAtZohoRecord]]) -> None:
        batches.append([m.body.zoho_id for m in messages])

    await publish(client, *(work(i) for i in range(1, 8)))
    await client.jetstream().publish(SUBJECT, b"garbage")
    await publish(client, work(8), work(9))
    subscribe_batches(
        broker.faststream, SYNC_TO_AMEISE, LookAtZohoRecord, handle, park=parked, size=10, wait_seconds=0.5
    )
    await broker.start_receiving()
    await eventually(lambda: nothing_left(client))
    assert batches == [[str(i) for i in range(1, 10)]]
    assert [m.raw for m in parked.messages] == [b"garbage"]


@pytest.mark.usefixtures("impatient")
async def test_a_batch_whose_handler_raised_comes_again_as_a_whole(
    broker: Broker, client: Client, eventually: Eventually
) -> None:
    seen: list[str] = []

    async def handle(messages: list[Received[LookAtZohoRecord]]) -> None:
        seen.extend(m.body.zoho_id for m in messages)
        if len(seen) == 3:
            raise RuntimeError("not yet")

    await publish(client, work(1), work(2), work(3))
    subscribe_batches(
        broker.faststream, SYNC_TO_AMEISE, LookAtZohoRecord, handle, park=Parked(), size=3, wait_seconds=0.5
    )
    await broker.start_receiving()
    await eventually(lambda: nothing_left(client))
    assert sorted(seen) == ["1", "1", "2", "2", "3", "3"]


async def test_our_subscriber_leaves_the_limits_of_its_stream_and_consumer_alone(
    broker: Broker, client: Client
) -> None:
    js = client.jetstream()
    changed = stream_config(TO_AMEISE)
    changed.max_age, changed.duplicate_window, changed.max_msgs = 3600.0, 60.0, 12345
    before = (await js.update_stream(changed)).config
    consumer_before = (await js.consumer_info("TO_AMEISE", "sync_to_ameise")).config

    async def handle(message: Received[LookAtZohoRecord]) -> None: ...

    subscribe(broker.faststream, SYNC_TO_AMEISE, LookAtZohoRecord, handle, park=Parked())
    await broker.start_receiving()
    after = (await js.stream_info("TO_AMEISE")).config
    assert (after.max_age, after.duplicate_window, after.max_msgs) == (3600.0, 60.0, 12345)
    assert after == before
    assert (await js.consumer_info("TO_AMEISE", "sync_to_ameise")).config == consumer_before


async def test_log_lines_of_a_handler_carry_the_ids_of_its_chain(
    broker: Broker, client: Client, eventually: Eventually
) -> None:
    import structlog

    bound: dict[str, Any] = {}
    one = work()

    async def handle(message: Received[LookAtZohoRecord]) -> None:
        bound.update(structlog.contextvars.get_contextvars())

    subscribe(broker.faststream, SYNC_TO_AMEISE, LookAtZohoRecord, handle, park=Parked())
    await broker.start_receiving()
    await publish(client, one)
    await eventually(lambda: nothing_left(client))
    assert bound == {"tenant": "berlin", "correlationid": one.correlationid}


def test_the_delay_doubles_up_to_a_minute() -> None:
    assert [retry_delay(n) for n in (1, 2, 3, 6, 7, 1000)] == [1, 2, 4, 32, 60, 60]


async def test_a_stream_that_is_deleted_under_us_is_heard_again(
    settings: SampleSettings, client: Client, eventually: Eventually
) -> None:
    handled: list[str] = []

    async def handle(message: Received[LookAtZohoRecord]) -> None:
        handled.append(message.body.zoho_id)

    often = settings.model_copy(update={"stream_check": timedelta(seconds=0.2)})
    async with foundation(often) as base:
        subscribe(base.broker.faststream, SYNC_TO_AMEISE, LookAtZohoRecord, handle, park=Parked())
        await base.start()
        await publish(client, work(1))
        await eventually(lambda: handled == ["1"])
        await client.jetstream().delete_stream("TO_AMEISE")
        await client.jetstream().add_stream(stream_config(TO_AMEISE))
        await publish(client, work(2))
        await eventually(lambda: handled == ["1", "2"])
