"""What people type, and what they do to records: none of it is lost, guessed at, or written half."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from contracts.ids import TenantId
from sync.kunde import CONTACT
from sync.pipelines import Definition

if TYPE_CHECKING:
    from conftest import Team

    from chassis.process import Foundation

BERLIN, HAMBURG = TenantId("berlin"), TenantId("hamburg")
ANNA = {
    "Salutation": "Frau",
    "First_Name": "Anna",
    "Date_of_Birth": "1980-01-02",
    "Email": "anna@example.org",
}
TOMORROW = (datetime.now(UTC).date() + timedelta(days=2)).isoformat()


@pytest.fixture
async def linked(team: "Team") -> tuple[str, str]:
    """A Kunde who is in both, and in step: (Kundennummer, id of the Contact)."""
    number = await team.world.add_kunde(Nachname="Lindner", kontakt={"telefon": "030 123"})
    await team.delivery([number])
    await team.idle()
    contact = await team.world.contact_of(number)
    assert contact is not None
    return number, contact["id"]


def change_definition(team: "Team", module: str, **changes: Any) -> None:
    """As an admin does."""
    [row] = team.rows.select("SELECT definition FROM pipeline WHERE module = %s", module)
    changed = Definition.model_validate({**row["definition"], **changes})
    team.rows.change(
        "UPDATE pipeline SET definition = CAST(%s AS jsonb), version = %s WHERE module = %s",
        changed.model_dump_json(), changed.version, module,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ({"Date_of_Birth": TOMORROW}, "abgelehnt: Geburtsdatum liegt in der Zukunft"),
        ({"Mailing_Zip": "04109 oder 04103"}, "abgelehnt: PLZ ist zu lang für Ameise"),
        ({"Mailing_Country": "Atlantis"}, "abgelehnt: Land gibt es in Ameise nicht"),
        (
            {"Mailing_Country": "Atlantis", "Date_of_Birth": TOMORROW},
            "abgelehnt: Geburtsdatum liegt in der Zukunft; Land gibt es in Ameise nicht",
        ),
    ],
)
async def test_what_ameise_would_not_take_is_parked_before_anything_is_written(
    team: "Team", linked: tuple[str, str], typed: dict[str, str], reason: str
) -> None:
    number, contact = linked
    new = await team.world.add(Last_Name="Neu", **ANNA | typed)
    await team.world.edit(contact, **typed)
    for record in (new, contact):
        await team.webhook(record)
    parked = await team.idle()
    assert [row["reason"] for row in parked] == [reason, reason]
    assert await team.world.erstanlagen() == 1  # the one that the test made
    assert await team.world.calls("PUT", f"/kunden/{number}") == []


async def test_an_email_that_is_none_is_parked_and_the_next_edit_mends_it(
    team: "Team", linked: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Zoho checks e-mail fields; a mapped text field may hold anything."""
    number, contact = linked
    fields = [
        {**f, "zoho": "Beruf", "converter": "text"} if f["ameise"] == "email" else f
        for f in Definition.model_validate(
            team.rows.select("SELECT definition FROM pipeline WHERE module = 'Contacts'")[0]["definition"]
        ).model_dump(mode="json")["fields"]
        if f["ameise"] != "beruf"
    ]
    change_definition(team, "Contacts", fields=fields)
    await team.world.edit(contact, Beruf="keine Adresse")
    await team.webhook(contact)
    [parked] = await team.idle()
    assert parked["reason"] == "abgelehnt: E-Mail ist keine E-Mail-Adresse"
    assert "keine Adresse" not in str(team.rows.events())
    await team.world.edit(contact, Beruf="anna@example.org")
    await team.webhook(contact)
    assert await team.idle() == []
    assert await team.world.kontakt(number, "email") == "anna@example.org"


async def test_an_anrede_of_a_company_does_not_turn_a_person_into_one(
    team: "Team", linked: tuple[str, str]
) -> None:
    number, contact = linked
    values = {"1": "Herr", "2": "Frau", "3": "Divers"}
    definition = team.rows.select("SELECT definition FROM pipeline WHERE module = 'Contacts'")[0][
        "definition"
    ]
    fields = [{**f, "values": values} if f["ameise"] == "anrede_id" else f for f in definition["fields"]]
    change_definition(team, "Contacts", fields=fields)
    await team.world.edit(contact, Salutation="Divers")
    await team.webhook(contact)
    [parked] = await team.idle()
    assert parked["reason"].startswith("abgelehnt: Anrede macht aus einer Person eine Firma")
    assert (await team.world.kunde(number))["Person"]["Anrede"] == "1"


async def test_a_kunde_of_ameise_who_becomes_a_company_gets_an_account_and_keeps_his_contact(
    team: "Team", linked: tuple[str, str]
) -> None:
    number, contact = linked
    await team.world.edit_kunde(number, Anrede="3")
    await team.delivery([number])
    assert await team.idle() == []
    account = await team.world.contact_of(number, "Accounts")
    assert account is not None
    assert account["Account_Name"] == "Lindner"
    assert (await team.world.record(contact))["Last_Name"] == "Lindner"


async def test_a_vermittler_of_somebody_else_is_found_before_ameise_is_asked_to_create(team: "Team") -> None:
    change_definition(team, "Contacts", new_kunde={"land_id": "DE", "vermittler_id": "FREMD1"})
    record = await team.world.add(Last_Name="Vermittelt", **ANNA)
    await team.webhook(record)
    [parked] = await team.idle()
    assert parked["reason"] == ("abgelehnt: Vermittler gehört nicht zu den Vermittlern der Ameise-Verbindung")
    assert await team.world.erstanlagen() == 0
    change_definition(team, "Contacts", new_kunde={"land_id": "DE", "vermittler_id": team.world.haupt})
    await team.webhook(record)
    assert await team.idle() == []
    [number] = await team.world.named("Vermittelt")
    assert (await team.world.kunde(number))["Vermittler"] == team.world.haupt


async def test_a_kundennummer_of_another_team_is_none_of_ours(
    team: "Team", team_of: "Callable[[TenantId], Awaitable[Team]]"
) -> None:
    other = await team_of(HAMBURG)
    number = await other.world.add_kunde(Nachname="Fremd")
    await team.webhook(await team.world.add(Last_Name="Fremd", Kundennummer=number))
    [parked] = await team.idle()
    assert parked["reason"] == f"abgelehnt: Kunde {number} gibt es in Ameise nicht (oder nicht für uns)"
    assert (await other.world.kunde(number))["Person"]["Nachname"] == "Fremd"


async def merged_away(team: "Team") -> tuple[str, str]:
    """The number of a second Kunde, and his record, which Zoho deleted when somebody merged it."""
    number = await team.world.add_kunde(Nachname="Lindner-Doppelt")
    await team.delivery([number])
    await team.idle()
    contact = await team.world.contact_of(number)
    assert contact is not None
    await team.world.delete(contact["id"])
    return number, contact["id"]


async def test_a_merge_of_two_contacts_that_keeps_the_other_number_is_a_question(
    team: "Team", linked: tuple[str, str]
) -> None:
    """Zoho keeps one record, deletes the other, and lets the person choose values from both."""
    number, master = linked
    other_number, other = await merged_away(team)
    await team.world.edit(master, Kundennummer=other_number, Last_Name="Lindner-Doppelt")
    await team.webhook(other)
    await team.webhook(master)
    [parked] = await team.idle()
    assert parked["reason"] == (
        f"unklar: im Datensatz steht Kunde {other_number}, verknüpft ist er mit Kunde {number}"
    )
    assert (await team.world.kunde(number))["Person"]["Nachname"] == "Lindner"


async def test_a_merge_of_two_contacts_that_keeps_the_masters_number_goes_on(
    team: "Team", linked: tuple[str, str]
) -> None:
    number, master = linked
    _, other = await merged_away(team)
    await team.world.edit(master, Titel="Dr.")
    for record in (other, master):
        await team.webhook(record)
    assert await team.idle() == []
    assert (await team.world.kunde(number))["Person"]["Titel"] == "Dr."
    gone = {link["zoho_id"]: link["gone_in_zoho"] for link in team.rows.links()}
    assert gone == {master: False, other: True}


async def test_a_field_set_back_to_what_the_last_delivery_said_is_an_edit(
    team: "Team", linked: tuple[str, str]
) -> None:
    number, contact = linked
    for name in ("Lindner-Neu", "Lindner"):
        await team.world.edit(contact, Last_Name=name)
        await team.webhook(contact)
        assert await team.idle() == []
        assert (await team.world.kunde(number))["Person"]["Nachname"] == name
    await team.delivery([number])
    assert await team.idle() == []
    assert (await team.world.record(contact))["Last_Name"] == "Lindner"


async def test_a_value_map_with_two_keys_to_one_value_neither_travels_for_ever_nor_is_guessed_at(
    team: "Team", linked: tuple[str, str]
) -> None:
    number, contact = linked
    [row] = team.rows.select("SELECT definition FROM pipeline WHERE module = 'Contacts'")
    values = {"Ärztin": "Heilberuf", "Pflegerin": "Heilberuf", "Köchin": "Küche"}
    listed = {"converter": "picklist", "values": values}
    fields = [m | (listed if m["ameise"] == "beruf" else {}) for m in row["definition"]["fields"]]
    change_definition(team, "Contacts", fields=fields)
    for beruf in ("Ärztin", "Pflegerin"):
        await team.world.edit_kunde(number, Beruf=beruf)
        await team.delivery([number])
        await team.webhook(contact)
        assert await team.idle() == []
        assert (await team.world.record(contact))["Beruf"] == "Heilberuf"
        assert (await team.world.kunde(number))["Person"]["Beruf"] == beruf
    for zoho, ameise in (("Küche", "Köchin"), ("Heilberuf", "Köchin")):
        await team.world.edit(contact, Beruf=zoho)
        await team.webhook(contact)
        parked = await team.idle()
        assert (await team.world.kunde(number))["Person"]["Beruf"] == ameise
    assert [row["cause"] for row in parked] == ["value_unfit"]
    assert "steht für mehrere Werte" in parked[0]["reason"]


async def test_phones_that_each_side_writes_its_own_way_do_not_travel_for_ever(
    team: "Team", linked: tuple[str, str]
) -> None:
    number, contact = linked
    await team.world.knobs(ameise_normalise_phones=True)
    await team.world.edit(contact, Phone="0351 / 77-1")
    for _ in range(3):
        await team.webhook(contact)
        await team.delivery([number])
        assert await team.idle() == []
    assert (await team.world.record(contact))["Phone"] == "0351 / 77-1"
    assert await team.world.kontakt(number, "telefon") == "+49 351 / 77-1"
    assert len(await team.world.calls("PUT", f"/kunden/{number}/kontaktdaten")) == 1
    assert team.rows.events("conflict_found") == []


async def test_a_form_submitted_twice_at_the_same_instant_to_two_replicas_gives_one_kunde(
    team: "Team", sync_with: "Callable[..., AbstractAsyncContextManager[Foundation]]"
) -> None:
    async with sync_with():
        for round_ in range(3):
            values = ANNA | {"Date_of_Birth": f"198{round_}-01-02", "Last_Name": f"Zweifach{round_}"}
            records = [await team.world.add(**values) for _ in range(2)]
            await asyncio.gather(*(team.webhook(record) for record in records))
        parked = await team.idle()
        assert [row["reason"].split(" ")[:3] for row in parked] == [["unklar:", "gleicht", "dem"]] * 3
        assert await team.world.erstanlagen() == 3


async def test_ameise_tells_a_new_kunde_what_the_pipeline_says(
    team: "Team", monkeypatch: pytest.MonkeyPatch
) -> None:
    from ameise.client import AmeiseClient

    told: list[dict[str, Any]] = []
    create = AmeiseClient.create_kunde

    async def listen(self: AmeiseClient, body: Any, **switches: Any) -> Any:
        told.append(switches)
        return await create(self, body, **switches)

    monkeypatch.setattr(AmeiseClient, "create_kunde", listen)
    change_definition(team, "Contacts", simplr={"user_name": True, "suppress_erstinformation": True})
    await team.webhook(await team.world.add(Last_Name="Benachrichtigt", **ANNA))
    assert await team.idle() == []
    assert told == [
        {
            "mitteilung_benutzername": True,
            "mitteilung_passwort_link": None,
            "mitteilung_erstinfo_unterbinden": True,
        }
    ]


async def test_how_sure_a_match_must_be_is_the_pipelines_own_setting(team: "Team") -> None:
    await team.world.add_kunde(Anrede="2", Vorname="Anna", Nachname="Sicher", Geburtsdatum="1980-01-02")
    change_definition(team, "Contacts", matching={"sure": 120})
    await team.webhook(await team.world.add(Last_Name="Sicher", **ANNA))
    [parked] = await team.idle()
    assert parked["reason"].startswith("unklar: könnte Kunde")


@pytest.mark.parametrize(
    ("typed", "written", "read_back"),
    [
        ({"Titel": "Dr."}, [("PUT", "")], [("GET", "")]),
        ({"Phone": "040 9"}, [("PUT", "/kontaktdaten/*")], [("GET", "/kontaktdaten")]),
        (
            {"Titel": "Dr.", "Phone": "040 9"},
            [("PUT", ""), ("PUT", "/kontaktdaten/*")],
            [("GET", ""), ("GET", "/kontaktdaten")],
        ),
    ],
)
async def test_an_update_calls_for_what_changed_and_reads_each_part_once(
    team: "Team",
    linked: tuple[str, str],
    typed: dict[str, str],
    written: list[tuple[str, str]],
    read_back: list[tuple[str, str]],
) -> None:
    """Once before the writing; and of what was written once after it, to learn what Ameise made of it."""
    number, contact = linked
    before = len(await calls_about(team, number))
    await team.world.edit(contact, **typed)
    await team.webhook(contact)
    assert await team.idle() == []
    calls = (await calls_about(team, number))[before:]
    assert sorted(calls[:2]) == [("GET", ""), ("GET", "/kontaktdaten")]
    assert calls[2 : 2 + len(written)] == written
    assert sorted(calls[2 + len(written) :]) == read_back


async def test_a_mapping_without_ways_of_contact_does_not_read_them(
    team: "Team", linked: tuple[str, str]
) -> None:
    number, contact = linked
    definition = team.rows.select("SELECT definition FROM pipeline WHERE module = 'Contacts'")[0][
        "definition"
    ]
    fields = [f for f in definition["fields"] if f["ameise"] not in CONTACT]
    change_definition(team, "Contacts", fields=fields)
    before = len(await calls_about(team, number))
    await team.world.edit(contact, Titel="Dr.")
    await team.webhook(contact)
    assert await team.idle() == []
    assert (await calls_about(team, number))[before:] == [("GET", ""), ("PUT", ""), ("GET", "")]


async def calls_about(team: "Team", number: str) -> list[tuple[str, str]]:
    """(method, path below the Kunde) of every call about him so far, in order; ids of parts are `*`."""
    calls = [
        call
        for method in ("GET", "PUT", "POST", "DELETE")
        for call in await team.world.calls(method, f"/kunden/{number}")
    ]
    calls.sort(key=lambda call: call["seq"])
    return [(c["method"], re.sub(r"/\d+$", "/*", c["path"].partition(number)[2])) for c in calls]
