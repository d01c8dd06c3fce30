"""One Zoho record brought to Ameise: what can go wrong outside, and what comes of it."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from redefining import redefine

from contracts.ids import TenantId
from contracts.names import Table
from sync import kunde
from vendor.errors import Unavailable

if TYPE_CHECKING:
    from conftest import Team


@pytest.fixture
async def linked(team: "Team") -> tuple[str, str]:
    """A Kunde who is in both, and in step: (Kundennummer, id of the Contact)."""
    number = await team.world.add_kunde(Nachname="Lindner", kontakt={"telefon": "030 123", "mobil": "0170 1"})
    await team.delivery([number])
    await team.idle()
    contact = await team.world.contact_of(number)
    assert contact is not None
    return number, contact["id"]


async def test_ten_webhooks_for_one_record_are_little_work(team: "Team", linked: tuple[str, str]) -> None:
    number, contact = linked
    await team.world.edit(contact, Last_Name="Zehnmal")
    await asyncio.gather(*(team.webhook(contact) for _ in range(10)))
    assert await team.idle() == []
    assert (await team.world.kunde(number))["Person"]["Nachname"] == "Zehnmal"
    assert len(team.rows.events("written_to_ameise")) == 1
    puts = await team.world.calls("PUT", f"/kunden/{number}")
    assert len(puts) == 1


async def test_a_thousand_webhooks_for_ten_records_in_a_second_are_at_most_twenty_writes(
    team: "Team",
) -> None:
    numbers = [await team.world.add_kunde(Nachname=f"Sturm {n}") for n in range(10)]
    await team.delivery(numbers)
    await team.idle()
    contacts = [contact["id"] for n in numbers if (contact := await team.world.contact_of(n))]
    for contact in contacts:
        await team.world.edit(contact, Titel="Dr.")
    for _ in range(10):
        await asyncio.gather(*(team.webhook(contact) for contact in contacts * 10))
    assert await team.idle() == []
    assert 10 <= len(await team.world.calls("PUT", "/kunden/")) <= 20
    assert await team.world.calls("PUT", "/crm/v8") == []


async def test_a_change_of_nothing_that_is_mapped_is_already_equal(
    team: "Team", linked: tuple[str, str]
) -> None:
    await team.world.edit(linked[1], Full_Name="wer auch immer")
    await team.webhook(linked[1])
    await team.idle()
    assert team.rows.events()[-1]["type"] == "already_equal"


async def test_a_change_on_either_side_travels_to_the_other(team: "Team", linked: tuple[str, str]) -> None:
    number, contact = linked
    await team.world.edit_kunde(number, Beruf="Ärztin")
    await team.world.edit(contact, Titel="Dr.")
    await team.webhook(contact)
    assert await team.idle() == []
    assert (await team.world.kunde(number))["Person"]["Titel"] == "Dr."
    assert (await team.world.record(contact))["Beruf"] == "Ärztin"
    assert team.rows.events("conflict_found") == []


async def test_of_a_field_that_both_changed_ameise_wins_and_it_is_told(
    team: "Team", linked: tuple[str, str]
) -> None:
    number, contact = linked
    await team.world.edit_kunde(number, Nachname="Lindner-Ost")
    await team.world.edit(contact, Last_Name="Lindner-West")
    await team.webhook(contact)
    assert await team.idle() == []
    assert (await team.world.record(contact))["Last_Name"] == "Lindner-Ost"
    [told] = team.rows.events("conflict_found")
    assert told["data"]["object"]["fields"] == ["nachname"]
    assert "Lindner" not in str(team.rows.events())


async def both_edited(team: "Team", number: str, contact: str) -> None:
    """Zoho wins of a field that both sides changed."""
    await redefine(team, policy="zoho")
    await team.world.edit_kunde(number, Beruf="Ärztin in A")
    await team.world.edit(contact, Beruf="Ärztin in Z")
    await team.webhook(contact)


async def test_an_overruled_edit_is_told_although_the_answer_to_the_write_was_lost(
    team: "Team", linked: tuple[str, str]
) -> None:
    """The next try finds both sides alike."""
    number, contact = linked
    await team.world.fault("timeout_after_write", f"/kunden/{number}$", method="PUT", seconds=5, times=1)
    await both_edited(team, number, contact)
    await team.postponed("Ameise antwortet nicht")
    assert await team.hurried() == []
    assert (await team.world.kunde(number))["Person"]["Beruf"] == "Ärztin in Z"
    [told] = team.rows.events("conflict_found")
    assert told["data"]["object"]["fields"] == ["beruf"]


async def test_a_conflict_is_told_once_however_often_its_write_fails_and_anew_when_it_is_another(
    team: "Team", linked: tuple[str, str]
) -> None:
    number, contact = linked
    await team.world.fault("status", f"/kunden/{number}$", method="PUT", status=503)
    await both_edited(team, number, contact)
    await team.failed(2)
    assert len(team.rows.events("conflict_found")) == 1
    await team.world.edit(contact, Beruf="Chefärztin in Z")
    await team.failed(3)
    assert len(team.rows.events("conflict_found")) == 2
    await team.world.well_again()
    assert await team.hurried() == []
    assert (await team.world.kunde(number))["Person"]["Beruf"] == "Chefärztin in Z"
    assert len(team.rows.events("conflict_found")) == 2


async def test_an_edit_back_to_a_value_that_was_told_is_told_again(
    team: "Team", linked: tuple[str, str]
) -> None:
    number, contact = linked
    await team.world.fault("status", f"/kunden/{number}$", method="PUT", status=503)
    await both_edited(team, number, contact)
    await team.failed(1)
    await team.edited_meanwhile(contact, "Chefärztin in Z", "Ärztin in Z")
    await team.failed(3)
    assert len(team.rows.events("conflict_found")) == 2


async def test_what_ameise_made_of_a_number_is_no_edit(team: "Team", linked: tuple[str, str]) -> None:
    number, contact = linked
    await team.world.knobs(ameise_normalise_phones=True)
    await team.world.edit(contact, Phone="040 456")
    await team.webhook(contact)
    assert await team.idle() == []
    assert await team.world.kontakt(number, "telefon") == "+49 40 456"
    await team.webhook(contact)
    assert await team.idle() == []
    assert (await team.world.record(contact))["Phone"] == "040 456"
    assert team.rows.events()[-1]["type"] == "already_equal"


async def test_an_emptied_field_does_not_erase_the_other_side(team: "Team", linked: tuple[str, str]) -> None:
    number, contact = linked
    await team.world.edit(contact, Mobile=None)
    await team.webhook(contact)
    assert await team.idle() == []
    assert await team.world.kontakt(number, "mobil") == "0170 1"


async def test_zoho_failing_after_ameise_was_written_leaves_no_conflict(
    team: "Team", linked: tuple[str, str]
) -> None:
    number, contact = linked
    await team.world.knobs(ameise_normalise_phones=True)
    await team.world.fault("status", "/crm/v8/Contacts", method="PUT", status=500, times=1)
    await team.world.edit_kunde(number, Beruf="Tischler")
    await team.world.edit(contact, Phone="040 456")
    await team.webhook(contact)
    assert (await team.postponed("Zoho antwortet nicht"))["attempts"] == 1
    team.hurry()
    assert await team.idle() == []
    record = await team.world.record(contact)
    assert (record["Phone"], record["Beruf"]) == ("040 456", "Tischler")
    assert team.rows.events("conflict_found") == []
    assert [e["type"] for e in team.rows.events()][-3:] == [
        "written_to_ameise", "work_postponed", "written_to_zoho",
    ]  # fmt: skip


async def test_what_a_cut_off_try_wrote_is_not_taken_back_by_an_older_delivery(
    team: "Team", linked: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    number, contact = linked
    old = team.ingest.objects[Table.KUNDE, number].fields
    read_again, reads = kunde.read_again, itertools.count(1)

    async def fail_to_read_back(*args: Any) -> Any:
        if next(reads) == 1:
            raise Unavailable("ameise", "no answer")
        return await read_again(*args)

    monkeypatch.setattr(kunde, "read_again", fail_to_read_back)
    await team.world.edit(contact, Last_Name="Neu")
    await team.webhook(contact)
    await team.postponed("Ameise antwortet nicht")
    assert (await team.world.kunde(number))["Person"]["Nachname"] == "Neu"
    team.hurry()
    assert await team.idle() == []
    await team.world.edit_kunde(number, Beruf="Rentner")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    team.ingest.put(Table.KUNDE, number, old | {"beruf": "Rentner"}, as_of=yesterday)
    await team.chunk(Table.KUNDE, [number])
    assert await team.idle() == []
    record = await team.world.record(contact)
    assert (record["Last_Name"], record["Beruf"]) == ("Neu", "Rentner")


async def test_what_is_read_at_the_first_look_is_not_taken_back_by_an_older_delivery(team: "Team") -> None:
    number = await team.world.add_kunde(Nachname="Groß", Beruf="Ärztin")
    await team.ingest.store([number], as_of=datetime.now(UTC) - timedelta(days=1))
    await team.world.edit_kunde(number, Beruf="Chefärztin")
    contact = await team.world.add(Last_Name="Groß", Kundennummer=number)
    await team.webhook(contact)
    assert await team.idle() == []
    await team.chunk(Table.KUNDE, [number])
    assert await team.idle() == []
    assert (await team.world.record(contact))["Beruf"] == "Chefärztin"


async def test_a_record_edited_while_we_looked_is_read_and_merged_again(
    team: "Team", linked: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Zoho's moments are whole seconds: the test makes the record that was read look older."""
    from zoho.client import ZohoClient

    number, contact = linked
    await team.world.edit_kunde(number, Beruf="Rentner")
    get_record = ZohoClient.get_record

    async def read_long_ago(self: ZohoClient, *args: Any, **more: Any) -> Any:
        record = await get_record(self, *args, **more)
        monkeypatch.setattr(ZohoClient, "get_record", get_record)
        return {**(record or {}), "Modified_Time": "2020-01-01T00:00:00+00:00"}

    monkeypatch.setattr(ZohoClient, "get_record", read_long_ago)
    await team.webhook(contact)
    assert await team.idle() == []
    assert (await team.world.record(contact))["Beruf"] == "Rentner"
    [postponed] = team.rows.events("work_postponed")
    assert postponed["data"]["reason"] == "der Datensatz wurde gleichzeitig geändert"


async def test_an_edit_in_the_second_of_our_own_write_is_not_taken_for_ours(
    team: "Team", linked: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Zoho's moments are whole seconds; who changed the record tells."""
    from zoho.client import ZohoClient

    number, contact = linked
    update = ZohoClient.update

    async def and_somebody_else_does(self: ZohoClient, *args: Any, **more: Any) -> Any:
        results = await update(self, *args, **more)
        await team.world.edit(contact, Beruf="Rentner")
        return results

    monkeypatch.setattr(ZohoClient, "update", and_somebody_else_does)
    await team.world.edit_kunde(number, Beruf="Tischler")
    await team.webhook(contact)
    assert await team.idle() == []
    monkeypatch.setattr(ZohoClient, "update", update)
    await team.webhook(contact)
    assert await team.idle() == []
    assert (await team.world.kunde(number))["Person"]["Beruf"] == "Rentner"
    assert (await team.world.record(contact))["Beruf"] == "Rentner"


async def test_a_deleted_record_ends_the_work(team: "Team", linked: tuple[str, str]) -> None:
    await team.world.delete(linked[1])
    await team.webhook(linked[1])
    assert await team.idle() == []
    assert team.rows.events()[-1]["type"] == "record_deleted"
    await team.webhook(linked[1])
    assert await team.idle() == []
    assert team.rows.events()[-1]["type"] == "excluded"
    assert [link["gone_in_zoho"] for link in team.rows.links()] == [True]


async def test_a_new_record_takes_the_place_of_a_deleted_one(team: "Team", linked: tuple[str, str]) -> None:
    number, contact = linked
    await team.world.delete(contact)
    await team.webhook(contact)
    await team.idle()
    again = await team.world.add(Last_Name="Lindner", Kundennummer=number)
    await team.webhook(again)
    assert await team.idle() == []
    assert [(link["ameise_key"], link["zoho_id"]) for link in team.rows.links()] == [(number, again)]


async def test_two_records_that_claim_one_kunde_are_a_question(team: "Team", linked: tuple[str, str]) -> None:
    number, contact = linked
    other = await team.world.add(Last_Name="Lindner", Kundennummer=f"0{number}")
    team.rows.change("UPDATE link SET ameise_key = %s WHERE zoho_id = %s", f"0{number}", contact)
    await team.webhook(other)
    [parked] = await team.idle()
    assert parked["reason"] == f"unklar: Kunde 0{number} gehört schon zu Datensatz {contact}"


@pytest.mark.parametrize("kundennummer", ["5999999999", "keine-Nummer"])
async def test_a_kundennummer_that_leads_nowhere_is_parked(team: "Team", kundennummer: str) -> None:
    await team.webhook(await team.world.add(Last_Name="Nirgends", Kundennummer=kundennummer))
    [parked] = await team.idle()
    assert parked["reason"].startswith("abgelehnt: ")
    assert await team.world.erstanlagen() == 0


async def test_ameise_answering_html_is_waited_for(team: "Team", linked: tuple[str, str]) -> None:
    number, contact = linked
    await team.world.fault("html", f"/kunden/{number}$", status=500)
    await team.world.edit(contact, Last_Name="Geduld")
    await team.webhook(contact)
    row = await team.postponed("Ameise antwortet nicht")
    assert row["attempts"] >= 1
    assert row["due_at"] > row["failing_since"]
    await team.world.well_again()
    team.hurry()
    assert await team.idle() == []
    assert (await team.world.kunde(number))["Person"]["Nachname"] == "Geduld"


async def test_a_html_page_that_says_200_is_not_taken_for_an_answer(
    team: "Team", linked: tuple[str, str]
) -> None:
    number, contact = linked
    await team.world.fault("html", f"/kunden/{number}$", method="PUT", status=200, times=1)
    await team.world.edit(contact, Last_Name="Wirklich")
    await team.webhook(contact)
    await team.postponed("Ameise antwortet nicht")
    team.hurry()
    assert await team.idle() == []
    assert (await team.world.kunde(number))["Person"]["Nachname"] == "Wirklich"


async def test_a_dead_connection_burns_no_attempts(team: "Team", linked: tuple[str, str]) -> None:
    number, contact = linked
    team.auth.connected = False
    await team.world.fault("status", "/", vendor="ameise", status=401)
    await team.world.edit(contact, Last_Name="Verbunden")
    await team.webhook(contact)
    row = await team.postponed("Ameise ist nicht verbunden")
    assert (row["attempts"], row["failing_since"]) == (0, None)
    assert team.rows.events("work_postponed") == []
    team.auth.connected = True
    await team.world.well_again()
    team.hurry()
    assert await team.idle() == []
    assert (await team.world.kunde(number))["Person"]["Nachname"] == "Verbunden"


async def test_what_ameise_refuses_is_parked_with_its_words_and_retried_by_a_person(
    team: "Team", linked: tuple[str, str]
) -> None:
    number, contact = linked
    await team.world.edit(contact, Mailing_Zip="keine PLZ")
    await team.webhook(contact)
    await team.idle()
    [parked] = await team.list_parked()
    assert parked.words is not None
    assert "Postleitzahl" in parked.words
    assert parked.zoho_id == contact
    assert "Postleitzahl" not in str(team.rows.events("work_parked"))
    await team.world.edit(contact, Mailing_Zip="04109")
    assert await team.retry(parked.id) == 1
    assert await team.idle() == []
    assert (await team.world.kunde(number))["Adressen"][0]["Postleitzahl"] == "04109"
    assert len(team.rows.events("work_retried")) == 1


async def test_a_webhook_for_a_pipeline_that_takes_none_is_dropped(team: "Team") -> None:
    await team.webhook("4711", "Vertraege")
    assert await team.idle() == []
    assert team.rows.links() == []


async def test_a_graceful_stop_finishes_what_is_in_hand(
    team_of: Callable[[TenantId], Awaitable["Team"]], sync_with: Callable[..., Any]
) -> None:
    async with sync_with():
        team = await team_of(TenantId("berlin"))
        await team.create_pipelines()
        number = await team.world.add_kunde(Nachname="Schluss")
        contact = await team.world.add(Last_Name="Schluss-Jetzt", Kundennummer=number)
        await team.world.fault("latency", f"/kunden/{number}$", seconds=0.5, times=1)
        await team.webhook(contact)
        await team.in_hand()
    assert team.rows.work() == []
    assert [link["linked_at"] is not None for link in team.rows.links()] == [True]
