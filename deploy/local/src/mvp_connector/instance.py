"""One running installation per data directory, and what a killed one left behind."""

import errno
import fcntl
import json
import signal
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from .ports import probe_port
from .process import Tier

DATA_FORMAT = 1
"""Format of the data directory. Raised when an older release could not read it any more."""

# The start time is computed from the boot time, which clock adjustments move a little.
_SAME_START_SECONDS = 2.0
_LOOK_AGAIN_SECONDS = 0.05


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
    """Raises `CannotStartError` where the web UI could not listen."""
    try:
        probe_port(port, host)
    except OSError as error:
        reason = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise CannotStartError(f"port {port} on {host} {reason}: choose another one with --port") from None


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
        for process in _still_running([process for _, process in of_tier], within_seconds=grace_seconds):
            _signal(process, signal.SIGKILL)
            _still_running([process], within_seconds=grace_seconds)
    path.unlink()
    return [child.name for child, _ in alive]


def _find(child: StartedChild) -> psutil.Process | None:
    try:
        process = psutil.Process(child.pid)
        same = abs(process.create_time() - child.started) < _SAME_START_SECONDS
    except psutil.NoSuchProcess:
        return None
    return process if same and _runs(process) else None


def _runs(process: psutil.Process) -> bool:
    # A zombie has ended; where process 1 of a container does not reap, it stays one for ever.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _still_running(processes: list[psutil.Process], *, within_seconds: float) -> list[psutil.Process]:
    """Wait for all to end; those that did not in time."""
    until = time.monotonic() + within_seconds
    while (running := [process for process in processes if _runs(process)]) and time.monotonic() < until:
        time.sleep(_LOOK_AGAIN_SECONDS)
    return running


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
        process.resume()  # a suspended one would not see its signal
    except psutil.NoSuchProcess:
        return
