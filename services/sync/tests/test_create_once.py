"""Erstanlage: whatever is cut off, lost, late or said twice, never a second Kunde."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sync import intent_store

if TYPE_CHECKING:
    from conftest import Rows, Team

    from contracts.ids import TenantId

ANNA = {
    "Salutation": "Frau",
    "First_Name": "Anna",
    "Date_of_Birth": "1980-01-02",
    "Email": "anna@example.org",
}
POST_KUNDEN = "/kunden$"


async def test_a_form_submitted_twice_gives_one_kunde_and_one_question(team: "Team") -> None:
    records = [await team.world.add(Last_Name="Doppelt", **ANNA) for _ in range(2)]
    await asyncio.gather(*(team.webhook(record) for record in records))
    [parked] = await team.idle()
    assert parked["reason"].startswith("unklar: gleicht dem Zoho-Datensatz")
    assert parked["object"] in records
    assert await team.world.erstanlagen() == 1
    assert len(await team.world.named("Doppelt")) == 1


async def test_a_form_that_asks_for_little_submitted_twice_gives_one_kunde_though_the_search_lags(
    team: "Team",
) -> None:
    await team.world.knobs(ameise_search_lag_seconds=60)
    little = ANNA | {"Date_of_Birth": None, "Email": None}
    records = [await team.world.add(Last_Name="Wenig", **little) for _ in range(2)]
    await asyncio.gather(*(team.webhook(record) for record in records))
    [parked] = await team.idle()
    assert parked["reason"].startswith("unklar: gleicht dem Zoho-Datensatz")
    assert await team.world.erstanlagen() == 1


async def test_a_family_that_shares_an_email_is_created_one_by_one(team: "Team") -> None:
    names = [("Anna", "1980-01-02"), ("Bernd", "1979-05-06"), ("Cleo", "2010-07-08")]
    records = [
        await team.world.add(**ANNA | {"First_Name": first, "Date_of_Birth": born}, Last_Name="Familie")
        for first, born in names
    ]
    await asyncio.gather(*(team.webhook(record) for record in records))
    assert await team.idle() == []
    assert len(await team.world.named("Familie")) == 3
    assert len({(await team.world.record(record))["Kundennummer"] for record in records}) == 3


async def test_somebody_who_is_a_kunde_already_is_adopted(team: "Team") -> None:
    number = await team.world.add_kunde(
        Anrede="2", Vorname="Anna", Nachname="Groß", Geburtsdatum="1980-01-02"
    )
    record = await team.world.add(Last_Name="GROSS", **ANNA)
    await team.webhook(record)
    assert await team.idle() == []
    assert (await team.world.record(record))["Kundennummer"] == number
    assert await team.world.kontakt(number, "email") == "anna@example.org"
    assert [event["data"]["object"]["key"] for event in team.rows.events("adopted")] == [number]
    assert await team.world.erstanlagen() == 1  # the one that the test made


async def test_a_namesake_about_whom_nothing_more_is_known_is_a_question(team: "Team") -> None:
    number = await team.world.add_kunde(Vorname="Anna", Nachname="Namens")
    await team.webhook(await team.world.add(Last_Name="Namens", **ANNA))
    [parked] = await team.idle()
    assert parked["reason"] == f"unklar: könnte Kunde {number} sein"
    assert await team.world.erstanlagen() == 1


async def test_what_is_missing_is_named(team: "Team") -> None:
    record = await team.world.add(Last_Name="Nurnachname")
    await team.webhook(record)
    [parked] = await team.idle()
    assert parked["reason"] == "unvollständig: für die Anlage fehlt Anrede, Vorname"
    await team.world.edit(record, Salutation="Herr", First_Name="Max")
    await team.webhook(record)
    assert await team.idle() == []
    assert await team.world.erstanlagen() == 1


async def test_a_kunde_whose_post_was_never_answered_is_adopted(team: "Team") -> None:
    await team.world.fault("timeout_after_write", POST_KUNDEN, method="POST", seconds=5, times=1)
    record = await team.world.add(Last_Name="Unbeantwortet", **ANNA)
    await team.webhook(record)
    assert await team.idle() == []
    [number] = await team.world.named("Unbeantwortet")
    assert (await team.world.record(record))["Kundennummer"] == number
    assert await team.world.erstanlagen() <= 1
    told = team.rows.events("written_to_ameise")[-1]["data"]["object"]
    assert (told["key"], told["action"]) == (number, "created")


async def test_a_kunde_who_comes_into_being_after_we_gave_up_is_adopted(
    team_of: "Callable[[TenantId], Awaitable[Team]]", sync_with: Callable[..., Any]
) -> None:
    """Ameise works on, the search lags: looked for again and again, posted never again."""
    async with sync_with(call_timeout=timedelta(seconds=0.3)):
        team = await _berlin(team_of)
        await team.world.knobs(ameise_late_post_seconds=1.2, ameise_search_lag_seconds=0.5)
        await team.webhook(await team.world.add(Last_Name="Spät", **ANNA | {"Email": None}))
        assert await team.hurried() == []
        assert len(await team.world.named("Spät")) == 1
        assert await team.world.erstanlagen() == 1


async def test_a_number_typed_by_a_person_settles_what_was_open(team: "Team") -> None:
    await team.world.fault("timeout_after_write", POST_KUNDEN, method="POST", seconds=5, times=1)
    record = await team.world.add(Last_Name="Getippt", **ANNA)
    await team.webhook(record)
    await team.postponed("Ameise antwortet nicht")
    team.rows.change("UPDATE work SET due_at = now() + interval '1 hour'")
    [number] = await team.world.named("Getippt")
    await team.world.edit(record, Kundennummer=number)
    assert await team.hurried() == []
    [intent] = team.rows.select("SELECT outcome, ameise_key FROM intent")
    assert intent == {"outcome": "adopted", "ameise_key": number}


async def test_after_the_settling_time_a_person_decides(
    team_of: "Callable[[TenantId], Awaitable[Team]]", sync_with: Callable[..., Any]
) -> None:
    async with sync_with(settling_time=timedelta(seconds=1)):
        team = await _berlin(team_of)
        await team.world.fault("html", POST_KUNDEN, method="POST", status=502)
        await team.webhook(await team.world.add(Last_Name="Vielleicht", **ANNA))
        row = await team.postponed("Ameise antwortet nicht")
        assert row["attempts"] == 1
        [intent] = team.rows.select("SELECT * FROM intent")
        assert intent["outcome"] == "open"
        await team.world.well_again()
        team.rows.change("UPDATE intent SET created_at = now() - interval '1 minute'")
        team.hurry()
        [parked] = await team.idle()
        assert parked["reason"].startswith("vielleicht angelegt")
        assert await team.world.named("Vielleicht") == []
        assert await team.world.erstanlagen() <= 1


async def test_ameise_refusing_leaves_no_doubt(team: "Team") -> None:
    await team.world.fault("html", POST_KUNDEN, method="POST", status=400, times=1)
    record = await team.world.add(Last_Name="Abgelehnt", **ANNA)
    await team.webhook(record)
    [parked] = await team.idle()
    assert parked["reason"].startswith("abgelehnt: Ameise hat die Anfrage abgelehnt (400")
    assert "could not process" in parked["words"]
    assert await team.retry(parked["id"]) == 1
    assert await team.idle() == []
    assert len(await team.world.named("Abgelehnt")) == 1


@pytest.mark.parametrize("cut_off", ["before the outcome is stored", "before the link is stored"])
async def test_a_process_killed_after_the_post_does_not_post_again(
    team: "Team", monkeypatch: pytest.MonkeyPatch, cut_off: str
) -> None:
    settle = intent_store.settle

    async def killed(*args: Any, **more: Any) -> None:
        monkeypatch.setattr(intent_store, "settle", settle)
        raise KeyError("killed")

    if cut_off == "before the outcome is stored":
        monkeypatch.setattr(intent_store, "settle", killed)
    else:
        # The link cannot be stored: reading the new Kunde back fails once, after the intent was settled.
        await team.world.knobs(ameise_search_lag_seconds=60)
        await team.world.fault("html", r"/kunden/\d+$", method="GET", status=503, times=1)
    record = await team.world.add(Last_Name="Gekillt", **ANNA)
    await team.webhook(record)
    await team.postponed("Ameise antwortet nicht" if "link" in cut_off else "interner Fehler (KeyError)")
    team.hurry()
    assert await team.idle() == []
    contact = await team.world.record(record)
    await team.world.knobs(ameise_search_lag_seconds=0)
    assert await team.world.named("Gekillt") == [contact["Kundennummer"]]
    assert await team.world.erstanlagen() == 1
    told = [event["data"]["object"]["action"] for event in team.rows.events("written_to_ameise")]
    assert told == ["created"]


async def test_a_kunde_whose_email_ameise_refuses_is_linked_already(team: "Team") -> None:
    """So the next delivery finds the record, and does not make a second one."""
    await team.world.fault("status", "/kontaktdaten$", method="POST", status=400, body={"Meldungen": []})
    record = await team.world.add(Last_Name="Halb", **ANNA)
    await team.webhook(record)
    [parked] = await team.idle()
    assert parked["reason"].startswith("abgelehnt")
    [number] = await team.world.named("Halb")
    await team.world.well_again()
    await team.delivery([number])
    assert await team.hurried() == []
    contact = await team.world.contact_of(number)
    assert contact is not None
    assert contact["id"] == record
    assert await team.world.kontakt(number, "email") == "anna@example.org"


async def test_an_erstanlage_waits_for_its_turn(team: "Team", rows: "Rows") -> None:
    rows.change(
        "INSERT INTO lease (tenant, name, owner, until, fence) "
        "SELECT tenant, 'erstanlage:' || ameise_connection, 'another', now() + interval '1 hour', 1 "
        "FROM pipeline LIMIT 1"
    )
    await team.webhook(await team.world.add(Last_Name="Wartend", **ANNA))
    row = await team.postponed("eine andere Anlage läuft")
    assert row["attempts"] == 0
    assert await team.world.erstanlagen() == 0
    rows.change("UPDATE lease SET until = now()")
    assert await team.idle() == []
    assert await team.world.erstanlagen() == 1


@pytest.mark.parametrize("known", [True, False], ids=["number known", "answer lost"])
async def test_a_delivery_that_is_quicker_than_the_erstanlage_makes_no_second_record(
    team: "Team", known: bool
) -> None:
    if known:
        await team.world.fault("status", r"/kunden/\d+$", method="GET", status=503)
    else:
        await team.world.knobs(ameise_search_lag_seconds=60)
        await team.world.fault("html", r"/kunden/\d+$", method="GET", status=503)
        await team.world.fault("timeout_after_write", POST_KUNDEN, method="POST", seconds=5, times=1)
    record = await team.world.add(Last_Name="Schnell", **ANNA)
    await team.webhook(record)
    await team.postponed("Ameise antwortet nicht")
    await team.world.well_again()
    [number] = await team.world.named("Schnell")
    await team.delivery([number])
    assert await team.hurried() == []
    contact = await team.world.contact_of(number)
    assert contact is not None
    assert contact["id"] == record
    assert len(await team.world.records()) == 1
    assert await team.world.erstanlagen() <= 1


async def _berlin(team_of: "Callable[[TenantId], Awaitable[Team]]") -> "Team":
    from contracts.ids import TenantId

    team = await team_of(TenantId("berlin"))
    await team.create_pipelines()
    return team
