"""Many changed Kunden to Zoho, at a Zoho that takes 150 ms for each call: how many calls, and how long.

sync is a process of its own, or several (`BENCH_REPLICAS`), with a PostgreSQL that waits for its disk; auth
and ingest are played in this process. One in ten Kunden is a company, and so another module. First all are
made in Zoho, without latency; then one field of each changes. The yardstick is what the calls take at least:
calls x latency / calls that batches may have in flight.
"""

import asyncio
import os
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import nats
import psutil
import psycopg
from faststream.nats import NatsBroker
from outside import PlayedAuth, PlayedIngest, World, connect_world, played_auth, played_ingest

from benchmarks.ingest_process import durable_postgres
from benchmarks.result import Result
from chassis.rpc import RpcClient
from contracts import subjects
from contracts.actor import Actor, ActorKind, Role
from contracts.ids import TenantId, new_id
from contracts.names import Service, Table
from contracts.problems import Unavailable
from contracts.rpc.sync import CREATE_DEFAULT_PIPELINES, CreateDefaultPipelines, Pipeline
from contracts.rpc.sync_limits import SET_CONNECTION_LIMITS, SetConnectionLimits
from contracts.streams import TO_AMEISE, TO_ZOHO
from contracts.work import KeyVersion, ObjectsChanged
from mvp_connector import parts
from mvp_connector.ports import free_ports
from mvp_connector.process import HttpReady, Launch, Tier
from parts import servers
from parts.databases import Databases, DatabaseUrls

ROWS = int(os.environ.get("BENCH_ROWS", "100000"))
TENANT = TenantId("berlin")
ACTOR = Actor(kind=ActorKind.USER, id="bench", tenant=TENANT, role=Role.ADMIN)
LATENCY_SECONDS = 0.15
REPLICAS = int(os.environ.get("BENCH_REPLICAS", "1"))
CALLS_OF_BATCHES = 10 - REPLICAS
"""Ten per organisation, less the one that each replica keeps for webhooks."""
PER_CALL = 100
MOST_CALLS, MOST_TIME = 1.05, 1.3
PATIENCE_SECONDS = 1800


@dataclass
class Bench:
    """A running sync between the stand-ins."""

    client: nats.NATS
    world: World
    auth: PlayedAuth
    ingest: PlayedIngest
    database: str
    rows: int = ROWS

    async def deliver(self, beruf: str) -> float:
        """All Kunden with this Beruf; seconds until no work is left."""
        keys = [str(5_000_000_000 + number) for number in range(self.rows)]
        for number, key in enumerate(keys):
            self.ingest.put(Table.KUNDE, key, _kunde(key, beruf, company=number % 10 == 0))
        begun = time.perf_counter()
        for start in range(0, self.rows, PER_CALL):
            await self.publish(keys[start : start + PER_CALL])
        await self.nothing_left()
        return time.perf_counter() - begun

    async def calls_since(self, since: int) -> dict[str, int]:
        """Calls of Zoho by kind."""
        counted = {"read": 0, "write": 0, "jobs": 0, "other": 0}
        while True:
            query = {"vendor": "zoho", "since": since, "limit": 10_000}
            calls = (await self.world.http.get(f"{self.world.url}/sandbox/journal", params=query)).json()
            if not calls:
                return counted
            for call in calls:
                counted[_kind(call["method"], call["path"])] += 1
            since = calls[-1]["seq"]

    async def last_call(self) -> int:
        """The journal's last number."""
        seen = 0
        while True:
            query = {"vendor": "zoho", "since": seen, "limit": 100_000}
            calls = (await self.world.http.get(f"{self.world.url}/sandbox/journal", params=query)).json()
            if not calls:
                return seen
            seen = calls[-1]["seq"]

    async def publish(self, keys: list[str]) -> None:
        """Tell sync of these, as ingest's relay does."""
        objects = [self.ingest.objects[Table.KUNDE, key] for key in keys]
        told = tuple(KeyVersion(key=o.key, version=o.version, gone=o.gone) for o in objects)
        work = ObjectsChanged(
            id=new_id(), tenant=TENANT, correlationid=new_id(), time=datetime.now(UTC), table=Table.KUNDE,
            delivery=new_id(), as_of=objects[0].as_of, objects=told,
        )  # fmt: skip
        subject = subjects.to_zoho(TENANT, Table.KUNDE)
        await self.client.jetstream().publish(subject, work.model_dump_json().encode())

    async def nothing_left(self) -> None:
        """Until no work is left but what is parked."""
        async with (
            asyncio.timeout(PATIENCE_SECONDS),
            await psycopg.AsyncConnection.connect(self.database, autocommit=True) as connection,
        ):
            while await self._waits(connection):  # noqa: ASYNC110 (the state is in PostgreSQL)
                await asyncio.sleep(0.2)

    async def _waits(self, connection: psycopg.AsyncConnection[Any]) -> bool:
        for stream in (TO_AMEISE, TO_ZOHO):
            if (await self.client.jetstream().stream_info(stream.name)).state.messages:
                return True
        found = await connection.execute("SELECT EXISTS (SELECT FROM work WHERE NOT parked)")
        [waits] = await found.fetchone() or [True]
        return waits

    async def parked(self) -> list[Any]:
        async with await psycopg.AsyncConnection.connect(self.database) as connection:
            found = await connection.execute("SELECT reason, count(*) FROM work WHERE parked GROUP BY 1")
            return await found.fetchall()


async def measure(folder: Path) -> list[Result]:
    with (
        durable_postgres(folder) as superuser_url,
        servers.nats(folder) as nats_url,
        servers.sandbox(folder) as sandbox,
    ):
        databases = Databases(superuser_url)
        with databases.of_one_test() as new_database:
            urls = new_database(Service.SYNC)
            with ExitStack() as replicas:
                for number in range(REPLICAS):
                    replica = sync_service(folder, urls, nats_url, sandbox, name=f"sync-{number}")
                    replicas.enter_context(replica)
                async with httpx.AsyncClient(timeout=60) as http:
                    results = await _measured(nats_url, sandbox, urls, http)
        databases.close()
    return results


async def _measured(nats_url: str, sandbox: str, urls: DatabaseUrls, http: httpx.AsyncClient) -> list[Result]:
    client = await nats.connect(nats_url)
    broker = NatsBroker(nats_url, apply_types=False, logger=None)
    every_auth, every_ingest = played_auth(broker), played_ingest(broker)
    await broker.start()
    world = await connect_world(sandbox, http)
    auth, ingest = every_auth.of(TENANT, world), every_ingest.of(TENANT, world)
    bench = Bench(client, world, auth, ingest, urls.superuser)
    await create_pipelines(client, auth)
    await bench.deliver("Tischlerin")
    await world.fault("latency", "/crm/", vendor="zoho", seconds=LATENCY_SECONDS)
    results = await _by_hundreds(bench)
    results += await _by_bulk(bench)
    await broker.stop()
    await client.close()
    return results


async def _by_hundreds(bench: Bench) -> list[Result]:
    since, cpu = await bench.last_call(), cpu_seconds()
    seconds = await bench.deliver("Ärztin")
    used = {name: seconds - cpu[name] for name, seconds in cpu_seconds().items()}
    calls = await bench.calls_since(since)
    assert not (parked := await bench.parked()), parked
    full = ROWS / PER_CALL
    least = (calls["read"] + calls["write"]) * LATENCY_SECONDS / CALLS_OF_BATCHES
    what = f"{ROWS:,} changed Kunden to Zoho" + (f", {REPLICAS} replicas" if REPLICAS > 1 else "")
    return [
        Result(
            f"{what}: {kind} calls",
            f"{MOST_CALLS} x changed/100",
            f"{calls[kind]:,}, {calls[kind] / full:.3f} x",
            calls[kind] <= MOST_CALLS * full,
        )
        for kind in ("read", "write")
    ] + [
        Result(
            f"{what}: time",
            f"{MOST_TIME} x calls x latency / {CALLS_OF_BATCHES}",
            f"{seconds:.1f} s, {seconds / least:.2f} x ({least:.1f} s); CPU: "
            + ", ".join(f"{name} {spent:.1f} s" for name, spent in used.items()),
            seconds <= MOST_TIME * least,
        )
    ]


async def _by_bulk(bench: Bench) -> list[Result]:
    allowed = SetConnectionLimits(connection=bench.auth.zoho.id, bulk_write_allowed=True)
    await RpcClient(bench.client).call(SET_CONNECTION_LIMITS, allowed, actor=ACTOR)
    since = await bench.last_call()
    seconds = await bench.deliver("Lehrerin")
    calls = await bench.calls_since(since)
    most = -(-ROWS // 25_000)
    assert not (parked := await bench.parked()), parked
    return [
        Result(
            f"{ROWS:,} through bulk writes: jobs",
            f"{most}",
            f"{calls['jobs']} jobs, {calls['read']:,} reads, {calls['write']:,} writes, {seconds:.1f} s",
            0 < calls["jobs"] <= most,
        )
    ]


def _kunde(key: str, beruf: str, *, company: bool) -> dict[str, Any]:
    return {
        "ameise_id": key, "vermittler_id": "DEMO01", "juristische_person": company, "anrede_id": "2",
        "vorname": "Erika", "nachname": f"Muster {key}", "geburtsdatum": "1980-02-29", "beruf": beruf,
        "strasse": "Weg 1", "plz": "10115", "ort": "Berlin", "land_id": "DE",
        "email": f"k{key}@example.org", "telefon": "030 123456",
    }  # fmt: skip


def _kind(method: str, path: str) -> str:
    if path.endswith("/bulk/v8/write"):
        return "jobs"
    if "/bulk" in path or path.endswith("/upload") or "/crm/v8/" not in path:
        return "other"
    return "read" if method == "GET" else "write"


def cpu_seconds() -> dict[str, float]:
    """What each part has used, this process being ingest."""
    me = psutil.Process()
    used = {"sync": 0.0, "stand-ins": 0.0, "PostgreSQL": 0.0, "ingest": sum(me.cpu_times()[:2])}
    for child in me.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            command = " ".join(child.cmdline())
            name = (
                "sync" if "-m sync" in command else "stand-ins" if "-m sandbox" in command else "PostgreSQL"
            )
            if "nats" not in command:
                used[name] += sum(child.cpu_times()[:2])
    return used


async def create_pipelines(client: nats.NATS, auth: PlayedAuth) -> dict[str, Pipeline]:
    """Those of a new team, by module."""
    wanted = CreateDefaultPipelines(ameise_connection=auth.ameise.id, zoho_connection=auth.zoho.id)
    async with asyncio.timeout(30):
        while True:
            try:
                reply = await RpcClient(client).call(CREATE_DEFAULT_PIPELINES, wanted, actor=ACTOR)
            except Unavailable:
                await asyncio.sleep(0.2)
            else:
                return {pipeline.module: pipeline for pipeline in reply.pipelines}


@contextmanager
def sync_service(
    folder: Path, urls: DatabaseUrls, nats_url: str, sandbox: str, *, name: str = "sync", **settings: str
) -> Generator[psutil.Popen]:
    """A sync process that is ready; further `settings` as in the environment, `name` is that of its log."""
    [health_port] = free_ports(1)
    launch = Launch(
        name="sync",
        tier=Tier.SERVICE,
        command=(sys.executable, "-m", "sync", "run"),
        environment={
            "SYNC_NATS_URL": nats_url,
            "SYNC_DATABASE_URL": urls.runtime,
            "SYNC_DATABASE_ALL_TENANTS_URL": urls.all_tenants,
            "SYNC_AMEISE_REST_URL": f"{sandbox}/ameise/service/bd/employee/1.0/rest",
            "SYNC_HEALTH_PORT": str(health_port),
            "SYNC_LOG_LEVEL": "warning",
            "SYNC_ZOHO_DAILY_CREDITS": "1000000",
            **settings,
        },
        ready=HttpReady(f"http://127.0.0.1:{health_port}/health/ready"),
    )
    with parts.running(launch, log=folder / f"{name}.log") as process:
        yield process
