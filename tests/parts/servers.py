"""Starts the servers that tests run against: those of the embedded runner, each worker its own."""

import os
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

from mvp_connector import parts
from mvp_connector.ports import free_ports
from mvp_connector.process import HttpReady, Launch, Tier

SUPERUSER_PASSWORD = "test"
_ACCOUNTS_A_SERVER = 50


def environment_url(name: str) -> str | None:
    """The URL of a server that somebody else started, None where the variable is unset or empty."""
    return os.environ.get(name) or None


@contextmanager
def nats(folder: Path) -> Generator[str]:
    """A nats-server of its own; its client URL."""
    with _nats(folder) as address:
        yield f"nats://{address}"


def nats_accounts(folder: Path) -> Generator[str]:
    """Client URLs for ever, each with an account of its own: no account sees another's subjects and streams.

    A server serves some of them and makes way for the next one, so that what is left behind stays small.
    """
    for number in count():
        users = [f"test{user}" for user in range(_ACCOUNTS_A_SERVER)]
        accounts = "\n".join(
            f"  {user} {{ jetstream: enabled, users: [{{ user: {user}, password: test }}] }}"
            for user in users
        )
        with _nats(folder / f"nats-{number}", f"accounts {{\n{accounts}\n}}\n") as address:
            for user in users:
                yield f"nats://{user}:test@{address}"


@contextmanager
def _nats(folder: Path, permissions: str | None = None) -> Generator[str]:
    def launch_on(ports: list[int]) -> Launch:
        parts.write_nats_config(
            folder / "nats", port=ports[0], monitor_port=ports[1], permissions=permissions
        )
        return parts.nats_server(folder / "nats", monitor_port=ports[1])

    with _started(launch_on, log=folder / "nats.log") as ports:
        yield f"127.0.0.1:{ports[0]}"


@contextmanager
def postgres(folder: Path) -> Generator[str]:
    """A PostgreSQL of its own; its superuser URL."""
    cluster = folder / "postgres"
    parts.prepare_postgres(cluster, superuser_password=SUPERUSER_PASSWORD, durable=False)

    def launch_on(ports: list[int]) -> Launch:
        return parts.postgres(cluster, port=ports[0], superuser_password=SUPERUSER_PASSWORD, durable=False)

    with _started(launch_on, log=folder / "postgres.log") as ports:
        yield parts.superuser_url(ports[0], SUPERUSER_PASSWORD)


@contextmanager
def opensearch(folder: Path) -> Generator[str]:
    """A server of the OpenSearch protocol of its own; its URL."""
    with _started(lambda ports: parts.opensearch(port=ports[0]), log=folder / "opensearch.log") as ports:
        yield f"http://127.0.0.1:{ports[0]}"


@contextmanager
def sandbox(folder: Path) -> Generator[str]:
    """The stand-ins of Zoho, Ameise and blau direkt as one process; its base URL."""
    with _started(
        lambda ports: Launch(
            name="sandbox",
            tier=Tier.SANDBOX,
            command=(
                *(sys.executable, "-m", "sandbox", "run"),
                *("--port", str(ports[0]), "--data-dir", str(folder / "sandbox")),
            ),
            ready=HttpReady(f"http://127.0.0.1:{ports[0]}/health/ready"),
        ),
        log=folder / "sandbox.log",
    ) as ports:
        yield f"http://127.0.0.1:{ports[0]}"


@contextmanager
def _started(
    launch_on: Callable[[list[int]], Launch], *, log: Path, attempts: int = 3
) -> Generator[list[int]]:
    """Run a server on free ports; other ports if another worker was quicker to take one of them."""
    for attempt in range(attempts):
        ports = free_ports(2)
        with ExitStack() as stack:
            try:
                stack.enter_context(parts.running(launch_on(ports), log=log))
            except parts.PartError as failure:
                if attempt + 1 < attempts and "in use" in str(failure):
                    continue
                raise
            yield ports
            return
