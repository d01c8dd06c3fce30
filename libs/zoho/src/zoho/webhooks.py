"""The webhook and the workflow rule that make Zoho call us, as the bodies that Zoho wants.

Zoho signs nothing: the secret in a static header is the only proof, and the id of the record the only content
(500 characters at most), since the record is read back anyway.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class RuleEvent(StrEnum):
    """What a workflow rule reacts to."""

    CREATE = "create"
    EDIT = "edit"
    CREATE_OR_EDIT = "create_or_edit"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A POST of ``{"id": <record id>, "module": ...}`` to our URL. Names hold up to 250 characters, no "~".

    ``headers`` are static, at most 10, up to 255 characters each; HOST is forbidden by Zoho.
    """

    name: str
    module: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    def body(self) -> dict[str, Any]:
        """Return the request body of POST /settings/automation/webhooks."""
        content = json.dumps({"module": self.module, "id": f"${{!{self.module}.Id}}"})
        return {
            "webhooks": [
                {
                    "name": self.name,
                    "module": {"api_name": self.module},
                    "url": self.url,
                    "http_method": "POST",
                    "authentication": {"type": "general"},
                    "feature_type": "workflow",
                    "headers": {
                        "custom_parameters": [{"name": k, "value": v} for k, v in self.headers.items()],
                        "module_parameters": [],
                    },
                    "body": {"type": "raw", "format": "JSON", "raw_data_content": content},
                }
            ]
        }


@dataclass(frozen=True, slots=True)
class WorkflowRule:
    """Calls the webhook whenever the event happens to a record of the module. Names up to 100 characters."""

    name: str
    module: str
    webhook_id: str
    event: RuleEvent = RuleEvent.CREATE_OR_EDIT

    def body(self) -> dict[str, Any]:
        """Return the request body of POST /settings/automation/workflow_rules."""
        details: dict[str, Any] = {"trigger_module": {"api_name": self.module}}
        if self.event is not RuleEvent.CREATE:
            details["repeat"] = True  # else a record calls only on its first edit
        condition = {
            "sequence_number": 1,
            "criteria_details": {"criteria": None},  # mandatory; this is every record
            "instant_actions": {"actions": [{"type": "webhooks", "id": self.webhook_id}]},
        }
        return {
            "workflow_rules": [
                {
                    "name": self.name,
                    "module": {"api_name": self.module},
                    "execute_when": {"type": self.event.value, "details": details},
                    "conditions": [condition],
                }
            ]
        }
