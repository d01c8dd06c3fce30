"""Leases: the right to work on a named thing, across replicas, without an open transaction.

A lease has an owner, an end and a fencing number. It is taken and extended in short transactions; its
holder checks it right before an outside call and again in the transaction that stores the result.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import Database, fetch_all, is_unreachable, run_sql
from chassis.deadline import end
from contracts.ids import TenantId

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class LeaseLost(Exception):  # noqa: N818
    """Somebody else holds the thing now: whatever we meant to store must not be stored."""


@dataclass(frozen=True, slots=True)
class Lease:
    """`fence` grows with every change of owner; `until` is UTC by PostgreSQL's clock."""

    tenant: TenantId
    name: str
    owner: str
    fence: int
    until: datetime


_TAKE = """
INSERT INTO lease AS l (tenant, name, owner, until, fence)
VALUES (:tenant, :name, :owner, now() + make_interval(secs => :seconds), 1)
ON CONFLICT (tenant, name) DO UPDATE
SET owner = excluded.owner, until = excluded.until, fence = l.fence + 1
WHERE l.until < now() OR l.owner = excluded.owner
RETURNING fence, until
"""


async def take(
    session: AsyncSession, tenant: TenantId, name: str, *, owner: str, lasting: timedelta
) -> Lease | None:
    """Take the lease if it is free, over, or ours already; None if another owner has it."""
    rows = await fetch_all(
        session, _TAKE, tenant=tenant, name=name, owner=owner, seconds=lasting.total_seconds()
    )
    return Lease(tenant, name, owner, rows[0]["fence"], rows[0]["until"]) if rows else None


async def extend(session: AsyncSession, lease: Lease, *, lasting: timedelta) -> None:
    """Hold on to it for `lasting` from now. Raises LeaseLost."""
    changed = await run_sql(
        session,
        "UPDATE lease SET until = now() + make_interval(secs => :seconds) "
        "WHERE tenant = :tenant AND name = :name AND owner = :owner AND fence = :fence",
        seconds=lasting.total_seconds(), tenant=lease.tenant, name=lease.name, owner=lease.owner,
        fence=lease.fence,
    )  # fmt: skip
    if not changed:
        raise LeaseLost(lease.name)


async def check(session: AsyncSession, lease: Lease) -> None:
    """Lock the lease's row and make sure it is still ours. Raises LeaseLost."""
    rows = await fetch_all(
        session,
        "SELECT 1 AS ok FROM lease WHERE tenant = :tenant AND name = :name AND owner = :owner "
        "AND fence = :fence AND until > now() FOR UPDATE",
        tenant=lease.tenant, name=lease.name, owner=lease.owner, fence=lease.fence,
    )  # fmt: skip
    if not rows:
        raise LeaseLost(lease.name)


async def give_back(session: AsyncSession, lease: Lease) -> None:
    """End the lease now; nothing happens if it was lost."""
    await run_sql(
        session,
        "UPDATE lease SET until = '-infinity' "
        "WHERE tenant = :tenant AND name = :name AND owner = :owner AND fence = :fence",
        tenant=lease.tenant, name=lease.name, owner=lease.owner, fence=lease.fence,
    )  # fmt: skip


@asynccontextmanager
async def extended(database: Database, lease: Lease, *, lasting: timedelta) -> AsyncGenerator[None]:
    """Extend the lease for as long as the block runs. That it was lost, the block finds out by `check`."""
    task = asyncio.create_task(_extend_for_ever(database, lease, lasting), name=f"lease:{lease.name}")
    try:
        yield
    finally:
        await end(task)


async def _extend_for_ever(database: Database, lease: Lease, lasting: timedelta) -> None:
    while True:
        await asyncio.sleep(lasting.total_seconds() / 3)
        try:
            async with database.tenant(lease.tenant) as session:
                await extend(session, lease, lasting=lasting)
        except LeaseLost:
            return
        except Exception as error:
            away = is_unreachable(error)
            log.warning("lease.not_extended", lease=lease.name, error=type(error).__name__, exc_info=not away)
