"""Very many waiting rows become one job of Zoho: what is written, what is not, and what survives a crash."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from redefining import definition_of, redefine

from chassis.process import Foundation
from chassis.rpc import RpcClient
from chassis.stop_list import FILE
from contracts.ids import Kundennummer, TenantId
from contracts.names import Table
from contracts.rpc.ingest import KundeRequest
from contracts.rpc.sync_limits import SET_CONNECTION_LIMITS, SetConnectionLimits
from contracts.rpc.sync_people import SYNC_FORGET

if TYPE_CHECKING:
    from conftest import Team

ROWS = 30
BULK = {"bulk_min_rows": 10, "bulk_max_rows": 25, "bulk_poll": timedelta(milliseconds=500)}
SyncWith = Callable[..., AbstractAsyncContextManager[Foundation]]


@pytest.fixture
async def team(
    sync_with: SyncWith, team_of: Callable[[TenantId], Awaitable["Team"]]
) -> AsyncIterator["Team"]:
    """A team of 30 Kunden in Zoho; more than 10 changed ones are worth a job."""
    async with sync_with(**BULK):
        made = await team_of(TenantId("berlin"))
        await made.create_pipelines()
        await deliver(made, "Tischler")
        await made.idle()
        yield made


async def allow(team: "Team") -> None:
    """An admin allows bulk writes."""
    request = SetConnectionLimits(connection=team.auth.zoho.id, bulk_write_allowed=True)
    await RpcClient(team.client).call(SET_CONNECTION_LIMITS, request, actor=team.actor())


async def deliver(
    team: "Team", beruf: str | None, *, rows: int = ROWS, chunk: int = ROWS, **special: dict[str, Any]
) -> None:
    """So many Kunden with this Beruf; `special`: other fields of some, by key without its "k"."""
    keys = [f"{5000000 + number}" for number in range(rows)]
    for key in keys:
        fields: dict[str, Any] = {"nachname": f"N{key}", "beruf": beruf, "juristische_person": False}
        team.ingest.put(Table.KUNDE, key, fields | special.get(f"k{key}", {}))
    for start in range(0, rows, chunk):
        await team.chunk(Table.KUNDE, keys[start : start + chunk])


async def jobs(team: "Team") -> int:
    return len(await team.world.calls("POST", "/bulk/v8/write"))


async def berufe(team: "Team") -> dict[str, str | None]:
    return {record["Kundennummer"]: record["Beruf"] for record in await team.world.records()}


async def test_without_leave_nothing_goes_in_bulk(team: "Team") -> None:
    await deliver(team, "Ärztin")
    assert await team.idle() == []
    assert await jobs(team) == 0


async def test_many_changes_are_one_job_and_the_rest_goes_the_ordinary_way(team: "Team") -> None:
    await allow(team)
    await deliver(team, "Ärztin")
    assert await team.idle() == []
    assert await jobs(team) == 1
    assert set((await berufe(team)).values()) == {"Ärztin"}
    [ended] = team.rows.events("bulk_write_ended")
    assert (ended["data"]["written"], ended["data"]["parked"]) == (25, 0)
    written = [o for event in team.rows.events("written_to_zoho") for o in event["data"]["objects"]]
    updated = [o["key"] for o in written if o["action"] == "updated"]
    assert (len(updated), len(set(updated))) == (ROWS, ROWS)
    assert {row["lease_owner"] for row in team.rows.links()} == {None}
    assert team.rows.select("SELECT * FROM bulk_row") == []
    # What was written is known as written: the same delivery again finds nothing to do.
    told = len(team.rows.events())
    await deliver(team, "Ärztin")
    assert await team.idle() == []
    assert len(team.rows.events()) == told


async def test_a_whole_delivery_becomes_as_few_jobs_as_its_rows_allow(
    sync_with: SyncWith, team_of: Callable[[TenantId], Awaitable["Team"]]
) -> None:
    """As 100,000 rows become four jobs of 25,000: nothing is taken by hundreds before the first is made."""
    async with sync_with(bulk_min_rows=5, bulk_max_rows=25, bulk_poll=timedelta(milliseconds=500)):
        team = await team_of(TenantId("berlin"))
        await team.create_pipelines()
        for beruf in ("Tischler", "Ärztin"):
            since = len(await team.world.calls("PUT", "/Contacts"))
            await deliver(team, beruf, rows=100, chunk=10)
            assert await team.idle() == []
            await allow(team)
        assert await jobs(team) == 4
        assert len(await team.world.calls("PUT", "/Contacts")) == since
        assert [event["data"]["written"] for event in team.rows.events("bulk_write_ended")] == [25] * 4
        assert set((await berufe(team)).values()) == {"Ärztin"}


async def test_a_delivery_that_stays_small_is_let_go(team: "Team") -> None:
    await allow(team)
    keys = [f"{5000000 + number}" for number in range(10)]
    for key in keys:
        team.ingest.put(
            Table.KUNDE, key, {"nachname": f"N{key}", "beruf": "Ärztin", "juristische_person": False}
        )
    await team.chunk(Table.KUNDE, keys)
    assert await team.idle() == []
    assert await jobs(team) == 0
    assert sorted((await berufe(team)).values(), key=str) == ["Tischler"] * 20 + ["Ärztin"] * 10
    assert team.rows.select("SELECT * FROM bulk_job") == []


async def test_a_row_that_zoho_skips_goes_the_ordinary_way_and_is_parked_with_its_words(
    team: "Team",
) -> None:
    await allow(team)
    await deliver(team, "Ärztin", k5000003={"beruf": "lang" * 100})
    [parked] = await team.idle()
    assert parked["object"] == "5000003"
    assert (parked["cause"], parked["words"]) == ("refused_by_zoho", "invalid data")
    assert (await berufe(team))["5000004"] == "Ärztin"
    assert await jobs(team) == 1


async def test_a_row_whose_record_vanished_meanwhile_is_gone_in_zoho(team: "Team") -> None:
    await allow(team)
    await team.world.knobs(zoho_bulk_seconds=1)
    record = await team.world.contact_of("5000003")
    assert record is not None
    try:
        await deliver(team, "Ärztin")
        async with asyncio.timeout(10):
            while await jobs(team) == 0:
                await asyncio.sleep(0.02)
        await team.world.delete(record["id"])
        assert await team.idle() == []
    finally:
        await team.world.knobs(zoho_bulk_seconds=0.2)
    assert [link["ameise_key"] for link in team.rows.links() if link["gone_in_zoho"]] == ["5000003"]
    assert [e["data"]["zoho_id"] for e in team.rows.events("record_deleted")] == [record["id"]]
    assert (await berufe(team))["5000004"] == "Ärztin"


async def test_objects_that_are_gone_are_marked_by_a_job_and_known_as_gone(team: "Team") -> None:
    mapped = (await definition_of(team, "Contacts")).fields
    without_titel = tuple(field for field in mapped if field.ameise != "titel")
    await redefine(team, fields=without_titel, vanished={"field": "Titel", "gone": "entfallen"})
    await allow(team)
    keys = [f"{5000000 + number}" for number in range(ROWS)]
    for key in keys:
        team.ingest.put(Table.KUNDE, key, {}, gone=True)
    await team.chunk(Table.KUNDE, keys)
    assert await team.idle() == []
    assert await jobs(team) == 1
    assert {record["Titel"] for record in await team.world.records()} == {"entfallen"}
    assert team.rows.select("SELECT DISTINCT outcome FROM judged") == [{"outcome": "gone"}]


async def test_new_records_go_the_ordinary_way_and_no_job_is_paid_for(
    sync_with: SyncWith, team_of: Callable[[TenantId], Awaitable["Team"]]
) -> None:
    async with sync_with(**BULK):
        team = await team_of(TenantId("berlin"))
        await team.create_pipelines()
        await allow(team)
        await deliver(team, "Tischler")
        assert await team.idle() == []
        assert len(await team.world.records()) == ROWS
        assert await jobs(team) == 0


async def test_a_lost_stop_list_ends_a_job_before_it_begins_and_sync_goes_on(
    sync_with: SyncWith, team_of: Callable[[TenantId], Awaitable["Team"]], tmp_path: Path
) -> None:
    async with sync_with(**BULK | {"bulk_poll": timedelta(seconds=3)}) as base:
        team = await team_of(TenantId("berlin"))
        await team.create_pipelines()
        await deliver(team, "Tischler")
        await team.idle()
        request = KundeRequest(kunde=Kundennummer("4711"))
        await RpcClient(team.client).call(SYNC_FORGET, request, actor=team.actor())
        await allow(team)
        await deliver(team, "Ärztin")
        while len(team.rows.select("SELECT 1 FROM work WHERE direction = 'to_zoho'")) < ROWS:
            await asyncio.sleep(0.01)
        (tmp_path / "stop-list" / FILE).rename(tmp_path / "lost")
        async with asyncio.timeout(20):
            while not (ended := team.rows.select("SELECT outcome FROM bulk_job WHERE state = 'ended'")):
                await asyncio.sleep(0.05)
        # One job after the other may end so before the worker notes that the list is lost.
        assert {row["outcome"] for row in ended} == {"nicht begonnen: StopListIncomplete"}
        assert base.health.fatal is None
        assert await jobs(team) == 0
        (tmp_path / "lost").rename(tmp_path / "stop-list" / FILE)


async def test_a_change_made_in_zoho_while_a_job_runs_is_not_lost(team: "Team") -> None:
    number = await team.world.add_kunde(Nachname="Webhook", Beruf="Tischler")
    await team.delivery([number])
    await team.idle()
    contact = await team.world.contact_of(number)
    assert contact is not None
    await allow(team)
    await team.world.knobs(zoho_bulk_seconds=2)
    await team.world.edit_kunde(number, Beruf="Ärztin")
    await team.delivery([number])
    await deliver(team, "Ärztin")
    async with asyncio.timeout(20):
        while not await jobs(team):
            await asyncio.sleep(0.05)
    await team.world.edit(contact["id"], Titel="Dr.")
    await team.webhook(contact["id"])
    await team.hurried()
    await team.world.knobs(zoho_bulk_seconds=0.2)
    assert (await team.world.kunde(number))["Person"]["Titel"] == "Dr."
    assert (await team.world.record(contact["id"]))["Beruf"] == "Ärztin"


async def test_a_restart_goes_on_asking_and_uploads_nothing_twice(
    sync_with: SyncWith, team_of: Callable[[TenantId], Awaitable["Team"]]
) -> None:
    async with sync_with(**BULK):
        team = await team_of(TenantId("berlin"))
        await team.create_pipelines()
        await deliver(team, "Tischler")
        await team.idle()
        await allow(team)
        await team.world.knobs(zoho_bulk_seconds=1.5)
        await deliver(team, "Ärztin")
        async with asyncio.timeout(20):
            while not team.rows.select("SELECT 1 FROM bulk_job WHERE state = 'running'"):
                await asyncio.sleep(0.05)
    # Its lease is that of a dead process.
    team.rows.change("UPDATE lease SET until = now() - interval '1 second'")
    async with sync_with(**BULK):
        assert await team.idle() == []
    await team.world.knobs(zoho_bulk_seconds=0.2)
    assert await jobs(team) == 1
    assert len(await team.world.calls("POST", "/crm/v8/upload")) == 1
    assert set((await berufe(team)).values()) == {"Ärztin"}


async def test_a_job_cut_off_before_its_number_was_known_is_given_up(team: "Team") -> None:
    await allow(team)
    await team.world.fault("timeout_after_write", "/bulk/v8/write", method="POST", seconds=5, times=1)
    await deliver(team, "Ärztin")
    assert await team.idle() == []
    assert await jobs(team) <= 1
    assert len(await team.world.calls("POST", "/crm/v8/upload")) == 1
    assert set((await berufe(team)).values()) == {"Ärztin"}
