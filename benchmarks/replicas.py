"""The same work played by one sync process and by three: how much faster, and whether the end is the same.

Each play has a team, an organisation and a database of its own; auth and ingest are played in this process.
Every call of Zoho and Ameise takes a while, so that a replica waits more than it computes: two cores could
not show it otherwise. To Zoho a replica does two batches at a time here, since an organisation takes ten
calls at once, whoever makes them: with everyday settings one replica uses them up, which is played too.
"""

import os
import time
from collections.abc import AsyncGenerator, Awaitable, Generator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import nats
from end_state import EndState, end_state
from faststream.nats import NatsBroker
from outside import connect_world, played_auth, played_ingest

from benchmarks.ingest_process import durable_postgres
from benchmarks.result import Result
from benchmarks.to_zoho import PER_CALL, TENANT, Bench, cpu_seconds, create_pipelines, sync_service
from contracts import subjects
from contracts.ids import PipelineId, ZohoId, new_id
from contracts.names import Service
from contracts.work import LookAtZohoRecord
from parts import servers
from parts.databases import Databases, DatabaseUrls
from sandbox.state import Store

KUNDEN, NEW = 150, 5
"""Of the Kunden, those that are natural persons change: they are Contacts."""
ROWS = int(os.environ.get("BENCH_ROWS", "4000"))
OF_A_RECORD_SECONDS, OF_A_BATCH_SECONDS = 0.5, 1.0
"""What each call takes outside, of a webhook's work and of a delivery's."""
TWO_BATCHES = {"SYNC_TO_ZOHO_WORKERS": "3"}
TO_AMEISE = "changed Contacts to Ameise"
NEW_KUNDEN = f"{NEW} Erstanlagen"
TO_ZOHO = f"{ROWS:,} changed Kunden to Zoho, two batches each"
TO_ZOHO_EVERYDAY = f"{ROWS:,} changed Kunden to Zoho, everyday settings"
LEAST_RATIO = {TO_AMEISE: 2.7, TO_ZOHO: 2.7}
"""Of the others, one is done one at a time by rule, and the organisation's ten calls limit the other."""


@dataclass(frozen=True)
class Stretch:
    """One kind of work: how many rows, in what time, with how many calls of Zoho, and what CPU by process."""

    rows: int
    seconds: float
    calls: int
    cpu: dict[str, float]

    @property
    def per_second(self) -> float:
        return self.rows / self.seconds

    def __str__(self) -> str:
        cores = sum(self.cpu.values()) / self.seconds
        cpu = ", ".join(f"{name} {spent * 1000 / self.rows:.1f}" for name, spent in self.cpu.items())
        return f"{self.per_second:.1f} rows/s, {self.calls} calls, {cores:.2f} cores (ms/row: {cpu})"


@dataclass(frozen=True)
class Play:
    """What came of it."""

    stretches: dict[str, Stretch]
    end: EndState


@dataclass(frozen=True)
class Ground:
    """What all plays stand on."""

    folder: Path
    nats_url: str
    sandbox: str
    databases: Databases

    @contextmanager
    def replicas(self, urls: DatabaseUrls, count: int, settings: dict[str, str]) -> Generator[None]:
        """So many sync processes, ready."""
        with ExitStack() as up:
            for number in range(count):
                service = sync_service(
                    self.folder, urls, self.nats_url, self.sandbox, name=f"sync-{count}-{number}", **settings
                )
                up.enter_context(service)
            yield


async def measure(folder: Path) -> list[Result]:
    with (
        durable_postgres(folder) as superuser_url,
        servers.nats(folder) as nats_url,
        servers.sandbox(folder) as sandbox,
    ):
        ground = Ground(folder, nats_url, sandbox, Databases(superuser_url))
        one, three = await _play(ground, 1), await _play(ground, 3)
        ground.databases.close()
    return [_faster(what, one.stretches[what], three.stretches[what]) for what in one.stretches] + [
        _same_end(one.end, three.end)
    ]


def _faster(what: str, one: Stretch, three: Stretch) -> Result:
    ratio, least = three.per_second / one.per_second, LEAST_RATIO.get(what)
    return Result(
        f"{what}: three replicas",
        f"{least} x" if least else "–",
        f"{ratio:.2f} x; one: {one}; three: {three}",
        ratio >= least if least else True,
    )


def _same_end(one: EndState, three: EndState) -> Result:
    difference = one.difference(three)
    things = f"{len(one.zoho):,} records, {len(one.ameise):,} Kunden, {len(one.links):,} links"
    measured = "; ".join(difference[:3]) or f"{things} alike, {one.created} Kunden made, none parked"
    good = not difference and not one.parked and one.created == NEW
    return Result("the end, with three replicas", "as with one", measured, good)


async def _play(ground: Ground, replicas: int) -> Play:
    with ground.databases.of_one_test() as new_database:
        urls = new_database(Service.SYNC)
        stretches: dict[str, Stretch] = {}
        async with _team(ground, urls) as bench:
            with ground.replicas(urls, replicas, TWO_BATCHES):
                pipelines = await create_pipelines(bench.client, bench.auth)
                contacts = await _known_kunden(bench)
                await _slow(bench, OF_A_RECORD_SECONDS)
                for number, zoho_id in enumerate(contacts):
                    await bench.world.edit(zoho_id, Beruf=f"Seilerin {number}")
                to_ameise = _webhooks(bench, pipelines["Contacts"].id, contacts)
                stretches[TO_AMEISE] = await _timed(bench, len(contacts), to_ameise)
                forms = [await _form(bench, number) for number in range(NEW)]
                to_ameise = _webhooks(bench, pipelines["Contacts"].id, forms)
                stretches[NEW_KUNDEN] = await _timed(bench, NEW, to_ameise)
                await bench.world.well_again()
                await bench.deliver("Tischlerin")
                await _slow(bench, OF_A_BATCH_SECONDS)
                stretches[TO_ZOHO] = await _timed(bench, ROWS, bench.deliver("Ärztin"))
            with ground.replicas(urls, replicas, {}):
                stretches[TO_ZOHO_EVERYDAY] = await _timed(bench, ROWS, bench.deliver("Lehrerin"))
            await bench.world.well_again()
            store = Store(ground.folder / "sandbox" / "sandbox.sqlite")
            end = await end_state(store, bench.world, urls.superuser)
            store.close()
    return Play(stretches, end)


@asynccontextmanager
async def _team(ground: Ground, urls: DatabaseUrls) -> AsyncGenerator[Bench]:
    client = await nats.connect(ground.nats_url)
    broker = NatsBroker(ground.nats_url, apply_types=False, logger=None)
    every_auth, every_ingest = played_auth(broker), played_ingest(broker)
    await broker.start()
    async with httpx.AsyncClient(timeout=60) as http:
        world = await connect_world(ground.sandbox, http)
        auth, ingest = every_auth.of(TENANT, world), every_ingest.of(TENANT, world)
        yield Bench(client, world, auth, ingest, urls.superuser, ROWS)
    await broker.stop()
    await client.close()


async def _known_kunden(bench: Bench) -> list[str]:
    """Kunden of Ameise get their records in Zoho; the ids of all Contacts, in the order of the Kunden."""
    kunden = await bench.world.seed(KUNDEN, KUNDEN * 3)
    await bench.ingest.store(kunden)
    for start in range(0, len(kunden), PER_CALL):
        await bench.publish(kunden[start : start + PER_CALL])
    await bench.nothing_left()
    contacts = await bench.world.records("Contacts")
    return [record["id"] for record in sorted(contacts, key=lambda record: record["Kundennummer"])]


async def _slow(bench: Bench, seconds: float) -> None:
    await bench.world.fault("latency", "/(crm|rest)/", seconds=seconds)


async def _form(bench: Bench, number: int) -> str:
    return await bench.world.add(
        Salutation="Frau", First_Name="Anna", Last_Name=f"Formular {number}",
        Email=f"form{number}@example.org", Date_of_Birth=f"1990-01-{number + 1:02}",
    )  # fmt: skip


async def _webhooks(bench: Bench, pipeline: PipelineId, zoho_ids: Sequence[str]) -> None:
    """All at once, as gateway's relay publishes them; until all work is done."""
    for zoho_id in zoho_ids:
        work = LookAtZohoRecord(
            id=new_id(), tenant=TENANT, correlationid=new_id(), time=datetime.now(UTC), pipeline=pipeline,
            zoho_id=ZohoId(zoho_id),
        )  # fmt: skip
        subject = subjects.to_ameise(TENANT, pipeline, work.zoho_id)
        await bench.client.jetstream().publish(subject, work.model_dump_json().encode())
    await bench.nothing_left()


async def _timed(bench: Bench, rows: int, work: Awaitable[object]) -> Stretch:
    since, cpu, begun = await bench.last_call(), cpu_seconds(), time.perf_counter()
    await work
    seconds = time.perf_counter() - begun
    used = {name: spent - cpu.get(name, 0.0) for name, spent in cpu_seconds().items()}
    calls = await bench.calls_since(since)
    return Stretch(rows, seconds, calls["read"] + calls["write"], used)
