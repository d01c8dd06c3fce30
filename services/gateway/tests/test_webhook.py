"""Zoho's webhook from outside: what is accepted, what is refused, and that accepted means stored."""

import json
from collections import Counter

import httpx
import psycopg
import pytest

from chassis.database import run_sql
from contracts.streams import TO_AMEISE

TENANT, PIPELINE, ID = "team-eins", "1", "5725767000000524157"


@pytest.mark.parametrize(
    "request_",
    [
        {"method": "GET", "params": {"id": ID}},
        {"method": "POST", "params": {"id": ID}},
        {"method": "POST", "data": {"id": ID, "module": "Contacts"}},
        {"method": "POST", "json": {"id": ID, "module": "Contacts"}},
        {"method": "POST", "json": {"id": int(ID)}},
        {"method": "POST", "files": {"id": (None, ID)}},
        {"method": "POST", "content": json.dumps({"id": ID}), "headers": {"Content-Type": "text/plain"}},
    ],
    ids=["get", "query", "form", "json", "json number", "multipart", "json as text"],
)
async def test_every_shape_of_zohos_form_data_is_accepted(gateway, open_webhook, request_):
    webhook = await open_webhook(gateway)
    client = await gateway.client(headers={"X-Webhook-Token": webhook.token})
    answer = await client.request(url=webhook.url, **request_)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"message": "OK", "correlationid": answer.headers["X-Correlation-Id"]}
    [event] = await gateway.events("webhook_accepted")
    assert event["data"] == {"outcome": "ok", "pipeline": PIPELINE, "zoho_id": ID}
    assert event["correlationid"] == answer.json()["correlationid"]


@pytest.mark.parametrize("place", ["header", "bearer", "query", "form", "json"])
async def test_the_token_may_stand_in_any_place_that_zoho_can_fill(gateway, open_webhook, place):
    webhook = await open_webhook(gateway)
    client = await gateway.client()
    answer = await {
        "header": lambda: client.get(
            webhook.url, params={"id": ID}, headers={"X-Webhook-Token": webhook.token}
        ),
        "bearer": lambda: client.get(
            webhook.url, params={"id": ID}, headers={"Authorization": f"Bearer {webhook.token}"}
        ),
        "query": lambda: client.get(webhook.url, params={"id": ID, "_token": webhook.token}),
        "form": lambda: client.post(webhook.url, data={"id": ID, "_token": webhook.token}),
        "json": lambda: client.post(webhook.url, json={"id": ID, "_token": webhook.token}),
    }[place]()
    assert answer.status_code == 200, answer.text


async def test_accepted_work_is_in_the_stream(gateway, open_webhook, wait_until):
    webhook = await open_webhook(gateway)
    client = await gateway.client(headers={"X-Webhook-Token": webhook.token})
    answer = await client.post(webhook.url, json={"id": ID})

    async def published() -> bool:
        return (await gateway.base.broker.js.stream_info(TO_AMEISE.name)).state.messages == 1

    await wait_until(published)
    message = await gateway.base.broker.js.get_msg(TO_AMEISE.name, seq=1)
    work = json.loads(message.data)
    assert message.subject == f"work.to_ameise.{TENANT}.{PIPELINE}.{ID}"
    assert (work["zoho_id"], work["reason"]) == (ID, "webhook")
    assert work["correlationid"] == answer.json()["correlationid"]


def assert_problem(answer: httpx.Response, status: int) -> dict:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["correlationid"] == answer.headers["X-Correlation-Id"]
    return problem


async def test_a_missing_or_wrong_token_is_refused(gateway, open_webhook):
    webhook = await open_webhook(gateway)
    client = await gateway.client()
    for headers in (
        {},
        {"X-Webhook-Token": "wrong"},
        {"X-Webhook-Token": ""},
        {"Authorization": "Basic eA=="},
    ):
        answer = await client.post(webhook.url, json={"id": ID}, headers=headers)
        assert_problem(answer, 401)
        assert webhook.token not in answer.text
    assert await gateway.events("webhook_accepted") == []


@pytest.mark.parametrize(
    "path",
    [
        f"/api/unbekannt/pipeline/{PIPELINE}/trigger-from-crm",
        f"/api/{TENANT}/pipeline/2/trigger-from-crm",
        f"/api/{TENANT}/pipeline/1.2/trigger-from-crm",
        f"/api/{TENANT}/pipeline/*/trigger-from-crm",
        f"/api/{TENANT}/pipeline/{'9' * 5000}/trigger-from-crm",
        f"/api/{'a' * 5000}/pipeline/{PIPELINE}/trigger-from-crm",
        f"/api/%3E/pipeline/{PIPELINE}/trigger-from-crm",
        f"/api/team.eins/pipeline/{PIPELINE}/trigger-from-crm",
        f"/api/team%00eins/pipeline/{PIPELINE}/trigger-from-crm",
        f"/api/_system/pipeline/{PIPELINE}/trigger-from-crm",
    ],
)
async def test_an_unknown_tenant_or_pipeline_is_not_found(gateway, open_webhook, path):
    webhook = await open_webhook(gateway)
    client = await gateway.client(headers={"X-Webhook-Token": webhook.token})
    assert_problem(await client.post(path, json={"id": ID}), 404)


@pytest.mark.parametrize(
    "body",
    [
        {"params": {"id": "9" * 5000}},
        {"params": {"id": "*"}},
        {"params": {"id": ">"}},
        {"params": {"id": "1.2"}},
        {"params": {"id": ""}},
        {"params": {"id": "١٢٣"}},
        {"params": {"id": "1\n"}},
        {"json": {"id": 1.5}},
        {"json": {"id": None}},
        {"json": [ID]},
        {"content": b"{"},
        {"content": b'{"id": ' + b"9" * 5000 + b"}"},
        {"content": b"[" * 30_000},
        {"content": b"\xff\xfe\x00", "headers": {"Content-Type": "application/json"}},
        {"content": b"--x", "headers": {"Content-Type": "multipart/form-data; boundary=y"}},
        {"content": b"id=1&" * 100, "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {},
    ],
    ids=lambda body: str(body)[:40],
)
async def test_an_id_that_is_none_is_invalid(gateway, open_webhook, body):
    webhook = await open_webhook(gateway)
    client = await gateway.client(headers={"X-Webhook-Token": webhook.token})
    assert_problem(await client.post(webhook.url, **body), 400)
    assert await gateway.events("webhook_accepted") == []


async def test_a_body_of_10_mb_is_refused_with_its_length_and_without(gateway, open_webhook):
    webhook = await open_webhook(gateway)
    client = await gateway.client(headers={"X-Webhook-Token": webhook.token})
    large = b"x" * 10_000_000
    assert_problem(await client.post(webhook.url, content=large), 413)

    async def streamed():
        for start in range(0, len(large), 100_000):
            yield large[start : start + 100_000]

    streamed_answer = await client.post(webhook.url, content=streamed())
    assert_problem(streamed_answer, 413)
    assert streamed_answer.json()["type"] == "too-large"


async def test_a_form_too_large_is_refused_before_it_is_read(gateway, open_webhook):
    webhook = await open_webhook(gateway)
    client = await gateway.client()
    assert_problem(await client.post(webhook.url, data={"id": "1" * 70_000}), 413)


async def test_during_a_rotation_two_tokens_are_good_and_a_revoked_one_is_not(gateway, open_webhook):
    first = await open_webhook(gateway)
    admin, client = await gateway.admin(), await gateway.client()

    async def statuses(*tokens: str) -> list[int]:
        return [
            (await client.post(first.url, json={"id": ID}, headers={"X-Webhook-Token": token})).status_code
            for token in tokens
        ]

    rotate = f"/api/{TENANT}/pipelines/{PIPELINE}/webhook"
    second = (await admin.post(rotate)).json()["token"]
    assert await statuses(first.token, second) == [200, 200]
    third = (await admin.post(rotate)).json()["token"]
    assert await statuses(first.token, second, third) == [401, 200, 200]
    fourth = (await admin.post(rotate, json={"keep_previous": False})).json()["token"]
    assert await statuses(second, third, fourth) == [401, 401, 200]
    assert len(await gateway.events("webhook_endpoint_created")) == 4


async def test_a_token_revoked_elsewhere_dies_when_the_cache_ends(start_gateway, open_webhook, wait_until):
    gateway = await start_gateway(endpoint_cache=0.2)
    webhook = await open_webhook(gateway)
    client = await gateway.client(headers={"X-Webhook-Token": webhook.token})
    assert (await client.post(webhook.url, json={"id": ID})).status_code == 200
    async with gateway.base.all_tenants.unbound() as session:
        await run_sql(session, "UPDATE webhook_endpoint SET token_hash = 'x'")

    async def refused() -> bool:
        return (await client.post(webhook.url, json={"id": ID})).status_code == 401

    await wait_until(refused)


async def test_tokens_are_stored_as_hashes_only(gateway, open_webhook):
    webhook = await open_webhook(gateway)
    [row] = await gateway.rows("SELECT * FROM webhook_endpoint")
    assert webhook.token not in str(row)
    assert len(row["token_hash"]) == 64


async def test_too_many_requests_of_an_address_are_refused_and_others_go_on(start_gateway, open_webhook):
    gateway = await start_gateway(address_burst=5, address_requests_per_second=0.01, refused_request_cost=1)
    webhook = await open_webhook(gateway)
    loud = await gateway.client(address="203.0.113.7", headers={"X-Webhook-Token": webhook.token})
    answers = [await loud.post(webhook.url, json={"id": ID}) for _ in range(7)]
    assert [a.status_code for a in answers] == [200] * 5 + [429] * 2
    assert_problem(answers[-1], 429)
    assert int(answers[-1].headers["Retry-After"]) > 0
    quiet = await gateway.client(address="203.0.113.8", headers={"X-Webhook-Token": webhook.token})
    assert (await quiet.post(webhook.url, json={"id": ID})).status_code == 200


async def test_a_tenant_has_its_own_limit(start_gateway, open_webhook):
    gateway = await start_gateway(tenant_burst=2, tenant_requests_per_second=0.01)
    webhook = await open_webhook(gateway)
    client = await gateway.client(headers={"X-Webhook-Token": webhook.token})
    statuses = [(await client.post(webhook.url, json={"id": ID})).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    other = webhook.url.replace(TENANT, "team-zwei")
    assert (await client.post(other, json={"id": ID})).status_code == 404


async def test_refused_requests_use_up_their_address_sooner(start_gateway, open_webhook):
    gateway = await start_gateway(address_burst=20, address_requests_per_second=0.01, refused_request_cost=10)
    webhook = await open_webhook(gateway)
    stranger = await gateway.client(address="203.0.113.7")
    statuses = [(await stranger.post(webhook.url, json={"id": ID})).status_code for _ in range(4)]
    assert statuses == [401, 401, 429, 429]


async def test_what_was_refused_is_told_as_one_event_by_reason_and_block(
    start_gateway, open_webhook, wait_until
):
    gateway = await start_gateway(refusals_interval=0.5)
    webhook = await open_webhook(gateway)
    token = {"X-Webhook-Token": webhook.token}
    v4 = await gateway.client(address="203.0.113.7")
    v6 = await gateway.client(address="2001:db8:1:2::5", headers=token)
    await v4.post(webhook.url, json={"id": ID})
    await v4.post(webhook.url, json={"id": ID})
    await v6.post(webhook.url, json={"id": "*"})

    async def told() -> dict[str, Counter[str]]:
        """The sum of all events: the interval may end between two requests."""
        total: dict[str, Counter[str]] = {}
        for event in await gateway.events("requests_refused"):
            assert event["tenant"] == "_system"
            for reason, blocks in event["data"]["counts"].items():
                total.setdefault(reason, Counter()).update(blocks)
        return total

    async def all_told() -> bool:
        return sum(counted.total() for counted in (await told()).values()) >= 3

    await wait_until(all_told)
    assert await told() == {
        "unauthorized": {"203.0.113.0/24": 2},
        "invalid": {"2001:db8:1::/48": 1},
    }
    metrics = (await v4.get("/metrics")).text
    assert 'requests_refused_total{reason="unauthorized"}' in metrics
    assert 'http_request_seconds_count{route="/api/{tenant}/pipeline/{pipeline}/trigger-from-crm"' in metrics


async def test_without_postgresql_a_webhook_is_not_accepted(start_gateway, open_webhook):
    gateway = await start_gateway()
    webhook = await open_webhook(gateway)
    client = await gateway.client(headers={"X-Webhook-Token": webhook.token})
    assert (await client.post(webhook.url, json={"id": ID})).status_code == 200
    await _let_the_database_go_away(gateway)
    problem = assert_problem(await client.post(webhook.url, json={"id": ID}), 503)
    assert problem["type"] == "unavailable"
    await _let_the_database_come_back(gateway)
    assert (await client.post(webhook.url, json={"id": ID})).status_code == 200
    assert len(await gateway.events("webhook_accepted")) == 2


async def _let_the_database_go_away(gateway) -> None:
    """Nobody may log in any more, and those who are in are thrown out."""
    _as_superuser(gateway, "ALTER DATABASE {} ALLOW_CONNECTIONS false")
    _as_superuser(gateway, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'")


async def _let_the_database_come_back(gateway) -> None:
    _as_superuser(gateway, "ALTER DATABASE {} ALLOW_CONNECTIONS true")


def _as_superuser(gateway, statement: str) -> None:
    server, _, name = gateway.urls.superuser.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(statement.format(name))
