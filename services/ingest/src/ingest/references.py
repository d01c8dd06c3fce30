# ruff: noqa: S608 (tables are an enum, columns are identifiers by the format's own check)
"""References that point nowhere: a Vertrag without Kunde, an unknown Sparte. They are warnings.

A key is somewhere if the delivery brings it, or if it is stored and the delivery does not remove it. A row
that points nowhere keeps no hash of its line, so that each delivery reads it and says so again.
"""

from collections.abc import Mapping

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import fetch_all, run_sql
from contracts.ids import TenantId
from contracts.names import Table
from ingest import store
from ingest.judging import KEPT_PROBLEMS
from ingest.problems import Problem, Rule
from ingest.reading import ReadDelivery
from ingest.staging import Staged
from ingest.table_format import Column, Format


async def report_dangling(
    session: AsyncSession,
    read: ReadDelivery,
    staged: Mapping[Table, Staged],
    form: Format,
    *,
    tenant: TenantId,
) -> None:
    """Add to `read` a problem for each row that points nowhere, and a note for each column with such rows;
    fill `dangling_<table>` with stored rows that begin to. After all tables were compared, before the merge.
    What points to a table that never came is not judged.
    """
    ever = {*read.tables, *await store.delivered_tables(session, tenant)}
    for table in staged:
        await run_sql(
            session, f'CREATE TEMPORARY TABLE dangling_{table} (key text COLLATE "C") ON COMMIT DROP'
        )
        for column in form[table].columns:
            if column.points_to in ever and column.name in read.tables[table].delivered:
                await _report(session, read, staged, table, column, tenant)


async def _report(
    session: AsyncSession,
    read: ReadDelivery,
    staged: Mapping[Table, Staged],
    table: Table,
    column: Column,
    tenant: TenantId,
) -> None:
    lines = await _of_incoming(session, read, table, column, tenant)
    if column.points_to in staged:
        lines += await _of_known(session, staged[table], table, column, tenant)
    if lines:
        read.notes.append(f"{table}.{column.name} zeigt in {len(lines)} Zeilen ins Leere")
        file = read.tables[table].file
        said = [
            Problem(file, Rule.POINTS_NOWHERE, row, column.name, line) for row, line in lines[:KEPT_PROBLEMS]
        ]
        read.tables[table] = read.tables[table].with_problems(said, len(lines))


async def _of_incoming(
    session: AsyncSession, read: ReadDelivery, table: Table, column: Column, tenant: TenantId
) -> list[tuple[int | None, int]]:
    """Row and line of the rows read that point nowhere; they lose the hash of their line."""
    target = column.points_to
    there = (
        f"EXISTS (SELECT FROM {target} s WHERE s.tenant = :tenant AND s.key = w.key AND s.gone_since IS NULL)"
    )
    brought = ""
    if delivered := read.tables.get(target) if target else None:
        there += f" AND NOT EXISTS (SELECT FROM delta_{target} d WHERE d.key = w.key AND d.action = 'gone')"
        brought = (
            f" AND NOT EXISTS (SELECT FROM incoming_{target} t WHERE t.key = w.key)"
            " AND NOT w.key = ANY(CAST(:rejected AS text[]))"
        )
    rows = await fetch_all(
        session,
        f"""
        WITH wanted AS (SELECT DISTINCT {column.name} COLLATE "C" AS key FROM incoming_{table}
                        WHERE {column.name} IS NOT NULL),
        nowhere AS MATERIALIZED (SELECT key FROM wanted w WHERE NOT ({there}){brought}),
        found AS (UPDATE incoming_{table} i SET row_hash = NULL FROM nowhere n WHERE i.{column.name} = n.key
                  RETURNING i.row, i.line)
        SELECT row, line FROM found ORDER BY row
        """,
        tenant=tenant,
        **({"rejected": list(delivered.rejected_keys)} if delivered else {}),
    )
    return [(row["row"], row["line"]) for row in rows]


async def _of_known(
    session: AsyncSession, staged: Staged, table: Table, column: Column, tenant: TenantId
) -> list[tuple[int | None, int]]:
    """The same of rows whose lines are known: their target goes with this delivery."""
    rows = await fetch_all(
        session,
        f"""
        WITH found AS (
            INSERT INTO dangling_{table}
            SELECT s.key FROM {table} s JOIN delta_{column.points_to} d ON d.key = s.{column.name}
            WHERE s.tenant = :tenant AND s.gone_since IS NULL AND d.action = 'gone'
              AND NOT EXISTS (SELECT FROM unseen_{table} u WHERE u.key = s.key)
            RETURNING key
        )
        SELECT replace(CAST(s.row_hash AS text), '-', '') AS hash
        FROM found JOIN {table} s ON s.tenant = :tenant AND s.key = found.key
        """,
        tenant=tenant,
    )
    return [(None, line) for line in sorted(staged.known.lines_of(row["hash"] for row in rows).values())]
