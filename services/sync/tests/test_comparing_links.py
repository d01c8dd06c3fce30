"""Links compared with Zoho's records: what does not fit is told and parked, never repaired by guess."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from test_comparing import compare
from test_reconciling import linked

from chassis.process import Foundation
from chassis.rpc import RpcClient
from contracts.ids import TenantId
from contracts.names import Difference
from contracts.rpc.sync_parked import DISCARD_PARKED, DiscardParked

if TYPE_CHECKING:
    from conftest import Team


async def test_links_that_fit_are_nothing_and_it_says_so(team: "Team") -> None:
    await team.delivery(await team.world.seed(10, 20))
    await team.idle()
    assert (await compare(team, links=True)).counts == {}
    [told] = team.rows.events("links_compared")
    assert (told["data"]["reason"], told["data"]["complete"]) == ("alles gleich", True)
    assert told["data"]["records"] == len(team.rows.links())
    assert team.rows.work() == []


async def test_a_number_that_somebody_changed_in_zoho_is_parked_once(team: "Team") -> None:
    [(number, contact), _] = await linked(team, "Eins", "Zwei")
    await team.world.edit(contact, Kundennummer="5999999")
    assert (await compare(team, links=True)).counts == {Difference.NUMBER_DIFFERS: 1}
    await compare(team, links=True)
    [parked] = team.rows.parked()
    assert parked["object"] == contact
    assert (
        parked["reason"] == f"unklar: verknüpft mit Kunde {number}, in Kundennummer steht aber etwas anderes"
    )
    assert len(team.rows.events("work_parked")) == 1
    assert (await team.world.record(contact))["Kundennummer"] == "5999999"


async def let_go(team: "Team") -> None:
    ids = tuple(row["id"] for row in team.rows.parked())
    request = DiscardParked(ids=ids, reason="ist in Ordnung so")
    await RpcClient(team.client).call(DISCARD_PARKED, request, actor=team.actor())


async def test_what_a_person_let_go_stays_away_until_either_side_changes(team: "Team") -> None:
    [(number, contact), _] = await linked(team, "Eins", "Zwei")
    await team.world.edit(contact, Kundennummer="5999999")
    await compare(team, links=True)
    await let_go(team)
    await team.world.edit(contact, Beruf="Ärztin")  # neither side of the doubt
    assert (await compare(team, links=True)).counts == {}
    assert team.rows.parked() == []
    await team.world.edit(contact, Kundennummer="5888888")
    assert (await compare(team, links=True)).counts == {Difference.NUMBER_DIFFERS: 1}
    await let_go(team)
    await team.world.edit(contact, Kundennummer=number)
    assert (await compare(team, links=True)).counts == {}
    await team.world.edit(contact, Kundennummer="5888888")  # once more: nobody looked at that
    assert (await compare(team, links=True)).counts == {Difference.NUMBER_DIFFERS: 1}


async def test_a_second_record_that_was_let_go_stays_away_too(team: "Team") -> None:
    [(number, contact)] = await linked(team, "Doppelt")
    await team.world.edit(contact, Kundennummer=None)
    second = await team.world.add(Last_Name="Doppelt", Kundennummer=number)
    await team.webhook(second)  # the webhook parks it, by its own cause
    await team.idle()
    await compare(team, links=True)
    await let_go(team)
    assert (await compare(team, links=True)).counts == {}


async def test_a_second_record_with_a_number_is_parked(team: "Team") -> None:
    [(number, contact)] = await linked(team, "Doppelt")
    await team.world.edit(contact, Kundennummer=None)
    second = await team.world.add(Last_Name="Doppelt", Kundennummer=number)
    found = await compare(team, links=True)
    assert found.counts == {Difference.NUMBER_DIFFERS: 1, Difference.NUMBER_TWICE: 1}
    reasons = {row["object"]: row["reason"] for row in team.rows.parked()}
    assert reasons[second] == f"unklar: Kunde {number} gehört schon zu Datensatz {contact}"


async def test_a_link_whose_record_is_gone_is_marked(team: "Team") -> None:
    [(_, first), _, (_, last)] = await linked(team, "Eins", "Zwei", "Drei")
    for contact in (first, last):
        await team.world.delete(contact)
    assert (await compare(team, links=True)).counts == {Difference.DELETED: 2}
    assert {link["zoho_id"] for link in team.rows.links() if link["gone_in_zoho"]} == {first, last}
    assert len(team.rows.events("record_deleted")) == 2
    assert (await compare(team, links=True)).counts == {}


async def test_so_many_gone_that_permissions_are_likelier_are_left(
    sync_with: Callable[..., AbstractAsyncContextManager[Foundation]],
    team_of: Callable[[TenantId], Awaitable["Team"]],
) -> None:
    async with sync_with(reconcile_gone_limit=1):
        team = await team_of(TenantId("berlin"))
        await team.create_pipelines()
        for _, contact in await linked(team, "Eins", "Zwei"):
            await team.world.delete(contact)
        assert (await compare(team, links=True)).counts == {Difference.DELETED: 2}
        assert [link for link in team.rows.links() if link["gone_in_zoho"]] == []
        [told] = team.rows.events("links_compared")
        assert "Rechte prüfen" in told["data"]["reason"]


async def test_the_credits_of_a_night_end_and_the_next_one_goes_on(
    sync_with: Callable[..., AbstractAsyncContextManager[Foundation]],
    team_of: Callable[[TenantId], Awaitable["Team"]],
) -> None:
    async with sync_with(reconcile_credits=3):
        team = await team_of(TenantId("berlin"))
        await team.create_pipelines()
        for start in range(0, 250, 50):
            team.ingest.objects.clear()
            keys = [f"{5000 + number}" for number in range(start, start + 50)]
            for key in keys:
                fields = {"nachname": f"N{key}", "juristische_person": False}
                team.ingest.put(team.pipelines["Contacts"].table, key, fields)
            await team.chunk(team.pipelines["Contacts"].table, keys)
            await team.idle()
        for number in range(250):
            key = f"{5000 + number}"
            fields = {"nachname": f"N{key}", "juristische_person": False}
            team.ingest.put(team.pipelines["Contacts"].table, key, fields)
        last = max(await team.world.records(), key=lambda record: record["id"])
        await team.world.edit(last["id"], Kundennummer="1")
        assert (await compare(team, links=True)).counts == {}
        assert len(await team.world.calls("POST", "/coql")) == 3
        assert (await compare(team, links=True)).counts == {Difference.NUMBER_DIFFERS: 1}
        told = [event["data"]["complete"] for event in team.rows.events("links_compared")]
        assert told == [False, True]
