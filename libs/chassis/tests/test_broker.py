"""Connections wait for NATS, declare what the service needs, and say when they are gone for good."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from nats.aio.client import Client
from nats.js.api import ObjectStoreConfig, RetentionPolicy, StorageType
from sample_service.settings import SampleSettings

from chassis.broker import Broker, connect, stream_config
from contracts.names import Service
from contracts.streams import EVENTS, TO_AMEISE, TO_ZOHO, UPLOADS

Eventually = Callable[..., Awaitable[Any]]


async def test_streams_and_consumers_are_declared_as_the_contracts_say(
    broker: Broker, client: Client
) -> None:
    js = client.jetstream()
    for stream in (EVENTS, TO_AMEISE, TO_ZOHO):
        config = (await js.stream_info(stream.name)).config
        assert config.storage == StorageType.FILE
        assert config.subjects == list(stream.subjects)
        assert (config.max_msgs, config.max_bytes) == (-1, -1)
    assert (await js.stream_info("EVENTS")).config.max_age == timedelta(days=90).total_seconds()
    work = (await js.stream_info("TO_ZOHO")).config
    assert (work.retention, work.max_age) == (RetentionPolicy.WORK_QUEUE, 0)
    consumer = (await js.consumer_info("TO_ZOHO", "sync_to_zoho")).config
    assert (consumer.ack_wait, consumer.max_deliver, consumer.max_ack_pending) == (30, -1, 1000)


async def test_buckets_are_declared_as_the_contracts_say(settings: SampleSettings, client: Client) -> None:
    as_gateway = type("AsGateway", (SampleSettings,), {"service": Service.GATEWAY})
    js = client.jetstream()
    await js.create_object_store("uploads", ObjectStoreConfig(ttl=60, storage=StorageType.FILE))
    for _ in range(2):
        broker = await connect(as_gateway(**settings.model_dump()))
        await broker.close()
    config = (await js.stream_info(UPLOADS.name)).config
    assert (config.storage, config.max_age) == (StorageType.FILE, UPLOADS.max_age.total_seconds())
    store = await js.object_store(UPLOADS.bucket or "")
    await store.put("berlin/1", b"abc")
    assert (await store.get("berlin/1")).data == b"abc"


async def test_a_stream_that_differs_is_brought_back_with_its_messages(
    settings: SampleSettings, client: Client
) -> None:
    js = client.jetstream()
    other = stream_config(EVENTS)
    other.max_age = 600.0
    await js.add_stream(other)
    await js.publish("event.berlin.sync.adopted", b"kept")
    broker = await connect(settings)
    info = await js.stream_info("EVENTS")
    assert (info.config.max_age, info.state.messages) == (timedelta(days=90).total_seconds(), 1)
    await broker.close()


async def test_connecting_twice_changes_nothing(settings: SampleSettings, client: Client) -> None:
    for _ in range(2):
        broker = await connect(settings)
        await broker.close()
    assert (await client.jetstream().account_info()).streams == 3


async def test_either_connection_closed_for_good_is_noticed(broker: Broker) -> None:
    await broker.start_receiving()
    assert broker.is_connected
    assert not broker.closed.is_set()
    await broker.faststream._connection.close()  # type: ignore[union-attr]
    await asyncio.wait_for(broker.closed.wait(), 5)
