"""A whole installation as a user starts it: the runner, its parts and services as processes of their own."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from mvp_connector.ports import free_ports
from mvp_connector.stack import Stack

READY_WITHIN_SECONDS = 120


@dataclass(frozen=True)
class RunningStack:
    """An installation that is up; `data_dir` holds its logs, secrets and children."""

    stack: Stack
    data_dir: Path
    process: subprocess.Popen[bytes]

    def kill(self, name: str) -> bool:
        """SIGKILL a service; False if it is not running just now."""
        children = json.loads((self.data_dir / "children.json").read_text())
        pid = next((child["pid"] for child in children if child["name"] == name), None)
        if pid is None:
            return False
        os.kill(pid, signal.SIGKILL)
        return True

    async def until_ready(self) -> None:
        """Wait until every service answers."""
        auth = ("admin", self.stack.admin_password)
        ends = time.monotonic() + READY_WITHIN_SECONDS
        async with httpx.AsyncClient(base_url=self.stack.gateway_url, auth=auth, timeout=10) as http:
            while time.monotonic() < ends:
                try:
                    if (await http.get("/api/status")).json().get("all_answer"):
                        return
                except (httpx.HTTPError, ValueError):
                    pass
                await asyncio.sleep(0.1)
        raise TimeoutError("the stack did not get ready")


@contextmanager
def running_stack(data_dir: Path) -> Generator[RunningStack]:
    """Start `mvp-connector up --no-demo` in a data directory of its own; stopped at the end."""
    [port] = free_ports(1)
    command = [sys.executable, "-m", "mvp_connector", "up", "--no-demo"]
    with (data_dir / "runner.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--data-dir", str(data_dir / "data"), "--port", str(port)],
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            running = RunningStack(_stack(data_dir / "data", port, process), data_dir / "data", process)
            asyncio.run(running.until_ready())
            yield running
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def _stack(data_dir: Path, port: int, process: subprocess.Popen[bytes]) -> Stack:
    """The addresses, from the files that the runner writes first."""
    ends = time.monotonic() + READY_WITHIN_SECONDS
    while not ((data_dir / "secrets.json").exists() and (data_dir / "ports.json").exists()):
        if process.poll() is not None or time.monotonic() > ends:
            raise RuntimeError("the runner did not start; see runner.log")
        time.sleep(0.05)
    ports = json.loads((data_dir / "ports.json").read_text())
    secrets = json.loads((data_dir / "secrets.json").read_text())
    return Stack(
        gateway_url=f"http://127.0.0.1:{port}",
        admin_password=secrets["admin_password"],
        sandbox_url=f"http://127.0.0.1:{ports['sandbox']}",
        ftp_host="127.0.0.1",
        ftp_port=ports["ftp"],
    )
