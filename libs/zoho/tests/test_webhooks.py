"""The bodies that make Zoho call us."""

import json

import pytest

from zoho import RuleEvent, Webhook, WorkflowRule


def test_a_webhook_sends_the_record_id_and_the_secret_in_a_header() -> None:
    (sent,) = Webhook("n", "Contacts", "https://c.example/hook", {"X-Hook-Secret": "s"}).body()["webhooks"]
    assert sent["url"] == "https://c.example/hook"
    assert sent["headers"]["custom_parameters"] == [{"name": "X-Hook-Secret", "value": "s"}]
    assert json.loads(sent["body"]["raw_data_content"]) == {"module": "Contacts", "id": "${!Contacts.Id}"}


def test_the_secret_of_a_webhook_is_in_no_repr() -> None:
    assert "geheim" not in repr(Webhook("n", "Contacts", "https://c.example", {"X-Hook-Secret": "geheim"}))


@pytest.mark.parametrize(
    ("event", "repeats"),
    [(RuleEvent.CREATE, False), (RuleEvent.EDIT, True), (RuleEvent.CREATE_OR_EDIT, True)],
)
def test_a_rule_for_edits_fires_on_every_edit(event: RuleEvent, repeats: bool) -> None:
    (rule,) = WorkflowRule("r", "Contacts", "77", event).body()["workflow_rules"]
    assert rule["execute_when"]["type"] == event.value
    assert rule["execute_when"]["details"].get("repeat", False) is repeats
    assert rule["conditions"][0]["instant_actions"]["actions"] == [{"type": "webhooks", "id": "77"}]
