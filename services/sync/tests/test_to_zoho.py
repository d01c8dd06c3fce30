"""Up to 100 objects brought to one Zoho module: each is judged by itself."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from contracts.names import Table

if TYPE_CHECKING:
    from conftest import Team


async def test_what_was_judged_already_travels_no_more(team: "Team") -> None:
    kunden = await team.world.seed(5, 20)
    await team.delivery(kunden)
    assert await team.idle() == []
    told = len(team.rows.events())
    writes = len(await team.world.calls("POST", "/upsert"))
    await team.delivery(kunden)
    assert await team.idle() == []
    assert len(team.rows.events()) == told
    assert len(await team.world.calls("POST", "/upsert")) == writes
    assert await team.world.calls("PUT", "/crm/v8") == []


async def test_one_hundred_new_ones_are_one_upsert(team: "Team") -> None:
    for number in range(100):
        team.ingest.put(
            Table.KUNDE, f"{5000000 + number}", {"nachname": f"N{number}", "juristische_person": False}
        )
    await team.chunk(Table.KUNDE, [f"{5000000 + number}" for number in range(100)])
    assert await team.idle() == []
    assert len(await team.world.records()) == 100
    assert len(await team.world.calls("POST", "/Contacts/upsert")) == 1
    assert await team.world.records("Accounts") == []


async def test_one_bad_record_of_many_parks_alone(team: "Team") -> None:
    for number in range(10):
        beruf = "lang" * 100 if number == 4 else "Ärztin"
        fields = {"nachname": f"N{number}", "beruf": beruf, "juristische_person": False}
        team.ingest.put(Table.KUNDE, f"500{number}", fields)
    await team.chunk(Table.KUNDE, [f"500{number}" for number in range(10)])
    [parked] = await team.idle()
    assert parked["object"] == "5004"
    assert parked["reason"].startswith("abgelehnt: Zoho nimmt den Wert im Feld Beruf nicht an")
    assert parked["words"] == "invalid data"
    assert len(await team.world.records()) == 9


async def test_a_vertrag_waits_for_its_kunde_and_comes_when_he_does(team: "Team") -> None:
    bad = {"nachname": "Wird gut", "email": "keine Adresse", "juristische_person": False}
    team.ingest.put(Table.KUNDE, "5001", bad)
    team.ingest.put(Table.VERTRAG, "9001", {"kunde_id": "5001", "sparte": "Hausrat"})
    await team.chunk(Table.VERTRAG, ["9001"])
    await team.postponed("wartet auf Kunde 5001")
    await team.chunk(Table.KUNDE, ["5001"])
    await team.chunk(Table.VERTRAG, ["9001"])
    await team.postponed("wartet auf Kunde 5001, der geparkt ist")
    team.ingest.put(Table.KUNDE, "5001", bad | {"email": "gut@example.org"})
    await team.chunk(Table.KUNDE, ["5001"])
    assert await team.hurried() == []
    [vertrag] = await team.world.records("Vertraege")
    contact = await team.world.contact_of("5001")
    assert contact is not None
    assert vertrag["Kunde"]["id"] == contact["id"]
    assert vertrag["Name"] == "Hausrat 9001"


async def test_a_vertrag_of_a_kunde_that_cannot_be_holds_up_no_other(team: "Team") -> None:
    team.ingest.put(Table.KUNDE, "5001", {"nachname": "Da", "juristische_person": False})
    for key, kunde in (("9001", "5001"), ("9002", "unbekannt (alt)")):
        team.ingest.put(Table.VERTRAG, key, {"kunde_id": kunde, "sparte": "Hausrat"})
    await team.chunk(Table.KUNDE, ["5001"])
    await team.chunk(Table.VERTRAG, ["9001", "9002"])
    assert await team.hurried() == []
    found = {vertrag["Vertragsnummer"]: vertrag["Kunde"] for vertrag in await team.world.records("Vertraege")}
    assert found["9001"] is not None
    assert found["9002"] is None


async def test_a_change_made_in_zoho_survives_a_delivery_and_goes_to_ameise(team: "Team") -> None:
    """Its webhook was lost; the delivery meets it."""
    number = await team.world.add_kunde(Nachname="Verloren")
    await team.delivery([number])
    await team.idle()
    contact = await team.world.contact_of(number)
    assert contact is not None
    await team.world.edit(contact["id"], Titel="Dr.")
    await team.world.edit_kunde(number, Beruf="Ärztin")
    await team.delivery([number])
    assert await team.idle() == []
    assert (await team.world.record(contact["id"]))["Beruf"] == "Ärztin"
    assert (await team.world.kunde(number))["Person"]["Titel"] == "Dr."


async def test_a_delivery_older_than_our_write_does_not_win(team: "Team") -> None:
    number = await team.world.add_kunde(Nachname="Alt", Beruf="Tischler")
    await team.delivery([number])
    await team.idle()
    contact = await team.world.contact_of(number)
    assert contact is not None
    yesterday = datetime.now(UTC) - timedelta(days=1)
    await team.ingest.store([number], as_of=yesterday)
    await team.world.edit(contact["id"], Last_Name="Neu")
    await team.webhook(contact["id"])
    await team.idle()
    old = team.ingest.objects[Table.KUNDE, number]
    team.ingest.put(Table.KUNDE, number, old.fields | {"beruf": "Rentner"}, as_of=yesterday)
    await team.world.edit_kunde(number, Beruf="Rentner")
    await team.chunk(Table.KUNDE, [number])
    assert await team.idle() == []
    record = await team.world.record(contact["id"])
    assert (record["Last_Name"], record["Beruf"]) == ("Neu", "Rentner")
    assert (await team.world.kunde(number))["Person"]["Nachname"] == "Neu"
    judged = team.rows.select("SELECT * FROM judged WHERE key = %s AND outcome = 'applied'", number)
    assert judged == []  # the next delivery is fetched and merged by value


async def test_gone_objects_and_deleted_records_change_nothing(team: "Team") -> None:
    numbers = [await team.world.add_kunde(Nachname=name) for name in ("Bleibt", "Gelöscht")]
    await team.delivery(numbers)
    await team.idle()
    kept, deleted = [await team.world.contact_of(number) for number in numbers]
    assert kept is not None
    assert deleted is not None
    await team.world.delete(deleted["id"])
    await team.world.edit_kunde(numbers[1], Beruf="egal")
    await team.ingest.store(numbers)
    team.ingest.put(Table.KUNDE, numbers[0], {}, gone=True)
    await team.chunk(Table.KUNDE, numbers)
    assert await team.idle() == []
    assert (await team.world.record(kept["id"]))["Last_Name"] == "Bleibt"
    assert await team.world.contact_of(numbers[1]) is None
    [vanished] = team.rows.events("excluded")
    assert "der Zoho-Datensatz bleibt" in vanished["data"]["reason"]
    [gone] = team.rows.events("record_deleted")
    assert (gone["data"]["zoho_id"], gone["data"]["object"]["key"]) == (deleted["id"], numbers[1])


async def test_an_unknown_value_that_decides_is_a_question(team: "Team") -> None:
    team.ingest.put(Table.KUNDE, "5001", {"nachname": "Ungewiss"}, unknown=("juristische_person",))
    await team.chunk(Table.KUNDE, ["5001"])
    parked = await team.idle()
    assert {row["reason"].split(":")[0] for row in parked} == {"unklar"}
    assert await team.world.records() == []


async def test_zoho_away_is_waited_for_and_each_row_counts_its_attempts(team: "Team") -> None:
    await team.world.fault("status", "/crm/v8/Contacts/upsert", status=503)
    team.ingest.put(Table.KUNDE, "5001", {"nachname": "Warte", "juristische_person": False})
    await team.chunk(Table.KUNDE, ["5001"])
    assert (await team.postponed("Zoho antwortet nicht"))["attempts"] >= 1
    await team.world.well_again()
    team.hurry()
    assert await team.idle() == []
    assert len(await team.world.records()) == 1


async def test_what_ingest_does_not_know_is_parked(team: "Team") -> None:
    await team.ask_for(Table.KUNDE, "5001")
    parked = await team.idle()
    assert {row["reason"] for row in parked} == {"abgelehnt: Kunde 5001 war in keiner Lieferung"}


async def test_what_was_edited_since_a_write_whose_answer_was_lost_stays_and_goes_to_ameise(
    team: "Team",
) -> None:
    number = await team.world.add_kunde(Nachname="Verschollen", Beruf="Tischler")
    await team.world.fault("timeout_after_write", "/Contacts/upsert", seconds=5, times=1)
    await team.delivery([number])
    await team.postponed("Zoho antwortet nicht")
    contact = await team.world.contact_of(number)
    assert contact is not None
    await team.world.edit(contact["id"], Titel="Dr.", Beruf="Rentner")
    await team.world.edit_kunde(number, Titel="Prof.")
    await team.delivery([number])
    assert await team.hurried() == []
    assert (await team.world.kunde(number))["Person"]["Beruf"] == "Rentner"
    record = await team.world.record(contact["id"])
    assert (record["Beruf"], record["Titel"]) == ("Rentner", "Prof.")
    [told] = team.rows.events("conflict_found")
    assert told["data"]["object"]["fields"] == ["titel"]
    assert len(await team.world.records()) == 1


async def both_edited(team: "Team") -> tuple[str, str]:
    """A Kunde and his Contact, of whom both sides changed the Beruf, though nobody told so yet."""
    number = await team.world.add_kunde(Nachname="Überstimmt", Beruf="Tischler")
    await team.delivery([number])
    assert await team.idle() == []
    contact = await team.world.contact_of(number)
    assert contact is not None
    await team.world.edit(contact["id"], Beruf="Rentner")
    await team.world.edit_kunde(number, Beruf="Tischlerin")
    return number, contact["id"]


async def test_an_overruled_edit_is_told_although_the_answer_to_the_write_was_lost(team: "Team") -> None:
    """The next try finds both sides alike."""
    number, contact = await both_edited(team)
    await team.world.fault("timeout_after_write", "/Contacts$", method="PUT", seconds=5, times=1)
    await team.delivery([number])
    await team.postponed("Zoho antwortet nicht")
    assert await team.hurried() == []
    assert (await team.world.record(contact))["Beruf"] == "Tischlerin"
    [told] = team.rows.events("conflict_found")
    assert told["data"]["object"]["fields"] == ["beruf"]


async def test_a_conflict_is_told_once_however_often_its_write_fails(team: "Team") -> None:
    number, contact = await both_edited(team)
    await team.world.fault("status", "/Contacts$", method="PUT", status=503)
    await team.delivery([number])
    await team.failed(2)
    await team.world.well_again()
    assert await team.hurried() == []
    assert (await team.world.record(contact))["Beruf"] == "Tischlerin"
    assert len(team.rows.events("conflict_found")) == 1


async def test_an_edit_back_to_a_value_that_was_told_is_told_again(team: "Team") -> None:
    number, contact = await both_edited(team)
    await team.world.fault("status", "/Contacts$", method="PUT", status=503)
    await team.delivery([number])
    await team.failed(1)
    await team.edited_meanwhile(contact, "Witwer", "Rentner")
    await team.failed(3)
    assert len(team.rows.events("conflict_found")) == 2


async def test_the_webhook_of_a_record_whose_writing_was_not_heard_of_finds_no_conflict(team: "Team") -> None:
    number = await team.world.add_kunde(Nachname="Verschollen", Beruf="Tischler")
    await team.world.fault("timeout_after_write", "/Contacts/upsert", seconds=5, times=1)
    await team.delivery([number])
    await team.postponed("Zoho antwortet nicht")
    contact = await team.world.contact_of(number)
    assert contact is not None
    await team.world.edit(contact["id"], Beruf="Rentner")
    await team.webhook(contact["id"])
    assert await team.hurried() == []
    assert (await team.world.kunde(number))["Person"]["Beruf"] == "Rentner"
    assert (await team.world.record(contact["id"]))["Beruf"] == "Rentner"
    assert team.rows.events("conflict_found") == []


@pytest.mark.parametrize("met_by", ["webhook", "delivery"])
async def test_a_record_that_was_there_before_the_lost_write_is_no_edit_of_it(
    team: "Team", met_by: str
) -> None:
    """After a restored backup: its older value must not get to Ameise as if somebody had changed ours."""
    number = await team.world.add_kunde(Nachname="Vorher", Beruf="Tischler")
    contact = await team.world.add(Last_Name="Vorher", Kundennummer=number, Beruf="Lehrling")
    await team.world.fault("status", "/Contacts/upsert", status=503, times=1)
    await team.delivery([number])
    await team.postponed("Zoho antwortet nicht")
    # The record is older than what was sent by more than Zoho's whole seconds.
    team.rows.change(
        "UPDATE link SET own_write = jsonb_build_object('at', now() + interval '2 seconds', 'author', '') "
        "WHERE own_write IS NOT NULL"
    )
    if met_by == "webhook":
        await team.webhook(contact)
    assert await team.hurried() == []
    assert (await team.world.kunde(number))["Person"]["Beruf"] == "Tischler"
    assert (await team.world.record(contact))["Beruf"] == "Tischler"
    assert team.rows.events("conflict_found")


async def test_a_record_that_holds_the_number_already_is_not_overwritten_in_silence(team: "Team") -> None:
    """A person typed it, or sync's database is a restored one."""
    number = await team.world.add_kunde(Nachname="Lindner", Beruf="Tischler")
    contact = await team.world.add(Last_Name="Lindner", Kundennummer=number, Beruf="Rentner", Titel="Dr.")
    await team.delivery([number])
    assert await team.idle() == []
    record = await team.world.record(contact)
    assert (record["Beruf"], record["Titel"]) == ("Tischler", "Dr.")
    [told] = team.rows.events("conflict_found")
    assert told["data"]["object"]["fields"] == ["beruf"]
    assert (await team.world.kunde(number))["Person"]["Titel"] == "Dr."
