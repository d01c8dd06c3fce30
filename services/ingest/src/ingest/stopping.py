# ruff: noqa: S608 (tables are an enum, columns are ours)
"""Finds Kunden on the stop list: in a delivery that was loaded, to leave them out, and in what is stored."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import driver_connection, fetch_all, run_sql
from chassis.stop_list import StopList
from contracts.ids import Kundennummer, TenantId
from contracts.names import Table

KUNDE_COLUMN = {
    Table.KUNDE: "ameise_id",
    Table.KUNDENKOMMUNIKATION: "kunde_id",
    Table.KUNDENDETAIL: "kunde_id",
    Table.VERTRAG: "kunde_id",
}
"""The tables that hold rows about one Kunde, and where they say about whom."""

KEYS_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How many rows did not go on, whose they were, and the keys of those that are somebody's unknown: what
    is stored under these is not gone."""

    rows: int
    kunden: frozenset[Kundennummer]
    unclear: tuple[str, ...]


async def leave_out(
    session: AsyncSession, table: Table, stop_list: StopList, stopped: Collection[str], tenant: TenantId
) -> LeftOut:
    """Delete the rows of `stopped` Kunden from `incoming_<table>`, and those that do not say whose they are:
    once stored, a row of somebody forgotten could not be found by his number."""
    column = KUNDE_COLUMN.get(table)
    if column is None or not stopped:
        return LeftOut(0, frozenset(), ())
    query = f"SELECT {column} FROM incoming_{table} WHERE {column} IS NOT NULL"
    found = await _stopped_in(session, query, stop_list, stopped, tenant)
    rows = await run_sql(
        session,
        f"DELETE FROM incoming_{table} WHERE {column} = ANY(CAST(:found AS text[]))",
        found=sorted(found),
    )
    unclear = await fetch_all(session, f"DELETE FROM incoming_{table} WHERE {column} IS NULL RETURNING key")
    return LeftOut(rows + len(unclear), found, tuple(row["key"] for row in unclear))


async def stored_though_stopped(
    session: AsyncSession, stop_list: StopList, tenant: TenantId
) -> frozenset[Kundennummer]:
    """Kunden of whom something is stored, though they are on the stop list."""
    stopped = stop_list.stopped(tenant)
    if not stopped:
        return frozenset()
    query = " UNION ".join(
        f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL" for table, column in KUNDE_COLUMN.items()
    )
    return await _stopped_in(session, query, stop_list, stopped, tenant)


async def _stopped_in(
    session: AsyncSession, query: str, stop_list: StopList, stopped: Collection[str], tenant: TenantId
) -> frozenset[Kundennummer]:
    """The key stays here: it must not travel to the database that the list shall outlive."""
    connection = await driver_connection(session)
    found: set[str] = set()
    async with connection.cursor(name="stopping") as cursor:
        await cursor.execute(query.encode())
        while rows := await cursor.fetchmany(KEYS_AT_ONCE):
            found.update(row[0] for row in rows if stop_list.hash_of(tenant, row[0]) in stopped)
    # On the list are hashes of Kundennummern only, so what fits one is one.
    return frozenset(map(Kundennummer, found))
