"""Planned faults."""

import asyncio
import time
from typing import Any

import httpx
import pytest


async def put(http: httpx.AsyncClient, **plan: Any) -> None:
    assert (await http.put("/sandbox/faults", json=plan)).status_code == 201


async def test_a_status_with_a_body_as_often_as_wanted(http: httpx.AsyncClient, zoho: Any) -> None:
    body = {"code": "TOO_MANY_REQUESTS", "details": {}, "message": "too many", "status": "error"}
    await put(http, vendor="zoho", path_pattern="/org$", kind="status", status=429, body=body, times=2)

    answers = [await zoho.call("GET", "org") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].json() == body


async def test_only_the_meant_calls_fail(http: httpx.AsyncClient, zoho: Any, ameise: Any) -> None:
    await put(http, vendor="zoho", method="POST", kind="html", status=502)

    assert (await zoho.call("GET", "org")).status_code == 200
    assert (await ameise.call("POST", "kunden/_search", json={})).status_code == 200
    failed = await zoho.upsert("Contacts", {"Last_Name": "Groß"})
    assert (failed.status_code, failed.headers["content-type"]) == (502, "text/html; charset=utf-8")


async def test_garbage_is_no_json(http: httpx.AsyncClient, zoho: Any) -> None:
    await put(http, vendor="zoho", kind="garbage", times=1)

    answer = await zoho.call("GET", "org")

    assert answer.status_code == 200
    with pytest.raises(UnicodeDecodeError):
        answer.json()


async def test_latency(http: httpx.AsyncClient, zoho: Any) -> None:
    await put(http, vendor="zoho", kind="latency", seconds=0.1, times=1)
    start = time.perf_counter()

    assert (await zoho.call("GET", "org")).status_code == 200

    assert time.perf_counter() - start >= 0.1


async def test_a_write_can_happen_long_before_its_answer(http: httpx.AsyncClient, zoho: Any) -> None:
    await put(http, vendor="zoho", method="POST", kind="timeout_after_write", seconds=30, times=1)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(zoho.upsert("Contacts", {"Last_Name": "Groß"}), 0.2)

    counted = (await http.get("/sandbox/zoho/demo/Contacts", params={"count": "1"})).json()
    assert counted == {"count": 1}


async def test_faults_are_listed_and_cleared(http: httpx.AsyncClient) -> None:
    await put(http, kind="status", status=500, times=3)
    [listed] = (await http.get("/sandbox/faults")).json()

    assert (listed["kind"], listed["left"]) == ("status", 3)
    assert (await http.delete("/sandbox/faults", params={"id": listed["id"]})).json() == []


async def test_a_pattern_that_is_none_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.put("/sandbox/faults", json={"kind": "html", "path_pattern": "("})

    assert answer.status_code == 422
