"""The journal of calls."""

from typing import Any

import httpx


async def test_calls_are_in_order_with_world_and_actor(
    http: httpx.AsyncClient, zoho: Any, ameise: Any
) -> None:
    await zoho.call("GET", "org")
    await ameise.call("GET", "kunden/5999999999")

    entries = (await http.get("/sandbox/journal")).json()

    last_two = [
        (entry["vendor"], entry["world"], entry["method"], entry["status"], entry["actor"])
        for entry in entries[-2:]
    ]
    assert last_two == [
        ("zoho", "demo", "GET", 200, "Konnektor Dienst"),
        ("ameise", "DEMO01", "GET", 404, "DEMO01_1"),
    ]
    assert entries[-1]["ms"] > 0


async def test_filters(http: httpx.AsyncClient, zoho: Any) -> None:
    await zoho.call("GET", "org")
    await zoho.upsert("Contacts", {"Last_Name": "Groß"})
    params = {"vendor": "zoho", "method": "POST", "path": "/upsert"}

    entries = (await http.get("/sandbox/journal", params=params)).json()

    assert [entry["path"] for entry in entries] == ["/zoho/crm/v8/Contacts/upsert"]
    assert (await http.get("/sandbox/journal", params={"since": entries[0]["seq"]})).json() == []


async def test_no_token_is_written(http: httpx.AsyncClient, zoho: Any) -> None:
    await http.post("/zoho/oauth/v2/token/revoke", params={"token": zoho.tokens["access_token"]})

    assert zoho.tokens["access_token"] not in (await http.get("/sandbox/journal")).text


async def test_counts_leave_ids_out(http: httpx.AsyncClient, ameise: Any) -> None:
    for number in ("5000000001", "5000000002"):
        await ameise.call("GET", f"kunden/{number}")

    counts = (await http.get("/sandbox/journal/counts")).json()

    counted = [entry for entry in counts if entry["path"].endswith("/kunden/{id}")]
    assert [(entry["status"], entry["count"]) for entry in counted] == [(404, 2)]
