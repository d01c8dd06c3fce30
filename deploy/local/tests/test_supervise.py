"""Children are restarted with back-off, stopped in order, and do not outlive the runner."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from mvp_connector.console import Console
from mvp_connector.instance import StartedChild
from mvp_connector.process import Launch, Tier
from mvp_connector.supervise import LONGEST_PAUSE, Supervisor, pause_before_restart

NewLaunch = Callable[..., Launch]


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.02)


class Watched:
    """A supervisor, what it printed, and the children that it told of."""

    def __init__(self, folder: Path) -> None:
        self.output = io.StringIO()
        self.children: list[StartedChild] = []
        self.supervisor = Supervisor(logs=folder, console=Console(self.output), on_change=self._changed)

    def _changed(self, children: Iterable[StartedChild]) -> None:
        self.children = list(children)

    async def printed(self, text: str, times: int = 1) -> None:
        await eventually(lambda: self.output.getvalue().count(text) >= times)


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    made = Watched(tmp_path)
    yield made
    made.supervisor.kill()
    await made.supervisor.stop()


def test_the_pause_before_a_restart_doubles_up_to_a_ceiling() -> None:
    pauses = [pause_before_restart(ends).total_seconds() for ends in (1, 2, 3, 4)]
    assert pauses == [0.25, 0.5, 1.0, 2.0]
    assert pause_before_restart(1000) == LONGEST_PAUSE


async def test_each_line_has_the_name_of_its_child_and_is_in_its_log(
    watched: Watched, python_child: NewLaunch, tmp_path: Path
) -> None:
    await watched.supervisor.start(python_child("ingest"))
    await watched.printed("ingest    | started")
    assert (tmp_path / "ingest.log").read_text() == "started\n"


async def test_a_part_fills_its_log_and_not_the_terminal(
    watched: Watched, python_child: NewLaunch, tmp_path: Path
) -> None:
    await watched.supervisor.start(python_child("nats", tier=Tier.PART))
    await eventually(lambda: "started" in (tmp_path / "nats.log").read_text())
    assert watched.output.getvalue() == ""


async def test_a_killed_child_is_started_again(watched: Watched, python_child: NewLaunch) -> None:
    await watched.supervisor.start(python_child("sync"))
    await watched.printed("started")
    first = watched.children[0].pid
    os.kill(first, signal.SIGKILL)
    await watched.printed("started", times=2)
    assert watched.children[0].pid != first
    await watched.printed("ended with status -9, starts again in 0.25 s")


async def test_a_child_that_always_fails_is_given_longer_and_longer_pauses(
    watched: Watched, python_child: NewLaunch
) -> None:
    await watched.supervisor.start(python_child("sync", "raise SystemExit(3)"))
    await watched.printed("starts again in 1 s")
    seen = [line.rsplit(" in ")[1] for line in watched.output.getvalue().splitlines() if "again" in line]
    assert seen == ["0.25 s", "0.5 s", "1 s"]


async def test_a_very_long_line_does_not_stop_the_output(watched: Watched, python_child: NewLaunch) -> None:
    code = "print('x' * 3_000_000); print('after', flush=True); import time; time.sleep(60)"
    await watched.supervisor.start(python_child("sync", code))
    await watched.printed("| after")


async def test_services_stop_before_the_parts(
    watched: Watched, python_child: NewLaunch, tmp_path: Path
) -> None:
    order = tmp_path / "order"
    code = (
        "import signal, sys, time\n"
        "def stop(*_):\n"
        f"    open({str(order)!r}, 'a').write(NAME + ' ')\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "print('started', flush=True)\n"
        "time.sleep(600)"
    )
    for name, tier in (("nats", Tier.PART), ("sandbox", Tier.SANDBOX), ("sync", Tier.SERVICE)):
        await watched.supervisor.start(python_child(name, f"NAME = {name!r}\n{code}", tier=tier))
    await watched.printed("sync      | started")
    await watched.printed("sandbox   | started")
    await eventually(lambda: "started" in (tmp_path / "nats.log").read_text())
    await watched.supervisor.stop()
    assert order.read_text().split() == ["sync", "sandbox", "nats"]
    assert watched.children == []


async def test_a_child_that_does_not_stop_is_killed_after_its_grace(
    watched: Watched, python_child: NewLaunch
) -> None:
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('started', flush=True); time.sleep(600)"
    )
    await watched.supervisor.start(python_child("sync", code, grace=0.2))
    await watched.printed("started")
    began = time.monotonic()
    await watched.supervisor.stop()
    assert time.monotonic() - began < 5
    assert watched.children == []


async def test_a_child_that_waits_for_its_restart_can_be_stopped(
    watched: Watched, python_child: NewLaunch
) -> None:
    await watched.supervisor.start(python_child("sync", "raise SystemExit(3)"))
    await watched.printed("starts again")
    async with asyncio.timeout(5):
        await watched.supervisor.stop()


async def test_a_child_that_never_answers_is_not_ready(watched: Watched, python_child: NewLaunch) -> None:
    launch = python_child("sync")
    await watched.supervisor.start(launch)
    assert not await watched.supervisor.wait_until_ready(launch, within=timedelta(seconds=0.3))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_children_get_their_stop_signal_when_the_runner_is_killed() -> None:
    runner = (
        "import subprocess, sys, time\n"
        "from mvp_connector.process import *\n"
        "launch = Launch('c', Tier.SERVICE, (sys.executable, '-S', '-c', 'import time; time.sleep(600)'),"
        " HttpReady('http://127.0.0.1:1/'))\n"
        "print(subprocess.Popen(launch.command, **popen_options(launch)).pid, flush=True)\n"
        "time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", runner], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        process.kill()
    psutil.wait_procs([child], timeout=10)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
