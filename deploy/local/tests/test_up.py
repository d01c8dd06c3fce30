"""The command itself, with real parts and small stand-ins in place of the services and sandboxes."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg
import pytest

from contracts.names import Service
from mvp_connector.console import Console
from mvp_connector.plan import Settings
from mvp_connector.ports import free_ports, is_free
from mvp_connector.stack import Stack
from mvp_connector.up import up

STAND_IN = """
import http.server, os, sys
name = "NAME"
port = os.environ.get(name.upper() + ("_PORT" if name == "gateway" else "_HEALTH_PORT"))
port = int(port or sys.argv[sys.argv.index("--port") + 1])
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
print("listening", flush=True)
http.server.HTTPServer(("127.0.0.1", port), Health).serve_forever()
"""


@dataclass
class Command:
    """`mvp-connector up` as a process, and where its data are."""

    folder: Path
    port: int
    environment: Mapping[str, str]
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def up(self, *options: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mvp_connector", "up", "--no-demo"),
                *("--data-dir", str(self.data), "--port", str(self.port), *options),
            ],
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        return process

    def read_until(self, process: subprocess.Popen[str], text: str) -> str:
        assert process.stdout is not None
        read = ""
        for line in process.stdout:
            read += line
            if text in line:
                return read
        raise AssertionError(f"ended without {text!r}:\n{read}")

    def children(self) -> list[psutil.Process]:
        recorded = json.loads((self.data / "children.json").read_text())
        return [psutil.Process(child["pid"]) for child in recorded if psutil.pid_exists(child["pid"])]


@pytest.fixture
def command(folder: Path) -> Iterator[Command]:
    for name in (*Service, "sandbox"):
        package = folder / "stand_ins" / name
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(STAND_IN.replace("NAME", name))
    made = Command(
        folder, free_ports(1)[0], {**os.environ, "PYTHONPATH": str(folder / "stand_ins"), "NO_COLOR": "1"}
    )
    yield made
    for process in made.processes:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=20)


def test_everything_gets_ready_and_stops_on_request(command: Command) -> None:
    process = command.up()
    seen = command.read_until(process, "Ctrl-C")
    assert f"http://127.0.0.1:{command.port}" in seen
    secrets = json.loads((command.data / "secrets.json").read_text())
    assert f"admin / {secrets['admin_password']}" in seen
    ports = json.loads((command.data / "ports.json").read_text())
    for service in Service:
        url = (
            f"postgresql://{service}_runtime:{secrets['services'][service]['database_runtime']}"
            f"@127.0.0.1:{ports['postgres']}/{service}"
        )
        psycopg.connect(url).close()
    children = command.children()
    assert len(children) == 9
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert time.monotonic() - began < 15
    psutil.wait_procs(children, timeout=1)
    assert not any(child.is_running() for child in children)
    assert is_free(command.port)


def test_after_a_kill_the_next_up_ends_what_was_left(command: Command) -> None:
    first = command.up()
    command.read_until(first, "Ctrl-C")
    children = command.children()
    stubborn = next(child for child in children if "gateway" in child.cmdline())
    stubborn.suspend()  # it does not see the signal that the kernel sends when the runner dies
    while stubborn.status() != psutil.STATUS_STOPPED:  # of two pending signals, SIGTERM is seen first
        time.sleep(0.01)
    first.kill()
    first.wait()
    second = command.up()
    assert "ended what the last run left behind" in command.read_until(second, "Ctrl-C")
    # A zombie has ended too: not every process 1 reaps what it inherits.
    assert not stubborn.is_running() or stubborn.status() == psutil.STATUS_ZOMBIE


def test_a_second_up_on_the_same_data_is_refused(command: Command) -> None:
    command.read_until(command.up(), "starting")
    second = command.up("--port", str(free_ports(1)[0]))
    output, _ = second.communicate(timeout=20)
    assert second.returncode == 1
    assert output.count("\n") == 1
    assert "in use by another mvp-connector" in output


@pytest.mark.parametrize("seen", [True, False])
async def test_the_demo_decides_the_status_of_a_run_that_ends_with_it(
    command: Command, monkeypatch: pytest.MonkeyPatch, seen: bool
) -> None:
    monkeypatch.setenv("PYTHONPATH", command.environment["PYTHONPATH"])
    told: list[Stack] = []

    async def demo(stack: Stack) -> bool:
        told.append(stack)
        return seen

    settings = Settings(data_dir=command.data, port=command.port)
    status = await up(settings, Console(io.StringIO()), demo=demo, exit_after_demo=True)
    assert status == (0 if seen else 1)
    assert told[0].gateway_url == f"http://127.0.0.1:{command.port}"
    assert told[0].ftp_port == json.loads((command.data / "ports.json").read_text())["ftp"]


@pytest.fixture
def refused(command: Command) -> Callable[..., str]:
    """Runs the command to its end: exit status 1 and one line, which is returned."""

    def run(*options: str) -> str:
        process = command.up(*options)
        output, _ = process.communicate(timeout=20)
        assert process.returncode == 1
        assert output.count("\n") == 1
        return output

    return run


def test_a_taken_port_is_one_clear_line(command: Command, refused: Callable[..., str]) -> None:
    import socket

    with socket.socket() as server:
        server.bind(("127.0.0.1", command.port))
        server.listen()
        assert f"port {command.port} on 127.0.0.1 is taken" in refused()


def test_a_newer_data_directory_is_one_clear_line(command: Command, refused: Callable[..., str]) -> None:
    command.data.mkdir()
    (command.data / "format").write_text("99\n")
    assert "was written by a newer release" in refused()


def test_missing_outside_settings_are_one_clear_line(refused: Callable[..., str]) -> None:
    line = refused("--no-sandbox")
    assert "AUTH_ZOHO_CLIENT_ID" in line
    assert "SYNC_AMEISE_REST_URL" in line
