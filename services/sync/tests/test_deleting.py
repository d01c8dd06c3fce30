"""Records of what is gone in Ameise are deleted in Zoho after a while, and only if nobody minds."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import pytest
from redefining import definition_of, redefine
from test_people import forget

from chassis.process import Foundation
from chassis.rpc import RpcClient
from contracts.ids import TenantId
from contracts.names import Table
from contracts.problems import Invalid
from contracts.rpc.sync_parked import (
    DISCARD_PARKED,
    LIST_PARKED,
    RETRY_ALL_PARKED,
    DiscardParked,
    ListParked,
    ParkedCause,
    RetryAllParked,
)

if TYPE_CHECKING:
    from conftest import Team

GROSS = {"nachname": "Groß", "juristische_person": False}
KEYS = ("5001",)
NEWSLETTER = {
    "ameise": "newsletter", "zoho": "Newsletter", "converter": "boolean",
    "detail": {"field": "1", "name": "Newsletter"},
}  # fmt: skip


async def deliver(team: "Team", *keys: str, gone: bool = False, **fields: Any) -> None:
    for key in keys or KEYS:
        team.ingest.put(Table.KUNDE, key, GROSS | fields, gone=gone)
    await team.chunk(Table.KUNDE, list(keys or KEYS))
    await told(team)


async def told(team: "Team") -> None:
    """Wait until everything is done but what waits to be deleted."""
    async with asyncio.timeout(20):
        while await team._unacknowledged() or open_work(team):
            await asyncio.sleep(0.03)


def open_work(team: "Team") -> list[dict[str, Any]]:
    return [r for r in team.rows.work() if not r["parked"] and r["direction"] != "deletion"]


def waiting(team: "Team") -> list[dict[str, Any]]:
    query = "SELECT *, due_at - created_at AS wait FROM work WHERE direction = 'deletion' ORDER BY object"
    return team.rows.select(query)


def due(team: "Team") -> None:
    """The waiting time is over."""
    team.rows.change("UPDATE work SET due_at = now() WHERE direction = 'deletion' AND NOT parked")
    team.rows.change("SELECT pg_notify('work_deletion', '')")


async def vanished(team: "Team", **deletion: int) -> dict[str, Any]:
    """A linked record whose object is gone, and that waits to be deleted."""
    await redefine(team, deletion=deletion)
    await deliver(team)
    [record] = await team.world.records()
    await deliver(team, gone=True)
    return record


async def test_the_record_of_what_is_gone_waits_and_is_then_deleted(team: "Team") -> None:
    record = await vanished(team)
    [row] = waiting(team)
    assert (row["object"], row["wait"].days, row["parked"]) == ("5001", 30, False)
    assert "wird nach 30 Tagen gelöscht" in team.rows.events("excluded")[0]["data"]["reason"]
    assert [r["id"] for r in await team.world.records()] == [record["id"]]
    due(team)
    assert await team.idle() == []
    assert await team.world.records() == []
    [link] = team.rows.links()
    assert (link["gone_in_zoho"], link["deleted_at"] is not None, link["lease_owner"]) == (True, True, None)
    [event] = team.rows.events("deleted_in_zoho")
    assert (event["data"]["zoho_id"], event["data"]["object"]["key"]) == (record["id"], "5001")
    [call] = await team.world.calls("DELETE", "/Contacts")
    assert call["status"] == 200


async def test_without_the_setting_nothing_is_deleted(team: "Team") -> None:
    await deliver(team)
    await deliver(team, gone=True)
    assert (waiting(team), len(await team.world.records())) == ([], 1)
    await redefine(team, deletion={"after_days": 7})
    await team.chunk(Table.KUNDE, ["5001"])
    await told(team)
    assert [row["wait"].days for row in waiting(team)] == [7]
    await redefine(team, deletion=None)
    await team.chunk(Table.KUNDE, ["5001"])
    assert await team.idle() == []
    assert (waiting(team), len(await team.world.records())) == ([], 1)


async def test_told_again_the_waiting_goes_on_and_another_time_counts_from_its_beginning(
    team: "Team",
) -> None:
    await vanished(team, after_days=30)
    team.rows.change("UPDATE work SET created_at = created_at - interval '5 days'")
    await redefine(team, deletion={"after_days": 10})
    await team.chunk(Table.KUNDE, ["5001"])
    await told(team)
    [row] = waiting(team)
    assert row["wait"].days == 10


async def test_what_nobody_linked_is_never_deleted(team: "Team") -> None:
    await redefine(team, deletion={})
    await team.world.add(Last_Name="Groß", Kundennummer="5001")  # a person typed the number
    await deliver(team, gone=True)
    assert (waiting(team), len(await team.world.records())) == ([], 1)


async def test_an_edit_that_ameise_lacks_keeps_the_record_also_if_we_wrote_to_it_since(team: "Team") -> None:
    """A person is still asked about the field, and a delivery changed another one."""
    await redefine(team, deletion={}, policy="ask")
    await deliver(team, beruf="Ärztin")
    [record] = await team.world.records()
    await team.world.edit(record["id"], Beruf="Ärztin in Z")
    await deliver(team, beruf="Ärztin in A", ort="Bonn")
    assert len(team.rows.events("conflict_found")) == 1
    assert (await team.world.record(record["id"]))["Mailing_City"] == "Bonn"
    await deliver(team, gone=True)
    due(team)
    assert [row["cause"] for row in await team.idle()] == ["edited_before_deletion"]
    assert (await team.world.record(record["id"]))["Beruf"] == "Ärztin in Z"


async def test_what_was_typed_before_its_field_was_mapped_keeps_the_record(team: "Team") -> None:
    """We wrote to the record since; the field is mapped only when the object is gone."""
    mapped = (await definition_of(team, "Contacts")).fields
    await redefine(team, deletion={}, fields=tuple(m for m in mapped if m.ameise != "ort"))
    await deliver(team, ort="Bonn")
    [record] = await team.world.records()
    await asyncio.sleep(1.1)  # Zoho's moments are whole seconds
    await team.world.edit(record["id"], Mailing_City="Bonn")
    await deliver(team, ort="Bonn", beruf="Ärztin")
    await deliver(team, gone=True)
    await redefine(team, fields=mapped)
    due(team)
    assert [row["cause"] for row in await team.idle()] == ["edited_before_deletion"]
    assert len(await team.world.records()) == 1


async def test_a_box_over_which_somebody_has_still_to_decide_keeps_the_record(team: "Team") -> None:
    """Its record was there before; so the box was never settled, and has no bases."""
    mapped = [m.model_dump(mode="json") for m in (await definition_of(team, "Contacts")).fields]
    await redefine(team, policy="ask", deletion={}, fields=[*mapped, NEWSLETTER])
    await team.world.add(Last_Name="Groß", Kundennummer="5001", Newsletter=False)
    await asyncio.sleep(1.1)  # Zoho's moments are whole seconds
    for gone in (False, True):
        await deliver(team, details={"Newsletter": "ja"}, titel="Dr.", gone=gone)
    due(team)
    assert [row["cause"] for row in await team.idle()] == ["edited_before_deletion"]
    assert len(await team.world.records()) == 1


@pytest.mark.parametrize("written_again", [False, True])
async def test_a_value_that_was_never_compared_holds_no_record_that_is_as_we_made_it_or_that_ameise_knows(
    team: "Team", written_again: bool
) -> None:
    await redefine(team, deletion={})
    await deliver(team, ort="Bonn")
    if written_again:
        await asyncio.sleep(1.1)
        await deliver(team, ort="Bonn", beruf="Ärztin")
    await deliver(team, gone=True)
    never_compared = "zoho_base = zoho_base - 'Mailing_City'"
    if not written_again:
        never_compared += ", ameise_base = ameise_base - 'ort'"
    team.rows.change(f"UPDATE link SET unread = NULL, {never_compared}")
    due(team)
    assert await team.idle() == []
    assert await team.world.records() == []


async def test_an_object_that_is_back_keeps_its_record(team: "Team") -> None:
    record = await vanished(team)
    await deliver(team, ort="Bonn")
    assert await team.idle() == []
    [kept] = await team.world.records()
    assert (kept["id"], kept["Mailing_City"], waiting(team)) == (record["id"], "Bonn", [])


async def test_ingest_is_asked_again_right_before(team: "Team") -> None:
    await vanished(team)
    team.ingest.put(Table.KUNDE, "5001", GROSS)  # and no word of it reached us
    due(team)
    assert await team.idle() == []
    assert (len(await team.world.records()), waiting(team)) == (1, [])


async def test_an_object_that_ingest_lost_is_no_reason_to_delete(team: "Team") -> None:
    await vanished(team)
    team.ingest.objects.clear()
    due(team)
    [parked] = await team.idle()
    assert (parked["cause"], len(await team.world.records())) == ("object_unknown", 1)


async def test_an_object_that_is_back_after_the_deletion_gets_a_new_record(team: "Team") -> None:
    record = await vanished(team)
    due(team)
    await team.idle()
    await deliver(team, ort="Bonn")
    assert await team.idle() == []
    [made] = await team.world.records()
    assert (made["Last_Name"], made["id"] != record["id"]) == ("Groß", True)
    [link] = team.rows.links()
    assert (link["zoho_id"], link["gone_in_zoho"], link["deleted_at"]) == (made["id"], False, None)


async def test_an_edited_record_waits_for_a_person_who_overrules_or_keeps_it(team: "Team") -> None:
    record = await vanished(team)
    await team.world.edit(record["id"], Beruf="Ärztin")
    due(team)
    [parked] = await team.idle()
    assert (parked["cause"], parked["reason"]) == (
        "edited_before_deletion",
        f"unklar: der Datensatz {record['id']} soll gelöscht werden, wurde in Zoho aber bearbeitet",
    )
    assert len(team.rows.events("work_parked")) == 1
    [shown] = await team.list_parked()
    assert (shown.direction, shown.zoho_id, shown.ameise_key) == ("to_zoho", record["id"], "5001")
    everything = await RpcClient(team.client).call(RETRY_ALL_PARKED, RetryAllParked(), actor=team.actor())
    assert everything.retried == 0  # after an outage, say: nobody decided this
    assert await team.retry(parked["id"]) == 1
    assert await team.idle() == []
    assert await team.world.records() == []


async def test_an_edit_after_the_decision_counts_again(team: "Team") -> None:
    record = await vanished(team)
    await team.world.edit(record["id"], Beruf="Ärztin")
    due(team)
    [parked] = await team.idle()
    team.rows.change(
        "UPDATE work SET parked = false, cause = NULL, released = "
        "jsonb_build_object('edited_before_deletion', now() - interval '1 hour')"
    )
    due(team)
    assert [row["id"] for row in await team.idle()] == [parked["id"]]
    assert len(await team.world.records()) == 1


async def test_who_discards_it_keeps_the_record(team: "Team") -> None:
    await vanished(team)
    rpc = RpcClient(team.client)
    found = await rpc.call(LIST_PARKED, ListParked(postponed=True), actor=team.actor())
    [shown] = found.works
    assert "wird gelöscht" in shown.reason
    assert await team.retry(shown.id) == 0  # nobody shortens the waiting
    discard = DiscardParked(ids=(shown.id,), reason="bleibt in Zoho")
    assert (await rpc.call(DISCARD_PARKED, discard, actor=team.actor())).discarded == 1
    assert (waiting(team), len(await team.world.records())) == ([], 1)


async def test_what_zoho_refuses_is_parked_with_its_words(team: "Team") -> None:
    await vanished(team)
    refusal = {"code": "NO_PERMISSION", "message": "permission denied to delete", "status": "error"}
    await team.world.fault("status", "/Contacts", method="DELETE", status=403, body=refusal)
    due(team)
    [parked] = await team.idle()
    assert (parked["cause"], parked["words"]) == ("refused_by_zoho", "permission denied to delete")
    assert [(link["gone_in_zoho"], link["deleted_at"]) for link in team.rows.links()] == [(False, None)]


async def test_an_answer_that_got_lost_is_found_out_at_the_next_try(team: "Team") -> None:
    record = await vanished(team)
    await team.world.fault("timeout_after_write", "/Contacts", method="DELETE", times=1, seconds=3)
    due(team)
    assert await team.hurried() == []
    assert await team.world.records() == []
    [event] = team.rows.events("deleted_in_zoho")
    assert event["data"]["zoho_id"] == record["id"]


async def test_a_record_that_somebody_deleted_before_us_is_told_as_his(team: "Team") -> None:
    record = await vanished(team)
    await team.world.delete(record["id"])
    due(team)
    assert await team.idle() == []
    assert [e["data"]["zoho_id"] for e in team.rows.events("record_deleted")] == [record["id"]]
    assert team.rows.events("deleted_in_zoho") == []
    assert [(link["gone_in_zoho"], link["deleted_at"]) for link in team.rows.links()] == [(True, None)]


async def test_a_kunde_who_was_typed_into_zoho_is_deleted_like_any_other(team: "Team") -> None:
    await redefine(team, deletion={})
    zoho_id = await team.world.add(First_Name="Eva", Last_Name="Probe", Salutation="Frau")
    await team.webhook(zoho_id)
    await told(team)
    number = (await team.world.record(zoho_id))["Kundennummer"]  # our last write
    await deliver(team, number, gone=True)
    assert [row["object"] for row in waiting(team)] == [number]
    due(team)
    assert await team.idle() == []
    assert await team.world.records() == []


async def test_a_marked_record_is_deleted_too(team: "Team") -> None:
    mapped = (await definition_of(team, "Contacts")).fields
    without_titel = tuple(field for field in mapped if field.ameise != "titel")
    mark = {"field": "Titel", "gone": "entfallen"}
    await redefine(team, fields=without_titel, vanished=mark, deletion={"after_days": 3})
    await deliver(team)
    await deliver(team, gone=True)
    [marked] = await team.world.records()
    assert (marked["Titel"], [row["wait"].days for row in waiting(team)]) == ("entfallen", [3])
    due(team)
    assert await team.idle() == []
    assert await team.world.records() == []


async def test_too_many_in_a_day_wait_for_a_person_who_is_told_once(
    sync_with: Callable[..., AbstractAsyncContextManager[Foundation]],
    team_of: Callable[[TenantId], Awaitable["Team"]],
) -> None:
    async with sync_with(deletion_limit=2, deletion_limit_percent=100.0):
        team = await team_of(TenantId("berlin"))
        await team.create_pipelines()
        await redefine(team, deletion={})
        keys = [f"500{number}" for number in range(4)]
        await deliver(team, *keys)
        await deliver(team, *keys, gone=True)
        team.rows.change("UPDATE work SET due_at = now() + interval '20 hours' WHERE object = '5003'")
        team.rows.change("UPDATE work SET due_at = now() WHERE object < '5003'")
        team.rows.change("SELECT pg_notify('work_deletion', '')")
        await parked(team, 3)
        assert {row["cause"] for row in team.rows.parked()} == {"too_many_deletions"}
        due(team)
        await parked(team, 4)
        [held] = team.rows.events("deletions_held")
        assert (held["data"]["records"], held["data"]["limit"], held["data"]["outcome"]) == (4, 2, "error")
        assert len(await team.world.records()) == 4
        request = RetryAllParked(cause=ParkedCause.TOO_MANY_DELETIONS)
        assert (await RpcClient(team.client).call(RETRY_ALL_PARKED, request, actor=team.actor())).retried == 4
        assert await team.idle() == []
        assert await team.world.records() == []


async def parked(team: "Team", count: int) -> None:
    async with asyncio.timeout(10):
        while len(team.rows.parked()) < count:
            await asyncio.sleep(0.03)


async def test_somebody_who_is_forgotten_is_not_deleted_in_zoho_by_us(team: "Team") -> None:
    await vanished(team)
    await forget(team, "5001")
    assert (waiting(team), len(await team.world.records())) == ([], 1)


async def test_a_switched_off_pipeline_deletes_nothing(team: "Team") -> None:
    await vanished(team)
    team.rows.change("UPDATE pipeline SET enabled = false")
    due(team)
    await team.postponed("pausiert")
    assert len(await team.world.records()) == 1


async def test_a_pipeline_that_hears_of_nothing_gone_cannot_be_told_to_delete(team: "Team") -> None:
    with pytest.raises(Invalid, match="entfällt"):
        await redefine(team, direction="to_ameise", deletion={})
