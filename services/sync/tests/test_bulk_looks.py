"""Whose turn it is in one look after the bulk writes: of several replicas, of several teams, and how long."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.process import Foundation
from contracts.ids import TenantId, new_id
from sync import bulk_store
from sync.bulk_store import Job
from sync.bulk_write import BulkWriter
from sync.work_store import Lane

if TYPE_CHECKING:
    from conftest import Team

MIN, MAX = 10, 25
TeamOf = Callable[[TenantId], Awaitable["Team"]]


@pytest.fixture
async def writer(
    sync_with: Callable[..., AbstractAsyncContextManager[Foundation]], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[BulkWriter]:
    """That of a running sync; it looks when the test says so."""
    writers: list[BulkWriter] = []

    async def at_hand(self: BulkWriter) -> None:
        writers.append(self)
        await asyncio.Event().wait()

    monkeypatch.setattr(BulkWriter, "run", at_hand)
    async with sync_with(bulk_min_rows=MIN, bulk_max_rows=MAX):
        async with asyncio.timeout(5):
            while not writers:
                await asyncio.sleep(0.01)
        yield writers[0]


@pytest.fixture
async def berlin(writer: BulkWriter, team_of: TeamOf) -> "Team":
    team = await team_of(TenantId("berlin"))
    await team.create_pipelines()
    return team


def keep(team: "Team", *, rows: int, seen: int = 0, minutes: int = 0) -> None:
    """So many rows wait for a job that was announced so long ago; the last look saw some of them."""
    pipeline = int(team.pipelines["Contacts"].id)
    team.rows.change(
        "INSERT INTO bulk_job (id, tenant, pipeline, state, rows, created_at) "
        "VALUES (%s, %s, %s, 'waiting', %s, now() - make_interval(mins => %s))",
        new_id(), team.tenant, pipeline, seen, minutes,
    )  # fmt: skip
    team.rows.change(
        "INSERT INTO work (tenant, pipeline, direction, object, lane, correlationid) "
        "SELECT %s, %s, 'to_zoho', CAST(5000000 + n AS text), %s, %s FROM generate_series(1, %s) AS n",
        team.tenant, pipeline, int(Lane.CHUNK), new_id(), rows,
    )  # fmt: skip


def job_of(team: "Team") -> dict[str, Any] | None:
    found = team.rows.select("SELECT state, rows FROM bulk_job WHERE tenant = %s", team.tenant)
    return found[0] if found else None


async def test_a_job_that_another_replica_went_on_with_since_it_was_read_is_left_to_it(
    writer: BulkWriter, berlin: "Team", monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(berlin, rows=5)
    read = bulk_store.open_jobs

    async def read_and_overtaken(session: AsyncSession) -> list[Job]:
        jobs = await read(session)
        berlin.rows.change("UPDATE bulk_job SET state = 'running', zoho_job = '1', rows = 25")
        return jobs

    monkeypatch.setattr(bulk_store, "open_jobs", read_and_overtaken)
    await writer.look()
    assert job_of(berlin) == {"state": "running", "rows": 25}


async def test_who_waits_in_vain_is_let_go_before_anything_is_filled(
    writer: BulkWriter, berlin: "Team", team_of: TeamOf
) -> None:
    wien = await team_of(TenantId("wien"))
    await wien.create_pipelines()
    keep(berlin, rows=MAX, minutes=1)
    keep(wien, rows=0)
    looking = asyncio.create_task(writer.look())
    async with asyncio.timeout(5):
        while (job := job_of(berlin)) and job["state"] == "waiting":
            await asyncio.sleep(0.005)
    assert job_of(wien) is None
    await looking


async def test_an_error_of_the_database_in_one_job_holds_up_no_other(
    writer: BulkWriter, berlin: "Team", team_of: TeamOf
) -> None:
    wien = await team_of(TenantId("wien"))
    await wien.create_pipelines()
    keep(berlin, rows=0, minutes=1)
    keep(wien, rows=0)
    # Not in this thread: sync, whose transactions a new trigger waits for, runs in it.
    await asyncio.to_thread(
        berlin.rows.change,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'broken'; END $$; "
        "CREATE TRIGGER broken BEFORE INSERT OR UPDATE ON lease FOR EACH ROW "
        "WHEN (NEW.tenant = 'berlin' AND starts_with(NEW.name, 'bulk:')) EXECUTE FUNCTION refuse()",
    )
    await writer.look()
    assert job_of(berlin) == {"state": "waiting", "rows": 0}
    assert job_of(wien) is None


@pytest.mark.parametrize(
    ("kept", "minutes", "then"),
    [
        (MIN + 1, 1, {"state": "waiting", "rows": MIN + 1}),
        (MIN, 3, None),
        (MIN + 1, 3, {"state": "ended", "rows": 0}),
    ],
    ids=["for two minutes it waits", "then few are let go", "and enough begin"],
)
async def test_rows_that_never_stop_coming_are_not_waited_for_without_end(
    writer: BulkWriter, berlin: "Team", kept: int, minutes: int, then: dict[str, Any] | None
) -> None:
    keep(berlin, rows=kept, seen=kept - 1, minutes=minutes)
    await writer.look()
    # None of them has a record in Zoho: what has begun is over at once.
    assert job_of(berlin) == then
