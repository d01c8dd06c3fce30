"""The server holds every service to its own subjects."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from contracts import permissions, subjects
from contracts.names import Service
from contracts.rpc.auth import ACCESS_TOKEN
from mvp_connector import parts as embedded
from mvp_connector.ports import free_ports

FILE = Path(__file__).parents[3] / "deploy" / "nats" / "permissions.conf"
PASSWORDS = {f"NATS_PASSWORD_{service.upper()}": f"password-of-{service}" for service in Service}

Connect = Callable[[Service], Awaitable[Client]]


def test_the_deployed_file_is_what_the_contracts_say() -> None:
    assert FILE.read_text() == permissions.configuration(), "run `python -m contracts.permissions`"


@pytest.fixture
def guarded_url(tmp_path: Path) -> AsyncIterator[str]:
    """A server with the deployed permission file."""
    port, monitor_port = free_ports(2)
    embedded.write_nats_config(
        tmp_path / "nats", port=port, monitor_port=monitor_port, permissions=FILE.read_text()
    )
    launch = embedded.nats_server(tmp_path / "nats", monitor_port=monitor_port, passwords=PASSWORDS)
    with embedded.running(launch, log=tmp_path / "nats.log"):
        yield f"nats://127.0.0.1:{port}"


@pytest.fixture
async def connect(guarded_url: str) -> AsyncIterator[Connect]:
    """Connects as a service; remembers what the server refused in `client.refused`."""
    clients: list[Client] = []

    async def as_service(service: Service) -> Client:
        refused: asyncio.Queue[str] = asyncio.Queue()

        async def on_error(error: Exception) -> None:
            refused.put_nowait(str(error).lower())

        client = await nats.connect(
            guarded_url,
            user=service.value,
            password=f"password-of-{service}",
            inbox_prefix=subjects.inbox_prefix(service),
            error_cb=on_error,
        )
        client.refused = refused  # type: ignore[attr-defined]
        clients.append(client)
        return client

    yield as_service
    for client in clients:
        await client.close()


async def refusal(client: Client) -> str:
    await client.flush()
    return await asyncio.wait_for(client.refused.get(), 5)  # type: ignore[attr-defined]


async def accepted(client: Client) -> bool:
    await client.flush()
    await client.flush()
    return client.refused.empty()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("service", "subject"),
    [
        (Service.AUDIT, "work.to_ameise.berlin.1.4711"),
        (Service.AUDIT, "work.to_zoho.berlin.kunde"),
        (Service.GATEWAY, "work.to_zoho.berlin.kunde"),
        (Service.GATEWAY, ACCESS_TOKEN.subject),
        (Service.SYNC, "event.berlin.auth.token_refreshed"),
        (Service.INGEST, "$JS.API.STREAM.DELETE.EVENTS"),
        (Service.SYNC, "$JS.API.STREAM.PURGE.TO_AMEISE"),
        (Service.GATEWAY, "$JS.API.CONSUMER.MSG.NEXT.TO_AMEISE.sync_to_ameise"),
        (Service.INGEST, "$O.uploads.C.abc"),
        (Service.SYNC, "$O.uploads.M.abc"),
        (Service.SYNC, "$JS.API.STREAM.MSG.GET.OBJ_uploads"),
        (Service.GATEWAY, "$O.downloads.C.abc"),
        (Service.GATEWAY, "$O.downloads.M.abc"),
        (Service.GATEWAY, "$JS.API.STREAM.PURGE.OBJ_downloads"),
    ],
)
async def test_a_service_cannot_publish_what_is_not_its_own(
    connect: Connect, service: Service, subject: str
) -> None:
    client = await connect(service)
    await client.publish(subject, b"{}")
    assert f'permissions violation for publish to "{subject.lower()}"' in await refusal(client)


@pytest.mark.parametrize(
    ("service", "subject"),
    [
        (Service.GATEWAY, "_INBOX_auth.>"),
        (Service.GATEWAY, "_INBOX.>"),
        (Service.GATEWAY, "_INBOX_sync.abc.1"),
        (Service.AUDIT, "rpc.auth.access_token"),
        (Service.SYNC, "event.>"),
        (Service.AUDIT, ">"),
    ],
)
async def test_a_service_cannot_hear_what_is_not_for_it(
    connect: Connect, service: Service, subject: str
) -> None:
    client = await connect(service)
    await client.subscribe(subject)
    assert "permissions violation for subscription" in await refusal(client)


async def test_a_service_does_what_it_is_for(connect: Connect) -> None:
    sync, auth = await connect(Service.SYNC), await connect(Service.AUTH)

    async def answer(message: nats.aio.msg.Msg) -> None:
        await message.respond(b"token")

    await auth.subscribe(ACCESS_TOKEN.subject, queue="auth", cb=answer)
    await auth.flush()
    await auth.flush()  # nats-py: the first may overtake the subscription
    assert (await sync.request(ACCESS_TOKEN.subject, b"{}", timeout=5)).data == b"token"
    await sync.publish("event.berlin.sync.adopted", b"{}")
    assert await accepted(sync)
    assert await accepted(auth)


async def test_a_wrong_password_is_refused(guarded_url: str) -> None:
    with pytest.raises(nats.errors.Error, match=r"(?i)authorization"):
        await nats.connect(guarded_url, user="sync", password="wrong", allow_reconnect=False)
