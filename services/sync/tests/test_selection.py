"""What a pipeline's rules do to a record, to an object that is gone, and to a record that was deleted."""

import asyncio
from typing import TYPE_CHECKING

from redefining import definition_of, redefine

from chassis.rpc import RpcClient
from contracts.names import Table
from contracts.rpc.sync_reconcile import COMPARE, CompareRequest

if TYPE_CHECKING:
    from conftest import Team

GROSS = {"nachname": "Groß", "juristische_person": False}


async def deliver(team: "Team", *, gone: bool = False, **fields: str) -> None:
    team.ingest.put(Table.KUNDE, "5001", GROSS | fields, gone=gone)
    await team.chunk(Table.KUNDE, ["5001"])
    assert await team.idle() == []


async def mark_who_is_gone(team: "Team") -> None:
    """In Titel, which is no longer mapped."""
    fields = tuple(f for f in (await definition_of(team, "Contacts")).fields if f.ameise != "titel")
    await redefine(team, fields=fields, vanished={"field": "Titel", "gone": "entfallen"})


async def test_a_kunde_who_is_gone_is_marked_and_the_mark_goes_when_he_is_back(team: "Team") -> None:
    await mark_who_is_gone(team)
    await deliver(team)
    [record] = await team.world.records()
    await team.world.edit(record["id"], Beruf="Ärztin")  # an edit whose webhook got lost
    await deliver(team, gone=True)
    [marked] = await team.world.records()
    assert (marked["Titel"], marked["Last_Name"], marked["Beruf"]) == ("entfallen", "Groß", "Ärztin")
    writes = len(await team.world.calls("PUT", "/Contacts"))
    await deliver(team, gone=True)
    assert len(await team.world.calls("PUT", "/Contacts")) == writes
    await deliver(team, ort="Bonn")
    [back] = await team.world.records()
    assert (back["Titel"], back["Mailing_City"]) == (None, "Bonn")


async def test_a_record_that_is_linked_to_somebody_who_is_gone_is_marked(team: "Team") -> None:
    """The deliveries lost him before the link was made, or a backup was restored that does not know it."""
    await mark_who_is_gone(team)
    number = await team.world.add_kunde(Nachname="Groß")
    team.ingest.put(Table.KUNDE, number, {}, gone=True)
    await team.chunk(Table.KUNDE, [number])
    assert await team.idle() == []
    record = await team.world.add(Last_Name="Groß", Kundennummer=number)
    await team.webhook(record)
    assert await team.idle() == []
    await RpcClient(team.client).call(COMPARE, CompareRequest(), actor=team.actor())
    assert await team.idle() == []
    assert (await team.world.record(record))["Titel"] == "entfallen"


async def test_a_record_that_is_linked_while_its_kunde_is_judged_as_gone_is_marked(team: "Team") -> None:
    await mark_who_is_gone(team)
    await deliver(team)
    [record] = await team.world.records()
    team.rows.change("UPDATE link SET zoho_id = NULL, linked_at = NULL")
    await team.world.fault("latency", "/Contacts/upsert$", seconds=1.5)
    team.ingest.put(Table.KUNDE, "5001", GROSS, gone=True)
    team.ingest.put(Table.KUNDE, "5002", GROSS)
    await team.chunk(Table.KUNDE, ["5001", "5002"])
    async with asyncio.timeout(10):  # until the call that 5002 needs is under way
        while not team.rows.select("SELECT 1 FROM link WHERE ameise_key = '5002' AND own_write IS NOT NULL"):
            await asyncio.sleep(0.02)
    team.rows.change(
        "UPDATE link SET zoho_id = %s, linked_at = now() WHERE ameise_key = '5001'", record["id"]
    )
    assert await team.idle() == []
    assert (await team.world.record(record["id"]))["Titel"] == "entfallen"


async def test_a_record_deleted_in_zoho_is_made_again_only_if_the_pipeline_says_so(team: "Team") -> None:
    await deliver(team)
    [record] = await team.world.records()
    await team.world.delete(record["id"])
    await deliver(team, nachname="Größer")
    assert await team.world.records() == []
    await redefine(team, recreate=True)
    await team.chunk(Table.KUNDE, ["5001"])
    await team.idle()
    [again] = await team.world.records()
    assert (again["Last_Name"], again["id"] != record["id"]) == ("Größer", True)
    [link] = team.rows.links()
    assert (link["zoho_id"], link["gone_in_zoho"]) == (again["id"], False)


async def test_a_record_that_the_rule_leaves_out_does_not_reach_ameise(team: "Team") -> None:
    await redefine(team, zoho_rule={"field": "Beruf", "compare": "not_equals", "value": "Test"})
    zoho_id = await team.world.add(First_Name="Eva", Last_Name="Probe", Salutation="Frau", Beruf="Test")
    await team.webhook(zoho_id)
    assert await team.idle() == []
    assert await team.world.erstanlagen() == 0
    [told] = team.rows.events("excluded")
    assert told["data"]["zoho_id"] == zoho_id
    await team.world.edit(zoho_id, Beruf="Ärztin")
    await team.webhook(zoho_id)
    assert await team.idle() == []
    assert await team.world.erstanlagen() == 1


async def test_work_that_waits_for_a_pipeline_that_takes_no_deliveries_any_more_goes(team: "Team") -> None:
    await redefine(team, direction="to_ameise")
    team.ingest.put(Table.KUNDE, "5001", GROSS)
    team.rows.change(
        "INSERT INTO work (tenant, pipeline, direction, object, lane, correlationid) "
        "SELECT tenant, id, 'to_zoho', '5001', 2, '01957a3c-5c00-7000-8000-000000000001' FROM pipeline "
        "WHERE module = 'Contacts'"
    )
    team.hurry()
    assert await team.idle() == []
    assert (team.rows.work(), await team.world.records()) == ([], [])


async def test_an_object_whose_rule_is_unsure_is_parked_and_not_left_out(team: "Team") -> None:
    await redefine(team, ameise_rule={"field": "plz", "compare": "begins_with", "value": "1"})
    team.ingest.put(Table.KUNDE, "5001", GROSS | {"plz": "10115"}, unknown=("plz",))
    await team.chunk(Table.KUNDE, ["5001"])
    [parked] = await team.idle()
    assert parked["reason"].startswith("unklar: die Auswahlregel")
    assert await team.world.records() == []
