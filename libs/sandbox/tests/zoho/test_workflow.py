"""Workflow rules: when a webhook fires, with what, and what is listed when it does not arrive."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import httpx
import pytest

HEADERS = {
    "custom_parameters": [{"name": "x-webhook-secret", "value": "geheim"}],
    "module_parameters": [{"name": "x-record", "value": "${!Contacts.Id}"}],
}
RAW = {
    "type": "raw",
    "format": "JSON",
    "raw_data_content": '{"module":"Contacts","id":"${!Contacts.Id}","name":"${!Contacts.Last_Name}"}',
}


class Receiver:
    """A small HTTP server that keeps what it is sent."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[tuple[str, dict[str, str], str, float]] = asyncio.Queue()
        self.status = 200
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {
                    name.lower(): value
                    for name, _, value in (line.partition(": ") for line in head[1:] if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.received.put_nowait((head[0], headers, body.decode(), time.perf_counter()))
                writer.write(f"HTTP/1.1 {self.status} X\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()
        except asyncio.IncompleteReadError:
            writer.close()

    async def next(self) -> tuple[str, dict[str, str], str, float]:
        return await asyncio.wait_for(self.received.get(), 5)


@pytest.fixture
async def receiver() -> AsyncGenerator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    yield receiver
    server.close()


SetUp = Callable[..., Awaitable[None]]


@pytest.fixture
def set_up(zoho: Any, receiver: Receiver) -> SetUp:
    async def set_up(trigger: str = "create_or_edit", **changes: Any) -> None:
        webhook = {
            "name": "Konnektor",
            "module": {"api_name": "Contacts"},
            "url": receiver.url,
            "http_method": "POST",
            "authentication": {"type": "general"},
            "feature_type": "workflow",
            "headers": HEADERS,
            "body": RAW,
            **changes,
        }
        created = await zoho.call("POST", "settings/automation/webhooks", json={"webhooks": [webhook]})
        assert created.status_code == 201, created.text
        rule = {
            "name": "Konnektor",
            "module": {"api_name": "Contacts"},
            "execute_when": {"type": trigger, "details": {"trigger_module": {"api_name": "Contacts"}}},
            "conditions": [
                {
                    "sequence_number": 1,
                    "criteria_details": None,
                    "instant_actions": {
                        "actions": [
                            {"type": "webhooks", "id": created.json()["webhooks"][0]["details"]["id"]}
                        ]
                    },
                }
            ],
        }
        made = await zoho.call("POST", "settings/automation/workflow_rules", json={"workflow_rules": [rule]})
        assert made.status_code == 201, made.text

    return set_up


async def test_a_persons_edit_fires_at_once_with_merged_values(
    http: httpx.AsyncClient, receiver: Receiver, set_up: SetUp
) -> None:
    await set_up()
    start = time.perf_counter()
    created = await http.post("/sandbox/zoho/demo/Contacts", json={"Last_Name": 'Groß "GG"'})

    request, headers, body, at = await receiver.next()

    id_ = created.json()["id"]
    assert request.startswith("POST /hook ")
    assert (headers["x-webhook-secret"], headers["x-record"]) == ("geheim", id_)
    assert json.loads(body) == {"module": "Contacts", "id": id_, "name": 'Groß "GG"'}
    assert at - start < 1


async def test_an_empty_trigger_list_silences_the_rules(zoho: Any, receiver: Receiver, set_up: SetUp) -> None:
    await set_up()
    await zoho.upsert("Contacts", {"Last_Name": "Still"}, trigger=[])
    await zoho.upsert("Contacts", {"Last_Name": "Laut"})

    assert json.loads((await receiver.next())[2])["name"] == "Laut"
    assert receiver.received.empty()


async def test_an_edit_rule_is_deaf_to_creations(
    http: httpx.AsyncClient, receiver: Receiver, set_up: SetUp
) -> None:
    await set_up("edit")
    created = (await http.post("/sandbox/zoho/demo/Contacts", json={"Last_Name": "Neu"})).json()
    await http.put(f"/sandbox/zoho/demo/Contacts/{created['id']}", json={"Last_Name": "Geändert"})

    assert json.loads((await receiver.next())[2])["name"] == "Geändert"
    assert receiver.received.empty()


async def test_form_data_and_url_parameters(
    http: httpx.AsyncClient, receiver: Receiver, set_up: SetUp
) -> None:
    form = {"module_parameters": [{"name": "id", "value": "${!Contacts.Id}"}], "custom_parameters": []}
    await set_up(
        body={"type": "form_data", "form_data_content": form},
        url_parameters={"custom_parameters": [{"name": "pipeline", "value": "7"}]},
    )
    created = (await http.post("/sandbox/zoho/demo/Contacts", json={"Last_Name": "Neu"})).json()

    request, headers, body, _ = await receiver.next()

    assert request.startswith("POST /hook?pipeline=7 ")
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert body == f"id={created['id']}"


async def test_a_call_that_fails_is_not_repeated_but_listed(
    http: httpx.AsyncClient, zoho: Any, receiver: Receiver, set_up: SetUp
) -> None:
    receiver.status = 404
    await set_up()
    created = (await http.post("/sandbox/zoho/demo/Contacts", json={"Last_Name": "Neu"})).json()
    await receiver.next()
    failures: list[dict[str, Any]] = []
    async with asyncio.timeout(5):
        while not failures:
            await asyncio.sleep(0)  # calls in memory never wait: let the sender have its turn
            answer = await zoho.call("GET", "settings/automation/webhook_failures")
            failures = answer.json()["webhook_failures"]

    assert failures[0]["entity_details"]["id"] == created["id"]
    assert failures[0]["failure_reason"] == "page_notfound"
    assert receiver.received.empty()


async def test_webhooks_meet_their_fates_in_turn_and_a_lost_one_is_not_listed(
    http: httpx.AsyncClient, zoho: Any, receiver: Receiver, set_up: SetUp
) -> None:
    await set_up()
    await http.put("/sandbox/knobs", json={"zoho_webhook_fates": ["lost", "doubled"]})

    for name in ("Verloren", "Doppelt", "Auch verloren", "Auch doppelt"):
        await http.post("/sandbox/zoho/demo/Contacts", json={"Last_Name": name})

    received = [json.loads((await receiver.next())[2])["name"] for _ in range(4)]
    assert sorted(received) == ["Auch doppelt", "Auch doppelt", "Doppelt", "Doppelt"]
    assert receiver.received.empty()
    answer = await zoho.call("GET", "settings/automation/webhook_failures")
    assert answer.json()["webhook_failures"] == []


async def test_what_was_set_up_is_listed(zoho: Any, set_up: SetUp) -> None:
    await set_up()

    webhooks = (await zoho.call("GET", "settings/automation/webhooks")).json()["webhooks"]
    rules = (await zoho.call("GET", "settings/automation/workflow_rules")).json()["workflow_rules"]

    assert rules[0]["conditions"][0]["instant_actions"]["actions"][0]["id"] == webhooks[0]["id"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"url": ""}, "MANDATORY_NOT_FOUND"),
        ({"url": "ftp://x"}, "INVALID_DATA"),
        ({"http_method": "PATCH"}, "INVALID_DATA"),
        ({"body": {"type": "raw", "format": "JSON", "raw_data_content": "x" * 501}}, "INVALID_DATA"),
        ({"module": {"api_name": "Calls"}}, "INVALID_DATA"),
        ({"headers": {"custom_parameters": [{"name": "Host", "value": "x"}]}}, "INVALID_DATA"),
    ],
)
async def test_a_webhook_that_zoho_would_refuse_is_refused(
    zoho: Any, change: dict[str, Any], code: str
) -> None:
    webhook = {
        "name": "Konnektor",
        "module": {"api_name": "Contacts"},
        "url": "http://127.0.0.1/hook",
        "http_method": "POST",
        "authentication": {"type": "general"},
        "feature_type": "workflow",
        **change,
    }

    answer = await zoho.call("POST", "settings/automation/webhooks", json={"webhooks": [webhook]})

    assert answer.status_code == 400
    assert answer.json()["webhooks"][0]["code"] == code
