"""How sync says that it is doing, and how one link stands."""

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from chassis.rpc import RpcClient
from contracts.actor import Role
from contracts.ids import AmeiseKey
from contracts.names import System, Table
from contracts.problems import Forbidden, NotFound
from contracts.rpc import Empty
from contracts.rpc.sync_state import (
    LINK_STATE,
    SYNC_STATE,
    LinkState,
    LinkStateRequest,
    PipelineState,
    SeenValue,
)

if TYPE_CHECKING:
    from conftest import Team

REQUIRED = {"Salutation": "Frau", "First_Name": "Anna"}


async def state_of(team: "Team", module: str = "Contacts") -> PipelineState:
    reply = await RpcClient(team.client).call(SYNC_STATE, Empty(), actor=team.actor(Role.USER))
    return next(p for p in reply.pipelines if p.id == team.pipelines[module].id)


async def written(team: "Team", objects: int) -> PipelineState:
    """The state once it says that so many were written; that is stored once a second."""
    async with asyncio.timeout(5):
        while (state := await state_of(team)).written_last_hour != objects:
            await asyncio.sleep(0.05)
    return state


async def link_of(team: "Team", id_: str, side: System = System.AMEISE, **more: Any) -> LinkState:
    request = LinkStateRequest(pipeline=team.pipelines["Contacts"].id, side=side, id=AmeiseKey(id_))
    return await RpcClient(team.client).call(LINK_STATE, request, actor=team.actor(**more))


def values(link: LinkState, ameise: str) -> tuple[SeenValue, ...]:
    field = next(f for f in link.fields if f.ameise == ameise)
    return field.ameise_base, field.ameise_now, field.zoho_base, field.zoho_now


def known(value: Any) -> SeenValue:
    return SeenValue(known=True, value=value)


async def test_a_pipeline_counts_what_it_wrote_in_the_last_hour(team: "Team") -> None:
    fresh = await state_of(team)
    assert (fresh.linked, fresh.last_run, fresh.written_last_hour) == (0, None, 0)
    numbers = [await team.world.add_kunde(Nachname=f"Zahl{n}") for n in range(3)]
    await team.delivery(numbers)
    await team.idle()
    contact = await team.world.contact_of(numbers[0])
    assert contact is not None
    await team.world.edit(contact["id"], Last_Name="Anders")
    await team.webhook(contact["id"])
    await team.idle()
    await team.webhook(contact["id"])  # nothing to do
    await team.idle()
    now = await written(team, 4)
    assert (now.linked, now.waiting, now.parked) == (3, 0, 0)
    assert now.last_run is not None
    assert now.last_success is not None


async def test_the_credits_that_are_left_are_those_of_the_connection(team: "Team") -> None:
    fresh = (await state_of(team)).zoho_credits_left
    await team.delivery([await team.world.add_kunde(Nachname="Kostet")])
    await team.idle()
    assert fresh is not None
    async with asyncio.timeout(5):  # what was spent is stored once a second
        while (now := (await state_of(team)).zoho_credits_left) == fresh:
            await asyncio.sleep(0.05)
    assert now is not None
    assert 0 < now < fresh
    team.rows.change("UPDATE connection_limit SET share_percent = 0")
    assert (await state_of(team)).zoho_credits_left == 0


async def test_what_was_written_an_hour_ago_does_not_count_any_more(team: "Team") -> None:
    number = await team.world.add_kunde(Nachname="Früher")
    await team.delivery([number])
    await team.idle()
    await written(team, 1)
    team.rows.change("UPDATE throughput SET last_at = last_at - interval '1 hour', written = 50")
    old = await state_of(team)
    assert old.written_last_hour == 0
    await team.world.edit((await team.world.contact_of(number) or {})["id"], Last_Name="Jetzt")
    await team.webhook((await team.world.contact_of(number) or {})["id"])
    await team.idle()
    await written(team, 1)


async def test_what_waits_and_what_is_parked_shows_with_the_oldest(team: "Team") -> None:
    await team.webhook(await team.world.add(Last_Name="Nurnachname"))
    await team.idle()
    team.rows.change("UPDATE pipeline SET enabled = false")
    await team.webhook(await team.world.add(Last_Name="Wartet", **REQUIRED))
    await team.postponed("pausiert")
    now = await state_of(team)
    assert (now.waiting, now.parked, now.enabled) == (1, 1, False)
    assert now.oldest_waiting is not None
    assert now.last_error == "unvollständig: für die Anlage fehlt Anrede, Vorname"


async def test_a_link_shows_both_bases_and_what_both_sides_say_now(team: "Team") -> None:
    number = await team.world.add_kunde(Nachname="Damals", Beruf="Koch")
    await team.delivery([number])
    await team.idle()
    record = (await team.world.contact_of(number) or {})["id"]
    await team.world.edit_kunde(number, Nachname="Neuer")
    await team.world.edit(record, Last_Name="Anders", Beruf=None)
    for link in (await link_of(team, number), await link_of(team, record, System.ZOHO)):
        assert (link.key, link.zoho_id, link.ameise_from, link.zoho_reached) == (
            number, record, "ameise", True,
        )  # fmt: skip
        assert values(link, "nachname") == tuple(map(known, ("Damals", "Neuer", "Damals", "Anders")))
        assert values(link, "beruf") == tuple(map(known, ("Koch", "Koch", "Koch", None)))
        assert link.ameise_link is not None
        assert link.ameise_link.endswith(number)


async def test_a_side_that_does_not_answer_is_unknown_and_ingest_stands_in_for_ameise(team: "Team") -> None:
    number = await team.world.add_kunde(Nachname="Damals")
    await team.delivery([number])
    await team.idle()
    team.auth.connected = False
    for path in ("/kunden/", "/Contacts"):  # tokens may still be kept
        await team.world.fault("status", path, status=503)
    link = await link_of(team, number)
    assert (link.ameise_from, link.zoho_reached) == ("ingest", False)
    base, now, zoho_base, zoho_now = values(link, "nachname")
    assert (base, now, zoho_base) == (known("Damals"),) * 3
    assert zoho_now == SeenValue(known=False)
    del team.ingest.objects[Table.KUNDE, number]
    assert values(await link_of(team, number), "nachname")[1] == SeenValue(known=False)


async def test_what_is_not_linked_is_not_found_and_values_are_for_admins(team: "Team") -> None:
    with pytest.raises(NotFound):
        await link_of(team, "999")
    with pytest.raises(Forbidden):
        await link_of(team, "999", role=Role.USER)
