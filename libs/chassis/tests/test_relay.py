"""What was committed is published: numbered without gaps, visible once, whatever falls over in between."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.errors import APIError
from pydantic import SecretStr

from chassis.broker import Broker, stream_config
from chassis.cause import Cause
from chassis.database import Database, fetch_all, run_sql
from chassis.deadline import end
from chassis.outbox import MAX_BODY_BYTES, MessageTooLarge, Outbox
from chassis.relay import Relay, forget_published
from contracts.events import EPOCH_HEADER, NUMBER_HEADER, AlreadyEqual, Event, Unpublishable
from contracts.ids import PipelineId, TenantId, ZohoId, new_id
from contracts.names import Service
from contracts.streams import EVENTS, TO_AMEISE
from contracts.work import LookAtZohoRecord
from mvp_connector import parts as embedded
from mvp_connector.ports import free_ports
from parts.databases import DatabaseUrls

Eventually = Callable[..., Awaitable[Any]]

BERLIN, HAMBURG = TenantId("berlin"), TenantId("hamburg")
OUTBOX = Outbox(Service.SYNC)


def looked_at(reason: str | None = None) -> AlreadyEqual:
    return AlreadyEqual(pipeline=PipelineId("1"), module="Contacts", reason=reason)


def work() -> LookAtZohoRecord:
    return LookAtZohoRecord(
        id=new_id(), tenant=BERLIN, correlationid=new_id(), time=datetime.now(UTC),
        pipeline=PipelineId("1"), zoho_id=ZohoId("4711"),
    )  # fmt: skip


async def tell(database: Database, tenant: TenantId, *events: AlreadyEqual) -> list[Event]:
    async with database.tenant(tenant) as session:
        return await OUTBOX.tell(session, Cause.of_service(Service.SYNC, tenant), *events)


@pytest.fixture
def new_relay(all_tenants: Database, urls: DatabaseUrls, broker: Broker) -> Callable[[], Relay]:
    """`new_relay()`: as another process would have it."""
    return lambda: Relay(Service.SYNC, all_tenants, SecretStr(urls.all_tenants), broker.js)


@contextlib.asynccontextmanager
async def at_work(*relays: Relay) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(relay.run()) for relay in relays]
    yield
    for task in tasks:
        await end(task)


async def published(client: Client, stream: str = EVENTS.name) -> list[Msg]:
    """All messages of a stream, in its order."""
    js = client.jetstream()
    state = (await js.stream_info(stream)).state
    if not state.messages:
        return []
    return [await js.get_msg(stream, seq) for seq in range(state.first_seq, state.last_seq + 1)]  # type: ignore[misc]


def numbers(messages: list[Msg]) -> dict[str, list[tuple[int, int]]]:
    """Tenant → its (epoch, number)s, sorted."""
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for message in messages:
        assert message.headers is not None
        found[message.subject.split(".")[1]].append(
            (int(message.headers[EPOCH_HEADER]), int(message.headers[NUMBER_HEADER]))
        )
    return {tenant: sorted(pairs) for tenant, pairs in found.items()}


async def until_count(client: Client, count: int, eventually: Eventually) -> None:
    async def reached() -> bool:
        return (await client.jetstream().stream_info(EVENTS.name)).state.messages >= count

    await eventually(reached)


async def test_events_are_numbered_without_gaps_under_many_writers_and_two_relays(
    new_relay: Callable[[], Relay], database: Database, client: Client, eventually: Eventually
) -> None:
    async def write(tenant: TenantId) -> list[Event]:
        told: list[Event] = []
        for many in (1, 3, 2, 1, 5):
            told += await tell(database, tenant, *[looked_at()] * many)
        return told

    async with at_work(new_relay(), new_relay()):
        written = await asyncio.gather(*(write(t) for t in (BERLIN, HAMBURG) for _ in range(5)))
        await until_count(client, 120, eventually)
    messages = await published(client)
    assert numbers(messages) == {t: [(1, n) for n in range(1, 61)] for t in (BERLIN, HAMBURG)}
    ids = [Event.model_validate_json(m.data).id for m in messages]
    assert sorted(ids) == sorted(e.id for events in written for e in events)


async def test_an_event_of_a_transaction_that_failed_is_neither_published_nor_numbered(
    new_relay: Callable[[], Relay], database: Database, client: Client
) -> None:
    with contextlib.suppress(RuntimeError):
        async with database.tenant(BERLIN) as session:
            await OUTBOX.tell(session, Cause.of_service(Service.SYNC, BERLIN), looked_at())
            raise RuntimeError("after telling")
    await tell(database, BERLIN, looked_at())
    await new_relay().publish_once()
    assert numbers(await published(client)) == {BERLIN: [(1, 1)]}


async def test_a_crash_between_publishing_and_taking_down_repeats_under_the_same_message_id(
    new_relay: Callable[[], Relay], database: Database, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    (event,) = await tell(database, BERLIN, looked_at())
    crashing, sent_ids = new_relay(), []
    publish = Relay._publish

    async def recorded(self: Relay, row: dict[str, Any]) -> Any:
        sent_ids.append(str(row["id"]))
        return await publish(self, row)

    async def crash(*_: Any) -> None:
        raise RuntimeError("killed")

    monkeypatch.setattr(Relay, "_publish", recorded)
    monkeypatch.setattr(crashing, "_take_down", crash, raising=True)
    with pytest.raises(RuntimeError, match="killed"):
        await crashing.publish_once()
    assert len(await published(client)) == 1
    await new_relay().publish_once()
    assert sent_ids == [event.id, event.id]
    assert numbers(await published(client)) == {BERLIN: [(1, 1)]}
    assert not await new_relay().publish_once()


async def test_work_leaves_the_outbox_when_nats_has_it_and_events_stay_for_resend(
    new_relay: Callable[[], Relay], database: Database, all_tenants: Database, client: Client
) -> None:
    await tell(database, BERLIN, looked_at())
    async with database.tenant(BERLIN) as session:
        await OUTBOX.ask(session, work(), work())
    await new_relay().publish_once()
    assert len(await published(client, TO_AMEISE.name)) == 2
    async with all_tenants.unbound() as session:
        rows = await fetch_all(session, "SELECT kind, published_at FROM outbox")
    assert [row["kind"] for row in rows] == ["event"]
    assert rows[0]["published_at"] is not None


async def test_published_events_go_after_their_retention(
    new_relay: Callable[[], Relay], database: Database, all_tenants: Database
) -> None:
    await tell(database, BERLIN, looked_at(), looked_at())
    await new_relay().publish_once()
    await tell(database, BERLIN, looked_at())
    assert await forget_published(all_tenants, older_than_days=1) == 0
    assert await forget_published(all_tenants, older_than_days=0) == 2
    async with all_tenants.unbound() as session:
        assert len(await fetch_all(session, "SELECT 1 FROM outbox")) == 1


async def test_a_body_that_is_too_large_is_refused_before_it_is_stored(database: Database) -> None:
    with pytest.raises(MessageTooLarge, match=r"event.berlin.sync.already_equal: \d+ bytes"):
        await tell(database, BERLIN, looked_at("x" * MAX_BODY_BYTES))
    async with database.tenant(BERLIN) as session:
        assert await fetch_all(session, "SELECT 1 FROM outbox") == []


async def test_what_nats_refuses_for_ever_keeps_its_number_and_blocks_nobody(
    new_relay: Callable[[], Relay], database: Database, client: Client
) -> None:
    small = stream_config(EVENTS)
    small.max_msg_size = 2_000
    await client.jetstream().update_stream(small)
    (_, refused, _) = await tell(database, BERLIN, looked_at(), looked_at("x" * 3_000), looked_at())
    relay = new_relay()
    while await relay.publish_once():
        pass
    messages = await published(client)
    assert numbers(messages) == {BERLIN: [(1, 1), (1, 2), (1, 3)]}
    (stand_in,) = [m for m in messages if m.subject.endswith("unpublishable")]
    event = Event.model_validate_json(stand_in.data)
    assert event.id == refused.id
    data = event.typed()
    assert isinstance(data, Unpublishable)
    assert data.type_ == "already_equal"
    async with database.tenant(BERLIN) as session:
        (kept,) = await fetch_all(session, "SELECT refused_body FROM outbox WHERE refused IS NOT NULL")
    assert Event.model_validate_json(bytes(kept["refused_body"])) == refused


@pytest.mark.parametrize(
    ("code", "err_code"), [(400, 10002), (409, 10158)], ids=["storage full", "in process"]
)
async def test_what_nats_refuses_for_now_is_published_later(
    new_relay: Callable[[], Relay],
    database: Database,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    err_code: int,
) -> None:
    async def refused(*_: Any, **__: Any) -> None:
        raise APIError(code=code, description="not now", err_code=err_code)

    (event,) = await tell(database, BERLIN, looked_at())
    with monkeypatch.context() as patched:
        patched.setattr(JetStreamContext, "publish", refused)
        with pytest.raises(TimeoutError, match="1 of 1"):
            await new_relay().publish_once()
    await new_relay().publish_once()
    (message,) = await published(client)
    assert Event.model_validate_json(message.data) == event


async def test_a_stand_in_that_is_refused_too_waits_and_the_original_is_kept(
    new_relay: Callable[[], Relay], database: Database, client: Client
) -> None:
    tiny = stream_config(EVENTS)
    tiny.max_msg_size = 10
    await client.jetstream().update_stream(tiny)
    (event,) = await tell(database, BERLIN, looked_at())
    relay = new_relay()
    await relay.publish_once()
    for _ in range(2):
        with pytest.raises(TimeoutError, match="1 of 1"):
            await relay.publish_once()
    async with database.tenant(BERLIN) as session:
        (kept,) = await fetch_all(session, "SELECT refused_body FROM outbox")
    assert Event.model_validate_json(bytes(kept["refused_body"])) == event


@pytest.mark.parametrize(
    "restore",
    ["UPDATE outbox_counter SET last_number = 1", "DELETE FROM outbox_counter"],
    ids=["counter of yesterday", "no counter"],
)
async def test_a_restored_backup_begins_a_new_epoch(
    restore: str,
    new_relay: Callable[[], Relay],
    database: Database,
    all_tenants: Database,
    client: Client,
) -> None:
    await tell(database, BERLIN, looked_at(), looked_at(), looked_at())
    await new_relay().publish_once()
    async with all_tenants.unbound() as session:
        await run_sql(session, "DELETE FROM outbox")
        await run_sql(session, restore)
    await tell(database, BERLIN, looked_at(), looked_at())
    await new_relay().publish_once()
    expected = [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)]
    assert numbers(await published(client)) == {BERLIN: expected}
    await tell(database, BERLIN, looked_at())
    await new_relay().publish_once()
    assert numbers(await published(client)) == {BERLIN: [*expected, (2, 3)]}


async def test_a_commit_wakes_the_relay_at_once(
    new_relay: Callable[[], Relay], database: Database, client: Client, eventually: Eventually
) -> None:
    heard = await client.subscribe("event.>")
    took: list[float] = []
    async with at_work(new_relay()):
        await tell(database, BERLIN, looked_at())
        await heard.next_msg(timeout=5)
        for _ in range(5):
            await tell(database, BERLIN, looked_at())
            committed = time.perf_counter()
            await heard.next_msg(timeout=4)
            took.append(time.perf_counter() - committed)
    assert min(took) < 0.1, "the relay polls every 5 s: only the NOTIFY can be this quick"


async def test_nats_goes_away_and_comes_back_and_nothing_is_lost(
    tmp_path: Path, database: Database, all_tenants: Database, urls: DatabaseUrls, eventually: Eventually
) -> None:
    port, monitor_port = free_ports(2)
    embedded.write_nats_config(tmp_path / "nats", port=port, monitor_port=monitor_port)
    server = embedded.nats_server(tmp_path / "nats", monitor_port=monitor_port)
    with embedded.running(server, log=tmp_path / "first.log"):
        client = await nats.connect(
            f"nats://127.0.0.1:{port}", max_reconnect_attempts=-1, reconnect_time_wait=0.05
        )
        js = client.jetstream()
        await js.add_stream(stream_config(EVENTS))
        relay = Relay(Service.SYNC, all_tenants, SecretStr(urls.all_tenants), js)
        await tell(database, BERLIN, looked_at())
        await relay.publish_once()
    async with at_work(relay):
        await tell(database, BERLIN, looked_at(), looked_at())
        await eventually(lambda: not client.is_connected)
        with embedded.running(server, log=tmp_path / "second.log"):
            await until_count(client, 3, eventually)
            assert numbers(await published(client)) == {BERLIN: [(1, 1), (1, 2), (1, 3)]}
    await client.close()
