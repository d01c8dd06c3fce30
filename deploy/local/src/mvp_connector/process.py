"""One child process: what is started, how it is ready, how it is stopped.

A `Launch` is a value, so a whole installation can be planned and compared without starting
anything. Where the operating system allows it, a child gets its stop signal when we die.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum
from typing import Any

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class HttpReady:
    """Ready when a GET of `url` answers 200."""

    url: str


@dataclass(frozen=True, slots=True)
class PostgresReady:
    """Ready when a session can be opened at `url`."""

    url: str


Readiness = HttpReady | PostgresReady


class Tier(IntEnum):
    """Who stands on whom: stopped from the highest down, so that nobody loses what it stands on."""

    PART = 0
    SANDBOX = 1
    SERVICE = 2


@dataclass(frozen=True, slots=True)
class Launch:
    """A process to start.

    `environment` is added to ours. `run_as` is the system user to drop to, None for our own.
    `grace` is how long it may take after `stop_signal` before it is killed. `niceness` above 0 lets the
    others go first where they want the processor at the same time.
    """

    name: str
    tier: Tier
    command: tuple[str, ...]
    ready: Readiness
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    stop_signal: signal.Signals = signal.SIGTERM
    grace: timedelta = timedelta(seconds=10)
    run_as: str | None = None
    niceness: int = 0


def popen_options(launch: Launch) -> dict[str, Any]:
    """What `subprocess.Popen` and `asyncio.create_subprocess_exec` need beside the command.

    A session of its own keeps Ctrl-C of the terminal from the child: only we stop it, in order.
    Standard input is a pipe that we hold open: osmem-server ends when it closes.
    """
    options: dict[str, Any] = {
        "env": {**os.environ, **launch.environment},
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "start_new_session": True,
        "preexec_fn": _before_exec(launch.stop_signal, launch.niceness),
    }
    if launch.run_as is not None:
        options |= {"user": launch.run_as, "group": launch.run_as, "extra_groups": ()}
    return options


def _before_exec(stop_signal: signal.Signals, niceness: int) -> Callable[[], None]:
    """What the child does to itself before it becomes the program.

    Linux: have the kernel send `stop_signal` when the thread that started the child ends. The setting is
    lost when the child changes its user, so it has to be made after that: Popen calls this last before
    exec. A parent that died in between is seen by the changed parent pid.
    """
    linux = sys.platform.startswith("linux")
    prctl = ctypes.CDLL(None, use_errno=True).prctl if linux else None  # looked up before the fork
    parent = os.getpid()

    def in_child() -> None:
        os.nice(niceness)
        with suppress(OSError), open("/proc/self/autogroup", "w", encoding="ascii") as autogroup:  # noqa: PTH123
            # Where Linux groups processes by session, their niceness only counts within the group.
            autogroup.write(str(niceness))
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return in_child
