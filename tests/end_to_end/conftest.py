"""One installation for all tests of this folder; every test plays in a tenant of its own."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from mvp_connector.demo.world import Admin, Sandbox, ZohoAdmin, until
from parts.stack import RunningStack, running_stack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All on one worker: an installation is eight processes, and one is enough."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("stack"))
            item.add_marker(pytest.mark.timeout(240))


@pytest.fixture(scope="package")
def installation(parts_folder: Path) -> Iterator[RunningStack]:
    folder = parts_folder / "stack"
    folder.mkdir()
    with running_stack(folder) as running:
        yield running


@dataclass
class Broker:
    """A broker's team with everybody who works for it."""

    admin: Admin
    sandbox: Sandbox
    zoho_admin: ZohoAdmin
    http: httpx.AsyncClient
    hauptvermittler: str
    pipelines: dict[str, dict[str, Any]] = field(default_factory=dict)
    webhooks: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def org(self) -> str:
        return self.admin.tenant

    async def connect(self) -> None:
        """Ameise, Zoho, the built-in pipelines, and webhooks that Zoho calls."""
        ameise = await self.admin.connect("ameise", {"mitarbeiter": f"{self.hauptvermittler}_1"})
        zoho = await self.admin.connect("zoho", {"org": self.org})
        chosen = {"ameise_connection": ameise["id"], "zoho_connection": zoho["id"]}
        made = await self.admin.ask("POST", "/api/{tenant}/pipelines/defaults", json=chosen)
        for pipeline in made["pipelines"]:
            self.pipelines[pipeline["module"]] = pipeline
            if pipeline["takes_webhooks"]:
                path = f"/api/{{tenant}}/pipelines/{pipeline['id']}/webhook"
                webhook = self.webhooks[pipeline["module"]] = await self.admin.ask("POST", path)
                await self.zoho_admin.call_on_change(pipeline["module"], webhook)

    async def seed(self, *, kunden: int, vertraege: int) -> None:
        seed = {"hauptvermittler": self.hauptvermittler, "kunden": kunden, "vertraege": vertraege}
        await self.sandbox.ask("POST", "/sandbox/ameise/seed", json=seed)

    async def deliver(self) -> dict[str, Any]:
        """A DailyUp delivery of now, pushed by FTP; the status when it is imported."""
        before = await self.dailyup()
        ftp = await self.admin.ask("POST", "/api/{tenant}/dailyup/ftp")
        await self.sandbox.deliver(self.hauptvermittler, ftp)

        async def imported() -> dict[str, Any] | None:
            status = await self.dailyup()
            news = len(status["deliveries"]) - len(before["deliveries"])
            done = news > 0 and status["deliveries"][0]["state"].startswith("imported")
            return status if done else None

        return await until(imported, "the delivery imported")

    async def dailyup(self) -> dict[str, Any]:
        return await self.admin.ask("GET", "/api/{tenant}/dailyup")

    async def zoho_counts(self) -> dict[str, int]:
        modules = ("Contacts", "Accounts", "Vertraege")
        return {module: await self.sandbox.zoho_count(self.org, module) for module in modules}

    async def until_in_zoho(self, *, kunden: int, vertraege: int) -> dict[str, int]:
        async def complete() -> dict[str, int] | None:
            counts = await self.zoho_counts()
            people = counts["Contacts"] + counts["Accounts"]
            return counts if (people, counts["Vertraege"]) == (kunden, vertraege) else None

        return await until(complete, f"{kunden} Kunden and {vertraege} Verträge in Zoho")

    async def until_told(self, type_: str, **filter_: Any) -> list[dict[str, Any]]:
        """The events of a type, once the log has one."""

        async def told() -> list[dict[str, Any]] | None:
            return await self.admin.log(types=type_, **filter_) or None

        return await until(told, f"an event {type_} {filter_}")


@pytest.fixture
async def broker(installation: RunningStack) -> AsyncIterator[Broker]:
    """A new team, not connected to anything yet."""
    async with httpx.AsyncClient(timeout=30) as http:
        admin = Admin(installation.stack, http)
        tenant = await admin.create_tenant()
        yield Broker(
            admin,
            Sandbox(installation.stack, http),
            ZohoAdmin(installation.stack, http, tenant),
            http,
            hauptvermittler=f"D{int(tenant.removeprefix('demo-')):05d}",
        )
