"""The queries of auth, named by the question. Every one runs in the caller's transaction."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from auth.tables import ConnectionRow, SignInRow
from chassis.database import fetch_all, run_sql
from contracts.ids import TenantId, Uuid
from contracts.names import System
from contracts.rpc.auth import ConnectionState


async def connections(session: AsyncSession) -> list[ConnectionRow]:
    """All connections of the session's tenant, oldest first."""
    rows = await session.exec(select(ConnectionRow).order_by(col(ConnectionRow.created_at)))
    return list(rows)


async def connection(session: AsyncSession, id_: str) -> ConnectionRow | None:
    """One connection of the session's tenant."""
    rows = await session.exec(select(ConnectionRow).where(ConnectionRow.id == id_))
    return rows.one_or_none()


async def locked_connection(session: AsyncSession, id_: str) -> ConnectionRow | None:
    """The same, locked until the transaction ends."""
    rows = await session.exec(select(ConnectionRow).where(ConnectionRow.id == id_).with_for_update())
    return rows.one_or_none()


async def locked_connection_of_account(
    session: AsyncSession, system: System, account: str
) -> ConnectionRow | None:
    """The connection of the session's tenant that leads to an account, locked."""
    rows = await session.exec(
        select(ConnectionRow)
        .where(ConnectionRow.system == system, ConnectionRow.account == account)
        .with_for_update()
    )
    return rows.one_or_none()


async def locked_sign_in(session: AsyncSession, state_hash: bytes) -> SignInRow | None:
    """The sign-in that a state belongs to, if it is the session's tenant's; locked."""
    rows = await session.exec(select(SignInRow).where(SignInRow.state_hash == state_hash).with_for_update())
    return rows.one_or_none()


@dataclass(frozen=True, slots=True)
class Due:
    """A connection whose token of a generation runs out."""

    tenant: TenantId
    connection: Uuid
    generation: int


async def due_for_renewal(session: AsyncSession, now: datetime, *, limit: int) -> list[Due]:
    """Of all tenants, the most urgent first; those that wait after a failure are left out."""
    rows = await fetch_all(
        session,
        "SELECT tenant, id::text AS id, generation FROM connection "
        "WHERE state = :active AND renew_at <= :now AND (not_before IS NULL OR not_before <= :now) "
        "ORDER BY renew_at LIMIT :limit",
        active=ConnectionState.ACTIVE.value, now=now, limit=limit,
    )  # fmt: skip
    return [Due(TenantId(row["tenant"]), Uuid(row["id"]), row["generation"]) for row in rows]


async def forget_abandoned(session: AsyncSession, before: datetime) -> int:
    """Delete, of all tenants, sign-ins that expired before a moment and connections that never came to be.

    No event tells it: neither ever had an effect. Returns the number of connections.
    """
    await run_sql(session, "DELETE FROM sign_in WHERE expires_at < :before", before=before)
    return await run_sql(
        session,
        "DELETE FROM connection c WHERE state = :connecting AND created_at < :before "
        "AND NOT EXISTS (SELECT 1 FROM sign_in s WHERE s.connection = c.id AND s.tenant = c.tenant)",
        connecting=ConnectionState.CONNECTING.value, before=before,
    )  # fmt: skip
