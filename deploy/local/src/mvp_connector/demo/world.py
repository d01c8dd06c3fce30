"""Those who take part in the demo, each with what he can do.

Everybody tries again while a service is down (no connection, 502, 503): a person would, and blau direkt
does. Zoho does not: its webhook comes at most once, and its list of failures tells which one got lost.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any, TypeVar

import httpx

from mvp_connector.demo.report import NotSeen
from mvp_connector.stack import Stack
from zoho.client import ZohoClient
from zoho.webhooks import RuleEvent, Webhook, WorkflowRule

PATIENCE_SECONDS = 90.0
"""How long anything may take before the demo calls it not seen."""
POLL_SECONDS = 0.25
_AWAY = frozenset({502, 503, 504})

T = TypeVar("T")


async def until(look: Callable[[], Awaitable[T | None]], what: str, *, poll: float = POLL_SECONDS) -> T:
    """The first thing that `look` finds. Raises NotSeen after PATIENCE_SECONDS."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends:
        if (found := await look()) is not None:
            return found
        await asyncio.sleep(poll)
    raise NotSeen(f"{what}: not seen within {PATIENCE_SECONDS:.0f} s")


async def patiently(send: Callable[[], Awaitable[httpx.Response]], what: str) -> httpx.Response:
    """The answer to a request that is sent again while the other side is away. Raises NotSeen."""

    async def once() -> httpx.Response | None:
        try:
            answer = await send()
        except httpx.TransportError:
            return None
        return None if answer.status_code in _AWAY else answer

    return await until(once, what, poll=0.5)


@dataclass(slots=True)
class Admin:
    """The broker's admin, by the gateway's API."""

    stack: Stack
    http: httpx.AsyncClient
    tenant: str = ""

    async def ask(self, method: str, path: str, *, expect: int = 200, **more: Any) -> Any:
        """The JSON answer to a request; `{tenant}` in the path is filled in. Raises NotSeen."""
        url = f"{self.stack.gateway_url}{path.format(tenant=self.tenant)}"
        auth = ("admin", self.stack.admin_password)
        answer = await patiently(lambda: self.http.request(method, url, auth=auth, **more), path)
        if answer.status_code != expect:
            raise NotSeen(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        return answer.json()

    async def create_tenant(self) -> str:
        """A new tenant `demo-<n>`, counting on from those that are there."""
        present = {t["id"] for t in (await self.ask("GET", "/api/tenants"))["tenants"]}
        number = next(n for n in range(1, 100_000) if f"demo-{n}" not in present)
        self.tenant = f"demo-{number}"
        new = {"id": self.tenant, "name": f"Demo {number}"}
        await self.ask("POST", "/api/tenants", expect=201, json=new)
        return self.tenant

    async def connect(self, system: str, consent: dict[str, str]) -> dict[str, Any]:
        """Go through the consent page of Ameise or Zoho; the connection. Tried anew if a part of it fails."""

        async def once() -> dict[str, Any] | None:
            started = await self.ask("POST", "/api/{tenant}/connections", expect=201, json={"system": system})
            back_url = await consented(self.http, started["authorize_url"], consent)
            with contextlib.suppress(httpx.TransportError):
                done = await self.http.get(back_url, headers={"Accept": "application/json"})
                if done.status_code == 200 and done.json()["state"] == "active":
                    return done.json()
            return None

        return await until(once, f"connection to {system}", poll=1.0)

    async def counts(self, by: str, **filter_: Any) -> dict[str, int]:
        """Events by a field."""
        answer = await self.ask("GET", "/api/{tenant}/log/counts", params={"by": by, **filter_})
        return answer["counts"]

    async def log(self, **filter_: Any) -> list[dict[str, Any]]:
        """Events, newest first."""
        return (await self.ask("GET", "/api/{tenant}/log", params={"limit": 200, **filter_}))["events"]


async def consented(http: httpx.AsyncClient, authorize_url: str, consent: dict[str, str]) -> str:
    """Fill in a consent page as a person would; the URL that it sends the browser back to."""
    page = await http.get(authorize_url)
    fields = {
        unescape(name): unescape(value)
        for name, value in re.findall(r'<input[^>]*name="([^"]*)"[^>]*value="([^"]*)"', page.text)
    }
    action = authorize_url.partition("?")[0]
    answer = await http.post(action, data={**fields, **consent, "decision": "accept"})
    return answer.headers["location"]


@dataclass(slots=True)
class Sandbox:
    """The stand-ins' other side: blau direkt, and people at work in Ameise and Zoho."""

    stack: Stack
    http: httpx.AsyncClient

    async def ask(self, method: str, path: str, **more: Any) -> Any:
        """The JSON answer of the sandbox. Raises NotSeen."""
        answer = await patiently(
            lambda: self.http.request(method, f"{self.stack.sandbox_url}{path}", **more), path
        )
        if answer.status_code >= 400:
            raise NotSeen(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        return answer.json()

    async def deliver(self, hauptvermittler: str, ftp: dict[str, Any]) -> dict[str, Any]:
        """blau direkt pushes the state of now; it tries again while the FTP server is away."""
        target = {
            "protocol": "ftp", "host": self.stack.ftp_host, "port": ftp["port"],
            "user": ftp["user"], "password": ftp["password"], "tls": True,
        }  # fmt: skip
        order = {"hauptvermittler": hauptvermittler, "target": target}
        return await self.ask("POST", "/blaudirekt/deliveries", json=order)

    @contextlib.asynccontextmanager
    async def webhooks_meet(self, *fates: str) -> AsyncGenerator[None]:
        """Meanwhile each of Zoho's webhooks meets the next fate: `sent`, `lost` or `doubled`."""
        await self.ask("PUT", "/sandbox/knobs", json={"zoho_webhook_fates": fates})
        try:
            yield
        finally:
            await self.ask("PUT", "/sandbox/knobs", json={"zoho_webhook_fates": ["sent"]})

    async def kunden_created(self, hauptvermittler: str) -> int:
        """How often Ameise was asked for a new Kunde and made one."""
        query = {"vendor": "ameise", "world": hauptvermittler, "method": "POST", "path": "/kunden"}
        calls = await self.ask("GET", "/sandbox/journal", params=query)
        return sum(call["path"].endswith("/kunden") and call["status"] < 300 for call in calls)

    async def zoho_count(self, org: str, module: str) -> int:
        """Records of a module."""
        return (await self.ask("GET", f"/sandbox/zoho/{org}/{module}", params={"count": 1}))["count"]

    async def zoho_record(self, org: str, module: str, kundennummer: str) -> dict[str, Any] | None:
        """The record with a Kundennummer."""
        params = {"field": "Kundennummer", "value": kundennummer}
        found = await self.ask("GET", f"/sandbox/zoho/{org}/{module}", params=params)
        return next(iter(found["data"]), None)


@dataclass(slots=True)
class ZohoAdmin:
    """The broker's Zoho administrator: sets up webhook and rule, and sees what did not arrive."""

    stack: Stack
    http: httpx.AsyncClient
    org: str
    _token: str = field(default="", repr=False)

    async def access_token(self, *, stale: str | None = None) -> str:
        """A token of his own OAuth client, got by the same consent page."""
        if not self._token or stale:
            client = {"client_id": "demo-zoho-admin", "client_secret": "demo-zoho-admin"}
            base, back = f"{self.stack.sandbox_url}/zoho", "http://127.0.0.1/back"
            query = httpx.QueryParams(
                {"response_type": "code", "redirect_uri": back, "access_type": "offline", "state": "x",
                 "scope": "ZohoCRM.settings.ALL", "client_id": client["client_id"]}
            )  # fmt: skip
            location = await consented(self.http, f"{base}/oauth/v2/auth?{query}", {"org": self.org})
            code = httpx.URL(location).params["code"]
            form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, **client}
            answer = await self.http.post(f"{base}/oauth/v2/token", data=form)
            self._token = answer.json()["access_token"]
        return self._token

    def _client(self) -> ZohoClient:
        return ZohoClient(f"{self.stack.sandbox_url}/zoho", self, self.http)

    async def call_on_change(self, module: str, webhook: dict[str, Any]) -> None:
        """Have Zoho call us whenever a record of the module is created or edited."""
        hook = Webhook(
            name=f"MVP-Connector {module}",
            module=module,
            url=webhook["url"],
            headers={webhook["header"]: webhook["token"]},
        )
        webhook_id = await self._client().create_webhook(hook)
        await self._client().create_workflow_rule(
            WorkflowRule(f"MVP-Connector {module}", module, webhook_id, RuleEvent.CREATE_OR_EDIT)
        )

    async def lost(self, zoho_id: str) -> bool:
        """Whether a webhook about this record did not arrive."""
        today = datetime.now(UTC).date()
        failures = self._client().list_webhook_failures(start=today - timedelta(days=1), end=today)
        return any([failure.record_id == zoho_id async for failure in failures])


async def send_webhook(http: httpx.AsyncClient, webhook: dict[str, Any], zoho_id: str) -> int:
    """Call the webhook as Zoho does; the status of the answer."""
    headers = {webhook["header"]: webhook["token"]}
    answer = await patiently(
        lambda: http.post(webhook["url"], headers=headers, json={"id": zoho_id}), "webhook"
    )
    return answer.status_code


def main_address(kunde: dict[str, Any]) -> dict[str, Any]:
    """The Hauptwohnsitz of a Kunde as the sandbox keeps him; empty if there is none."""
    adressen: list[dict[str, Any]] = kunde["Adressen"]
    return next((a for a in adressen if a["Typ"] == "hauptwohnsitz"), dict[str, Any]())


def written_record(event: dict[str, Any]) -> tuple[str, str]:
    """(Zoho id, key in Ameise) of what a `written_to_zoho` tells of, of several the first."""
    data = event["data"]
    [first, *_] = data.get("objects") or [data["object"] | {"zoho_id": data["zoho_id"]}]
    return first["zoho_id"], first["key"]
