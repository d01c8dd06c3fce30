"""One at a time across replicas: a named lease that is extended for as long as its holder is at work."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

from chassis import leases
from chassis.database import Database
from chassis.leases import Lease
from contracts.ids import TenantId, new_id


@asynccontextmanager
async def alone(
    database: Database, tenant: TenantId, name: str, *, owner: str, lasting: timedelta
) -> AsyncGenerator[Lease | None]:
    """The lease for the time of the block; None if somebody else has it.

    Whoever stores something checks it in the same transaction: a process that was frozen may have lost it.
    """
    async with database.tenant(tenant) as session:
        holder = f"{owner}:{new_id()}"  # of this block alone: two in one process exclude each other too
        lease = await leases.take(session, tenant, name, owner=holder, lasting=lasting)
    if lease is None:
        yield None
        return
    try:
        async with leases.extended(database, lease, lasting=lasting):
            yield lease
    finally:
        async with database.tenant(tenant) as session:
            await leases.give_back(session, lease)
