"""The server's configuration, read by a real server that was started as in its container."""

import json
import os
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import nats
import pytest
from nats.errors import Error

from mvp_connector import parts
from mvp_connector.ports import free_ports
from mvp_connector.process import HttpReady, Launch, Tier


@pytest.fixture
def server(root: Path, secrets_folder: Path, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """URLs of the server and of its monitoring, on ports and a folder of the test."""
    port, monitor_port = free_ports(2)
    config = (root / "deploy/docker/nats.conf").read_text()
    for here, there in (
        ("0.0.0.0:4222", f"127.0.0.1:{port}"),
        ("0.0.0.0:8222", f"127.0.0.1:{monitor_port}"),
        ("/data/", f"{tmp_path}/"),
    ):
        assert here in config
        config = config.replace(here, there)
    (tmp_path / "nats.conf").write_text(config)
    (tmp_path / "permissions.conf").write_text((root / "deploy/nats/permissions.conf").read_text())
    bin_folder = Path(parts.nats_server(tmp_path, monitor_port=monitor_port).command[0]).parent
    launch = Launch(
        name="nats",
        tier=Tier.PART,
        command=("/bin/sh", str(root / "deploy/docker/nats.sh")),
        environment={
            "PATH": f"{bin_folder}:{os.environ['PATH']}",
            "SECRETS_DIR": str(secrets_folder),
            "NATS_CONFIG": str(tmp_path / "nats.conf"),
        },
        ready=HttpReady(f"http://127.0.0.1:{monitor_port}/healthz"),
        grace=timedelta(seconds=3),
    )
    with parts.running(launch, log=tmp_path / "nats.log"):
        yield f"nats://127.0.0.1:{port}", f"http://127.0.0.1:{monitor_port}"


async def test_a_service_signs_in_by_its_secret_and_nobody_without(
    server: tuple[str, str], secrets_folder: Path
) -> None:
    url, _ = server
    password = (secrets_folder / "sync_nats_password").read_text()
    client = await nats.connect(url, user="sync", password=password, allow_reconnect=False)
    await client.close()
    with pytest.raises(Error, match=r"(?i)authorization"):
        await nats.connect(url, user="auth", password=password, allow_reconnect=False)
    with pytest.raises(Error, match=r"(?i)authorization"):
        await nats.connect(url, allow_reconnect=False)


def test_an_acknowledged_message_is_on_disk(server: tuple[str, str], tmp_path: Path) -> None:
    with urllib.request.urlopen(f"{server[1]}/varz") as answer:
        jetstream = json.load(answer)["jetstream"]["config"]
    assert jetstream["sync_always"] is True
    assert jetstream["store_dir"].startswith(str(tmp_path))


def test_a_missing_password_ends_the_server_at_once(root: Path, tmp_path: Path) -> None:
    launch = Launch(
        name="nats",
        tier=Tier.PART,
        command=("/bin/sh", str(root / "deploy/docker/nats.sh")),
        environment={"SECRETS_DIR": str(tmp_path)},
        ready=HttpReady("http://127.0.0.1:1/"),
    )
    with (
        pytest.raises(parts.PartError, match="ingest_nats_password"),
        parts.running(launch, log=tmp_path / "log"),
    ):
        pass
