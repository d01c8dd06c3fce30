"""Our writes against Zoho's published OpenAPI files; `conftest.judged` holds every other request to them."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import published
import pytest

from zoho import RuleEvent, Webhook, WorkflowRule, ZohoClient

pytestmark = pytest.mark.skipif(not published.IS_THERE, reason=published.MISSING)

OK = {"code": "SUCCESS", "status": "success", "details": {"id": "1"}}


def problems(method: str, path: str, body: Any) -> list[str]:
    return published.problems_of(method, path, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("write", "sent"),
    [
        (
            lambda zoho: zoho.upsert(
                "Contacts", [{"Last_Name": "M"}], duplicate_check_fields=["Kundennummer"]
            ),
            ("POST", "/crm/v8/Contacts/upsert"),
        ),
        (lambda zoho: zoho.insert("Contacts", [{"Last_Name": "M"}]), ("POST", "/crm/v8/Contacts")),
        (
            lambda zoho: zoho.update("Contacts", [{"id": "1"}], trigger=["workflow"]),
            ("PUT", "/crm/v8/Contacts"),
        ),
    ],
)
async def test_writes_of_records(
    zoho_played_by: Callable[..., ZohoClient],
    write: Callable[[ZohoClient], Any],
    sent: tuple[str, str],
) -> None:
    """The fixture judges them."""
    requests: list[tuple[str, str]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append((request.method, request.url.path))
        return httpx.Response(200, json={"data": [OK]})

    await write(zoho_played_by(handler))
    assert requests == [sent]


async def test_coql(zoho_played_by: Callable[..., ZohoClient]) -> None:
    """The fixture judges it."""
    requests: list[tuple[str, str]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append((request.method, request.url.path))
        return httpx.Response(204)

    await zoho_played_by(handler).select_after("Contacts", "0", ["Kundennummer"])
    assert requests == [("POST", "/crm/v8/coql")]


def test_webhooks() -> None:
    body = Webhook("Connector", "Contacts", "https://c.example/hook", {"X-Hook-Secret": "s"}).body()
    assert problems("POST", "/settings/automation/webhooks", body) == []


@pytest.mark.parametrize("event", list(RuleEvent))
def test_workflow_rules(event: RuleEvent) -> None:
    body = WorkflowRule("Connector", "Contacts", "77", event).body()
    assert problems("POST", "/settings/automation/workflow_rules", body) == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/Contacts/1/nowhere", None),
        ("GET", "/Contacts?fields=Last_Name&sort_by=Nonsense&sort_order=up", None),
        ("GET", "/Contacts?colour=red", None),
        ("POST", "/Contacts/upsert", {"records": []}),
        ("POST", "/Contacts/upsert", {"data": "none"}),
        ("PUT", "/Contacts", None),
        ("POST", "/settings/automation/webhooks", {"webhooks": [{"name": "only"}]}),
    ],
)
def test_the_judge_refuses(method: str, path: str, body: Any) -> None:
    content = json.dumps(body).encode() if body is not None else b""
    assert published.problems_of(method, path, content)
