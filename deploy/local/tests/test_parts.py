"""The embedded parts really start, answer and go away."""

import asyncio
import json
import urllib.request
from pathlib import Path
from typing import Any

import nats
import nats.errors
import psycopg
import pytest

from mvp_connector import parts
from mvp_connector.ports import free_ports, is_free


def get_json(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)


async def test_nats_starts_with_jetstream_that_always_syncs(folder: Path) -> None:
    port, monitor = free_ports(2)
    parts.write_nats_config(folder / "nats", port=port, monitor_port=monitor)
    launch = parts.nats_server(folder / "nats", monitor_port=monitor)
    with parts.running(launch, log=folder / "nats.log"):
        client = await nats.connect(f"nats://127.0.0.1:{port}")
        await client.jetstream().add_stream(name="T", subjects=["t"])
        await client.close()
        varz = await asyncio.to_thread(get_json, f"http://127.0.0.1:{monitor}/varz")
        assert varz["jetstream"]["config"]["sync_always"] is True


async def test_nats_knows_the_users_of_the_permissions(folder: Path) -> None:
    permissions = (
        'authorization {\n  users = [\n    { user: "sync", password: $NATS_PASSWORD_SYNC }\n  ]\n}\n'
    )
    port, monitor = free_ports(2)
    parts.write_nats_config(folder / "nats", port=port, monitor_port=monitor, permissions=permissions)
    launch = parts.nats_server(
        folder / "nats", monitor_port=monitor, passwords={"NATS_PASSWORD_SYNC": "geheim"}
    )
    with parts.running(launch, log=folder / "nats.log"):
        client = await nats.connect(f"nats://127.0.0.1:{port}", user="sync", password="geheim")
        await client.close()
        with pytest.raises(nats.errors.Error):
            await nats.connect(
                f"nats://127.0.0.1:{port}", user="sync", password="falsch", allow_reconnect=False
            )


def test_postgres_keeps_its_data_and_wants_the_password(folder: Path) -> None:
    (port,) = free_ports(1)
    for run in (1, 2):
        parts.prepare_postgres(folder / "pg", superuser_password="geheim", durable=False)
        launch = parts.postgres(folder / "pg", port=port, superuser_password="geheim", durable=False)
        with parts.running(launch, log=folder / "pg.log"):
            with psycopg.connect(parts.superuser_url(port, "geheim")) as connection:
                connection.execute("CREATE TABLE IF NOT EXISTS runs (run int)")
                connection.execute("INSERT INTO runs VALUES (%s)", [run])
                rows = connection.execute("SELECT run FROM runs ORDER BY run").fetchall()
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(parts.superuser_url(port, "falsch"))
        assert rows == [(n,) for n in range(1, run + 1)]
    assert is_free(port)


def test_the_search_store_answers_and_ends_when_it_is_stopped(folder: Path) -> None:
    (port,) = free_ports(1)
    with parts.running(parts.opensearch(port=port), log=folder / "osmem.log") as process:
        assert get_json(f"http://127.0.0.1:{port}/")["version"]["distribution"] == "opensearch"
    assert process.returncode is not None


def test_a_part_that_cannot_start_says_why(folder: Path) -> None:
    (port,) = free_ports(1)
    parts.prepare_postgres(folder / "pg", superuser_password="geheim", durable=False)
    launch = parts.postgres(folder / "pg", port=port, superuser_password="geheim", durable=False)
    (folder / "pg" / "PG_VERSION").write_text("9\n")
    with pytest.raises(parts.PartError, match="incompatible"), parts.running(launch, log=folder / "pg.log"):
        pass
