# ruff: noqa: S608 (tables are an enum, columns are identifiers by the format's own check)
"""Compares the tables of a delivery with what is stored, and merges them: sets of rows, in SQL.

Each table goes by COPY into a temporary table (COPY does not work into tables with row-level security);
one anti-join finds what is new, changed or gone, and only these rows are written. An unknown cell keeps
the stored value and is no difference; nor is a column of `extra` that the file does not have. Everything
happens in the caller's transaction.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from psycopg import AsyncConnection, sql
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import fetch_all, run_sql
from contracts.events import TableCounts
from contracts.ids import TenantId, Uuid
from contracts.rpc.ingest_format import ColumnType
from ingest.history import remember_changes
from ingest.table_format import TableFormat

if TYPE_CHECKING:
    from ingest.reading import ReadTable

COPY_ROWS = 50_000
"""Rows in memory as CSV at a time."""

SQL_TYPES: Mapping[ColumnType, str] = {
    ColumnType.TEXT: "text",
    ColumnType.DATE: "date",
    ColumnType.DECIMAL: "numeric(18, 2)",
    ColumnType.BOOLEAN: "boolean",
    ColumnType.TIMESTAMP: "timestamp",
}


async def stage(
    session: AsyncSession, read: "ReadTable", definition: TableFormat, loaded: Callable[[int], None]
) -> None:
    """Load what was delivered into the temporary table `incoming_<table>`; tells `loaded` how many rows."""
    name = f"incoming_{definition.table}"
    columns = ", ".join(f"{column.name} {SQL_TYPES[column.type]}" for column in definition.columns)
    await run_sql(
        session,
        f"CREATE TEMPORARY TABLE {name} (key text NOT NULL, {columns}, extra jsonb NOT NULL, "
        "unknown text[] NOT NULL, row_hash text NOT NULL) ON COMMIT DROP",
    )
    raw = await (await session.connection()).get_raw_connection()
    connection = raw.driver_connection
    assert isinstance(connection, AsyncConnection)
    into = sql.SQL("COPY {} FROM STDIN (FORMAT csv)").format(sql.Identifier(name))
    async with cast("AsyncConnection[Any]", connection).cursor() as cursor, cursor.copy(into) as copy:
        for number, part in enumerate(read.frame.iter_slices(COPY_ROWS)):
            await copy.write(part.write_csv(include_header=False))
            loaded(number * COPY_ROWS + part.height)
    await run_sql(session, f"ANALYZE {name}")


async def compare(
    session: AsyncSession,
    read: "ReadTable",
    definition: TableFormat,
    *,
    tenant: TenantId,
    whole: bool,
    left_out: int,
) -> TableCounts:
    """Put the keys that differ into the temporary table `delta_<table>` (key, action, back) and count them.

    `action` is new (with `back`: it was gone before), changed or gone. The key of a rejected row is not gone;
    and nothing is in a table that did not come `whole`. `left_out` rows were taken out after loading.
    """
    table = definition.table
    differs = " OR ".join(
        f"(NOT '{name}' = ANY(i.unknown) "
        f"AND (i.{name} IS DISTINCT FROM s.{name} OR '{name}' = ANY(s.unknown)))"
        for name in definition.names
    )
    # One hash join over (tenant, key); rows with equal hashes are passed by without comparing columns.
    await run_sql(
        session,
        f"""
        CREATE TEMPORARY TABLE delta_{table} ON COMMIT DROP AS
        SELECT i.key,
               CASE WHEN s.key IS NULL OR s.gone_since IS NOT NULL THEN 'new' ELSE 'changed' END AS action,
               s.gone_since IS NOT NULL AS back
        FROM incoming_{table} i LEFT JOIN {table} s ON s.tenant = :tenant AND s.key = i.key
        WHERE s.key IS NULL OR s.gone_since IS NOT NULL
           OR (s.row_hash <> i.row_hash AND (s.extra || i.extra <> s.extra OR {differs}))
        """,
        tenant=tenant,
    )
    if whole:
        await run_sql(
            session,
            f"""
            INSERT INTO delta_{table} (key, action, back)
            SELECT s.key, 'gone', false FROM {table} s
            WHERE s.tenant = :tenant AND s.gone_since IS NULL
              AND NOT EXISTS (SELECT FROM incoming_{table} i WHERE i.key = s.key)
              AND NOT s.key = ANY(CAST(:rejected AS text[]))
            """,
            tenant=tenant,
            rejected=list(read.rejected_keys),
        )
    await run_sql(session, f"ANALYZE delta_{table}")
    rows = await fetch_all(session, f"SELECT action, count(*) AS n FROM delta_{table} GROUP BY action")
    by_action: dict[str, int] = {row["action"]: row["n"] for row in rows}
    new, changed = by_action.get("new", 0), by_action.get("changed", 0)
    return TableCounts(
        new=new,
        changed=changed,
        unchanged=read.rows - left_out - new - changed,
        gone=by_action.get("gone", 0),
        rejected=read.rejected,
        stopped=left_out,
    )


async def apply(
    session: AsyncSession, definition: TableFormat, *, tenant: TenantId, delivery: Uuid, now: datetime
) -> None:
    """Write the rows of `delta_<table>`, and what they replace into the history."""
    await remember_changes(session, definition, tenant=tenant, delivery=delivery, now=now)
    table, names = definition.table, definition.names
    columns = ", ".join(names)
    incoming = ", ".join(f"i.{name}" for name in names)
    # What was known once stays known: the stored value is kept.
    kept = ", ".join(
        f"{name} = CASE WHEN '{name}' = ANY(excluded.unknown) THEN s.{name} ELSE excluded.{name} END"
        for name in names
    )
    await run_sql(
        session,
        f"""
        INSERT INTO {table} AS s
            (tenant, key, {columns}, extra, unknown, row_hash, first_seen, changed_at, gone_since)
        SELECT :tenant, i.key, {incoming}, i.extra, i.unknown, i.row_hash, :now, :now, NULL
        FROM incoming_{table} i JOIN delta_{table} d ON d.key = i.key
        ON CONFLICT (tenant, key) DO UPDATE SET {kept},
            extra = s.extra || excluded.extra,
            unknown = ARRAY(SELECT unnest(s.unknown) INTERSECT SELECT unnest(excluded.unknown) ORDER BY 1),
            row_hash = excluded.row_hash, changed_at = excluded.changed_at, gone_since = NULL
        """,
        tenant=tenant,
        now=now,
    )
    await run_sql(
        session,
        f"""
        UPDATE {table} s SET gone_since = :now, changed_at = :now
        FROM delta_{table} d WHERE d.action = 'gone' AND s.tenant = :tenant AND s.key = d.key
        """,
        tenant=tenant,
        now=now,
    )
