# ruff: noqa: S608 (tables are an enum, columns are identifiers by the format's own check)
"""References that point nowhere: a Vertrag without Kunde, an unknown Sparte. They are warnings.

A key is somewhere if the delivery brings it, or if it is stored and the delivery does not remove it. A row
keeps the hash of its line only while all that it points to is stored: so each delivery reads the others and
says again which of them point nowhere.
"""

from collections.abc import Mapping, Sequence

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import fetch_all, run_sql
from contracts.ids import TenantId
from contracts.names import Table
from ingest import store
from ingest.judging import KEPT_PROBLEMS
from ingest.problems import Problem, Rule
from ingest.reading import ReadDelivery, ReadTable
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
    fill `dangling` (table_name, column_name, key) with stored rows that begin to, of whatever table: it need
    not come in this delivery. After all tables were compared, before the merge. What points to a table that
    never came is not judged.
    """
    before = await store.delivered_tables(session, tenant)
    await run_sql(
        session,
        "CREATE TEMPORARY TABLE dangling (table_name text, column_name text, key text COLLATE "
        '"C") ON COMMIT DROP',
    )
    nothing_stored = {table for table, found in staged.items() if found.is_first}
    for definition in form.tables:
        if definition.table in nothing_stored:
            continue
        for column in definition.columns:
            if column.points_to in staged:
                is_new = column.points_to not in before
                await _note_stored(session, definition.table, column, tenant, target_is_new=is_new)
    for table in staged:
        if not read.tables[table].rows:
            continue
        for column in form[table].columns:
            if column.points_to in {*read.tables, *before} and column.name in read.tables[table].delivered:
                await _report(session, read, staged, table, column, tenant)


async def _note_stored(
    session: AsyncSession, table: Table, column: Column, tenant: TenantId, *, target_is_new: bool
) -> None:
    """Stored rows whose target goes with this delivery; or, where the table that they point to comes for the
    first time, is not among its rows."""
    target, name = column.points_to, column.name
    nowhere = f"EXISTS (SELECT FROM delta_{target} d WHERE d.key = s.{name} AND d.action = 'gone')"
    if target_is_new:
        nowhere = (
            f"s.{name} IS NOT NULL AND NOT EXISTS (SELECT FROM incoming_{target} i WHERE i.key = s.{name})"
        )
    await run_sql(
        session,
        f"INSERT INTO dangling SELECT '{table}', '{name}', s.key FROM {table} s "
        f"WHERE s.tenant = :tenant AND s.gone_since IS NULL AND {nowhere}",
        tenant=tenant,
    )


async def _report(
    session: AsyncSession,
    read: ReadDelivery,
    staged: Mapping[Table, Staged],
    table: Table,
    column: Column,
    tenant: TenantId,
) -> None:
    target = read.tables.get(column.points_to) if column.points_to else None
    rejected = target.rejected_keys if target else ()
    lines = await _of_incoming(
        session, read.tables[table], column, tenant, target_comes=bool(target), rejected=rejected
    )
    lines += await _of_known(session, staged[table], table, column, tenant, rejected=rejected)
    if lines:
        read.notes.append(f"{table}.{column.name} zeigt in {len(lines)} Zeilen ins Leere")
        file = read.tables[table].file
        said = [
            Problem(file, Rule.POINTS_NOWHERE, row, column.name, line) for row, line in lines[:KEPT_PROBLEMS]
        ]
        read.tables[table] = read.tables[table].with_problems(said, len(lines))


async def _of_incoming(
    session: AsyncSession,
    read: ReadTable,
    column: Column,
    tenant: TenantId,
    *,
    target_comes: bool,
    rejected: Sequence[str],
) -> list[tuple[int | None, int]]:
    """Row and line of the rows read that point nowhere. They lose the hash of their line; so do those that
    point to a `rejected` row, which may not come again."""
    table, target, targets = read.table, column.points_to, read.targets.get(column.name)
    wanted = (
        'SELECT unnest(CAST(:targets AS text[])) COLLATE "C" AS key'
        if targets is not None
        else f'SELECT DISTINCT {column.name} COLLATE "C" AS key FROM incoming_{table} '
        f"WHERE {column.name} IS NOT NULL"
    )
    there = (
        f"EXISTS (SELECT FROM {target} s WHERE s.tenant = :tenant AND s.key = w.key AND s.gone_since IS NULL)"
    )
    brought = ""
    if target_comes:
        there += f" AND NOT EXISTS (SELECT FROM delta_{target} d WHERE d.key = w.key AND d.action = 'gone')"
        brought = f" AND NOT EXISTS (SELECT FROM incoming_{target} t WHERE t.key = w.key)"
    rows = await fetch_all(
        session,
        f"""
        WITH wanted AS ({wanted}),
        nowhere AS MATERIALIZED (SELECT key FROM wanted w WHERE NOT ({there}){brought}),
        found AS (UPDATE incoming_{table} i SET row_hash = NULL FROM nowhere n WHERE i.{column.name} = n.key
                  RETURNING i.row, i.line, n.key)
        SELECT row, line FROM found WHERE NOT key = ANY(CAST(:rejected AS text[])) ORDER BY row
        """,
        tenant=tenant,
        rejected=list(rejected),
        targets=list(targets or ()),
    )
    return [(row["row"], row["line"]) for row in rows]


async def _of_known(
    session: AsyncSession,
    staged: Staged,
    table: Table,
    column: Column,
    tenant: TenantId,
    *,
    rejected: Sequence[str],
) -> list[tuple[int | None, int]]:
    """The same of rows whose lines are known."""
    if not staged.known.count:
        return []
    rows = await fetch_all(
        session,
        f"""
        SELECT replace(CAST(s.row_hash AS text), '-', '') AS hash
        FROM dangling d JOIN {table} s ON s.tenant = :tenant AND s.key = d.key
        WHERE d.table_name = '{table}' AND d.column_name = '{column.name}'
          AND NOT s.{column.name} = ANY(CAST(:rejected AS text[]))
          AND NOT EXISTS (SELECT FROM unseen_{table} u WHERE u.key = s.key)
        """,
        tenant=tenant,
        rejected=list(rejected),
    )
    return [(None, line) for line in sorted(staged.known.lines_of(row["hash"] for row in rows).values())]
