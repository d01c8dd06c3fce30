"""A person says what a parked record is: a Kunde or a Vertrag that Ameise has already."""

import re
from typing import TYPE_CHECKING

import pytest
from parked_work import ANNA, ask, listed, park, unsure
from redefining import vertraege_both_ways
from typed_vertraege import MODULE, kunde_with_contact, typed

from contracts.ids import Kundennummer, Vertragsnummer
from contracts.problems import Conflict, NotConnected, NotFound
from contracts.rpc.ingest import KundeRequest
from contracts.rpc.sync_parked import ADOPT_CANDIDATE, AdoptCandidate, ParkedCause, ParkedWork
from contracts.rpc.sync_people import SYNC_FORGET

if TYPE_CHECKING:
    from conftest import Team


async def test_a_form_parked_as_unsure_is_adopted_and_then_brought_in_step(team: "Team") -> None:
    number, record, work = await unsure(team, "Unklar")
    assert (work.cause, work.candidates, work.module) == (ParkedCause.SIMILAR_KUNDEN, (number,), "Contacts")
    assert work.reason_en == f"unsure: may be Kunde {number}"
    adopted = await ask(team, ADOPT_CANDIDATE, AdoptCandidate(id=work.id, kunde=Kundennummer(number)))
    assert (adopted.zoho_id, adopted.kunde) == (record, number)
    assert await team.idle() == []
    assert (await team.world.record(record))["Kundennummer"] == number
    assert await team.world.kontakt(number, "email") == "anna@example.org"
    assert await team.world.named("Unklar") == [number]
    assert await team.world.erstanlagen() == 1  # the one that the test made
    [told] = team.rows.events("adopted")
    assert (told["actor_id"], told["data"]["object"]["key"]) == ("anna", number)
    assert len(team.rows.events("work_retried")) == 1


async def test_a_vertrag_parked_for_want_of_its_kunde_goes_on_once_he_is_adopted(team: "Team") -> None:
    await vertraege_both_ways(team)
    number, record, work = await unsure(team, "Unklar")
    await team.webhook(await typed(team, record), MODULE)
    await team.postponed("wartet darauf, dass sein Kunde verknüpft wird")
    team.rows.change("UPDATE work SET failing_since = now() - interval '16 minutes' WHERE NOT parked")
    assert {parked["cause"] for parked in await team.hurried()} == {work.cause, ParkedCause.KUNDE_NOT_LINKED}
    await ask(team, ADOPT_CANDIDATE, AdoptCandidate(id=work.id, kunde=Kundennummer(number)))
    assert await team.idle() == []
    assert len(await team.world.vertraege_of(number)) == 1


async def test_adopting_ends_what_was_open_about_the_record(team: "Team") -> None:
    number, record, work = await unsure(team, "Offen")
    team.rows.change(
        "INSERT INTO intent (id, tenant, ameise_connection, module, table_name, zoho_id, match_keys, "
        "found_before) SELECT '01957a3c-5c00-7000-8000-000000000002', tenant, ameise_connection, module, "
        "table_name, %s, '[]', '[]' FROM pipeline WHERE module = 'Contacts'", record,
    )  # fmt: skip
    await ask(team, ADOPT_CANDIDATE, AdoptCandidate(id=work.id, kunde=Kundennummer(number)))
    [intent] = team.rows.select("SELECT outcome, ameise_key FROM intent")
    assert (intent["outcome"], intent["ameise_key"]) == ("adopted", number)


async def test_what_was_there_before_a_post_does_not_end_it(team: "Team") -> None:
    number, record, work = await unsure(team, "Vorher")
    team.rows.change(
        "INSERT INTO intent (id, tenant, ameise_connection, module, table_name, zoho_id, match_keys, "
        "found_before) SELECT '01957a3c-5c00-7000-8000-000000000002', tenant, ameise_connection, module, "
        "table_name, %s, '[]', jsonb_build_array(%s::text) FROM pipeline WHERE module = 'Contacts'",
        record, number,
    )  # fmt: skip
    request = AdoptCandidate(id=work.id, kunde=Kundennummer(number))
    with pytest.raises(Conflict, match=f"Antwort fehlt; Kunde {number} gab es schon vorher") as refused:
        await ask(team, ADOPT_CANDIDATE, request)
    assert re.search(r"Bitte 1?\d Minuten warten", refused.value.remedy or "")
    team.rows.change("UPDATE intent SET created_at = now() - interval '1 hour'")
    await ask(team, ADOPT_CANDIDATE, request)
    assert await team.idle() == []
    assert (await team.world.record(record))["Kundennummer"] == number
    assert team.rows.select("SELECT outcome, ameise_key FROM intent") == [
        {"outcome": "open", "ameise_key": None}
    ]


async def test_a_kunde_of_another_record_or_of_nobody_is_not_adopted(team: "Team") -> None:
    number, _, work = await unsure(team, "Vergeben")
    other = await team.world.add(Last_Name="Vergeben", Kundennummer=number, **ANNA)
    await team.webhook(other)
    await team.idle()
    with pytest.raises(Conflict, match=f"gehört schon zu Datensatz {other}"):
        await ask(team, ADOPT_CANDIDATE, AdoptCandidate(id=work.id, kunde=Kundennummer(number)))
    with pytest.raises(Conflict, match="gibt es in Ameise nicht"):
        await ask(team, ADOPT_CANDIDATE, AdoptCandidate(id=work.id, kunde=Kundennummer("999")))
    assert [work.id for work in (await listed(team)).works] == [work.id]
    with pytest.raises(NotFound):
        await ask(team, ADOPT_CANDIDATE, AdoptCandidate(id=work.id + 1000, kunde=Kundennummer(number)))


async def test_nobody_is_adopted_while_ameise_is_not_connected(team: "Team") -> None:
    park(team.rows, "1")
    [work] = (await listed(team)).works
    team.auth.connected = False
    with pytest.raises(NotConnected):
        await ask(team, ADOPT_CANDIDATE, AdoptCandidate(id=work.id, kunde=Kundennummer("5001")))


async def test_an_object_of_ameise_is_nothing_to_adopt_for(team: "Team") -> None:
    park(team.rows, "5001", direction="to_zoho")
    [work] = (await listed(team)).works
    with pytest.raises(Conflict, match="Nur ein Zoho-Datensatz"):
        await ask(team, ADOPT_CANDIDATE, AdoptCandidate(id=work.id, kunde=Kundennummer("5001")))


async def unsure_vertrag(team: "Team") -> tuple[str, str, str, ParkedWork]:
    """A Vertrag that the Kunde may have already, without a number as yet: (Vertragsnummer, Zoho id of the
    record, Zoho id of the Kunde's, the parked work)."""
    number, contact = await kunde_with_contact(team)
    there = await team.world.add_vertrag(number, Sparte="050", Laufzeit={"Beginn": "2026-01-01"})
    await team.world.knobs(ameise_changes_vertraege=True)
    record = await typed(team, contact)
    await team.webhook(record, MODULE)
    await team.idle()
    [work] = (await listed(team, text=there)).works
    return there, record, contact, work


async def adopt_vertrag(team: "Team", work: ParkedWork, vertrag: str) -> None:
    request = AdoptCandidate(id=work.id, vertrag=Vertragsnummer(vertrag))
    adopted = await ask(team, ADOPT_CANDIDATE, request)
    assert (adopted.zoho_id, adopted.vertrag) == (work.zoho_id, vertrag)


async def test_a_vertrag_parked_as_unsure_is_adopted_and_no_second_one_is_made(team: "Team") -> None:
    there, record, _, work = await unsure_vertrag(team)
    assert (work.cause, work.candidates) == (ParkedCause.SIMILAR_VERTRAEGE, (there,))
    await adopt_vertrag(team, work, there)
    # What else the record says would be a change, which this connection has not been allowed.
    [parked] = await team.idle()
    assert "kann Verträge nicht ändern" in parked["reason"]
    assert [link["ameise_key"] for link in team.rows.links() if link["zoho_id"] == record] == [there]
    assert len(await team.world.calls("POST", "/vertraege")) == 1  # the one that the test made
    [told] = team.rows.events("adopted")
    assert (told["data"]["object"]["table"], told["data"]["object"]["key"]) == ("vertrag", there)


@pytest.mark.parametrize("typed_number", [False, True])
async def test_a_vertrag_that_was_adopted_and_not_merged_yet_is_forgotten_with_its_kunde(
    team: "Team", typed_number: bool
) -> None:
    there, record, contact, work = await unsure_vertrag(team)
    kunde = (await team.world.record(contact))["Kundennummer"]
    if typed_number:
        await team.world.edit(record, MODULE, Vertragsnummer=there)
        await team.webhook(record, MODULE)
    else:
        await adopt_vertrag(team, work, there)
    [parked] = await team.idle()
    assert "kann Verträge nicht ändern" in parked["reason"]
    [link] = [link for link in team.rows.links() if link["zoho_id"] == record]
    assert (link["ameise_key"], link["ameise_base"]) == (there, None)
    receipt = await ask(team, SYNC_FORGET, KundeRequest(kunde=Kundennummer(kunde)))
    assert record in receipt.stopped
    assert (team.rows.links(), team.rows.work(), team.rows.select("SELECT * FROM intent")) == ([], [], [])


async def test_what_a_killed_process_had_adopted_is_looked_for_anew(team: "Team") -> None:
    """The link was not stored, and the record may say something else by now."""
    number, contact = await kunde_with_contact(team)
    there = await team.world.add_vertrag(number, Versicherungsscheinnummer="ALT 1", Sparte="060")
    record = await typed(team, contact)
    team.rows.change(
        "INSERT INTO intent (id, tenant, ameise_connection, module, table_name, zoho_id, kunde, match_keys, "
        "found_before, outcome, ameise_key) SELECT '01957a3c-5c00-7000-8000-000000000002', tenant, "
        "ameise_connection, module, table_name, %s, %s, '[]', jsonb_build_array(%s::text), 'adopted', %s "
        "FROM pipeline WHERE module = 'Vertraege'", record, number, there, there,
    )  # fmt: skip
    await team.webhook(record, MODULE)
    assert await team.idle() == []
    [link] = [link for link in team.rows.links() if link["zoho_id"] == record]
    assert link["ameise_key"] not in (None, there)


async def test_a_vertrag_of_another_kunde_sparte_or_record_is_not_adopted(team: "Team") -> None:
    there, record, contact, work = await unsure_vertrag(team)
    other = await team.world.add_kunde(Nachname="Nachbar")
    theirs = await team.world.add_vertrag(other, Sparte="050")
    with pytest.raises(Conflict, match=f"gehört in Ameise zu Kunde {other}"):
        await adopt_vertrag(team, work, theirs)
    with pytest.raises(Conflict, match="gibt es in Ameise nicht"):
        await adopt_vertrag(team, work, "1")
    with pytest.raises(Conflict, match="Nur ein Zoho-Datensatz, der ein Kunde werden soll"):
        await ask(team, ADOPT_CANDIDATE, AdoptCandidate(id=work.id, kunde=Kundennummer(there)))

    kunde = (await team.world.record(contact))["Kundennummer"]
    in_sparte = await team.world.add_vertrag(kunde, Sparte="060", Laufzeit={"Beginn": "2026-01-01"})
    with pytest.raises(Conflict, match="eine andere Sparte"):
        await adopt_vertrag(team, work, in_sparte)

    await team.delivery([kunde])
    await team.idle()
    holder = next(link["zoho_id"] for link in team.rows.links() if link["ameise_key"] == there)
    with pytest.raises(Conflict, match=f"Vertrag {there} gehört schon zu Datensatz {holder}"):
        await adopt_vertrag(team, work, there)
    assert team.rows.events("adopted") == []
    await team.world.delete(record, MODULE)
    with pytest.raises(Conflict, match="gibt es in Zoho nicht mehr"):
        await adopt_vertrag(team, work, there)


async def test_a_vertrag_of_nobody_whose_kunde_is_not_linked_is_not_adopted(team: "Team") -> None:
    there, record, _, work = await unsure_vertrag(team)
    await team.world.edit(record, MODULE, Kunde=None)
    with pytest.raises(Conflict, match="fehlt Kunde"):
        await adopt_vertrag(team, work, there)
