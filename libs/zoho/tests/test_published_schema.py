"""Our request bodies against Zoho's published OpenAPI files, where a copy lies beside the checkout."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest

from zoho import RuleEvent, Webhook, WorkflowRule, ZohoClient

PUBLISHED = Path(__file__).parents[4] / "shared" / "zoho-oas"

pytestmark = pytest.mark.skipif(
    not (PUBLISHED / "record.json").exists(), reason=f"no copy of Zoho's OpenAPI files at {PUBLISHED}"
)

OK = {"code": "SUCCESS", "status": "success", "details": {"id": "1"}}


def assert_valid(file: str, path: str, method: str, body: Any) -> None:
    """Fail with the validator's words unless the body is what Zoho's file says."""
    whole = json.loads((PUBLISHED / file).read_text())
    schema = whole["paths"][path][method]["requestBody"]
    if "$ref" in schema:
        schema = whole["components"]["requestBodies"][schema["$ref"].rsplit("/", 1)[-1]]
    rooted = {**schema["content"]["application/json"]["schema"], "components": whole["components"]}
    errors = list(jsonschema_rs.Draft202012Validator(rooted).iter_errors(body))
    assert not errors, [f"{list(error.instance_path)}: {error.message}" for error in errors]


@pytest.mark.parametrize(
    ("write", "path", "method"),
    [
        (
            lambda zoho: zoho.upsert(
                "Contacts", [{"Last_Name": "M"}], duplicate_check_fields=["Kundennummer"]
            ),
            "/{module}/upsert",
            "post",
        ),
        (lambda zoho: zoho.insert("Contacts", [{"Last_Name": "M"}]), "/{module}", "post"),
        (
            lambda zoho: zoho.update("Contacts", [{"id": "1"}], trigger=["workflow"]),
            "/{module}",
            "put",
        ),
    ],
)
async def test_writes_of_records(
    zoho_played_by: Callable[..., ZohoClient], write: Callable[[ZohoClient], Any], path: str, method: str
) -> None:
    sent: list[Any] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return httpx.Response(200, json={"data": [OK]})

    await write(zoho_played_by(handler))
    assert_valid("record.json", path, method, sent[0])


async def test_coql(zoho_played_by: Callable[..., ZohoClient]) -> None:
    sent: list[Any] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return httpx.Response(204)

    await zoho_played_by(handler).select_after("Contacts", "0", ["Kundennummer"])
    assert_valid("coql.json", "/coql", "post", sent[0])


def test_webhooks() -> None:
    body = Webhook("Connector", "Contacts", "https://c.example/hook", {"X-Hook-Secret": "s"}).body()
    assert_valid("webhooks.json", "/settings/automation/webhooks", "post", body)


@pytest.mark.parametrize("event", list(RuleEvent))
def test_workflow_rules(event: RuleEvent) -> None:
    body = WorkflowRule("Connector", "Contacts", "77", event).body()
    assert_valid("workflow-rules.json", "/settings/automation/workflow_rules", "post", body)
