"""The work table is the queue: what is asked, taken, given back, parked."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import DBAPIError

from chassis.cause import Cause
from chassis.database import Database, fetch_all
from chassis.leases import LeaseLost
from contracts.actor import ActorKind
from contracts.ids import PipelineId, TenantId, new_id
from contracts.rpc.sync_parked import ParkedCause
from sync import parked_store, work_store
from sync.retry import Park, Postpone
from sync.work_store import Lane, Turn, Work

if TYPE_CHECKING:
    from conftest import Rows

BERLIN, WIEN = TenantId("berlin"), TenantId("wien")
ONE = PipelineId("1")
LATER = Postpone(timedelta(seconds=60), "später")


async def ask(database: Database, *objects: str, tenant: TenantId = BERLIN, lane: int = Lane.WEBHOOK) -> None:
    cause = Cause(tenant, ActorKind.ZOHO, "zoho", new_id(), new_id())
    async with database.tenant(tenant) as session:
        await work_store.intake(
            session,
            tenant,
            pipeline=ONE,
            direction="to_ameise",
            lane=lane,
            objects=dict.fromkeys(objects, cause),
        )


async def take(
    all_tenants: Database, *, tenant: TenantId = BERLIN, count: int = 10, owner: str = "a"
) -> list[Work]:
    async with all_tenants.unbound() as session:
        return await work_store.take(
            session, direction="to_ameise", turn=Turn(tenant, ONE, 0), owner=owner,
            lasting=timedelta(seconds=30), count=count,
        )  # fmt: skip


async def finish(database: Database, works: Sequence[Work]) -> None:
    async with database.tenant(BERLIN) as session:
        await work_store.check(session, works)
        await work_store.finish(session, works)


async def test_ten_webhooks_are_one_row_that_counts(database: Database, rows: "Rows") -> None:
    for _ in range(10):
        await ask(database, "4711")
    [row] = rows.work()
    assert row["asked"] == 10


async def test_a_webhook_while_the_row_is_in_hand_makes_it_due_again(
    database: Database, all_tenants: Database, rows: "Rows"
) -> None:
    await ask(database, "4711")
    works = await take(all_tenants)
    await ask(database, "4711")
    assert await take(all_tenants, owner="b") == []
    await finish(database, works)
    [row] = rows.work()
    assert (row["lease_owner"], row["attempts"]) == (None, 0)
    [again] = await take(all_tenants)
    await finish(database, [again])
    assert rows.work() == []


async def test_a_parked_row_is_tried_again_when_it_is_asked_for(
    database: Database, all_tenants: Database, rows: "Rows"
) -> None:
    await ask(database, "4711")
    [work] = await take(all_tenants)
    async with database.tenant(BERLIN) as session:
        await work_store.park(session, work, Park(ParkedCause.RULE_UNDECIDED, words="nein"))
    assert await take(all_tenants) == []
    assert rows.parked()[0]["words"] == "nein"
    await ask(database, "4711")
    [work] = await take(all_tenants)
    assert (work.attempts, work.failing_since) == (0, None)


async def test_a_row_that_was_asked_for_meanwhile_is_not_parked(
    database: Database, all_tenants: Database, rows: "Rows"
) -> None:
    await ask(database, "4711")
    [work] = await take(all_tenants)
    await ask(database, "4711")
    async with database.tenant(BERLIN) as session:
        await work_store.extend(session, [work], lasting=timedelta(seconds=30))
        await work_store.park(session, work, Park(ParkedCause.RULE_UNDECIDED))
    assert rows.parked() == []
    assert len(await take(all_tenants)) == 1, "it is due at once"


async def test_two_owners_never_have_the_same_row(database: Database, all_tenants: Database) -> None:
    await ask(database, *(str(number) for number in range(20)))
    first, second = await take(all_tenants, count=12), await take(all_tenants, count=12, owner="b")
    assert (len(first), len(second)) == (12, 8)
    assert not {work.object for work in first} & {work.object for work in second}
    assert len({work.owner for work in [*first, *second]}) == 20


async def test_an_expired_lease_is_taken_over_and_the_first_owners_result_refused(
    database: Database, all_tenants: Database, rows: "Rows"
) -> None:
    await ask(database, "4711")
    [first] = await take(all_tenants)
    rows.change("UPDATE work SET lease_until = now() - interval '1 second', due_at = now()")
    [second] = await take(all_tenants, owner="b")
    with pytest.raises(LeaseLost, match="1 of 1 rows of work"):
        await finish(database, [first])
    await finish(database, [second])
    assert rows.work() == []


async def test_a_lease_is_extended_for_who_holds_it_and_for_nobody_else(
    database: Database, all_tenants: Database, rows: "Rows"
) -> None:
    await ask(database, "1", "2", "3")
    held, other, expired = await take(all_tenants)
    rows.change("UPDATE work SET lease_until = now() - interval '1 second' WHERE id = %s", expired.id)
    async with all_tenants.unbound() as session:
        await work_store.extend(session, [held, expired], lasting=timedelta(hours=1))
    lasts = rows.select("SELECT id FROM work WHERE least(lease_until, due_at) > now() + interval '1 minute'")
    assert lasts == [{"id": held.id}]
    assert other.id != held.id


async def test_postponed_rows_come_when_they_are_due(
    database: Database, all_tenants: Database, rows: "Rows"
) -> None:
    await ask(database, "1", "2")
    works = await take(all_tenants)
    async with database.tenant(BERLIN) as session:
        counted, uncounted = LATER, Postpone(timedelta(seconds=30), "pausiert", counts=False)
        await work_store.postpone(session, [(works[0], counted), (works[1], uncounted)])
    assert await take(all_tenants) == []
    async with all_tenants.unbound() as session:
        assert await work_store.turns(session, "to_ameise") == []
        assert 25 < (await work_store.seconds_until_next(session, "to_ameise") or 0) <= 30
    assert [(row["attempts"], row["reason"]) for row in rows.work()] == [(1, "später"), (0, "pausiert")]
    assert [row["failing_since"] is None for row in rows.work()] == [False, True]


async def test_the_queue_says_who_waits_and_what_is_most_urgent(
    database: Database, all_tenants: Database
) -> None:
    await ask(database, "1", lane=Lane.AFTER_CHUNK)
    await ask(database, "2", lane=Lane.CHUNK)
    await ask(database, "3", tenant=WIEN)
    async with all_tenants.unbound() as session:
        turns = await work_store.turns(session, "to_ameise")
    assert set(turns) == {Turn(BERLIN, ONE, Lane.CHUNK), Turn(WIEN, ONE, Lane.WEBHOOK)}
    assert [work.object for work in await take(all_tenants, count=1)] == ["2"]


async def test_a_retry_by_a_person_goes_first(
    database: Database, all_tenants: Database, rows: "Rows"
) -> None:
    await ask(database, "1", "2")
    works = {work.object: work for work in await take(all_tenants)}
    async with database.tenant(BERLIN) as session:
        await work_store.park(session, works["2"], Park(ParkedCause.RULE_UNDECIDED))
        await work_store.postpone(session, [(works["1"], Postpone(timedelta(0), "gleich"))])
        [retried] = await parked_store.lock(session, [works["2"].id])
        assert retried["object"] == "2"
        await parked_store.make_due(session, [retried["id"]], lane=Lane.INTERACTIVE)
    assert [work.object for work in await take(all_tenants, count=1)] == ["2"]
    async with database.tenant(WIEN) as session:
        assert await parked_store.lock(session, [works["1"].id]) == []


async def test_another_tenants_work_is_out_of_sight(database: Database) -> None:
    await ask(database, "4711")
    async with database.tenant(WIEN) as session:
        assert await fetch_all(session, "SELECT * FROM work") == []
    with pytest.raises(DBAPIError, match="no tenant is set"):
        async with database.unbound() as session:
            await fetch_all(session, "SELECT * FROM work")


@pytest.mark.parametrize("table", ["pipeline", "link", "work", "intent", "judged"])
def test_every_table_is_under_row_level_security(rows: "Rows", table: str) -> None:
    [row] = rows.select(
        "SELECT relrowsecurity AND relforcerowsecurity AS held FROM pg_class WHERE relname = %s", table
    )
    assert row["held"]


async def test_webhooks_that_come_together_become_one_row_per_record_each_with_its_own_cause(
    database: Database, all_tenants: Database
) -> None:
    causes = {str(n): Cause(BERLIN, ActorKind.ZOHO, "zoho", new_id(), new_id()) for n in range(3)}
    async with database.tenant(BERLIN) as session:
        await work_store.intake(
            session, BERLIN, pipeline=ONE, direction="to_ameise", lane=Lane.WEBHOOK, objects=causes
        )

    works = await take(all_tenants)

    assert {work.object: work.correlationid for work in works} == {
        object_: cause.correlationid for object_, cause in causes.items()
    }
