"""A process waits for its parts, says so, and ends in order and in time."""

import signal
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from nats.aio.client import Client
from sample_service.app import running
from sample_service.settings import SampleSettings
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from contracts.ids import PipelineId, TenantId, ZohoId, new_id
from contracts.work import LookAtZohoRecord
from mvp_connector import parts as embedded
from mvp_connector.ports import free_ports

Eventually = Callable[..., Awaitable[Any]]
StartProcess = Callable[..., Any]


async def publish_work(client: Client) -> None:
    work = LookAtZohoRecord(
        id=new_id(), tenant=TenantId("berlin"), correlationid=new_id(), time=datetime.now(UTC),
        pipeline=PipelineId("1"), zoho_id=ZohoId("4711"),
    )  # fmt: skip
    await client.jetstream().publish("work.to_ameise.berlin.1.4711", work.model_dump_json().encode())


async def ended(process: Any, eventually: Eventually) -> int:
    await eventually(lambda: process.process.poll() is not None)
    return process.process.returncode


async def is_ready(port: int) -> bool:
    async with httpx.AsyncClient() as http:
        try:
            return (await http.get(f"http://127.0.0.1:{port}/health/ready")).status_code == 200
        except httpx.HTTPError:
            return False


async def test_a_process_told_to_end_finishes_what_it_has_in_hand(
    start_process: StartProcess, client: Client, eventually: Eventually
) -> None:
    process = start_process(SYNC_HANDLING_SECONDS="1")
    await eventually(lambda: "process.ready" in process.log)
    heard = await client.subscribe("event.>")
    await publish_work(client)
    await eventually(lambda: "sample.handling" in process.log)
    process.process.send_signal(signal.SIGTERM)
    assert (await heard.next_msg(timeout=8)).subject == "event.berlin.sync.written_to_ameise"
    assert await ended(process, eventually) == 0
    assert (await client.jetstream().stream_info("TO_AMEISE")).state.messages == 0


async def test_a_process_whose_handler_never_ends_ends_all_the_same(
    start_process: StartProcess, client: Client, eventually: Eventually
) -> None:
    process = start_process(SYNC_HANDLING_SECONDS="600", SYNC_SHUTDOWN="PT1S")
    await eventually(lambda: "process.ready" in process.log)
    await publish_work(client)
    await eventually(lambda: "sample.handling" in process.log)
    told = time.monotonic()
    process.process.send_signal(signal.SIGTERM)
    await ended(process, eventually)
    assert time.monotonic() - told < 4
    assert (await client.jetstream().stream_info("TO_AMEISE")).state.messages == 1


async def test_nats_away_at_the_start_is_waited_for_and_said(
    start_process: StartProcess, tmp_path: Path, eventually: Eventually
) -> None:
    port, monitor_port, health_port = free_ports(3)
    process = start_process(
        SYNC_NATS_URL=f"nats://127.0.0.1:{port}",
        SYNC_NATS_MONITORING_URL=f"http://127.0.0.1:{monitor_port}",
        SYNC_HEALTH_PORT=str(health_port),
    )
    await eventually(lambda: "nats.waiting" in process.log)
    assert not await is_ready(health_port)
    embedded.write_nats_config(tmp_path / "late", port=port, monitor_port=monitor_port)
    server = embedded.nats_server(tmp_path / "late", monitor_port=monitor_port)
    with embedded.running(server, log=tmp_path / "late.log"):
        await eventually(lambda: is_ready(health_port))
        assert '"value": "always", "event": "nats.sync_interval"' in process.log
        process.process.send_signal(signal.SIGTERM)
        assert await ended(process, eventually) == 0


async def test_postgresql_away_at_the_start_is_waited_for_and_the_process_still_ends_when_told(
    start_process: StartProcess, eventually: Eventually
) -> None:
    away, health_port = free_ports(2)
    process = start_process(
        SYNC_DATABASE_URL=f"postgresql://sync_runtime:geheim@127.0.0.1:{away}/sync",
        SYNC_HEALTH_PORT=str(health_port),
    )
    await eventually(lambda: "database.waiting" in process.log)
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"http://127.0.0.1:{health_port}/health/live")
        assert answer.status_code == 200
    assert not await is_ready(health_port)
    process.process.send_signal(signal.SIGTERM)
    assert await ended(process, eventually) == 0
    assert "geheim" not in process.log


async def test_a_taken_port_ends_the_process_with_status_1(
    start_process: StartProcess, eventually: Eventually
) -> None:
    (port,) = free_ports(1)
    first = start_process(SYNC_HEALTH_PORT=str(port))
    await eventually(lambda: "process.ready" in first.log)
    second = start_process(SYNC_HEALTH_PORT=str(port))
    assert await ended(second, eventually) == 1
    assert "Address already in use" in second.log
    assert "Traceback" not in second.log


async def test_a_setting_that_is_missing_is_named(
    start_process: StartProcess, eventually: Eventually
) -> None:
    process = start_process(SYNC_STREAM_REPLICAS="many")
    assert await ended(process, eventually) == 2
    assert "SYNC_STREAM_REPLICAS" in process.log


async def test_a_background_task_that_fails_ends_the_process_not_live(
    settings: SampleSettings, eventually: Eventually
) -> None:
    async def fail() -> None:
        raise RuntimeError("for good")

    async with running(settings) as base:
        base.in_background("keeping-fresh", fail())
        await eventually(base.stopping.is_set)
        assert base.health.fatal == "keeping-fresh failed"


async def test_housekeeping_waits_for_a_busy_database(
    settings: SampleSettings, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[float] = []

    async def no_free_connection(database: object, *, older_than_days: float) -> int:
        tried.append(older_than_days)
        raise PoolTimeoutError

    monkeypatch.setattr("chassis.process.forget_published", no_free_connection)
    monkeypatch.setattr("chassis.process.HOUSEKEEPING_SECONDS", 0.01)
    async with running(settings) as base:
        await eventually(lambda: len(tried) > 1)
        assert base.health.fatal is None


async def test_a_nats_connection_closed_for_good_makes_the_process_not_live(
    settings: SampleSettings, eventually: Eventually
) -> None:
    async with running(settings) as base:
        await base.broker.client.close()
        await eventually(base.stopping.is_set)
        assert base.health.fatal == "the NATS connection is closed for good"


async def test_an_orderly_end_is_not_taken_for_a_failure(settings: SampleSettings) -> None:
    async with running(settings) as base:
        pass
    assert base.health.fatal is None
    assert base.health.starting == "stopping"


@pytest.mark.parametrize("away", [True, False], ids=["NATS is away", "NATS answers"])
async def test_a_service_ends_whether_nats_answers_or_not(
    away: bool, tmp_path: Path, settings: SampleSettings, eventually: Eventually
) -> None:
    port, monitor_port = free_ports(2)
    embedded.write_nats_config(tmp_path / "own", port=port, monitor_port=monitor_port)
    server = embedded.nats_server(tmp_path / "own", monitor_port=monitor_port)
    context = embedded.running(server, log=tmp_path / "own.log")
    context.__enter__()
    async with running(settings.model_copy(update={"nats_url": f"nats://127.0.0.1:{port}"})) as base:
        if away:
            context.__exit__(None, None, None)
            await eventually(lambda: not base.broker.is_connected)
            assert (await base.health.problems()).keys() == {"nats"}
    if not away:
        context.__exit__(None, None, None)
