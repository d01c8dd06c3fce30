"""Ready names the part that does not answer; live is about the process alone."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette

from chassis import health as module
from chassis.health import Health


async def fine() -> None: ...


async def broken() -> None:
    raise ConnectionRefusedError("127.0.0.1:5432, password=geheim")


async def silent() -> None:
    await asyncio.Event().wait()


async def get(health: Health, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(Starlette(routes=health.routes()))
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        return await client.get(path)


async def test_a_process_that_starts_is_live_and_not_ready() -> None:
    health = Health(checks={"nats": fine})
    assert (await get(health, "/health/live")).status_code == 200
    answer = await get(health, "/health/ready")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "problems": {"process": "starting"}})
    health.started()
    answer = await get(health, "/health/ready")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "problems": {}})


async def test_ready_names_the_broken_part_without_the_words_of_its_error() -> None:
    health = Health(checks={"nats": fine, "postgresql": broken}, starting=None)
    answer = await get(health, "/health/ready")
    assert answer.status_code == 503
    assert answer.json()["problems"] == {"postgresql": "ConnectionRefusedError"}
    assert (await get(health, "/health/live")).status_code == 200


async def test_a_part_that_does_not_answer_in_time_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.05)
    health = Health(checks={"a": silent, "b": silent, "c": fine}, starting=None)
    assert await health.problems() == {"a": "TimeoutError", "b": "TimeoutError"}


async def test_a_process_that_cannot_go_on_is_not_live() -> None:
    health = Health(starting=None, fatal="the NATS connection is closed for good")
    assert (await get(health, "/health/live")).status_code == 503
    assert "closed for good" in (await get(health, "/health/ready")).text


async def test_metrics_are_prometheus_text() -> None:
    answer = await get(Health(), "/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "python_info" in answer.text
