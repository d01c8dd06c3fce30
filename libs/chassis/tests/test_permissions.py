"""A service of the chassis does all it needs under the permissions that are deployed."""

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nats
import pytest
from pydantic import SecretStr
from sample_service.app import running
from sample_service.settings import SampleSettings

from chassis import objects
from chassis.broker import stream_config
from chassis.process import foundation
from chassis.rpc import Caller, RpcClient, serve
from chassis.subscriber import Received, subscribe
from contracts import permissions, subjects
from contracts.actor import Actor, ActorKind, Role
from contracts.events import AlreadyEqual, Event
from contracts.ids import PipelineId, TenantId, new_id
from contracts.names import Service
from contracts.problems import NotFound
from contracts.rpc.auth import ACCESS_TOKEN, AccessToken, AccessTokenRequest
from contracts.rpc.sync_parked import LIST_PARKED, ListParked, ParkedWorks
from contracts.streams import DOWNLOADS, SYNC_TO_AMEISE, UPLOADS
from contracts.work import LookAtZohoRecord
from mvp_connector import parts as embedded
from mvp_connector.ports import free_ports

TENANT = TenantId("berlin")
PASSWORDS = {f"NATS_PASSWORD_{service.upper()}": f"password-of-{service}" for service in Service}


@pytest.fixture
def guarded(tmp_path: Path, settings: SampleSettings) -> Iterator[SampleSettings]:
    """The sample's settings on a server that holds it to its permissions."""
    port, monitor_port = free_ports(2)
    embedded.write_nats_config(
        tmp_path / "guarded", port=port, monitor_port=monitor_port, permissions=permissions.configuration()
    )
    launch = embedded.nats_server(tmp_path / "guarded", monitor_port=monitor_port, passwords=PASSWORDS)
    login: dict[str, Any] = {
        "nats_url": f"nats://127.0.0.1:{port}",
        "nats_user": "sync",
        "nats_password": SecretStr("password-of-sync"),
    }
    with embedded.running(launch, log=tmp_path / "guarded.log"):
        yield settings.model_copy(update=login)


async def connect(settings: SampleSettings, service: Service) -> nats.aio.client.Client:
    return await nats.connect(
        settings.nats_url,
        user=service.value,
        password=f"password-of-{service}",
        inbox_prefix=subjects.inbox_prefix(service),
    )


async def test_it_answers_receives_tells_and_calls(guarded: SampleSettings) -> None:
    gateway = await connect(guarded, Service.GATEWAY)
    received = asyncio.Event()

    async def handle(message: Received[LookAtZohoRecord]) -> None:
        received.set()

    async def list_parked(request: ListParked, caller: Caller) -> ParkedWorks:
        async with base.database.tenant(caller.tenant) as session:
            await base.outbox.tell(session, caller.cause, AlreadyEqual(pipeline=PipelineId("1"), module="M"))
        return ParkedWorks(total=0, works=())

    async with foundation(guarded) as base:
        serve(base.broker.faststream, LIST_PARKED, list_parked)
        subscribe(base.broker.faststream, SYNC_TO_AMEISE, LookAtZohoRecord, handle, park=base.parking)
        await base.start()
        actor = Actor(kind=ActorKind.USER, id="anna", tenant=TENANT, role=Role.USER)
        assert (await RpcClient(gateway).call(LIST_PARKED, ListParked(), actor=actor)).total == 0
        work = b'{"id": "%(id)s", "correlationid": "%(id)s", "tenant": "berlin", "pipeline": "1"' % {
            b"id": new_id().encode()
        }
        await gateway.jetstream().publish(
            "work.to_ameise.berlin.1.4711", work + b', "zoho_id": "4711", "time": "2025-03-09T12:00:00Z"}'
        )
        await asyncio.wait_for(received.wait(), 5)
        assert await base.health.problems() == {}
        told = await told_in(base.broker.js)
    assert told.type == "already_equal"
    await gateway.close()


async def test_a_file_goes_from_ingest_to_the_gateway_only(guarded: SampleSettings) -> None:
    clients = [await connect(guarded, s) for s in (Service.INGEST, Service.GATEWAY, Service.SYNC)]
    ingest, gateway, sync = (client.jetstream(timeout=1) for client in clients)
    await ingest.add_stream(stream_config(DOWNLOADS))
    stored = await objects.store(ingest, DOWNLOADS, TENANT, io.BytesIO(b"x" * 200_000))
    assert len(b"".join([p async for p in objects.read(gateway, DOWNLOADS, TENANT, stored)])) == 200_000
    with pytest.raises(nats.errors.Error):
        _ = [piece async for piece in objects.read(sync, DOWNLOADS, TENANT, stored)]
    with pytest.raises(nats.errors.Error):
        await objects.store(gateway, DOWNLOADS, TENANT, io.BytesIO(b"x"))
    assert await objects.forget_all_of(ingest, DOWNLOADS, TENANT) == 1
    for client in clients:
        await client.close()


async def test_a_file_goes_from_the_gateway_to_ingest_which_takes_it_away(guarded: SampleSettings) -> None:
    clients = [await connect(guarded, s) for s in (Service.GATEWAY, Service.INGEST)]
    gateway, ingest = (client.jetstream(timeout=1) for client in clients)
    await gateway.add_stream(stream_config(UPLOADS))
    stored = await objects.store(gateway, UPLOADS, TENANT, io.BytesIO(b"x" * 200_000))
    assert await objects.size(ingest, UPLOADS, TENANT, stored) == 200_000
    assert len(b"".join([p async for p in objects.read(ingest, UPLOADS, TENANT, stored)])) == 200_000
    await objects.forget(ingest, UPLOADS, TENANT, stored)
    with pytest.raises(NotFound):
        await objects.size(gateway, UPLOADS, TENANT, stored)
    for client in clients:
        await client.close()


async def told_in(js: nats.js.JetStreamContext) -> Event:
    async with asyncio.timeout(5):
        while True:
            try:
                message = await js.get_last_msg("EVENTS", "event.berlin.sync.>")
            except nats.js.errors.NotFoundError:
                await asyncio.sleep(0.02)
            else:
                return Event.model_validate_json(message.data or b"")


async def test_it_gets_the_replies_to_its_own_calls(guarded: SampleSettings) -> None:
    auth = await connect(guarded, Service.AUTH)
    token = (
        b'{"body": {"token": "t", "expires_at": "2025-03-09T12:00:00Z", "system": "zoho", "account": "1"}}'
    )

    async def answer(message: nats.aio.msg.Msg) -> None:
        await message.respond(token)

    await auth.subscribe(ACCESS_TOKEN.subject, cb=answer)
    await auth.flush()
    await auth.flush()  # nats-py: the first may overtake the subscription
    async with running(guarded) as base:
        actor = Actor.of_service(Service.SYNC, TENANT)
        reply = await base.rpc.call(ACCESS_TOKEN, AccessTokenRequest(connection=new_id()), actor=actor)
    assert isinstance(reply, AccessToken)
    assert reply.token.get_secret_value() == "t"
    await auth.close()
