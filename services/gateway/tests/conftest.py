"""A running gateway on real NATS and PostgreSQL, and stand-ins of the services that it asks."""

import asyncio
import inspect
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from faststream.nats import NatsBroker
from pydantic import SecretStr

from chassis.database import fetch_all
from chassis.process import Foundation
from chassis.rpc import Caller, serve
from contracts.ids import PipelineId, TenantId, Uuid, new_id
from contracts.names import Service, System, Table
from contracts.problems import Invalid
from contracts.rpc import Rpc, RpcModel
from contracts.rpc.auth import (
    FINISH_CONNECTION,
    LIST_CONNECTIONS,
    START_CONNECTION,
    Connection,
    Connections,
    ConnectionStartedReply,
    ConnectionState,
    FinishConnection,
    StartConnection,
)
from contracts.rpc.sync import LIST_PIPELINES, Pipeline, Pipelines
from gateway.app import running
from gateway.settings import Settings
from mvp_connector.ports import free_ports
from parts.databases import DatabaseUrls, NewDatabase

PASSWORD = "ein-langes-passwort"
TENANT = TenantId("team-eins")
PIPELINE = PipelineId("1")


@dataclass
class Gateway:
    """A running gateway: its address, its insides, and clients for it."""

    url: str
    base: Foundation
    urls: DatabaseUrls
    stack: AsyncExitStack

    async def client(self, *, address: str = "127.0.0.1", **options: Any) -> httpx.AsyncClient:
        """A client that seems to come from `address`: a proxy on 127.0.0.1 is believed."""
        headers = {"X-Forwarded-For": address} | options.pop("headers", {})
        return await self.stack.enter_async_context(
            # Not verifying: reading the certificate store takes 20 ms, and a gateway here speaks plain HTTP.
            httpx.AsyncClient(base_url=self.url, headers=headers, timeout=20, verify=False, **options)
        )

    async def admin(self, **options: Any) -> httpx.AsyncClient:
        return await self.client(auth=("admin", PASSWORD), **options)

    async def rows(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        async with self.base.all_tenants.unbound() as session:
            return await fetch_all(session, sql, **parameters)

    async def events(self, type_: str) -> list[dict[str, Any]]:
        """The bodies of the events of one type in the outbox; published ones stay in it."""
        rows = await self.rows(
            "SELECT CAST(convert_from(body, 'UTF8') AS jsonb) AS event FROM outbox "
            "WHERE kind = 'event' ORDER BY position"
        )
        return [row["event"] for row in rows if row["event"]["type"] == type_]


StartGateway = Callable[..., Awaitable[Gateway]]


@pytest.fixture
async def start_gateway(nats_url: str, new_database: NewDatabase) -> AsyncIterator[StartGateway]:
    """`await start_gateway(**settings) -> Gateway`; stopped after the test."""
    async with AsyncExitStack() as stack:

        async def start(**changed: Any) -> Gateway:
            urls = new_database(Service.GATEWAY)
            [port] = free_ports(1)
            settings = Settings(
                **{
                    "nats_url": nats_url,
                    "database_url": SecretStr(urls.runtime),
                    "database_all_tenants_url": SecretStr(urls.all_tenants),
                    "port": port,
                    "public_url": f"http://127.0.0.1:{port}",
                    "admin_password": SecretStr(PASSWORD),
                    "session_secret": SecretStr("0123456789abcdef"),
                    "shutdown": timedelta(seconds=3),
                    **changed,
                }
            )
            base = await stack.enter_async_context(running(settings))
            return Gateway(f"http://127.0.0.1:{port}", base, urls, stack)

        yield start


@pytest.fixture
async def gateway(start_gateway: StartGateway) -> Gateway:
    """A gateway with default settings."""
    return await start_gateway()


@dataclass
class FakeServices:
    """Answers RPCs in place of the other services, and keeps what it was asked."""

    broker: NatsBroker
    asked: list[tuple[str, Any, Caller]] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)

    def answer(self, rpc: Rpc[Any, Any], reply: Any) -> None:
        """Answer `rpc` with a model, a Problem, or what a function of the request returns or raises.

        The first answer to an RPC must be given before `start()`.
        """
        known = rpc.subject in self.answers
        self.answers[rpc.subject] = reply
        if not known:
            serve(self.broker, rpc, self._handler(rpc))

    def _handler(self, rpc: Rpc[Any, Any]) -> Callable[[Any, Caller], Awaitable[RpcModel]]:
        async def handle(request: Any, caller: Caller) -> RpcModel:
            self.asked.append((rpc.subject, request, caller))
            reply = self.answers[rpc.subject]
            if callable(reply):
                reply = reply(request)
            if inspect.isawaitable(reply):
                reply = await reply
            if isinstance(reply, Exception):
                raise reply
            return reply

        return handle

    def requests(self, rpc: Rpc[Any, Any]) -> list[Any]:
        return [request for subject, request, _ in self.asked if subject == rpc.subject]

    async def start(self) -> None:
        await self.broker.start()


@pytest.fixture
async def fake_services(nats_url: str) -> AsyncIterator[FakeServices]:
    """Other services, once `answer` and `start()` were called."""
    broker = NatsBroker(nats_url, apply_types=False, logger=None)
    yield FakeServices(broker)
    await broker.stop()


@pytest.fixture
def a_pipeline() -> Callable[..., Pipeline]:
    def make(**changed: Any) -> Pipeline:
        return Pipeline(
            **{
                "id": PIPELINE, "name": "Kunden (natürlich)", "table": Table.KUNDE, "module": "Contacts",
                "ameise_connection": new_id(), "zoho_connection": new_id(), "enabled": True,
                "takes_webhooks": True, "linked": 1000, "waiting": 3, "parked": 2,
                "last_success": datetime(2026, 11, 24, 7, 15, 3, tzinfo=UTC),
                **changed,
            }
        )  # fmt: skip

    return make


@pytest.fixture
def a_connection() -> Callable[..., Connection]:
    def make(**changed: Any) -> Connection:
        return Connection(
            **{
                "id": new_id(), "system": System.ZOHO, "name": "Produktion", "state": ConnectionState.ACTIVE,
                "account": "20098765432", "account_name": "Maklerbüro Süd", **changed,
            }
        )  # fmt: skip

    return make


@dataclass
class Auth:
    """auth's part of a code flow: one state per flow, good for one code."""

    states: list[str] = field(default_factory=list)

    def start(self, _: StartConnection) -> ConnectionStartedReply:
        state = f"state-{len(self.states)}-{new_id()}"
        self.states.append(state)
        return ConnectionStartedReply(
            connection=new_id(), authorize_url=f"https://accounts.example/auth?client_id=x&state={state}"
        )

    def finish(self, request: FinishConnection) -> Connection:
        if request.error:
            raise Invalid("Zoho hat die Verbindung abgelehnt: access_denied")
        return Connection(
            id=Uuid("00000000-0000-7000-8000-000000000001"), system=System.ZOHO, name="Produktion",
            state=ConnectionState.ACTIVE,
        )  # fmt: skip


@pytest.fixture
def fake_auth(fake_services: FakeServices) -> Auth:
    auth = Auth()
    fake_services.answer(START_CONNECTION, auth.start)
    fake_services.answer(FINISH_CONNECTION, auth.finish)
    fake_services.answer(LIST_CONNECTIONS, Connections(connections=()))
    return auth


@dataclass(frozen=True)
class Webhook:
    """An open webhook: where it is, and its token."""

    url: str
    token: str


@pytest.fixture
async def open_webhook(
    fake_services: FakeServices, a_pipeline: Callable[..., Pipeline]
) -> Callable[[Gateway], Awaitable[Webhook]]:
    """`await open_webhook(gateway) -> Webhook` of TENANT and PIPELINE."""

    async def make(gateway: Gateway) -> Webhook:
        fake_services.answer(LIST_PIPELINES, Pipelines(pipelines=(a_pipeline(),)))
        await fake_services.start()
        admin = await gateway.admin()
        made = await admin.post("/api/tenants", json={"id": TENANT, "name": "Maklerbüro Süd"})
        assert made.status_code == 201, made.text
        access = await admin.post(f"/api/{TENANT}/pipelines/{PIPELINE}/webhook")
        assert access.status_code == 200, access.text
        return Webhook(access.json()["url"], access.json()["token"])

    return make


@pytest.fixture
def wait_until() -> Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]:
    async def wait(reached: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
        async with asyncio.timeout(seconds):
            while not await reached():
                await asyncio.sleep(0.02)

    return wait


class TeamBrowser:
    """Of a signed-in admin, on one team's pages: follows redirects, sends a form with its page's token."""

    team = f"/teams/{TENANT}"

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.html = ""

    async def get(self, path: str, *, status: int = 200) -> str:
        return self._seen(await self.client.get(self.team + path), status)

    async def post(self, path: str, *, status: int = 200, files: Any = None, **fields: str) -> str:
        fields.setdefault("csrf", csrf_of(self.html))
        return self._seen(await self.client.post(self.team + path, data=fields, files=files), status)

    def _seen(self, answer: httpx.Response, status: int) -> str:
        assert answer.status_code == status, answer.text
        self.html = answer.text
        return self.html


def csrf_of(html: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', html)
    return found.group(1) if found else ""


@pytest.fixture
def browser_of_a_team(gateway: Gateway, fake_services: FakeServices) -> Callable[[], Awaitable[TeamBrowser]]:
    """`await browser_of_a_team()`, once the fake services know their answers."""

    async def make() -> TeamBrowser:
        await fake_services.start()
        made = await (await gateway.admin()).post("/api/tenants", json={"id": TENANT, "name": "Süd"})
        assert made.status_code == 201, made.text
        client = await gateway.client(headers={"Accept": "text/html"}, follow_redirects=True)
        token = csrf_of((await client.get("/login")).text)
        await client.post("/login", data={"user": "admin", "password": PASSWORD, "csrf": token})
        return TeamBrowser(client)

    return make
