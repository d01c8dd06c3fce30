"""The seven steps."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from rich.console import Console

from mvp_connector.demo.report import NotSeen, Report
from mvp_connector.demo.world import (
    Admin,
    Sandbox,
    ZohoAdmin,
    main_address,
    send_webhook,
    until,
    written_record,
)
from mvp_connector.stack import Stack

TABLES = 13
WIDTH_IN_A_FILE = 120
FAST_POLL_SECONDS = 0.01
"""While a time is measured."""
RELIABLE = ("sent",)
LOSSY = ("lost", "doubled")
"""Zoho calls twice in the demo: when a person edits a Contact, and when one is created."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is delivered: at first, and what the next day changes."""

    kunden: int = 1000
    vertraege: int = 2500
    new: int = 10
    changed: int = 25
    gone: int = 3


@dataclass(slots=True)
class Demo:
    """The players and what they learn on the way."""

    size: Size
    admin: Admin
    sandbox: Sandbox
    zoho_admin: ZohoAdmin
    report: Report
    org: str
    hauptvermittler: str
    webhooks: dict[str, dict[str, Any]]
    lossy: bool


async def play(stack: Stack, size: Size = Size(), *, lossy: bool = False) -> bool:
    """Play the main job in a new tenant, print the table; True if every step was observed.

    `lossy`: the webhook of the edit in Zoho is lost, that of the new Contact comes twice.
    """
    terminal = Console()
    report = Report(terminal if terminal.is_terminal else Console(width=WIDTH_IN_A_FILE))
    async with httpx.AsyncClient(timeout=30) as http:
        admin, sandbox = Admin(stack, http), Sandbox(stack, http)
        try:
            tenant = await admin.create_tenant()
            number = int(tenant.removeprefix("demo-"))
            demo = Demo(
                size, admin, sandbox, ZohoAdmin(stack, http, tenant), report,
                org=tenant, hauptvermittler=f"D{number:05d}", webhooks={}, lossy=lossy,
            )  # fmt: skip
            report.console.print(f"\nThe demo plays in the tenant [bold]{tenant}[/].")
            async with sandbox.webhooks_meet(*(LOSSY if lossy else RELIABLE)):
                await _all_steps(demo, http)
        except NotSeen as missed:
            report.console.print(f"[red]not seen:[/] {missed}")
            report.show()
            return False
    report.show()
    return report.ok


async def _all_steps(demo: Demo, http: httpx.AsyncClient) -> None:
    await _connect(demo)
    await _first_delivery(demo)
    await _reaches_zoho(demo)
    await _next_day(demo)
    await _edit_in_zoho(demo, http)
    zoho_id, kundennummer = await _create_in_zoho(demo, http)
    await _read_the_log(demo, zoho_id, kundennummer)


async def _connect(demo: Demo) -> None:
    admin = demo.admin
    with demo.report.step("The admin connects Ameise and Zoho by OAuth2", "both connections active") as step:
        seeded = {
            "hauptvermittler": demo.hauptvermittler,
            "kunden": demo.size.kunden,
            "vertraege": demo.size.vertraege,
        }
        await demo.sandbox.ask("POST", "/sandbox/ameise/seed", json=seeded)
        ameise = await admin.connect("ameise", {"mitarbeiter": f"{demo.hauptvermittler}_1"})
        zoho = await admin.connect("zoho", {"org": demo.org})
        chosen = {"ameise_connection": ameise["id"], "zoho_connection": zoho["id"]}
        made = await admin.ask("POST", "/api/{tenant}/pipelines/defaults", json=chosen)
        for pipeline in made["pipelines"]:
            if pipeline["takes_webhooks"]:
                path = f"/api/{{tenant}}/pipelines/{pipeline['id']}/webhook"
                webhook = await admin.ask("POST", path)
                demo.webhooks[pipeline["module"]] = webhook
                await demo.zoho_admin.call_on_change(pipeline["module"], webhook)
        step.seen = (
            f"Ameise as {ameise['account']}, Zoho organisation {zoho['account']}; "
            f"{len(made['pipelines'])} pipelines, {len(demo.webhooks)} webhooks"
        )


async def _first_delivery(demo: Demo) -> None:
    size = demo.size
    expected = f"{TABLES} tables, {size.kunden:,} Kunden and {size.vertraege:,} Verträge stored"
    with demo.report.step("blau direkt pushes a DailyUp delivery by FTP", expected) as step:
        ftp = await demo.admin.ask("POST", "/api/{tenant}/dailyup/ftp")
        pushed = await demo.sandbox.deliver(demo.hauptvermittler, ftp)
        demo.report.progress(f"{len(pushed['files'])} files pushed in {pushed['seconds']:.1f} s")

        async def stored() -> dict[str, int] | None:
            status = await demo.admin.ask("GET", "/api/{tenant}/dailyup")
            rows = status["stored"]
            return rows if (rows.get("kunde"), rows.get("vertrag")) == (size.kunden, size.vertraege) else None

        rows = await until(stored, "the delivery in the database")
        filled = sum(1 for count in rows.values() if count)
        step.seen = f"{filled} tables, {rows['kunde']:,} Kunden and {rows['vertrag']:,} Verträge stored"
        if filled != TABLES:
            raise NotSeen(step.seen)


async def _reaches_zoho(demo: Demo) -> None:
    size = demo.size
    expected = (
        f"{size.kunden:,} Contacts and Accounts, {size.vertraege:,} Verträge, in upserts of at most 100"
    )
    with demo.report.step("Kunden and Verträge reach Zoho", expected) as step:
        shown = 0.0

        async def in_zoho() -> tuple[int, int, int] | None:
            nonlocal shown
            counts = [
                await demo.sandbox.zoho_count(demo.org, m) for m in ("Contacts", "Accounts", "Vertraege")
            ]
            if time.monotonic() - shown > 2:
                shown = time.monotonic()
                demo.report.progress("{} Contacts, {} Accounts, {} Verträge".format(*counts))
            complete = counts[0] + counts[1] == size.kunden and counts[2] == size.vertraege
            return (counts[0], counts[1], counts[2]) if complete else None

        contacts, accounts, vertraege = await until(in_zoho, "all records in Zoho")
        query = {"vendor": "zoho", "world": demo.org, "path": "/upsert", "limit": 10_000}
        calls = await demo.sandbox.ask("GET", "/sandbox/journal", params=query)
        step.seen = (
            f"{contacts:,} Contacts + {accounts:,} Accounts, {vertraege:,} Verträge, in {len(calls)} upserts"
        )


async def _next_day(demo: Demo) -> None:
    size = demo.size
    expected = f"exactly {size.new} new, {size.changed} changed, {size.gone} gone Kunden travel"
    with demo.report.step("The next day's delivery", expected) as step:
        since = datetime.now(UTC).isoformat()
        edit = {
            "hauptvermittler": demo.hauptvermittler,
            "new": size.new,
            "changed": size.changed,
            "gone": size.gone,
        }
        day = await demo.sandbox.ask("POST", "/sandbox/ameise/edit", json=edit)
        vertraege = len(day["gone_vertraege"])
        ftp = await demo.admin.ask("POST", "/api/{tenant}/dailyup/ftp")
        await demo.sandbox.deliver(demo.hauptvermittler, ftp)
        seen: dict[str, int] = {}

        async def travelled() -> bool | None:
            nonlocal seen
            kunden = {"since": since, "table": "kunde"}
            written = await demo.admin.counts("action", types="written_to_zoho", **kunden)
            gone = await demo.admin.counts("action", types="excluded", **kunden)
            seen = {
                "new": written.get("created", 0),
                "changed": written.get("updated", 0),
                "gone": gone.get("gone", 0),
            }
            return True if seen == {"new": size.new, "changed": size.changed, "gone": size.gone} else None

        try:
            await until(travelled, "the changes of the day")
        except NotSeen as missed:
            raise NotSeen(f"{missed}; the log says {seen}") from None
        count = await demo.sandbox.zoho_count(demo.org, "Contacts")
        count += await demo.sandbox.zoho_count(demo.org, "Accounts")
        step.seen = (
            f"{seen['new']} new, {seen['changed']} changed, {seen['gone']} gone (with {vertraege} Verträge); "
            f"{count:,} records in Zoho"
        )
        if count != size.kunden + size.new:
            raise NotSeen(step.seen)


async def _edit_in_zoho(demo: Demo, http: httpx.AsyncClient) -> None:
    with demo.report.step(
        "A person edits a Contact in Zoho", "the change is in Ameise within seconds"
    ) as step:
        written = await demo.admin.log(types="written_to_zoho", table="kunde")
        event = next(e for e in written if e["data"]["module"] == "Contacts")
        zoho_id, key = written_record(event)
        street = f"Neue Straße {datetime.now(UTC):%H%M%S}"
        begun = time.perf_counter()
        path = f"/sandbox/zoho/{demo.org}/Contacts/{zoho_id}"
        await demo.sandbox.ask("PUT", path, json={"Mailing_Street": street})
        if demo.lossy:
            await demo.admin.ask("POST", "/api/{tenant}/compare", json={"changes": True})
        lost = _Lost(demo, http, "Contacts", zoho_id)

        async def in_ameise() -> bool | None:
            kunde = await demo.sandbox.ask("GET", f"/sandbox/ameise/kunden/{key}")
            if main_address(kunde).get("Strasse") == street:
                return True
            await lost.send_again()
            return None

        await until(in_ameise, "the new street in Ameise", poll=FAST_POLL_SECONDS)
        milliseconds = (time.perf_counter() - begun) * 1000
        step.seen = f"Kunde {key} changed in Ameise {milliseconds:.0f} ms after the edit{lost.note}"
        if demo.lossy:
            await _webhooks_told(demo, zoho_id, 0)
            step.seen += "; Zoho's webhook was lost, and a look at its changes found it"


async def _create_in_zoho(demo: Demo, http: httpx.AsyncClient) -> tuple[str, str]:
    expected = "Kunde in Ameise; Kundennummer, simplr name and link written back; the echo is unchanged"
    with demo.report.step("A Contact without Kundennummer is created in Zoho", expected) as step:
        begun = time.perf_counter()
        person = {
            "Salutation": "Frau", "First_Name": "Jördis", "Last_Name": f"Neumann-{datetime.now(UTC):%H%M%S}",
            "Date_of_Birth": "1991-04-05", "Mailing_Street": "Am Teich 4", "Mailing_Zip": "01067",
            "Mailing_City": "Dresden", "Mailing_Country": "Deutschland", "Mobile": "0151 2345678",
        }  # fmt: skip
        made = await demo.sandbox.ask("POST", f"/sandbox/zoho/{demo.org}/Contacts", json=person)
        zoho_id = made["id"]
        lost = _Lost(demo, http, "Contacts", zoho_id)

        async def written_back() -> dict[str, Any] | None:
            record = await demo.sandbox.ask("GET", f"/sandbox/zoho/{demo.org}/Contacts/{zoho_id}")
            names = ("Kundennummer", "simplr_Benutzername", "Ameise_Link")
            if all(record.get(name) for name in names):
                return record
            await lost.send_again()
            return None

        record = await until(written_back, "the Kundennummer in Zoho", poll=FAST_POLL_SECONDS)
        milliseconds = (time.perf_counter() - begun) * 1000
        key = record["Kundennummer"]
        kunde = await demo.sandbox.ask("GET", f"/sandbox/ameise/kunden/{key}")
        if kunde["Person"]["Nachname"] != person["Last_Name"]:
            raise NotSeen(f"Kunde {key} in Ameise is somebody else")
        created = await demo.sandbox.kunden_created(demo.hauptvermittler)
        if created != 1:
            raise NotSeen(f"Ameise was asked for a new Kunde {created} times")
        if demo.lossy:
            await _webhooks_told(demo, zoho_id, 2)
        await send_webhook(http, demo.webhooks["Contacts"], zoho_id)

        async def unchanged() -> bool | None:
            return True if await demo.admin.log(types="already_equal", zoho_id=zoho_id) else None

        await until(unchanged, "the echo webhook's end as unchanged")
        step.seen = (
            f"Kunde {key} ({record['simplr_Benutzername']}) after {milliseconds:.0f} ms{lost.note}; "
            "the echo was unchanged" + ("; Zoho's webhook came twice, one Kunde" if demo.lossy else "")
        )
        return zoho_id, key


async def _webhooks_told(demo: Demo, zoho_id: str, wanted: int) -> None:
    """The log knows of as many webhooks about a record, and that the record was written to Ameise."""

    async def told() -> int | None:
        types = [event["type"] for event in await demo.admin.log(zoho_id=zoho_id)]
        webhooks = types.count("webhook_accepted")
        return webhooks if "written_to_ameise" in types and webhooks >= wanted else None

    webhooks = await until(told, "the record's events in the log")
    if webhooks != wanted:
        raise NotSeen(f"{webhooks} webhooks about the record arrived, not {wanted}")


@dataclass(slots=True)
class _Lost:
    """Zoho calls once. If that call is in its list of failures, an administrator sends it again."""

    demo: Demo
    http: httpx.AsyncClient
    module: str
    zoho_id: str
    note: str = ""
    _next_look: float = 0.0

    async def send_again(self) -> None:
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + 2
        if not self.note and await self.demo.zoho_admin.lost(self.zoho_id):
            await send_webhook(self.http, self.demo.webhooks[self.module], self.zoho_id)
            self.note = " (Zoho's call had failed and was sent again)"


async def _read_the_log(demo: Demo, zoho_id: str, kundennummer: str) -> None:
    expected = "everything that happened to one Kunde, and the count by action"
    with demo.report.step("The Aktivitätslog shows all of it", expected) as step:
        told = {"webhook_accepted", "written_to_ameise", "numbers_written_back", "already_equal"}

        async def complete() -> list[dict[str, Any]] | None:
            events = await demo.admin.log(zoho_id=zoho_id)
            return events if told <= {event["type"] for event in events} else None

        events = await until(complete, "the log of the new Kunde")
        demo.report.console.print(f"\n   The log of Kunde {kundennummer} (Zoho {zoho_id}):")
        for event in reversed(events):
            about: dict[str, Any] = event["data"].get("object") or {}
            line = (
                f"{event['time'][11:23]}  {event['source']:8} {event['type']:22} {event['data']['outcome']:8}"
            )
            fields = ", ".join(about.get("fields", ()))
            demo.report.console.print(f"   {line} {about.get('action', ''):10} {fields}", highlight=False)
        by_type, by_action = await demo.admin.counts("type"), await demo.admin.counts("action")
        demo.report.console.print("\n   Events by type and objects by action:")
        for name, count in sorted((by_type | by_action).items(), key=lambda item: -item[1]):
            demo.report.console.print(f"   {count:6,}  {name}", highlight=False)
        step.seen = f"{len(events)} events about Kunde {kundennummer}, {sum(by_type.values()):,} in all"
