"""One at a time across replicas: a named lease that is extended for as long as its holder is at work."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from chassis import leases
from chassis.database import Database
from chassis.deadline import end
from chassis.leases import Lease, LeaseLost
from contracts.ids import TenantId, new_id

log: structlog.stdlib.BoundLogger = structlog.get_logger()


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
    keeper = asyncio.create_task(_keep(database, lease, lasting))
    try:
        yield lease
    finally:
        await end(keeper)
        async with database.tenant(tenant) as session:
            await leases.give_back(session, lease)


async def _keep(database: Database, lease: Lease, lasting: timedelta) -> None:
    while True:
        await asyncio.sleep(lasting.total_seconds() / 3)
        try:
            async with database.tenant(lease.tenant) as session:
                await leases.extend(session, lease, lasting=lasting)
        except LeaseLost:
            return  # the next check says so to whom it concerns
        except (SQLAlchemyError, OSError) as error:
            log.warning("leases.not_extended", lease=lease.name, error=type(error).__name__)
