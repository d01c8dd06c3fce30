"""The dispatcher: tenants in turns, a bounded number in hand, nothing lost when told to stop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from chassis.cause import Cause
from chassis.database import Database, run_sql
from chassis.leases import LeaseLost
from contracts.actor import ActorKind
from contracts.ids import PipelineId, TenantId, new_id
from sync import work_store
from sync.work_store import Lane, Work
from sync.workers import Dispatcher, More

if TYPE_CHECKING:
    from conftest import Rows

    from parts.databases import DatabaseUrls

BERLIN, WIEN = TenantId("berlin"), TenantId("wien")


@pytest.fixture
def dispatcher(database: Database, all_tenants: Database, urls: "DatabaseUrls") -> Callable[..., Dispatcher]:
    def make(do: Callable[[list[Work]], Any], **changes: Any) -> Dispatcher:
        values: dict[str, Any] = {
            "direction": "to_ameise", "do": do, "database": database, "all_tenants": all_tenants,
            "listen_url": SecretStr(urls.all_tenants), "owner": "test", "lease": timedelta(seconds=30),
            "workers": 4, "batch": lambda _: 1,
        }  # fmt: skip
        return Dispatcher(**(values | changes))

    return make


@asynccontextmanager
async def at_work(dispatcher: Dispatcher) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(dispatcher.run())
    yield task
    task.cancel()
    await asyncio.wait([task])


async def ask(database: Database, tenant: TenantId, count: int) -> None:
    cause = Cause(tenant, ActorKind.ZOHO, "zoho", new_id(), new_id())
    async with database.tenant(tenant) as session:
        await work_store.intake(
            session, tenant, pipeline=PipelineId("1"), direction="to_ameise", lane=Lane.WEBHOOK,
            objects={str(number): cause for number in range(count)},
        )  # fmt: skip


async def test_one_tenants_backlog_does_not_delay_another(
    database: Database, dispatcher: Callable[..., Dispatcher]
) -> None:
    done: list[TenantId] = []
    all_done = asyncio.Event()

    async def do(works: list[Work], _more: More) -> None:
        done.append(works[0].tenant)
        async with database.tenant(works[0].tenant) as session:
            await work_store.finish(session, works)
        if len(done) == 33:
            all_done.set()

    await ask(database, BERLIN, 30)
    await ask(database, WIEN, 3)
    async with at_work(dispatcher(do)), asyncio.timeout(20):
        await all_done.wait()
    assert done.index(WIEN) < 8
    assert len(done) - done[::-1].index(WIEN) < 20  # the last one of Wien came long before Berlin's last


async def test_a_tenant_whose_work_hangs_leaves_room_for_the_others(
    database: Database, dispatcher: Callable[..., Dispatcher]
) -> None:
    hanging, arrived = asyncio.Event(), asyncio.Event()

    async def do(works: list[Work], _more: More) -> None:
        if works[0].tenant == WIEN:
            arrived.set()
        else:
            await hanging.wait()

    await ask(database, BERLIN, 30)
    async with at_work(dispatcher(do)), asyncio.timeout(20):
        await asyncio.sleep(0)
        await ask(database, WIEN, 1)
        await arrived.wait()
        hanging.set()


async def test_a_batch_is_of_one_pipeline_and_no_larger_than_allowed(
    database: Database, dispatcher: Callable[..., Dispatcher]
) -> None:
    sizes: list[int] = []
    seen = asyncio.Event()

    async def do(works: list[Work], _more: More) -> None:
        sizes.append(len(works))
        async with database.tenant(works[0].tenant) as session:
            await work_store.finish(session, works)
        if sum(sizes) == 25:
            seen.set()

    await ask(database, BERLIN, 25)
    async with at_work(dispatcher(do, batch=lambda _: 10)), asyncio.timeout(20):
        await seen.wait()
    assert sorted(sizes) == [5, 10, 10]


async def test_an_error_of_our_own_puts_the_row_back_with_its_name_and_not_its_text(
    database: Database, dispatcher: Callable[..., Dispatcher], rows: "Rows"
) -> None:
    async def do(works: list[Work], _more: More) -> None:
        raise KeyError("Anna Groß")

    await ask(database, BERLIN, 1)
    async with at_work(dispatcher(do)), asyncio.timeout(20):
        while (row := rows.work()[0])["reason"] is None:
            await asyncio.sleep(0.02)
    assert row["reason"] == "interner Fehler (KeyError), siehe Protokoll des Dienstes"
    assert (row["attempts"], row["lease_owner"]) == (1, None)


async def test_who_loses_a_deadlock_puts_the_row_back_and_does_not_wait_for_its_lease(
    database: Database, dispatcher: Callable[..., Dispatcher], rows: "Rows"
) -> None:
    async def do(works: list[Work], _more: More) -> None:
        async with database.tenant(BERLIN) as session:
            await run_sql(session, "DO $$ BEGIN RAISE deadlock_detected; END $$")

    await ask(database, BERLIN, 1)
    async with at_work(dispatcher(do)), asyncio.timeout(10):
        while (row := rows.work()[0])["reason"] is None:
            await asyncio.sleep(0.02)
    assert (row["attempts"], row["lease_owner"]) == (1, None)


async def test_told_to_stop_it_finishes_what_is_in_hand_and_takes_nothing_new(
    database: Database, dispatcher: Callable[..., Dispatcher], rows: "Rows"
) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def do(works: list[Work], _more: More) -> None:
        begun.set()
        await may_end.wait()
        async with database.tenant(works[0].tenant) as session:
            await work_store.finish(session, works)

    await ask(database, BERLIN, 30)
    async with at_work(dispatcher(do)) as task, asyncio.timeout(20):
        await begun.wait()
        while rows.select("SELECT count(*) AS n FROM work WHERE lease_owner IS NOT NULL")[0]["n"] < 3:
            await asyncio.sleep(0.01)
        task.cancel()
        may_end.set()
        await asyncio.wait([task])
    assert len(rows.work()) == 27
    assert all(row["lease_owner"] is None for row in rows.work())


async def test_a_row_that_was_lost_and_is_taken_again_is_held_until_its_second_end(
    database: Database, dispatcher: Callable[..., Dispatcher], rows: "Rows"
) -> None:
    taken: list[Work] = []
    lost, both, all_done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def do(works: list[Work], _more: More) -> None:
        taken.extend(works)
        if len(taken) == 1:
            await lost.wait()
            raise LeaseLost("1 of 1 rows of work")
        both.set()
        await asyncio.sleep(1.5)
        async with database.tenant(BERLIN) as session:
            await work_store.check(session, works)
            await work_store.finish(session, works)
        all_done.set()

    await ask(database, BERLIN, 1)
    async with at_work(dispatcher(do, lease=timedelta(seconds=0.6))), asyncio.timeout(20):
        while not taken:
            await asyncio.sleep(0.01)
        long_ago = "lease_until = now() - interval '1 minute', due_at = now()"
        rows.change(f"UPDATE work SET fence = fence + 1, {long_ago}")  # somebody else had it, and died
        await ask(database, BERLIN, 1)  # wakes the dispatcher
        await both.wait()
        lost.set()
        await all_done.wait()
    assert [work.id for work in taken] == [taken[0].id] * 2
    assert rows.work() == []


async def test_what_is_in_hand_for_long_is_held_on_to(
    database: Database, dispatcher: Callable[..., Dispatcher], rows: "Rows"
) -> None:
    ended = asyncio.Event()

    async def do(works: list[Work], _more: More) -> None:
        await asyncio.sleep(1.5)
        async with database.tenant(works[0].tenant) as session:
            await work_store.check(session, works)
            await work_store.finish(session, works)
        ended.set()

    await ask(database, BERLIN, 1)
    async with at_work(dispatcher(do, lease=timedelta(seconds=0.6))), asyncio.timeout(20):
        await ended.wait()
    assert rows.work() == []
