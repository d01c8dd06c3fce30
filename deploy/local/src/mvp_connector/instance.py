"""One running installation per data directory, and what a killed one left behind."""

import fcntl
import json
import signal
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from .ports import is_free
from .process import Tier

DATA_FORMAT = 1
"""Format of the data directory. Raised when an older release could not read it any more."""

# The start time is computed from the boot time, which clock adjustments move a little.
_SAME_START_SECONDS = 2.0


class CannotStartError(Exception):
    """A reason not to start, as one line that says what to do."""


@contextmanager
def hold(data_dir: Path) -> Generator[None]:
    """Be the only instance of `data_dir` meanwhile; the kernel lets go however we end.

    Raises:
        CannotStartError: another instance holds it.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise CannotStartError(
                f"{data_dir} is in use by another mvp-connector (process {holder}): "
                "stop that one, or choose another --data-dir"
            ) from None
        lock.truncate(0)
        lock.write(f"{psutil.Process().pid}\n")
        lock.flush()
        yield


def check_format(data_dir: Path) -> None:
    """Mark a new data directory with our format.

    Raises:
        CannotStartError: a newer release wrote it.
    """
    marker = data_dir / "format"
    if not marker.exists():
        marker.write_text(f"{DATA_FORMAT}\n")
    found = marker.read_text().strip()
    if not found.isdecimal() or int(found) > DATA_FORMAT:
        raise CannotStartError(
            f"{data_dir} was written by a newer release (format {found}, this one reads {DATA_FORMAT}): "
            "install that release, or choose another --data-dir"
        )


def check_port(host: str, port: int) -> None:
    """Raises `CannotStartError` where something already listens on the port of the web UI."""
    if not is_free(port, host):
        raise CannotStartError(f"port {port} on {host} is taken: choose another one with --port")


@dataclass(frozen=True, slots=True)
class StartedChild:
    """A child process as found again later: a pid alone may belong to somebody else by then."""

    name: str
    tier: int
    stop_signal: int
    pid: int
    started: float
    """Seconds since 1970."""


def started_child(name: str, tier: Tier, stop_signal: signal.Signals, pid: int) -> StartedChild:
    """Describe the running process `pid`; raises `psutil.NoSuchProcess` if it is gone."""
    return StartedChild(name, int(tier), int(stop_signal), pid, psutil.Process(pid).create_time())


def record_children(data_dir: Path, children: Iterable[StartedChild]) -> None:
    """Keep the list of running children for the next `up`."""
    unfinished = data_dir / "children.json.new"
    unfinished.write_text(json.dumps([asdict(child) for child in children], indent=2))
    unfinished.replace(data_dir / "children.json")


def end_leftovers(data_dir: Path, *, grace_seconds: float = 10) -> list[str]:
    """End the recorded children that still run, dependents first; their names.

    Each gets its stop signal, and after `grace_seconds` it is killed. A process is ours only if both
    pid and start time are as recorded.
    """
    path = data_dir / "children.json"
    if not path.exists():
        return []
    children = [StartedChild(**child) for child in json.loads(path.read_text())]
    alive = [(child, process) for child in children if (process := _find(child)) is not None]
    for tier in sorted(Tier, reverse=True):
        of_tier = [(child, process) for child, process in alive if child.tier == tier]
        for child, process in of_tier:
            _signal(process, signal.Signals(child.stop_signal))
        _, stubborn = psutil.wait_procs([process for _, process in of_tier], timeout=grace_seconds)
        for process in stubborn:
            _signal(process, signal.SIGKILL)
        psutil.wait_procs(stubborn, timeout=grace_seconds)
    path.unlink()
    return [child.name for child, _ in alive]


def _find(child: StartedChild) -> psutil.Process | None:
    try:
        process = psutil.Process(child.pid)
        same = abs(process.create_time() - child.started) < _SAME_START_SECONDS
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
