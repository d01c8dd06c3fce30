# ruff: noqa: S608 (tables are an enum, columns are ours)
"""Leaves Kunden on the stop list out of a delivery, right after it was loaded."""

from collections.abc import Collection
from typing import Any, cast

from psycopg import AsyncConnection
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import run_sql
from contracts.ids import TenantId
from contracts.names import Table
from ingest.stop_list import StopList

KUNDE_COLUMN = {
    Table.KUNDE: "ameise_id",
    Table.KUNDENKOMMUNIKATION: "kunde_id",
    Table.KUNDENDETAIL: "kunde_id",
    Table.VERTRAG: "kunde_id",
}
"""The tables that hold rows about one Kunde, and where they say about whom."""

KEYS_AT_ONCE = 50_000


async def leave_out(
    session: AsyncSession, table: Table, stop_list: StopList, stopped: Collection[str], tenant: TenantId
) -> int:
    """Delete the rows of `stopped` Kunden from `incoming_<table>`; returns how many."""
    column = KUNDE_COLUMN.get(table)
    if column is None or not stopped:
        return 0
    found = await _found(session, table, column, stop_list, stopped, tenant)
    if not found:
        return 0
    return await run_sql(
        session,
        f"DELETE FROM incoming_{table} WHERE {column} = ANY(CAST(:found AS text[]))",
        found=found,
    )


async def _found(
    session: AsyncSession,
    table: Table,
    column: str,
    stop_list: StopList,
    stopped: Collection[str],
    tenant: TenantId,
) -> list[str]:
    """The key stays here: it must not travel to the database that the list shall outlive."""
    raw = await (await session.connection()).get_raw_connection()
    connection = cast("AsyncConnection[Any]", raw.driver_connection)
    found: set[str] = set()
    async with connection.cursor(name="stopping") as cursor:
        await cursor.execute(f"SELECT {column} FROM incoming_{table} WHERE {column} IS NOT NULL".encode())
        while rows := await cursor.fetchmany(KEYS_AT_ONCE):
            found.update(row[0] for row in rows if stop_list.hash_of(tenant, row[0]) in stopped)
    return sorted(found)
