# ruff: noqa: S608 (tables are an enum, columns are identifiers by the format's own check)
"""Which composed objects a delivery changed: found, versioned, and told, in sets.

1. `find_touched`, before the merge: keys whose composed object may change, because of their own row, of a
   Kontaktdatum or Detail, or of a list entry they refer to; and what those objects looked like before.
2. `compare_versions`, after the merge: composes them again; a version that differs from the stored one is
   stored and put into the temporary table `told_<table>`.
3. `tell`: chunks of at most 100 of these to the outbox, as work for sync and as events.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.cause import Cause
from chassis.database import fetch_all, run_sql
from chassis.outbox import Outbox
from contracts.events import ObjectsCompared
from contracts.ids import TenantId, Uuid, new_id
from contracts.names import Table
from contracts.work import CHUNK_SIZE, ObjectsChanged
from ingest.composing import CHILDREN_OF_KUNDE, GONE_VERSION, OBJECT_TABLES, composed_sql, version_sql
from ingest.table_format import Format

CHUNKS_AT_ONCE = 50
"""Chunks that go into the outbox by one statement."""


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
    first_whole: Collection[Table],
) -> list[Table]:
    """Fill `touched_<table>` and `before_<table>`; returns the object tables that have any.

    `differing` are the tables with a filled `delta_<table>`; `first_whole` those that came whole
    for the first time.
    """
    found: list[Table] = []
    for table in OBJECT_TABLES:
        sources = _sources(form, table, differing, first_whole)
        if not sources:
            continue
        await run_sql(
            session,
            f"CREATE TEMPORARY TABLE touched_{table} (key) ON COMMIT DROP AS {' UNION '.join(sources)}",
            **({"tenant": tenant} if ":tenant" in "".join(sources) else {}),
        )
        await run_sql(session, f"ANALYZE touched_{table}")
        living = (
            f"SELECT t.key FROM touched_{table} t JOIN object_version v ON v.tenant = :tenant "
            f"AND v.table_name = '{table}' AND v.key = t.key AND NOT v.gone"
        )
        await run_sql(
            session,
            f"CREATE TEMPORARY TABLE before_{table} ON COMMIT DROP AS {composed_sql(form, table, living)}",
            tenant=tenant,
        )
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
    touched = f"SELECT key FROM touched_{table}"
    await run_sql(
        session,
        f"CREATE TEMPORARY TABLE after_{table} ON COMMIT DROP AS {version_sql(form, table, touched)}",
        tenant=current.tenant,
    )
    await run_sql(session, f"ANALYZE after_{table}")
    told = await run_sql(
        session,
        f"""
        CREATE TEMPORARY TABLE told_{table} ON COMMIT DROP AS
        SELECT row_number() OVER (ORDER BY t.key) AS position, t.key,
               coalesce(a.version, {GONE_VERSION}) AS version, a.key IS NULL AS gone,
               CASE WHEN a.key IS NULL THEN 'gone' WHEN v.key IS NULL OR v.gone THEN 'created'
                    ELSE 'updated' END AS action,
               CAST('{{}}' AS text[]) AS fields
        FROM touched_{table} t
        LEFT JOIN after_{table} a ON a.key = t.key
        LEFT JOIN object_version v ON v.tenant = :tenant AND v.table_name = '{table}' AND v.key = t.key
        WHERE CASE WHEN a.key IS NULL THEN NOT v.gone ELSE a.version IS DISTINCT FROM v.version END
        """,
        tenant=current.tenant,
    )
    await _name_changed_fields(session, form, table, current)
    await run_sql(session, f"CREATE INDEX ON told_{table} (position)")
    await run_sql(
        session,
        f"""
        INSERT INTO object_version (tenant, table_name, key, version, gone, changed_at, delivery)
        SELECT :tenant, '{table}', key, version, gone, :now, :delivery FROM told_{table}
        ON CONFLICT (tenant, table_name, key) DO UPDATE SET version = excluded.version,
            gone = excluded.gone, changed_at = excluded.changed_at, delivery = excluded.delivery
        """,
        tenant=current.tenant,
        now=now,
        delivery=current.delivery,
    )
    return told


async def _name_changed_fields(session: AsyncSession, form: Format, table: Table, current: Import) -> None:
    """What differs between before and now, for objects that were there and still are."""
    updated = f"SELECT key FROM told_{table} WHERE action = 'updated'"
    await run_sql(
        session,
        f"""
        UPDATE told_{table} t
        SET fields = ARRAY(
            SELECT name COLLATE "C"
            FROM (SELECT jsonb_object_keys(b.fields) UNION SELECT jsonb_object_keys(a.fields)) n (name)
            WHERE b.fields -> name IS DISTINCT FROM a.fields -> name ORDER BY 1)
        FROM ({composed_sql(form, table, updated)}) a JOIN before_{table} b ON b.key = a.key
        WHERE t.key = a.key
        """,
        tenant=current.tenant,
    )


async def tell(session: AsyncSession, outbox: Outbox, table: Table, current: Import) -> None:
    """Ask sync for the work and tell the events of `told_<table>`, page by page."""
    page, first = CHUNK_SIZE * CHUNKS_AT_ONCE, 1
    # PostgreSQL puts the chunks together: row by row, a million objects take Python half a minute.
    while chunks := await fetch_all(
        session,
        f"""
        SELECT jsonb_agg(jsonb_build_object('table', '{table}', 'key', key, 'version', version, 'gone', gone,
                                            'action', action, 'fields', fields) ORDER BY position) AS objects
        FROM told_{table} WHERE position >= :first AND position < :end
        GROUP BY (position - 1) / {CHUNK_SIZE} ORDER BY min(position)
        """,
        first=first,
        end=first + page,
    ):
        told = [chunk["objects"] for chunk in chunks]
        await outbox.tell(session, current.cause, *(_event(objects, current) for objects in told))
        await outbox.ask(session, *(work_of(objects, table, current) for objects in told))
        first += page


def _event(objects: list[dict[str, Any]], current: Import) -> ObjectsCompared:
    return ObjectsCompared.model_validate({"delivery": current.delivery, "objects": objects})


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
