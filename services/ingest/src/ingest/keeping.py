"""Keeps a lease while a long work goes on under it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from chassis import leases
from chassis.database import Database, is_unreachable
from chassis.leases import Lease, LeaseLost


@asynccontextmanager
async def kept(database: Database, lease: Lease, *, lasting: timedelta) -> AsyncGenerator[None]:
    """Extend the lease while the block runs; give it back after, unless the block raises."""

    async def extend() -> None:
        while True:
            await asyncio.sleep(lasting.total_seconds() / 3)
            try:
                async with database.tenant(lease.tenant) as session:
                    await leases.extend(session, lease, lasting=lasting)
            except LeaseLost:
                return  # the block finds out before it commits
            except Exception as error:
                if not is_unreachable(error):
                    raise

    task = asyncio.create_task(extend())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    async with database.tenant(lease.tenant) as session:
        await leases.give_back(session, lease)
