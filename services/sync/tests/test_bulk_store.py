"""A bulk job is changed only in the state in which it is known, and several are announced in one order."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import Database
from chassis.leases import LeaseLost
from contracts.ids import PipelineId, TenantId, new_id
from sync import bulk_store
from sync.bulk_store import Job

if TYPE_CHECKING:
    from conftest import Rows

BERLIN = TenantId("berlin")
CHANGES: dict[str, Callable[[AsyncSession, Job], Awaitable[object]]] = {
    "dismiss": bulk_store.dismiss,
    "move": lambda session, job: bulk_store.move(session, job, "waiting", rows=1),
    "started": lambda session, job: bulk_store.started(session, job, zoho_job="2", author="1"),
    "end": lambda session, job: bulk_store.end(session, job, failed=True, outcome="abgebrochen"),
}


@pytest.fixture
async def job(database: Database) -> Job:
    """One that waits."""
    async with database.tenant(BERLIN) as session:
        await bulk_store.announce(session, BERLIN, PipelineId("1"), rows=7)
        [announced] = await bulk_store.open_jobs(session)
    return announced


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_job_in_another_state_is_somebody_elses(
    change: Callable[[AsyncSession, Job], Awaitable[object]], database: Database, rows: "Rows", job: Job
) -> None:
    rows.change("UPDATE bulk_job SET state = 'running'")
    before = rows.select("SELECT * FROM bulk_job")
    with pytest.raises(LeaseLost):
        async with database.tenant(BERLIN) as session:
            await change(session, job)
    assert rows.select("SELECT * FROM bulk_job") == before


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_job_that_is_gone_cannot_be_changed(
    change: Callable[[AsyncSession, Job], Awaitable[object]], database: Database, rows: "Rows", job: Job
) -> None:
    rows.change("DELETE FROM bulk_job")
    with pytest.raises(LeaseLost):
        async with database.tenant(BERLIN) as session:
            await change(session, job)


async def test_a_job_is_read_again_as_it_is_unless_somebody_went_on_with_it(
    database: Database, job: Job
) -> None:
    async with database.tenant(BERLIN) as session:
        await bulk_store.move(session, job, "waiting", rows=9)
        found = await bulk_store.reload(session, job)
        assert found is not None
        assert found == replace(job, rows=9, now=found.now)
        moved = await bulk_store.move(session, job, "filling", rows=0)
        assert await bulk_store.reload(session, job) is None
        assert await bulk_store.reload(session, moved) is not None


async def test_what_is_worth_a_job_comes_in_the_order_in_which_deliveries_announce(
    all_tenants: Database, rows: "Rows"
) -> None:
    connection = new_id()
    rows.change(
        "INSERT INTO pipeline (tenant, id, name, table_name, module, ameise_connection, zoho_connection, "
        "definition, version) SELECT t, n, '', 'kunde', n, %s, %s, '{}', '' "
        "FROM unnest(ARRAY['wien', 'berlin']) AS t, generate_series(40, 1, -1) AS n",
        connection, connection,
    )  # fmt: skip
    rows.change(
        "INSERT INTO connection_limit (tenant, connection, system, bulk_write_allowed) "
        "VALUES ('wien', %s, 'zoho', true), ('berlin', %s, 'zoho', true)",
        connection, connection,
    )  # fmt: skip
    rows.change(
        "INSERT INTO work (tenant, pipeline, direction, object, lane, correlationid) "
        "SELECT tenant, id, 'to_zoho', '5000000', 9, %s FROM pipeline",
        connection,
    )  # fmt: skip
    async with all_tenants.unbound() as session:
        found = await bulk_store.worth_it(session, least=0)
    order = [(tenant, int(pipeline)) for tenant, pipeline, _ in found]
    assert order == [(tenant, number) for tenant in ("berlin", "wien") for number in range(1, 41)]
