"""One holder at a time, and a holder that lost it finds out before it does harm."""

import asyncio
from datetime import timedelta

import pytest

from chassis import leases
from chassis.database import Database, run_sql
from chassis.leases import Lease, LeaseLost
from contracts.ids import TenantId

BERLIN, HAMBURG = TenantId("berlin"), TenantId("hamburg")
MINUTE = timedelta(minutes=1)


async def take(database: Database, owner: str, *, lasting: timedelta = MINUTE) -> Lease | None:
    async with database.tenant(BERLIN) as session:
        return await leases.take(session, BERLIN, "kunde:5000000001", owner=owner, lasting=lasting)


async def taken(database: Database, owner: str, *, lasting: timedelta = MINUTE) -> Lease:
    lease = await take(database, owner, lasting=lasting)
    assert lease is not None
    return lease


async def check(database: Database, lease: Lease) -> None:
    async with database.tenant(BERLIN) as session:
        await leases.check(session, lease)


async def end(database: Database) -> None:
    async with database.tenant(BERLIN) as session:
        await run_sql(session, "UPDATE lease SET until = now() - interval '1 ms'")


async def test_a_second_owner_gets_nothing_while_the_first_holds_it(database: Database) -> None:
    lease = await taken(database, "one")
    assert await take(database, "two") is None
    await check(database, lease)


async def test_another_tenants_lease_of_the_same_name_is_another_lease(database: Database) -> None:
    await taken(database, "one")
    async with database.tenant(HAMBURG) as session:
        assert await leases.take(session, HAMBURG, "kunde:5000000001", owner="two", lasting=MINUTE)


async def test_an_ended_lease_passes_on_with_a_higher_fence_and_its_old_holder_is_told(
    database: Database,
) -> None:
    old = await taken(database, "one")
    await end(database)
    with pytest.raises(LeaseLost, match="kunde:5000000001"):
        await check(database, old)
    new = await taken(database, "two")
    assert new.fence > old.fence
    async with database.tenant(BERLIN) as session:
        with pytest.raises(LeaseLost):
            await leases.extend(session, old, lasting=MINUTE)
        await leases.give_back(session, old)
    await check(database, new)


async def test_taking_again_what_is_ours_voids_the_lease_taken_before(database: Database) -> None:
    first = await taken(database, "one")
    second = await taken(database, "one")
    await check(database, second)
    with pytest.raises(LeaseLost):
        await check(database, first)


async def test_an_extended_lease_holds_on(database: Database) -> None:
    lease = await taken(database, "one", lasting=timedelta(0))
    async with database.tenant(BERLIN) as session:
        await leases.extend(session, lease, lasting=MINUTE)
    await check(database, lease)
    assert await take(database, "two") is None


async def test_what_is_given_back_can_be_taken_at_once(database: Database) -> None:
    lease = await taken(database, "one")
    async with database.tenant(BERLIN) as session:
        await leases.give_back(session, lease)
    await taken(database, "two")


async def test_a_check_holds_off_the_next_owner_until_its_transaction_ends(database: Database) -> None:
    lease = await taken(database, "one")
    async with database.tenant(BERLIN) as session:
        await leases.check(session, lease)
        async with database.tenant(BERLIN) as other:
            await run_sql(other, "SET LOCAL lock_timeout = '50ms'")
            blocked = leases.take(other, BERLIN, lease.name, owner="two", lasting=MINUTE)
            with pytest.raises(Exception, match="lock timeout"):
                await blocked
            await other.rollback()


async def test_it_is_extended_for_as_long_as_the_work_lasts_and_no_longer(database: Database) -> None:
    lasting = timedelta(milliseconds=600)
    lease = await taken(database, "one", lasting=lasting)
    async with leases.extended(database, lease, lasting=lasting):
        await asyncio.sleep(2 * lasting.total_seconds())
        assert await take(database, "two") is None
        await check(database, lease)
    await asyncio.sleep(lasting.total_seconds() + 0.2)
    await taken(database, "two")


async def test_work_that_lost_its_lease_goes_on_and_finds_out_by_looking(database: Database) -> None:
    lease = await taken(database, "one")
    await end(database)
    await taken(database, "two")
    async with leases.extended(database, lease, lasting=timedelta(milliseconds=30)):
        await asyncio.sleep(0.1)
        with pytest.raises(LeaseLost):
            await check(database, lease)
