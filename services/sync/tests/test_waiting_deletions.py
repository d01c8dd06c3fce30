"""People look through the records that wait to be deleted, keep some, and have some deleted at once."""

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from redefining import redefine
from test_deleting import deliver, told, vanished, waiting

from chassis.rpc import RpcClient
from contracts.actor import Role
from contracts.ids import TenantId
from contracts.names import Table
from contracts.problems import Forbidden, Invalid
from contracts.rpc.sync_parked import DISCARD_PARKED, DiscardParked
from contracts.rpc.sync_preview import PREVIEW, Foreseen, ObjectPreview, PreviewRequest
from contracts.rpc.sync_waiting import (
    DELETE_NOW,
    KEEP_RECORDS,
    LIST_DELETIONS,
    ChosenDeletions,
    ListDeletions,
    WaitingDeletions,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from conftest import Team


async def listed(team: "Team", **wanted: object) -> WaitingDeletions:
    request = ListDeletions.model_validate(wanted)
    return await RpcClient(team.client).call(LIST_DELETIONS, request, actor=team.actor(Role.USER))


async def keep(team: "Team", *ids: int) -> int:
    request = ChosenDeletions(ids=ids)
    return (await RpcClient(team.client).call(KEEP_RECORDS, request, actor=team.actor())).decided


async def delete_now(team: "Team", *ids: int) -> int:
    request = ChosenDeletions(ids=ids)
    return (await RpcClient(team.client).call(DELETE_NOW, request, actor=team.actor())).decided


async def preview(team: "Team", key: str) -> ObjectPreview:
    request = PreviewRequest.model_validate({"pipeline": team.pipelines["Contacts"].id, "key": key})
    [shown] = (await RpcClient(team.client).call(PREVIEW, request, actor=team.actor())).objects
    return shown


async def test_they_are_listed_with_who_and_when(team: "Team") -> None:
    record = (await vanished(team))["id"]
    page = await listed(team)
    [shown] = page.deletions
    assert (shown.key, shown.zoho_id, shown.name, shown.module) == ("5001", record, "Groß", "Contacts")
    assert (shown.due_at - shown.since).days == 30
    assert "wird gelöscht" in (shown.reason or "")
    assert "5001" in (shown.ameise_link or "")
    assert (page.total, page.next_page) == (1, None)


async def test_the_list_has_pages(team: "Team") -> None:
    keys = ("5001", "5002", "5003")
    await vanished(team)
    await deliver(team, *keys[1:])
    await deliver(team, *keys[1:], gone=True)
    first = await listed(team, limit=2)
    assert first.total == 3
    second = await listed(team, limit=2, after=first.next_page)
    assert sorted(one.key for one in (*first.deletions, *second.deletions)) == list(keys)
    assert second.next_page is None
    assert (await listed(team, pipeline="2")).deletions == ()
    with pytest.raises(Invalid):
        await listed(team, after="gestern~1")


async def test_a_record_that_is_kept_stays_whatever_is_told_again(team: "Team") -> None:
    record = (await vanished(team))["id"]
    [shown] = (await listed(team)).deletions
    assert await keep(team, shown.id) == 1
    assert waiting(team) == []
    assert [e["data"]["zoho_id"] for e in team.rows.events("record_kept")] == [record]
    team.rows.change("UPDATE judged SET outcome = 'void', version = 'x'")  # as after a change of the pipeline
    await team.chunk(Table.KUNDE, ["5001"])
    await told(team)
    assert waiting(team) == []
    await deliver(team)  # it is back
    await deliver(team, gone=True)
    assert len(waiting(team)) == 1


async def test_a_record_that_is_kept_stays_though_deletion_is_switched_off_and_on_again(team: "Team") -> None:
    await vanished(team)
    [shown] = (await listed(team)).deletions
    await keep(team, shown.id)
    for deletion in (None, {}):
        await redefine(team, deletion=deletion)
        await team.chunk(Table.KUNDE, ["5001"])
        await told(team)
        assert waiting(team) == []


async def test_what_is_discarded_while_it_waits_stays_as_well(team: "Team") -> None:
    await vanished(team)
    [shown] = (await listed(team)).deletions
    discard = DiscardParked(ids=(shown.id,), reason="bleibt in Zoho")
    await RpcClient(team.client).call(DISCARD_PARKED, discard, actor=team.actor())
    team.rows.change("UPDATE judged SET outcome = 'void', version = 'x'")
    await team.chunk(Table.KUNDE, ["5001"])
    await told(team)
    assert waiting(team) == []


async def test_a_record_is_deleted_without_waiting_longer(team: "Team") -> None:
    record = (await vanished(team))["id"]
    [shown] = (await listed(team)).deletions
    assert await delete_now(team, shown.id) == 1
    assert await team.idle() == []
    assert await team.world.records() == []
    assert [e["data"]["zoho_id"] for e in team.rows.events("deletion_hurried", "deleted_in_zoho")] == [
        record
    ] * 2


async def test_told_again_that_its_object_is_gone_a_hurried_record_waits_no_longer(team: "Team") -> None:
    await vanished(team)
    # Paused for a moment, or it would be deleted before it can be told again.
    team.rows.change("UPDATE pipeline SET enabled = false")
    [shown] = (await listed(team)).deletions
    assert await delete_now(team, shown.id) == 1
    await team.postponed("pausiert")
    team.rows.change("UPDATE pipeline SET enabled = true")
    team.rows.change("UPDATE judged SET outcome = 'void', version = 'x'")
    await team.chunk(Table.KUNDE, ["5001"])
    await told(team)
    [row] = waiting(team)
    assert row["wait"].days == 0


async def test_what_came_back_meanwhile_is_not_deleted_however_hurried(team: "Team") -> None:
    await vanished(team)
    [shown] = (await listed(team)).deletions
    team.ingest.put(Table.KUNDE, "5001", {"nachname": "Groß", "juristische_person": False})
    assert await delete_now(team, shown.id) == 1
    assert await team.idle() == []
    assert len(await team.world.records()) == 1


async def test_only_an_admin_of_the_team_decides(
    team: "Team", team_of: "Callable[[TenantId], Awaitable[Team]]"
) -> None:
    await vanished(team)
    [shown] = (await listed(team)).deletions
    request = ChosenDeletions(ids=(shown.id,))
    other = await team_of(TenantId("hamburg"))
    for rpc in (KEEP_RECORDS, DELETE_NOW):
        with pytest.raises(Forbidden):
            await RpcClient(team.client).call(rpc, request, actor=team.actor(Role.USER))
        reply = await RpcClient(team.client).call(rpc, request, actor=other.actor())
        assert reply.decided == 0
    assert (await listed(other)).total == 0
    assert len(waiting(team)) == 1


async def test_a_preview_says_when_the_record_goes(team: "Team") -> None:
    await vanished(team)
    shown = await preview(team, "5001")
    assert shown.foreseen is Foreseen.GONE
    [row] = (await listed(team)).deletions
    assert f"vorgemerkt für den {row.due_at.astimezone(ZoneInfo('Europe/Berlin')):%d.%m.%Y}" in (
        shown.reason or ""
    )
    await keep(team, row.id)
    assert "jemand hat ihn behalten" in ((await preview(team, "5001")).reason or "")
