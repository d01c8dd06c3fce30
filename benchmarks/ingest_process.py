"""An ingest process on a PostgreSQL that waits for its disk, its senders, and how their deliveries end."""

import asyncio
import ftplib
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import nats
import psutil
import psycopg
from nats.aio.client import Client

from chassis.rpc import RpcClient
from contracts.actor import Actor, ActorKind, Role
from contracts.ids import TenantId
from contracts.names import Service
from contracts.rpc import Empty
from contracts.rpc.ingest import SET_UP_FTP, STATUS, DeliveryStatus, FtpAccess, SetUpFtp
from mvp_connector import parts
from mvp_connector.ports import free_ports
from mvp_connector.process import HttpReady, Launch, Tier
from parts import servers
from parts.databases import Databases, DatabaseUrls

PATIENCE_SECONDS = 1800
LOOK_SECONDS = 0.02
BLOCK_BYTES = 1 << 18


@dataclass(frozen=True)
class Sender:
    """One tenant's blau direkt."""

    tenant: TenantId
    access: FtpAccess

    @contextmanager
    def connected(self, *, tls: bool = False) -> Generator[ftplib.FTP]:
        """Logged in, by FTP without TLS or with it for commands and data."""
        with ftplib.FTP_TLS(timeout=600) if tls else ftplib.FTP(timeout=600) as ftp:
            ftp.connect(self.access.host, self.access.port)
            ftp.login(self.access.user, self.access.password or "")
            if isinstance(ftp, ftplib.FTP_TLS):
                ftp.prot_p()
            yield ftp

    def push(self, files: list[Path]) -> None:
        with self.connected() as ftp:
            for path in files:
                store(ftp, path)


def store(ftp: ftplib.FTP, path: Path) -> None:
    with path.open("rb") as file:
        ftp.storbinary(f"STOR {path.name}", file, blocksize=BLOCK_BYTES)


@dataclass(frozen=True)
class Ingest:
    """The running process, seen from outside; `database` as superuser, who sees all tenants."""

    client: Client
    process: psutil.Process
    database: psycopg.AsyncConnection

    async def call(self, rpc: Any, request: Any, tenant: TenantId, role: Role = Role.ADMIN) -> Any:
        actor = Actor(kind=ActorKind.USER, id="bench", tenant=tenant, role=role)
        return await RpcClient(self.client).call(rpc, request, actor=actor)

    async def sender(self, tenant: str) -> Sender:
        """A new tenant's way in."""
        id_ = TenantId(tenant)
        return Sender(id_, await self.call(SET_UP_FTP, SetUpFtp(), id_))

    async def deliver(self, sender: Sender, files: list[Path]) -> tuple[float, DeliveryStatus]:
        """Push by FTP, when all work of the delivery before is done; seconds from the last file being
        complete to the commit, and what came of it."""
        await self.told()
        before = await self.ended(sender.tenant)
        await asyncio.to_thread(sender.push, files)
        begun = time.perf_counter()
        await self.wait_for(sender.tenant, before + 1)
        seconds = time.perf_counter() - begun
        return seconds, (await self.call(STATUS, Empty(), sender.tenant)).deliveries[0]

    async def ended(self, tenants: str) -> int:
        """Deliveries that have ended, well or not, of the tenants whose names match (LIKE)."""
        [[ended]] = await self.select(
            "SELECT count(*) FROM delivery"
            " WHERE tenant LIKE %s AND state NOT IN ('receiving', 'waiting', 'importing')",
            tenants,
        )
        return ended

    async def wait_for(self, tenants: str, deliveries: int) -> None:
        """Until so many of their deliveries have ended."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await self.ended(tenants) < deliveries:  # noqa: ASYNC110 (another process's state)
                await asyncio.sleep(LOOK_SECONDS)

    async def told(self) -> None:
        """Until everything that was to be published is."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            waiting = "SELECT FROM outbox WHERE published_at IS NULL LIMIT 1"
            while await self.select(waiting):  # noqa: ASYNC110 (another process's state)
                await asyncio.sleep(LOOK_SECONDS)

    async def select(self, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        return await (await self.database.execute(query, values)).fetchall()

    def peak_megabytes(self) -> float:
        """The most memory that the process has had at a time."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024


@dataclass(frozen=True)
class Ground:
    """What an ingest process stands on: its own new database, and NATS."""

    folder: Path
    urls: DatabaseUrls
    nats_url: str

    @asynccontextmanager
    async def ingest(self) -> AsyncGenerator[Ingest]:
        """Run it while the block runs."""
        client = await nats.connect(self.nats_url)
        with ingest_service(self.folder, self.urls, self.nats_url) as process:
            async with await psycopg.AsyncConnection.connect(
                self.urls.superuser, autocommit=True
            ) as database:
                yield Ingest(client, psutil.Process(process.pid), database)
        await client.close()


@contextmanager
def ground(folder: Path) -> Generator[Ground]:
    with durable_postgres(folder) as superuser_url, servers.nats(folder) as nats_url:
        databases = Databases(superuser_url)
        with databases.of_one_test() as new_database:
            yield Ground(folder, new_database(Service.INGEST), nats_url)
        databases.close()


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
def ingest_service(folder: Path, urls: DatabaseUrls, nats_url: str) -> Generator[subprocess.Popen[bytes]]:
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
