# ruff: noqa: S608 (tables are an enum, columns are identifiers by the format's own check)
"""Compares what was staged of a delivery with what is stored, and merges it: sets of rows, in SQL.

Only rows that differ are written. An unknown cell keeps the stored value and is no difference; nor is a
column of `extra` that the file does not have. Everything happens in the caller's transaction.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import fetch_all, run_sql
from contracts.events import TableCounts
from contracts.ids import TenantId, Uuid
from contracts.names import Table
from ingest.composing import OBJECT_TABLES, versioned_sql
from ingest.history import remember_changes
from ingest.table_format import Format, TableFormat

if TYPE_CHECKING:
    from ingest.reading import ReadTable


async def compare(
    session: AsyncSession,
    read: "ReadTable",
    definition: TableFormat,
    *,
    tenant: TenantId,
    is_first: bool,
    whole: bool,
    left_out: int,
) -> TableCounts:
    """Make `delta_<table>` (key, action, back) of the keys that differ, and count them.

    `action` is new (with `back`: it was gone before), changed or gone. The key of a rejected row is not gone;
    and nothing is in a table that did not come `whole`. `left_out` rows were taken out after staging;
    `is_first`: nothing of the table was ever stored.
    """
    if is_first:
        await _call_all_new(session, definition)
        by_action = {"new": read.rows - left_out}
    else:
        await _find_differing(session, definition, tenant)
        if whole:
            await _find_gone(session, read, definition, tenant)
        await run_sql(session, f"ANALYZE delta_{definition.table}")
        rows = await fetch_all(
            session, f"SELECT action, count(*) AS n FROM delta_{definition.table} GROUP BY action"
        )
        by_action = {row["action"]: row["n"] for row in rows}
    new, changed = by_action.get("new", 0), by_action.get("changed", 0)
    return TableCounts(
        new=new,
        changed=changed,
        unchanged=read.rows - left_out - new - changed,
        gone=by_action.get("gone", 0),
        rejected=read.rejected,
        stopped=left_out,
    )


async def _call_all_new(session: AsyncSession, definition: TableFormat) -> None:
    table = definition.table
    await run_sql(
        session,
        f"CREATE TEMPORARY VIEW delta_{table} AS "
        f"SELECT key, CAST('new' AS text) AS action, false AS back FROM incoming_{table}",
    )


async def _find_differing(session: AsyncSession, definition: TableFormat, tenant: TenantId) -> None:
    table = definition.table
    differs = " OR ".join(
        f"(NOT '{name}' = ANY(i.unknown) "
        f"AND (i.{name} IS DISTINCT FROM s.{name} OR '{name}' = ANY(s.unknown)))"
        for name in definition.names
    )
    await run_sql(
        session,
        f"""
        CREATE TEMPORARY TABLE delta_{table} ON COMMIT DROP AS
        SELECT i.key,
               CASE WHEN s.key IS NULL OR s.gone_since IS NOT NULL THEN 'new' ELSE 'changed' END AS action,
               s.gone_since IS NOT NULL AS back
        FROM incoming_{table} i LEFT JOIN {table} s ON s.tenant = :tenant AND s.key = i.key
        WHERE s.key IS NULL OR s.gone_since IS NOT NULL OR s.extra || i.extra <> s.extra OR {differs}
        """,
        tenant=tenant,
    )


async def _find_gone(
    session: AsyncSession, read: "ReadTable", definition: TableFormat, tenant: TenantId
) -> None:
    table = definition.table
    await run_sql(
        session,
        f"""
        INSERT INTO delta_{table} (key, action, back)
        SELECT u.key, 'gone', false
        FROM unseen_{table} u JOIN {table} s ON s.tenant = :tenant AND s.key = u.key
        WHERE NOT EXISTS (SELECT FROM incoming_{table} i WHERE i.key = u.key)
          AND NOT u.key = ANY(CAST(:rejected AS text[]))
        """,
        tenant=tenant,
        rejected=list(read.rejected_keys),
    )


async def write_first(
    session: AsyncSession,
    form: Format,
    definition: TableFormat,
    *,
    tenant: TenantId,
    delivery: Uuid,
    now: datetime,
) -> None:
    """Write all rows of a table that had none, objects with their versions: to write a million rows and then
    change each takes twice as long. The parts of the objects and the lists must be written already."""
    table = definition.table
    columns = (*definition.names, "extra", "unknown", "row_hash")
    source, about_version, versions = f"SELECT * FROM incoming_{table}", "", ""
    if table in OBJECT_TABLES:
        source = versioned_sql(form, table, columns)
        about_version, versions = ", version, versioned_at, versioned_by", ", version, :now, :delivery"
    await run_sql(
        session,
        f"INSERT INTO {table} (tenant, key, {', '.join(columns)}, first_seen, changed_at{about_version}) "
        f"SELECT :tenant, key, {', '.join(columns)}, :now, :now{versions} FROM ({source}) i",
        tenant=tenant,
        now=now,
        **({"delivery": delivery} if versions else {}),
    )


async def apply(
    session: AsyncSession, definition: TableFormat, *, tenant: TenantId, delivery: Uuid, now: datetime
) -> None:
    """Write the rows of `delta_<table>`, and what they replace into the history."""
    await remember_changes(session, definition, tenant=tenant, delivery=delivery, now=now)
    table, names = definition.table, definition.names
    await run_sql(
        session,
        f"""
        INSERT INTO {table}
            (tenant, key, {", ".join(names)}, extra, unknown, row_hash, first_seen, changed_at)
        SELECT :tenant, i.key, {", ".join(f"i.{name}" for name in names)}, i.extra, i.unknown, i.row_hash,
               :now, :now
        FROM incoming_{table} i JOIN delta_{table} d ON d.key = i.key WHERE d.action = 'new' AND NOT d.back
        """,
        tenant=tenant,
        now=now,
    )
    # What was known once stays known: the stored value is kept.
    kept = ", ".join(
        f"{name} = CASE WHEN '{name}' = ANY(i.unknown) THEN s.{name} ELSE i.{name} END" for name in names
    )
    await run_sql(
        session,
        f"""
        UPDATE {table} s SET {kept}, extra = s.extra || i.extra,
            unknown = ARRAY(SELECT unnest(s.unknown) INTERSECT SELECT unnest(i.unknown) ORDER BY 1),
            row_hash = i.row_hash, changed_at = :now, gone_since = NULL
        FROM incoming_{table} i JOIN delta_{table} d ON d.key = i.key
        WHERE (d.action = 'changed' OR d.back) AND s.tenant = :tenant AND s.key = i.key
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


async def remember_lines(session: AsyncSession, definition: TableFormat, *, tenant: TenantId) -> None:
    """Rows that came by another line and say the same, so that they were not written, are known by it next
    time; by none, if that line must be read again."""
    table = definition.table
    await run_sql(
        session,
        f"""
        UPDATE {table} s SET row_hash = i.row_hash FROM incoming_{table} i
        WHERE s.tenant = :tenant AND s.key = i.key AND s.row_hash IS DISTINCT FROM i.row_hash
          AND NOT EXISTS (SELECT FROM delta_{table} d WHERE d.key = i.key)
        """,
        tenant=tenant,
    )


async def forget_lines(session: AsyncSession, *, tenant: TenantId) -> None:
    """Stored rows that now point nowhere are read again, so that it is said again."""
    for row in await fetch_all(session, "SELECT DISTINCT table_name FROM dangling"):
        table = Table(row["table_name"])
        await run_sql(
            session,
            f"""
            UPDATE {table} SET row_hash = NULL WHERE tenant = :tenant AND row_hash IS NOT NULL
              AND key IN (SELECT key FROM dangling WHERE table_name = '{table}')
            """,
            tenant=tenant,
        )
