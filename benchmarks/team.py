"""A connected team with Kunden in Zoho, for measurements that need one."""

from dataclasses import dataclass
from typing import Any

import httpx

from mvp_connector.demo.world import Admin, Sandbox, until
from parts.stack import RunningStack


@dataclass
class Team:
    """`contacts`: Zoho id → Kundennummer of linked Contacts. Zoho has no rule: we call the webhook."""

    admin: Admin
    sandbox: Sandbox
    hauptvermittler: str
    webhook: dict[str, Any]
    contacts: dict[str, str]


async def connected_team(running: RunningStack, http: httpx.AsyncClient, *, kunden: int) -> Team:
    admin, sandbox = Admin(running.stack, http), Sandbox(running.stack, http)
    tenant = await admin.create_tenant()
    hauptvermittler = f"D{int(tenant.removeprefix('demo-')):05d}"
    seed = {"hauptvermittler": hauptvermittler, "kunden": kunden, "vertraege": 0}
    await sandbox.ask("POST", "/sandbox/ameise/seed", json=seed)
    ameise = await admin.connect("ameise", {"mitarbeiter": f"{hauptvermittler}_1"})
    zoho = await admin.connect("zoho", {"org": tenant})
    chosen = {"ameise_connection": ameise["id"], "zoho_connection": zoho["id"]}
    made = await admin.ask("POST", "/api/{tenant}/pipelines/defaults", json=chosen)
    pipeline = next(p for p in made["pipelines"] if p["module"] == "Contacts")
    webhook = await admin.ask("POST", f"/api/{{tenant}}/pipelines/{pipeline['id']}/webhook")
    ftp = await admin.ask("POST", "/api/{tenant}/dailyup/ftp")
    await sandbox.deliver(hauptvermittler, ftp)

    async def linked() -> bool | None:
        pipelines = (await admin.ask("GET", "/api/{tenant}/pipelines"))["pipelines"]
        return True if sum(p["linked"] for p in pipelines) == kunden else None

    await until(linked, "all Kunden linked")
    records = await sandbox.ask("GET", f"/sandbox/zoho/{tenant}/Contacts")
    contacts = {record["id"]: record["Kundennummer"] for record in records["data"]}
    return Team(admin, sandbox, hauptvermittler, webhook, contacts)
