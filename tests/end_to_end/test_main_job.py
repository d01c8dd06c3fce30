"""The main job, each step a test of its own, through the doors that people and systems use."""

from typing import Any

from mvp_connector import demo
from mvp_connector.demo.world import main_address, send_webhook, until, written_record
from parts.stack import RunningStack

from .conftest import Broker


async def test_an_admin_connects_ameise_and_zoho_by_their_consent_pages(broker: Broker) -> None:
    await broker.seed(kunden=1, vertraege=0)

    await broker.connect()

    connections = (await broker.admin.ask("GET", "/api/{tenant}/connections"))["connections"]
    assert {c["system"]: c["state"] for c in connections} == {"ameise": "active", "zoho": "active"}
    assert {c["account"] for c in connections if c["system"] == "ameise"} == {f"{broker.hauptvermittler}_1"}
    assert {p["module"] for p in broker.pipelines.values()} == {"Contacts", "Accounts", "Vertraege"}


async def test_a_delivery_pushed_by_ftp_is_checked_and_stored(broker: Broker) -> None:
    await broker.seed(kunden=40, vertraege=90)

    status = await broker.deliver()

    newest = status["deliveries"][0]
    assert newest["state"] == "imported"
    assert newest["files"] == 13
    assert newest["counts"]["kunde"]["new"] == 40
    assert newest["counts"]["vertrag"]["new"] == 90
    assert status["stored"]["kunde"] == 40


async def test_kunden_and_vertraege_reach_zoho_in_upserts_of_at_most_100(broker: Broker) -> None:
    await broker.seed(kunden=120, vertraege=250)
    await broker.connect()

    await broker.deliver()

    counts = await broker.until_in_zoho(kunden=120, vertraege=250)
    assert counts["Contacts"] > 0
    assert counts["Accounts"] > 0
    query = {"vendor": "zoho", "world": broker.org, "path": "/upsert", "limit": 1000}
    calls = await broker.sandbox.ask("GET", "/sandbox/journal", params=query)
    assert len(calls) >= (120 + 250) / 100
    vertrag = (await broker.sandbox.ask("GET", f"/sandbox/zoho/{broker.org}/Vertraege"))["data"][0]
    assert vertrag["Kunde"] or vertrag["Firma"]


async def test_pipelines_made_after_a_delivery_get_what_it_brought(broker: Broker) -> None:
    await broker.seed(kunden=8, vertraege=12)
    await broker.deliver()

    await broker.connect()

    await broker.until_in_zoho(kunden=8, vertraege=12)
    [told] = await broker.until_told("sent_again")
    assert told["data"]["counts"] == {"kunde": 8, "vertrag": 12}


async def test_of_the_next_day_exactly_the_changes_travel(broker: Broker) -> None:
    await broker.seed(kunden=60, vertraege=100)
    await broker.connect()
    await broker.deliver()
    await broker.until_in_zoho(kunden=60, vertraege=100)
    before = await broker.admin.counts("action", types="written_to_zoho", table="kunde")
    assert before == {"created": 60}
    edit = {"hauptvermittler": broker.hauptvermittler, "new": 4, "changed": 7, "gone": 2}
    await broker.sandbox.ask("POST", "/sandbox/ameise/edit", json=edit)

    status = await broker.deliver()

    counts = status["deliveries"][0]["counts"]["kunde"]
    assert (counts["new"], counts["gone"]) == (4, 2)

    async def travelled() -> dict[str, int] | None:
        written = await broker.admin.counts("action", types="written_to_zoho", table="kunde")
        return written if written == {"created": 64, "updated": 7} else None

    await until(travelled, "4 created and 7 updated")
    gone = await broker.until_told("excluded", table="kunde")
    assert len(gone) == 2


async def test_an_edit_in_zoho_is_in_ameise_within_seconds(broker: Broker) -> None:
    await broker.seed(kunden=5, vertraege=0)
    await broker.connect()
    await broker.deliver()
    await broker.until_in_zoho(kunden=5, vertraege=0)

    async def of_a_contact() -> dict[str, Any] | None:
        # The event of a company may be in the log before it.
        told = await broker.until_told("written_to_zoho", table="kunde")
        return next((event for event in told if event["data"]["module"] == "Contacts"), None)

    event = await until(of_a_contact, "the event of a Contact in the log")
    zoho_id, key = written_record(event)

    await _person_edits(broker, zoho_id, {"Mailing_City": "Nürnberg", "Email": "neu@example.org"})

    async def in_ameise() -> bool | None:
        kunde = await broker.sandbox.ask("GET", f"/sandbox/ameise/kunden/{key}")
        return True if main_address(kunde).get("Ort") == "Nürnberg" else None

    await until(in_ameise, "the new town in Ameise")
    [written] = await broker.until_told("written_to_ameise", zoho_id=zoho_id)
    assert written["data"]["object"]["fields"] == ["email", "ort"]


async def test_a_contact_without_kundennummer_becomes_a_kunde_and_learns_its_number(broker: Broker) -> None:
    await broker.seed(kunden=1, vertraege=0)
    await broker.connect()
    person = {
        "Salutation": "Herr", "First_Name": "Jürgen", "Last_Name": "Weiß",
        "Date_of_Birth": "1970-12-24", "Email": "juergen@example.org",
    }  # fmt: skip

    made = await broker.sandbox.ask("POST", f"/sandbox/zoho/{broker.org}/Contacts", json=person)

    async def numbered() -> dict[str, Any] | None:
        record = await broker.sandbox.ask("GET", f"/sandbox/zoho/{broker.org}/Contacts/{made['id']}")
        return record if record.get("Kundennummer") else None

    record = await until(numbered, "the Kundennummer")
    assert record["simplr_Benutzername"]
    assert record["Ameise_Link"].endswith(record["Kundennummer"])
    kunde = await broker.sandbox.ask("GET", f"/sandbox/ameise/kunden/{record['Kundennummer']}")
    assert kunde["Person"]["Nachname"] == "Weiß"


async def test_an_echo_ends_as_unchanged_without_a_write(broker: Broker) -> None:
    await broker.seed(kunden=3, vertraege=0)
    await broker.connect()
    await broker.deliver()
    await broker.until_in_zoho(kunden=3, vertraege=0)
    told = await broker.until_told("written_to_zoho", table="kunde")
    zoho_id, _ = written_record(next(e for e in told if e["data"]["module"] == "Contacts"))

    status = await send_webhook(broker.http, broker.webhooks["Contacts"], zoho_id)

    assert status == 200
    await broker.until_told("already_equal", zoho_id=zoho_id)
    journal = {"vendor": "ameise", "world": broker.hauptvermittler}
    calls = await broker.sandbox.ask("GET", "/sandbox/journal", params=journal)
    assert not [c for c in calls if c["method"] in {"PUT", "DELETE"} or c["path"].endswith("/kunden")]


async def test_the_log_shows_one_record_and_counts_and_keeps_tenants_apart(broker: Broker) -> None:
    await broker.seed(kunden=2, vertraege=0)
    await broker.connect()
    await broker.deliver()
    await broker.until_in_zoho(kunden=2, vertraege=0)

    told = await broker.until_told("written_to_zoho", table="kunde")

    _, key = written_record(told[0])
    of_one = await broker.admin.log(key=key)
    assert {e["tenant"] for e in of_one} == {broker.admin.tenant}
    assert {"objects_compared", "written_to_zoho"} <= {e["type"] for e in of_one}
    assert (await broker.admin.counts("type"))["connected"] == 2


async def test_the_demo_sees_every_step_although_webhooks_are_lost_and_doubled(
    installation: RunningStack,
) -> None:
    small = demo.Size(kunden=30, vertraege=60, new=3, changed=4, gone=2)

    assert await demo.play(installation.stack, small, lossy=True)


async def _person_edits(broker: Broker, zoho_id: str, change: dict[str, Any]) -> None:
    await broker.sandbox.ask("PUT", f"/sandbox/zoho/{broker.org}/Contacts/{zoho_id}", json=change)
