"""Webhooks of workflow rules: fired at once, at most once, with ten seconds to answer. What failed is listed.

Zoho documents no retry and no signature, but a list of failures (`/settings/automation/webhook_failures`).
"""

import asyncio
import re
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import httpx

from sandbox.knobs import KnobPanel, WebhookFate
from sandbox.shapes import is_object, object_of, objects_of
from sandbox.state import Store
from sandbox.zoho.orgs import Org, zoho_time
from sandbox.zoho.schema import Module, module_id

TIMEOUT_SECONDS = 10.0
AT_ONCE = 40
"""Calls under way at the same time."""
KEEP_ALIVE_SECONDS = 2.0
"""Shorter than servers keep idle connections: a call into one that is just being closed would be lost."""
TIMES: dict[WebhookFate, int] = {"sent": 1, "lost": 0, "doubled": 2}
MERGE_TOKEN = re.compile(r"\$\{!(\w+)\.(\w+)\}")


@dataclass(frozen=True, slots=True)
class Firing:
    """One rule met one record."""

    org: Org
    module: Module
    record: dict[str, Any]
    webhook: dict[str, Any]
    rule: dict[str, Any]


def merged(text: str, module: Module, record: dict[str, Any], *, in_json: bool = False) -> str:
    """`text` with its merge tokens (`${!Contacts.Id}`) replaced by the record's values."""

    def value(match: re.Match[str]) -> str:
        if match[1] != module.api_name:
            return ""
        found = record.get("id" if match[2] == "Id" else match[2])
        if is_object(found):
            found = object_of(found).get("name") or object_of(found).get("id")
        text = "" if found is None else str(found)
        return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") if in_json else text

    return MERGE_TOKEN.sub(value, text)


def _pairs(holder: dict[str, Any] | None, firing: Firing) -> dict[str, str]:
    parts = holder or {}
    pairs = [*objects_of(parts.get("custom_parameters")), *objects_of(parts.get("module_parameters"))]
    return {pair["name"]: merged(str(pair["value"]), firing.module, firing.record) for pair in pairs}


def request_of(firing: Firing) -> dict[str, Any]:
    """The arguments of `AsyncClient.request` for one firing."""
    webhook = firing.webhook
    request: dict[str, Any] = {
        "method": webhook["http_method"],
        "url": merged(webhook["url"], firing.module, firing.record),
        "headers": _pairs(webhook.get("headers"), firing),
    }
    parameters = _pairs(webhook.get("url_parameters"), firing)
    if parameters:
        request["params"] = parameters
    body = object_of(webhook.get("body"))
    if body.get("type") == "raw":
        is_json = body.get("format") == "JSON"
        content = merged(body.get("raw_data_content") or "", firing.module, firing.record, in_json=is_json)
        request["content"] = content.encode()
        request["headers"].setdefault("Content-Type", "application/json" if is_json else "text/plain")
    elif body.get("type") == "form_data":
        request["data"] = _pairs(body.get("form_data_content"), firing)
    return request


class WebhookSender:
    """Sends in background tasks over connections kept open. Open and close it with the application."""

    def __init__(self, store: Store, knobs: KnobPanel) -> None:
        self._store = store
        self._knobs = knobs
        self._fired: Counter[str] = Counter()
        self._client: httpx.AsyncClient | None = None
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Drop what is under way: at most once means that a restart may lose a call."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def fire(self, firing: Firing) -> None:
        """Send one webhook soon, as often as its fate wants; returns at once."""
        fates, world = self._knobs.current.zoho_webhook_fates, firing.org.world
        fate = fates[self._fired[world] % len(fates)]
        self._fired[world] += 1
        for _ in range(TIMES[fate]):
            task = asyncio.create_task(self._send(firing))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _send(self, firing: Firing) -> None:
        if self._client is None:
            limits = httpx.Limits(
                max_connections=AT_ONCE,
                max_keepalive_connections=AT_ONCE,
                keepalive_expiry=KEEP_ALIVE_SECONDS,
            )
            self._client = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, limits=limits, trust_env=False)
        try:
            async with self._slots:
                response = await self._client.request(**request_of(firing))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            self._note_failure(firing, type(error).__name__)
            return
        if not response.is_success:
            self._note_failure(
                firing, "page_notfound" if response.status_code == 404 else f"http_{response.status_code}"
            )

    def _note_failure(self, firing: Firing, reason: str) -> None:
        module, record = firing.module, firing.record
        id_ = firing.org.next_id(self._store)
        failure = {
            "id": id_,
            "failure_time": zoho_time(time.time()),
            "failure_reason": reason,
            "webhook": {"id": firing.webhook["id"], "name": firing.webhook["name"]},
            "workflow_rule": {"id": firing.rule["id"], "name": firing.rule["name"]},
            "entity_details": {
                "id": record["id"],
                "name": record.get(module.name_field),
                "module": {"api_name": module.api_name, "id": module_id(firing.org.prefix, module)},
            },
        }
        self._store.put(firing.org.world, "webhook_failure", id_, failure)
