"""Shared by auth's tests: the service on its own database and NATS server, and a person who consents."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import nats
import psycopg
import pytest
from cryptography.fernet import Fernet
from faker import Faker
from psycopg.rows import dict_row

from auth.settings import AuthSettings
from chassis.process import Foundation
from chassis.rpc import RpcClient
from contracts.actor import Actor, ActorKind, Role
from contracts.ids import TenantId, Uuid
from contracts.names import Service, System
from contracts.rpc import Empty, Rpc
from contracts.rpc.auth import (
    ACCESS_TOKEN,
    FINISH_CONNECTION,
    LIST_CONNECTIONS,
    START_CONNECTION,
    AccessToken,
    AccessTokenRequest,
    Connection,
    FinishConnection,
    StartConnection,
)

if TYPE_CHECKING:
    from parts.databases import DatabaseUrls, NewDatabase

REDIRECT = "http://127.0.0.1:1/oauth/callback"
BERLIN = TenantId("berlin")
TOKEN_PATH = {System.ZOHO: "/zoho/oauth/v2/token", System.AMEISE: "/ameise/oauth2/token"}


@dataclass(frozen=True)
class Vendors:
    """The stand-ins of Zoho and Ameise, seen by a person with a browser and by who pulls the strings."""

    url: str
    http: httpx.AsyncClient

    async def consent(self, authorize_url: str, *, world: str, accept: bool = True) -> FinishConnection:
        """Open the consent page, fill in its form, and bring back what the redirect says."""
        page = await self.http.get(authorize_url)
        assert page.status_code == 200, page.text
        form = _Form()
        form.feed(page.text)
        fields = {**form.hidden, form.asked_for: world, "decision": "accept" if accept else "reject"}
        answer = await self.http.post(authorize_url.partition("?")[0], data=fields)
        assert answer.status_code == 302, answer.text
        location = answer.headers["location"]
        assert location.startswith(REDIRECT)
        query = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        return FinishConnection(
            state=query["state"],
            code=query.get("code"),
            error=query.get("error"),
            location=query.get("location"),
            accounts_server=query.get("accounts-server"),
        )

    async def token_calls(self, system: System) -> int:
        """How often the token endpoint was asked so far."""
        query = {"vendor": system.value, "path": TOKEN_PATH[system], "limit": 100_000}
        return len((await self.http.get(f"{self.url}/sandbox/journal", params=query)).json())

    async def fault(self, system: System, status: int, **more: Any) -> None:
        """The token endpoint answers with a status until `well_again`."""
        plan = {
            "vendor": system.value,
            "path_pattern": TOKEN_PATH[system],
            "kind": "status",
            "status": status,
        }
        answer = await self.http.put(f"{self.url}/sandbox/faults", json=plan | more)
        assert answer.status_code == 201, answer.text

    async def well_again(self) -> None:
        await self.http.delete(f"{self.url}/sandbox/faults")

    async def kill_refresh_tokens(self, system: System) -> None:
        await self.http.post(
            f"{self.url}/sandbox/tokens/kill", json={"vendor": system.value, "kind": "refresh"}
        )


class _Form(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.hidden: dict[str, str] = {}
        self.asked_for = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "input" and given.get("type") == "hidden":
            self.hidden[given["name"]] = given["value"]
        elif tag == "input":
            self.asked_for = given["name"]


@dataclass(frozen=True)
class Team:
    """One tenant's people and services, asking auth."""

    rpc: RpcClient
    vendors: Vendors
    tenant: TenantId

    def actor(self, role: Role = Role.ADMIN, user: str = "anna") -> Actor:
        return Actor(kind=ActorKind.USER, id=user, tenant=self.tenant, role=role)

    async def start(self, system: System, connection: Uuid | None = None, **actor: Any) -> tuple[Uuid, str]:
        """Begin; the connection and where the browser must go."""
        begun = await self.rpc.call(
            START_CONNECTION, StartConnection(system=system, connection=connection), actor=self.actor(**actor)
        )
        return begun.connection, begun.authorize_url

    async def finish(self, redirect: FinishConnection, **actor: Any) -> Connection:
        return await self.rpc.call(FINISH_CONNECTION, redirect, actor=self.actor(**actor))

    async def connect(self, system: System, world: str, connection: Uuid | None = None) -> Connection:
        """The whole flow."""
        _, url = await self.start(system, connection)
        return await self.finish(await self.vendors.consent(url, world=world))

    async def connections(self) -> tuple[Connection, ...]:
        reply = await self.rpc.call(LIST_CONNECTIONS, Empty(), actor=self.actor(Role.USER))
        return reply.connections

    async def token(self, connection: Uuid, refused: AccessToken | None = None) -> AccessToken:
        """As sync asks; `refused` is the token that got a 401."""
        return await self.ask_as(
            Actor.of_service(Service.SYNC, self.tenant), ACCESS_TOKEN, request_for(connection, refused)
        )

    async def ask_as(self, actor: Actor, rpc: Rpc[Any, Any], request: Any) -> Any:
        return await self.rpc.call(rpc, request, actor=actor)


def request_for(connection: Uuid, refused: AccessToken | None = None) -> AccessTokenRequest:
    digest = hashlib.sha256(refused.token.get_secret_value().encode()).hexdigest() if refused else None
    return AccessTokenRequest(connection=connection, refused_token_hash=digest)


@dataclass(frozen=True)
class Rows:
    """auth's database, seen and changed behind its back."""

    url: str

    @cached_property
    def session(self) -> psycopg.Connection[dict[str, Any]]:
        """One for the whole test: to open one takes longer than to ask, and tests that wait ask often."""
        return psycopg.connect(self.url, autocommit=True, row_factory=dict_row, prepare_threshold=None)

    async def change(self, statement: str) -> None:
        """Not in this thread: auth runs in its event loop, and may just hold the lock that is waited for."""

        def run() -> None:
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute(statement.encode())

        await asyncio.to_thread(run)

    def select(self, query: str) -> list[dict[str, Any]]:
        return self.session.execute(query.encode()).fetchall()

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """What was told, in order."""
        bodies = [json.loads(row["body"]) for row in self.select("SELECT body FROM outbox ORDER BY position")]
        return [body for body in bodies if name in (None, body["type"])]

    def connection(self) -> dict[str, Any]:
        [row] = self.select("SELECT * FROM connection")
        return row


@pytest.fixture
def urls(new_database: "NewDatabase") -> "DatabaseUrls":
    return new_database("auth")


@pytest.fixture
def rows(urls: "DatabaseUrls") -> Iterator[Rows]:
    made = Rows(urls.superuser)
    with made.session:
        yield made


@pytest.fixture
def settings(nats_url: str, urls: "DatabaseUrls", sandbox: str) -> AuthSettings:
    """auth registered with both stand-ins; it looks for tokens that run out five times a second."""
    values: dict[str, Any] = {
        "nats_url": nats_url,
        "database_url": urls.runtime,
        "database_all_tenants_url": urls.all_tenants,
        "secret_keys": Fernet.generate_key().decode(),
        "zoho_accounts_url": f"{sandbox}/zoho",
        "zoho_client_id": "auth-tests",
        "zoho_client_secret": "geheim & 100 % sicher+",
        "ameise_issuer_url": f"{sandbox}/ameise",
        "ameise_client_id": "auth-tests",
        "ameise_client_secret": "geheim & 100 % sicher+",
        "redirect_url": REDIRECT,
        "renewal_interval": 0.2,
    }
    return AuthSettings(**values)


@pytest.fixture
async def auth(settings: AuthSettings) -> AsyncIterator[Foundation]:
    from auth.app import running

    async with running(settings) as base:
        yield base


@pytest.fixture
async def vendors(sandbox: str) -> AsyncIterator[Vendors]:
    # Not verifying: reading the certificate store takes 20 ms, and the stand-ins speak plain HTTP.
    async with httpx.AsyncClient(timeout=10, verify=False) as http:
        made = Vendors(sandbox, http)
        yield made
        await made.well_again()


@pytest.fixture
async def team_of(nats_url: str, vendors: Vendors) -> AsyncIterator[Callable[[TenantId], Team]]:
    client = await nats.connect(nats_url)
    yield lambda tenant: Team(RpcClient(client), vendors, tenant)
    await client.close()


@pytest.fixture
def team(auth: Foundation, team_of: Callable[[TenantId], Team]) -> Team:
    """The broker team of Berlin; auth is running."""
    return team_of(BERLIN)


@pytest.fixture
def org(request: pytest.FixtureRequest) -> str:
    """The name of an organisation that no other test has."""
    faker = Faker("de_DE")
    faker.seed_instance(request.node.nodeid)
    return f"org-{faker.uuid4()[:12]}"


@pytest.fixture
def until() -> Callable[[Callable[[], Any]], Awaitable[Any]]:
    """Wait until something is there, and give it back."""

    async def wait(look: Callable[[], Any]) -> Any:
        async with asyncio.timeout(15):
            while not (seen := look()):
                await asyncio.sleep(0.02)
        return seen

    return wait
