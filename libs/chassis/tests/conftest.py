"""Shared by the chassis's tests: the sample service on a database and a NATS server of its own."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nats
import pytest
from nats.aio.client import Client
from pydantic import SecretStr

if TYPE_CHECKING:
    from sample_service.settings import SampleSettings

    from chassis.broker import Broker
    from chassis.database import Database
    from parts.databases import DatabaseUrls, NewDatabase

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))


@pytest.fixture
def urls(new_database: "NewDatabase") -> "DatabaseUrls":
    """The sample service's migrated database."""
    return new_database("sync", "sample_service")


@pytest.fixture
def settings(nats_url: str, urls: "DatabaseUrls") -> "SampleSettings":
    """The sample's settings."""
    from sample_service.settings import SampleSettings

    values: dict[str, Any] = {
        "nats_url": nats_url,
        "database_url": urls.runtime,
        "database_all_tenants_url": urls.all_tenants,
    }
    return SampleSettings(**values)


@pytest.fixture
async def database(urls: "DatabaseUrls") -> AsyncIterator["Database"]:
    """As the runtime role: row-level security holds."""
    from chassis.database import Database

    opened = Database(SecretStr(urls.runtime))
    yield opened
    await opened.close()


@pytest.fixture
async def all_tenants(urls: "DatabaseUrls") -> AsyncIterator["Database"]:
    """As the role of relay and retention."""
    from chassis.database import Database

    opened = Database(SecretStr(urls.all_tenants))
    yield opened
    await opened.close()


@pytest.fixture
async def client(nats_url: str) -> AsyncIterator[Client]:
    """A plain connection to the test's NATS server."""
    connection = await nats.connect(nats_url)
    yield connection
    await connection.close()


@pytest.fixture
async def broker(settings: "SampleSettings") -> AsyncIterator["Broker"]:
    """The sample's connections; streams and consumers are declared."""
    from chassis.broker import connect

    connected = await connect(settings)
    yield connected
    await connected.stop_receiving()
    await connected.close()


@pytest.fixture
def eventually() -> Callable[..., Awaitable[Any]]:
    """`await eventually(question)`: asks until the answer is true; the test fails after 10 s."""

    async def ask(question: Callable[[], Any], *, within: float = 10.0) -> Any:
        ends = time.monotonic() + within
        while True:
            answer = question()
            if asyncio.iscoroutine(answer):
                answer = await answer
            if answer:
                return answer
            assert time.monotonic() < ends, "it never became true"
            await asyncio.sleep(0.02)

    return ask


class Process:
    """A sample service as a process of its own, its log in a file."""

    def __init__(self, log: Path, environment: dict[str, str]) -> None:
        self._log = log
        self._output = log.open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sample_service", "run"],
            env={**os.environ, "PYTHONPATH": str(HERE), **environment},
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._output.close()


@pytest.fixture
def start_process(nats_url: str, urls: "DatabaseUrls", tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """`start_process(NAME=value, ...)`: the sample in a process; more or other environment by arguments."""
    started: list[Process] = []

    def start(**more: str) -> Process:
        environment = {
            "SYNC_NATS_URL": nats_url,
            "SYNC_DATABASE_URL": urls.runtime,
            "SYNC_DATABASE_ALL_TENANTS_URL": urls.all_tenants,
        }
        process = Process(tmp_path / f"sample-{len(started)}.log", environment | more)
        started.append(process)
        return process

    yield start
    for process in started:
        process.end()
