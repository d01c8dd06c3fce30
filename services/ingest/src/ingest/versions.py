# ruff: noqa: S608 (tables are an enum, columns are identifiers by the format's own check)
"""Which composed objects a delivery changed: found, versioned, and told, in sets.

1. `find_touched`, before the merge: keys whose composed object may change, because of their own row, of a
   Kontaktdatum or Detail, or of a list entry they refer to; and what those objects looked like before.
2. `compare_versions`, after the merge: composes them again; a version that differs from the stored one is
   stored and put into the temporary table `told_<table>`. (Of a table's first rows all objects are new, and
   are stored with their versions.)
3. `tell`: chunks of at most 100 of these to the outbox, as work for sync and as events.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.cause import Cause
from chassis.database import run_sql
from chassis.outbox import Chunks, Outbox
from contracts.events import ObjectAction, ObjectChange, ObjectsCompared
from contracts.ids import AmeiseKey, TenantId, Uuid, new_id
from contracts.names import Table
from contracts.work import CHUNK_SIZE, KeyVersion, ObjectsChanged
from ingest.composing import (
    CHILDREN_OF_KUNDE,
    GONE_VERSION,
    OBJECT_TABLES,
    field_names,
    values_sql,
)
from ingest.table_format import Format


@dataclass(frozen=True, slots=True)
class Import:
    """The delivery that is being imported, for those who write on its behalf.

    `released`: a person let it pass."""

    tenant: TenantId
    delivery: Uuid
    as_of: datetime
    cause: Cause
    released: bool = False


async def find_touched(
    session: AsyncSession,
    form: Format,
    *,
    tenant: TenantId,
    differing: Collection[Table],
    never_stored: Collection[Table],
    first_whole: Collection[Table],
) -> list[Table]:
    """Fill `touched_<table>` and `before_<table>`; returns the object tables that have any.

    `differing` are the tables with a filled `delta_<table>`; `never_stored` those that may get their first
    rows, which are all new; `first_whole` those that came whole for the first time.
    """
    found: list[Table] = []
    for table in OBJECT_TABLES:
        if table in never_stored:
            continue
        sources = _sources(form, table, differing, first_whole)
        if not sources:
            continue
        await run_sql(
            session,
            f"CREATE TEMPORARY TABLE touched_{table} (key) ON COMMIT DROP AS {' UNION '.join(sources)}",
            **({"tenant": tenant} if ":tenant" in "".join(sources) else {}),
        )
        await run_sql(session, f"ANALYZE touched_{table}")
        before = values_sql(form, table, f"SELECT key FROM touched_{table}", versioned=False)
        await run_sql(
            session, f"CREATE TEMPORARY TABLE before_{table} ON COMMIT DROP AS {before}", tenant=tenant
        )
        await run_sql(session, f"ANALYZE before_{table} (key)")
        found.append(table)
    return found


def _sources(
    form: Format, table: Table, differing: Collection[Table], first_whole: Collection[Table]
) -> list[str]:
    """SELECTs of the keys that may have changed. An unchanged row that refers to a changed list entry
    refers to it before and after, so the stored rows are enough."""
    sources = [f"SELECT key FROM delta_{table}"] if table in differing else []
    sources += [
        f"SELECT s.key FROM {table} s JOIN delta_{column.references} d ON d.key = s.{column.name} "
        "WHERE s.tenant = :tenant AND s.gone_since IS NULL"
        for column in form[table].columns
        if column.references in differing
    ]
    if table is not Table.KUNDE:
        return sources
    for child in CHILDREN_OF_KUNDE:
        if child in first_whole:
            sources.append("SELECT key FROM kunde WHERE tenant = :tenant AND gone_since IS NULL")
        if child in differing:
            sources.append(f"SELECT i.kunde_id FROM incoming_{child} i JOIN delta_{child} d ON d.key = i.key")
            sources.append(
                f"SELECT s.kunde_id FROM {child} s JOIN delta_{child} d ON d.key = s.key "
                "WHERE s.tenant = :tenant"
            )
    if Table.KUNDENDETAILFELD in differing:
        sources.append(
            "SELECT s.kunde_id FROM kundendetail s JOIN delta_kundendetailfeld d ON d.key = s.feld_id "
            "WHERE s.tenant = :tenant"
        )
    return sources


async def compare_versions(
    session: AsyncSession, form: Format, table: Table, current: Import, *, now: datetime
) -> int:
    """Fill `told_<table>` with what changed, store the new versions; returns how many."""
    after = values_sql(form, table, f"SELECT key FROM touched_{table}", versioned=True)
    told = await run_sql(
        session,
        f"""
        CREATE TEMPORARY TABLE told_{table} ON COMMIT DROP AS
        WITH after AS MATERIALIZED ({after})
        SELECT row_number() OVER (ORDER BY s.key) AS position, s.key,
               coalesce(a.version, {GONE_VERSION}) AS version, a.key IS NULL AS gone,
               CASE WHEN a.key IS NULL THEN 'gone'
                    WHEN s.version IS NULL OR s.version = {GONE_VERSION} THEN 'created'
                    ELSE 'updated' END AS action,
               CASE WHEN s.version IS NULL OR b.key IS NULL OR a.key IS NULL THEN '{{}}'
                    ELSE {_changed_fields(form, table)} END AS fields
        FROM touched_{table} t JOIN {table} s ON s.tenant = :tenant AND s.key = t.key
        LEFT JOIN before_{table} b ON b.key = t.key LEFT JOIN after a ON a.key = t.key
        WHERE coalesce(a.version, {GONE_VERSION}) IS DISTINCT FROM s.version
        """,
        tenant=current.tenant,
    )
    await run_sql(
        session,
        f"""
        UPDATE {table} s SET version = t.version, versioned_at = :now, versioned_by = :delivery
        FROM told_{table} t WHERE s.tenant = :tenant AND s.key = t.key
        """,
        tenant=current.tenant,
        now=now,
        delivery=current.delivery,
    )
    return told


def _changed_fields(form: Format, table: Table) -> str:
    """The names of the fields that differ between `b` and `a`; all that is unknown is alike. One expression:
    to look through the fields of each object by a query of its own takes five times as long."""
    place_of = {name: place for place, name in enumerate(field_names(form, table))}
    cases = ", ".join(
        f"CASE WHEN a.v{place_of[name]} IS DISTINCT FROM b.v{place_of[name]} "
        f"THEN CASE WHEN NOT ('{name}' = ANY(a.unknown) AND '{name}' = ANY(b.unknown)) THEN '{name}' END "
        f"WHEN ('{name}' = ANY(a.unknown)) <> ('{name}' = ANY(b.unknown)) THEN '{name}' END"
        for name in sorted(place_of)
    )
    return f"array_remove(CAST(ARRAY[{cases}] AS text[]), NULL)"


async def tell(session: AsyncSession, outbox: Outbox, table: Table, current: Import, count: int) -> None:
    """Tell sync (work) and all others (events) of the `count` objects in `told_<table>`."""
    change = f"""'{{"table":"{table}","key":"' || key || '","action":"' || action
                 || '","fields":[' || {_FIELDS} || ']}}'"""
    version = (
        """'{"key":"' || key || '","version":"' || version || '","gone":' || CAST(gone AS text) || '}'"""
    )
    chunks = f"""
        SELECT 1 + (position - 1) / {CHUNK_SIZE} AS chunk,
               string_agg({change}, ',' ORDER BY position) AS changes,
               string_agg({version}, ',' ORDER BY position) AS versions
        FROM told_{table} GROUP BY 1
    """
    await _tell(session, outbox, table, current, chunks, count)


async def tell_first(
    session: AsyncSession, outbox: Outbox, table: Table, current: Import, count: int
) -> None:
    """The same of a table that got its first `count` rows, which are all created. Each chunk is read from
    where it begins: to sort a million rows into chunks takes half as long again."""
    # What all have in common stands between them: to put it around each takes an eighth longer.
    changes = _joined("key", f'{{"table":"{table}","key":"', '","action":"created"}')
    versions = _joined("""key || '","version":"' || version""", '{"key":"', '"}')
    rows = f"FROM {table} WHERE tenant = :tenant"
    chunks = f"""
        SELECT 1 + b.before / {CHUNK_SIZE} AS chunk, c.changes, c.versions
        FROM (SELECT key, row_number() OVER (ORDER BY key) - 1 AS before {rows}) b
        CROSS JOIN LATERAL (
            SELECT {changes} AS changes, {versions} AS versions
            FROM (SELECT key, version {rows} AND key >= b.key ORDER BY key LIMIT {CHUNK_SIZE}) these
        ) c
        WHERE b.before % {CHUNK_SIZE} = 0
    """
    await _tell(session, outbox, table, current, chunks, count, tenant=current.tenant)


def _joined(each: str, begin: str, end: str) -> str:
    """SQL of the JSON objects of several rows, of which `each` is all between `begin` and `end`."""
    return f"'{begin}' || string_agg({each}, '{end},{begin}') || '{end}'"


async def _tell(
    session: AsyncSession,
    outbox: Outbox,
    table: Table,
    current: Import,
    chunks: str,
    count: int,
    **parameters: Any,
) -> None:
    """`chunks` selects, for each number `chunk` (from 1), the JSON of its `changes` (ObjectChange) and of its
    `versions` (KeyVersion), of `count` objects in all.

    PostgreSQL puts the messages together: row by row, a million objects take Python half a minute. A key
    needs no escaping in JSON by its form, nor do names of columns."""
    event = ObjectsCompared.model_validate({"delivery": current.delivery, "objects": [_SAMPLE_CHANGE]})
    work = work_of([_SAMPLE_VERSION.model_dump()], table, current)
    await outbox.put_chunks(
        session,
        chunks,
        math.ceil(count / CHUNK_SIZE),
        Chunks(outbox.event(current.cause, event), _SAMPLE_CHANGE.model_dump_json(), "changes"),
        Chunks(work, _SAMPLE_VERSION.model_dump_json(), "versions"),
        **parameters,
    )


_FIELDS = """CASE WHEN fields = '{}' THEN '' ELSE '"' || array_to_string(fields, '","') || '"' END"""
_SAMPLE_CHANGE = ObjectChange(table=Table.KUNDE, key=AmeiseKey("0"), action=ObjectAction.CREATED)
_SAMPLE_VERSION = KeyVersion(key=AmeiseKey("0"), version="0" * 32)


def work_of(objects: list[dict[str, Any]], table: Table, current: Import) -> ObjectsChanged:
    """The work for sync about objects with key, version and gone; what else they have is left out."""
    return ObjectsChanged.model_validate(
        {
            "id": new_id(),
            "tenant": current.tenant,
            "correlationid": current.cause.correlationid,
            "time": datetime.now(UTC),
            "table": table,
            "delivery": current.delivery,
            "as_of": current.as_of,
            "objects": objects,
        }
    )
