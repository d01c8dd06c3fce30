"""How long a large delivery takes, against PostgreSQL's own COPY of the same rows, in one run.

One ingest process with a PostgreSQL that waits for its disk. The limit is COPY of the same values, as
CSV in canonical form, into a table with the same column types, logged and with the same key.
"""

import asyncio
import ftplib
import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
import psutil
import psycopg

from benchmarks import deliveries
from benchmarks.result import Result
from chassis.rpc import RpcClient
from contracts.actor import Actor, ActorKind, Role
from contracts.ids import TenantId
from contracts.names import Service, Table
from contracts.rpc import Empty
from contracts.rpc.ingest import SET_UP_FTP, STATUS, DeliveryStatus, FtpAccess
from ingest.reading import read_sample
from ingest.staging import SQL_TYPES
from mvp_connector import parts
from mvp_connector.ports import free_ports
from mvp_connector.process import HttpReady, Launch, Tier
from parts import servers
from parts.databases import Databases, DatabaseUrls

ROWS = int(os.environ.get("BENCH_ROWS", "1000000"))
TENANT = TenantId("berlin")
LIMITS = {"first": 2.5, "unchanged": 0.7, "1 % changed": 0.9}
MOST_MEGABYTES = 700
PATIENCE_SECONDS = 1800


@dataclass(frozen=True)
class Ingest:
    """A running ingest process, seen from outside."""

    client: nats.NATS
    process: psutil.Process
    access: FtpAccess

    async def deliver(self, files: list[Path]) -> tuple[float, DeliveryStatus]:
        """Push by FTP; seconds from the last file being complete to the commit, and what came of it."""
        before = len(await self._deliveries())
        await asyncio.to_thread(self._push, files)
        begun = time.perf_counter()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                found = await self._deliveries()
                if len(found) > before and found[0].finished_at:
                    return time.perf_counter() - begun, found[0]
                await asyncio.sleep(0.02)

    def peak_megabytes(self) -> float:
        """The most memory that the process has had at a time."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    async def _deliveries(self) -> tuple[DeliveryStatus, ...]:
        return (await call(self.client, STATUS)).deliveries

    def _push(self, files: list[Path]) -> None:
        with ftplib.FTP(timeout=600) as ftp:
            ftp.connect(self.access.host, self.access.port)
            ftp.login(self.access.user, self.access.password or "")
            for path in files:
                with path.open("rb") as file:
                    ftp.storbinary(f"STOR {path.name}", file, blocksize=1 << 18)


async def call(client: nats.NATS, rpc: Any) -> Any:
    actor = Actor(kind=ActorKind.USER, id="bench", tenant=TENANT, role=Role.ADMIN)
    return await RpcClient(client).call(rpc, Empty(), actor=actor)


async def measure(folder: Path) -> list[Result]:
    people = deliveries.kunden(ROWS)
    files = deliveries.write(folder / "first", people)
    changed = deliveries.write(folder / "changed", deliveries.kunden(ROWS, changed_percent=1))
    with durable_postgres(folder) as superuser_url, servers.nats(folder) as nats_url:
        databases = Databases(superuser_url)
        with databases.of_one_test() as new_database:
            urls = new_database(Service.INGEST)
            limit = _copy_limit(urls, files)
            client = await nats.connect(nats_url)
            with ingest_service(folder, urls, nats_url) as process:
                access = await call(client, SET_UP_FTP)
                ingest = Ingest(client, psutil.Process(process.pid), access)
                first, what = await ingest.deliver(files)
                assert what.counts[Table.KUNDE].new == ROWS, what
                unchanged, what = await ingest.deliver(files)
                assert what.counts[Table.KUNDE].unchanged == ROWS, what
                one_percent, what = await ingest.deliver(changed)
                assert what.counts[Table.KUNDE].changed == ROWS // 100, what
                peak = ingest.peak_megabytes()
            await client.close()
        databases.drop_templates()
    took = {"first": first, "unchanged": unchanged, "1 % changed": one_percent}
    results = [
        Result(
            f"import of {ROWS:,} Kunden, {name}",
            f"{LIMITS[name]} x COPY",
            f"{seconds:.1f} s, {seconds / limit:.2f} x COPY ({limit:.1f} s)",
            seconds <= LIMITS[name] * limit,
        )
        for name, seconds in took.items()
    ]
    memory = Result("its peak memory", f"{MOST_MEGABYTES} MB", f"{peak:.0f} MB", peak < MOST_MEGABYTES)
    return [*results, memory]


@contextmanager
def durable_postgres(folder: Path) -> Generator[str]:
    """As the embedded runner has it: durable."""
    [port] = free_ports(1)
    cluster = folder / "postgres"
    parts.prepare_postgres(cluster, superuser_password=servers.SUPERUSER_PASSWORD)
    launch = parts.postgres(cluster, port=port, superuser_password=servers.SUPERUSER_PASSWORD)
    with parts.running(launch, log=folder / "postgres.log"):
        yield parts.superuser_url(port, servers.SUPERUSER_PASSWORD)


@contextmanager
def ingest_service(folder: Path, urls: DatabaseUrls, nats_url: str) -> Generator[psutil.Popen]:
    ftp_port, health_port = free_ports(2)
    launch = Launch(
        name="ingest",
        tier=Tier.SERVICE,
        command=(sys.executable, "-m", "ingest", "run"),
        environment={
            "INGEST_NATS_URL": nats_url,
            "INGEST_DATABASE_URL": urls.runtime,
            "INGEST_DATABASE_ALL_TENANTS_URL": urls.all_tenants,
            "INGEST_SPOOL_DIR": str(folder / "spool"),
            "INGEST_FTP_PORT": str(ftp_port),
            "INGEST_HEALTH_PORT": str(health_port),
            "INGEST_QUIET_SECONDS": "0",
            "INGEST_FTP_PLAIN_ALLOWED": "true",  # what is measured begins with the last byte
        },
        ready=HttpReady(f"http://127.0.0.1:{health_port}/health/ready"),
    )
    with parts.running(launch, log=folder / "ingest.log") as process:
        yield process


def _copy_limit(urls: DatabaseUrls, files: list[Path]) -> float:
    """Seconds of a bare COPY of the same Kunden."""
    definition = deliveries.FORM[Table.KUNDE]
    path = next(path for path in files if definition.files[0] == path.name)
    _, rows = read_sample(path.read_bytes(), path.name, definition)
    frame = rows.select("key", *definition.names)
    columns = ", ".join(f"{column.name} {SQL_TYPES[column.type]}" for column in definition.columns)
    with psycopg.connect(urls.superuser, autocommit=True) as connection:
        connection.execute(
            f"CREATE TABLE copied (tenant text DEFAULT 'x', key text, {columns}, PRIMARY KEY (tenant, key))"
        )
        body = frame.write_csv(include_header=False).encode()
        begun = time.perf_counter()
        names = ", ".join(("key", *definition.names))
        with connection.cursor().copy(f"COPY copied ({names}) FROM STDIN (FORMAT csv)") as copy:
            for start in range(0, len(body), 1 << 20):
                copy.write(body[start : start + (1 << 20)])
        seconds = time.perf_counter() - begun
        connection.execute("DROP TABLE copied")
    return seconds
