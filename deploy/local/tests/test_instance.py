"""One instance per data directory; leftovers are recognised by pid and start time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from mvp_connector import instance
from mvp_connector.ports import free_ports
from mvp_connector.process import Tier


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def record(path: Path, *children: instance.StartedChild) -> None:
    instance.record_children(path, children)


def test_a_second_instance_is_refused_with_one_line(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import sys, pathlib; from mvp_connector.instance import hold\n"
            "with hold(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()",
            str(tmp_path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(instance.CannotStartError, match=f"process {holder.pid}"), instance.hold(tmp_path):
            pass
    with instance.hold(tmp_path):
        pass


def test_a_killed_instance_holds_nothing(tmp_path: Path) -> None:
    with ExitStack() as first:
        first.enter_context(instance.hold(tmp_path))
    with instance.hold(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_data_directory_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    instance.check_format(tmp_path)
    instance.check_format(tmp_path)
    (tmp_path / "format").write_text(f"{instance.DATA_FORMAT + 1}\n")
    with pytest.raises(instance.CannotStartError, match="newer release"):
        instance.check_format(tmp_path)


def test_a_taken_port_is_refused() -> None:
    import socket

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with pytest.raises(instance.CannotStartError, match="is taken"):
            instance.check_port("127.0.0.1", server.getsockname()[1])
    instance.check_port("127.0.0.1", free_ports(1)[0])


def test_what_a_killed_runner_left_behind_is_ended(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    record(tmp_path, instance.started_child("ingest", Tier.SERVICE, signal.SIGTERM, sleeper.pid))
    assert instance.end_leftovers(tmp_path) == ["ingest"]
    assert sleeper.poll() is not None
    assert instance.end_leftovers(tmp_path) == []


def test_a_process_that_got_the_same_pid_later_is_left_alone(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    ours = instance.started_child("ingest", Tier.SERVICE, signal.SIGTERM, sleeper.pid)
    record(tmp_path, replace(ours, started=ours.started - 3600))
    assert instance.end_leftovers(tmp_path) == []
    assert sleeper.poll() is None


def test_dependents_end_before_what_they_stand_on(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time\n"
        "def stop(*_):\n"
        "    open(sys.argv[1], 'a').write(sys.argv[2] + '\\n')\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "print('up', flush=True)\n"
        "time.sleep(600)"
    )
    order = tmp_path / "order"
    with ExitStack() as stack:
        children: list[instance.StartedChild] = []
        for name, tier in (("nats", Tier.PART), ("sync", Tier.SERVICE), ("sandbox", Tier.SANDBOX)):
            process = stack.enter_context(
                subprocess.Popen([sys.executable, "-S", "-c", code, str(order), name], stdout=subprocess.PIPE)
            )
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            children.append(instance.started_child(name, tier, signal.SIGTERM, process.pid))
        record(tmp_path, *children)
        instance.end_leftovers(tmp_path)
    assert order.read_text().split() == ["sync", "sandbox", "nats"]


def test_a_leftover_that_ignores_its_signal_is_killed(tmp_path: Path) -> None:
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('up', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-S", "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        record(tmp_path, instance.started_child("sync", Tier.SERVICE, signal.SIGTERM, process.pid))
        began = time.monotonic()
        instance.end_leftovers(tmp_path, grace_seconds=0.2)
        assert process.poll() is not None
        assert time.monotonic() - began < 5
