"""Shared by sync's tests: the service as a whole between the stand-ins of Zoho and Ameise.

auth and ingest are played here, on the same NATS: tokens come from the stand-ins' own OAuth servers, and
objects are composed from the state of the Ameise stand-in, as it was when a delivery was made of it.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import nats
import psycopg
import pytest
from faststream.nats import NatsBroker
from nats.aio.client import Client
from psycopg.rows import dict_row
from pydantic import SecretStr

sys.path.insert(0, str(Path(__file__).parent))

from outside import World, connect_world, played_auth, played_ingest

from chassis.database import Database
from chassis.process import Foundation
from chassis.rpc import RpcClient
from contracts import subjects
from contracts.actor import Actor, ActorKind, Role
from contracts.ids import AmeiseKey, TenantId, ZohoId, new_id
from contracts.names import Service, Table
from contracts.rpc.sync import CREATE_DEFAULT_PIPELINES, CreateDefaultPipelines, Pipeline
from contracts.rpc.sync_parked import LIST_PARKED, RETRY_PARKED, ListParked, ParkedWork, RetryParked
from contracts.work import KeyVersion, LookAtZohoRecord, ObjectsChanged

if TYPE_CHECKING:
    from outside import PlayedAuth, PlayedIngest

    from parts.databases import DatabaseUrls, NewDatabase
    from sync.settings import SyncSettings

BERLIN = TenantId("berlin")


@dataclass(frozen=True)
class Rows:
    """sync's database, seen and changed behind its back."""

    url: str

    @cached_property
    def session(self) -> psycopg.Connection[dict[str, Any]]:
        """One for the whole test: to open one takes longer than to ask, and tests that wait ask often."""
        return psycopg.connect(self.url, autocommit=True, row_factory=dict_row, prepare_threshold=None)

    def select(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        return self.session.execute(query.encode(), parameters).fetchall()

    def change(self, statement: str, *parameters: Any) -> None:
        self.session.execute(statement.encode(), parameters)

    def work(self) -> list[dict[str, Any]]:
        return self.select("SELECT * FROM work ORDER BY id")

    def parked(self) -> list[dict[str, Any]]:
        return self.select("SELECT * FROM work WHERE parked ORDER BY id")

    def links(self) -> list[dict[str, Any]]:
        return self.select("SELECT * FROM link ORDER BY id")

    def events(self, *names: str) -> list[dict[str, Any]]:
        """What was told, in order; all or only those of some names."""
        bodies = [json.loads(row["body"]) for row in self.select("SELECT body FROM outbox ORDER BY position")]
        return [body for body in bodies if not names or body["type"] in names]


@dataclass
class Team:
    """A broker team: its stand-ins, the services around sync, and what its people ask."""

    tenant: TenantId
    client: Client
    world: World
    auth: "PlayedAuth"
    ingest: "PlayedIngest"
    rows: Rows
    pipelines: dict[str, Pipeline] = field(default_factory=dict)
    """By Zoho module."""

    def actor(self, role: Role = Role.ADMIN) -> Actor:
        return Actor(kind=ActorKind.USER, id="anna", tenant=self.tenant, role=role)

    async def create_pipelines(self) -> None:
        request = CreateDefaultPipelines(
            ameise_connection=self.auth.ameise.id, zoho_connection=self.auth.zoho.id
        )
        reply = await RpcClient(self.client).call(CREATE_DEFAULT_PIPELINES, request, actor=self.actor())
        self.pipelines = {pipeline.module: pipeline for pipeline in reply.pipelines}

    async def webhook(self, zoho_id: str, module: str = "Contacts") -> None:
        """As gateway's relay publishes it."""
        pipeline = self.pipelines[module].id
        work = LookAtZohoRecord(
            id=new_id(), tenant=self.tenant, correlationid=new_id(), time=datetime.now(UTC),
            pipeline=pipeline, zoho_id=ZohoId(zoho_id),
        )  # fmt: skip
        subject = subjects.to_ameise(self.tenant, pipeline, work.zoho_id)
        await self.client.jetstream().publish(subject, work.model_dump_json().encode())

    async def delivery(self, kunden: list[str], *, as_of: datetime | None = None) -> None:
        """Ingest stores these Kunden with their Verträge as they are in Ameise now, and tells them all."""
        for table, keys in (await self.ingest.store(kunden, as_of=as_of)).items():
            for start in range(0, len(keys), 100):
                await self.chunk(table, keys[start : start + 100])

    async def chunk(self, table: Table, keys: list[str]) -> None:
        """As ingest's relay publishes it."""
        objects = [self.ingest.objects[table, key] for key in keys]
        told = tuple(KeyVersion(key=o.key, version=o.version, gone=o.gone) for o in objects)
        await self._objects_changed(table, told, objects[0].as_of)

    async def ask_for(self, table: Table, key: str) -> None:
        """A chunk about an object that ingest does not have."""
        told = KeyVersion(key=AmeiseKey(key), version="0" * 32)
        await self._objects_changed(table, (told,), datetime.now(UTC))

    async def _objects_changed(self, table: Table, objects: tuple[KeyVersion, ...], as_of: datetime) -> None:
        work = ObjectsChanged(
            id=new_id(), tenant=self.tenant, correlationid=new_id(), time=datetime.now(UTC), table=table,
            delivery=new_id(), as_of=as_of, objects=objects,
        )  # fmt: skip
        subject = subjects.to_zoho(self.tenant, table)
        await self.client.jetstream().publish(subject, work.model_dump_json().encode())

    async def list_parked(self) -> tuple[ParkedWork, ...]:
        reply = await RpcClient(self.client).call(LIST_PARKED, ListParked(), actor=self.actor())
        return reply.works

    async def retry(self, *ids: int) -> int:
        reply = await RpcClient(self.client).call(RETRY_PARKED, RetryParked(ids=ids), actor=self.actor())
        return reply.retried

    async def idle(self) -> list[dict[str, Any]]:
        """Wait until all messages have become work and all work is done or parked; what is parked."""
        async with asyncio.timeout(30):
            # The state is in NATS and PostgreSQL: there is no event to wait for.
            while await self._unacknowledged() or any(not row["parked"] for row in self.rows.work()):
                await asyncio.sleep(0.03)
        return self.rows.parked()

    async def hurried(self) -> list[dict[str, Any]]:
        """Like `idle`, without waiting for anything that was postponed."""
        async with asyncio.timeout(20):
            while await self._unacknowledged() or any(not row["parked"] for row in self.rows.work()):
                self.hurry()
                await asyncio.sleep(0.05)
        return self.rows.parked()

    async def in_hand(self) -> dict[str, Any]:
        """Wait until sync has a row in hand; the row."""
        async with asyncio.timeout(10):
            while not (held := [row for row in self.rows.work() if row["lease_owner"]]):
                await asyncio.sleep(0.01)
        return held[0]

    async def postponed(self, reason: str) -> dict[str, Any]:
        """Wait until a row of work waits for this reason; the row."""
        async with asyncio.timeout(20):
            while True:
                for row in self.rows.work():
                    if not row["parked"] and row["lease_until"] is None and reason in (row["reason"] or ""):
                        return row
                await asyncio.sleep(0.03)

    async def failed(self, times: int) -> None:
        """Wait until the rows of work have failed so often, without waiting for when they are due."""
        async with asyncio.timeout(20):
            while not (rows := self.rows.work()) or any(row["attempts"] < times for row in rows):
                self.hurry()
                await asyncio.sleep(0.05)

    async def edited_meanwhile(self, contact: str, *berufe: str) -> None:
        """Somebody types one Beruf after the other, while nothing is tried: at another of Zoho's moments,
        which are whole seconds."""
        self.rows.change("UPDATE pipeline SET enabled = false")
        await asyncio.sleep(1.1)
        for beruf in berufe:
            await self.world.edit(contact, Beruf=beruf)
        self.rows.change("UPDATE pipeline SET enabled = true")

    def hurry(self) -> None:
        """What was postponed is due now."""
        # Rows that sync has locked are left out: waiting here would stop the loop that sync runs in.
        self.rows.change(
            "UPDATE work SET due_at = now() WHERE id IN "
            "(SELECT id FROM work WHERE lease_until IS NULL AND NOT parked FOR UPDATE SKIP LOCKED)"
        )
        self.rows.change("SELECT pg_notify('work_to_ameise', ''), pg_notify('work_to_zoho', '')")

    async def _unacknowledged(self) -> int:
        streams = [await self.client.jetstream().stream_info(name) for name in ("TO_AMEISE", "TO_ZOHO")]
        return sum(stream.state.messages for stream in streams)


@pytest.fixture
def urls(new_database: "NewDatabase") -> "DatabaseUrls":
    return new_database(Service.SYNC)


@pytest.fixture
def rows(urls: "DatabaseUrls") -> Iterator[Rows]:
    made = Rows(urls.superuser)
    with made.session:
        yield made


@pytest.fixture
async def database(urls: "DatabaseUrls") -> AsyncIterator[Database]:
    """As the runtime role: row-level security holds."""
    opened = Database(SecretStr(urls.runtime))
    yield opened
    await opened.close()


@pytest.fixture
async def all_tenants(urls: "DatabaseUrls") -> AsyncIterator[Database]:
    """As the role that takes work."""
    opened = Database(SecretStr(urls.all_tenants))
    yield opened
    await opened.close()


@pytest.fixture
def settings(
    nats_url: str, urls: "DatabaseUrls", sandbox: str, tmp_path: Path
) -> Callable[..., "SyncSettings"]:
    """`settings(**changes)`: of a sync between the stand-ins; outside calls may take two seconds."""
    from sync.settings import SyncSettings

    def make(**changes: Any) -> SyncSettings:
        values: dict[str, Any] = {
            "nats_url": nats_url,
            "database_url": SecretStr(urls.runtime),
            "database_all_tenants_url": SecretStr(urls.all_tenants),
            "ameise_rest_url": f"{sandbox}/ameise/service/bd/employee/1.0/rest",
            "call_timeout": timedelta(seconds=2),
            "stop_list_dir": tmp_path / "stop-list",
            "stop_list_key": SecretStr("a-long-random-text"),
            "log_level": "warning",
        }
        return SyncSettings(**(values | changes))

    return make


@pytest.fixture
def sync_with(
    settings: Callable[..., "SyncSettings"],
) -> Callable[..., AbstractAsyncContextManager[Foundation]]:
    """`async with sync_with(**changes) as base`: the service, at work."""
    from sync.app import running

    @asynccontextmanager
    async def start(**changes: Any) -> AsyncIterator[Foundation]:
        async with running(settings(**changes)) as base:
            yield base

    return start


@pytest.fixture
async def sync(
    sync_with: Callable[..., AbstractAsyncContextManager[Foundation]],
) -> AsyncIterator[Foundation]:
    """A running sync with everyday settings."""
    async with sync_with() as base:
        yield base


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    # Not verifying: reading the certificate store takes 20 ms, and the stand-ins speak plain HTTP.
    async with httpx.AsyncClient(timeout=20, verify=False) as client:
        yield client


@pytest.fixture
async def team_of(
    nats_url: str, sandbox: str, rows: Rows, http: httpx.AsyncClient
) -> AsyncIterator[Callable[[TenantId], Awaitable[Team]]]:
    """`await team_of(tenant)`: a team with its own stand-in worlds, auth and ingest playing along.

    One auth and one ingest answer for all teams, as in reality.
    """
    client = await nats.connect(nats_url)
    broker = NatsBroker(nats_url, apply_types=False, logger=None)
    auth, ingest = played_auth(broker), played_ingest(broker)
    await broker.start()
    worlds: list[World] = []

    async def make(tenant: TenantId) -> Team:
        world = await connect_world(sandbox, http)
        worlds.append(world)
        return Team(tenant, client, world, auth.of(tenant, world), ingest.of(tenant, world), rows)

    yield make
    for world in worlds:
        await world.well_again()
    await broker.stop()
    await client.close()


@pytest.fixture
async def team(sync: Foundation, team_of: Callable[[TenantId], Awaitable[Team]]) -> Team:
    """The broker team of Berlin with its pipelines; sync is running."""
    made = await team_of(BERLIN)
    await made.create_pipelines()
    return made
