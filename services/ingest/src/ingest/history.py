# ruff: noqa: S608 (tables are an enum, columns are identifiers by the format's own check)
"""What stored rows were before: kept at each change, and asked for as of a moment.

A change keeps the differing columns with the value before and after; a created row needs no history, since
`first_seen` says it. A row as of a moment is today's row with the changes since then undone, newest first.
`held_from` says since when the undone state had held: further back than the oldest one nothing is known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import Database, fetch_all, run_sql
from contracts.ids import AmeiseKey, TenantId, Uuid
from contracts.names import Table
from contracts.rpc.ingest import ObjectAsOf, Presence
from contracts.rpc.ingest_format import ColumnType
from ingest.table_format import Column, Format, TableFormat


async def remember_changes(
    session: AsyncSession, definition: TableFormat, *, tenant: TenantId, delivery: Uuid, now: datetime
) -> None:
    """Before the rows of `delta_<table>` are written: keep what they replace. Unknown values of the delivery
    replace nothing; a value that was unknown so far has no `before`."""
    table, columns = definition.table, definition.columns
    differs = ", ".join(
        f"NOT '{name}' = ANY(i.unknown) AND (i.{name} IS DISTINCT FROM s.{name} "
        f"OR '{name}' = ANY(s.unknown)) AS differs_{name}"
        for name in definition.names
    )
    before = {
        column.name: (f"differs_{column.name} AND NOT '{column.name}' = ANY(s.unknown)", _json("s", column))
        for column in columns
    } | {"extra": ("differs_extra", "s.extra")}
    after = {column.name: (f"differs_{column.name}", _json("i", column)) for column in columns} | {
        "extra": ("differs_extra", "s.extra || i.extra")
    }
    # OFFSET 0: else PostgreSQL would compare all anew wherever it is asked what differs.
    await run_sql(
        session,
        f"""
        INSERT INTO history (tenant, table_name, key, changed_at, held_from, delivery, action, before, after,
                             unknown_before, gone_before)
        SELECT :tenant, '{table}', s.key, :now, s.changed_at, :delivery,
               CASE WHEN d.back THEN 'back' ELSE d.action END,
               {_object(before)}, {_object(after)}, s.unknown, s.gone_since
        FROM delta_{table} d JOIN {table} s ON s.tenant = :tenant AND s.key = d.key
        LEFT JOIN incoming_{table} i ON i.key = d.key
        CROSS JOIN LATERAL (SELECT {differs}, s.extra || i.extra <> s.extra AS differs_extra OFFSET 0) differs
        WHERE d.action <> 'new' OR d.back
        """,
        tenant=tenant,
        delivery=delivery,
        now=now,
    )


def _object(fields: Mapping[str, tuple[str, str]]) -> str:
    """A jsonb object of some of these fields: name → when it has the field, and the value. Put together as
    text: to make an object of all fields and to take most of them out again takes twice as long."""
    pairs = ", ".join(
        f"""CASE WHEN {when} THEN '"{name}":' || coalesce(CAST(to_json({value}) AS text), 'null') END"""
        for name, (when, value) in fields.items()
    )
    return f"CAST('{{' || concat_ws(',', {pairs}) || '}}' AS jsonb)"


def _json(alias: str, column: Column) -> str:
    """Decimals as text, since JSON numbers lose their form; the rest as JSON writes it."""
    name = f"{alias}.{column.name}"
    return f"CAST({name} AS text)" if column.type is ColumnType.DECIMAL else name


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A row at one moment, and since when it has been so. `fields` holds known values only."""

    fields: Mapping[str, Any]
    unknown: frozenset[str]
    gone_since: datetime | None
    held_from: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """What one delivery did to a row, as far as undoing it needs."""

    changed_at: datetime
    held_from: datetime
    before: Mapping[str, Any]
    unknown_before: frozenset[str]
    gone_before: datetime | None


def undone(row: StoredRow, change: Change) -> StoredRow:
    """The row as it was before `change`."""
    fields = {**row.fields, **change.before}
    return StoredRow(
        fields={name: value for name, value in fields.items() if name not in change.unknown_before},
        unknown=change.unknown_before,
        gone_since=change.gone_before,
        held_from=change.held_from,
    )


def as_of(
    now: StoredRow, changes: Sequence[Change], *, first_seen: datetime, moment: datetime
) -> tuple[Presence, StoredRow | None]:
    """How the row was at `moment`; `changes` are those after it, newest first."""
    if moment < first_seen:
        return Presence.NOT_THERE, None
    row = now
    for change in changes:
        if row.held_from != change.changed_at:
            break  # a change in between is forgotten
        row = undone(row, change)
    if row.held_from > moment:
        return Presence.FORGOTTEN, None
    return (Presence.GONE if row.gone_since else Presence.THERE), row


@dataclass(frozen=True, slots=True)
class History:
    """Reads, as the tenant who asks."""

    form: Format
    database: Database

    async def object_as_of(
        self, tenant: TenantId, table: Table, key: AmeiseKey, moment: datetime
    ) -> ObjectAsOf:
        """One row of any table, without what belongs to it."""
        async with self.database.tenant(tenant) as session:
            stored = await stored_row(session, self.form[table], tenant=tenant, key=key)
            changes = await _changes_since(session, table, tenant=tenant, key=key, moment=moment)
        if stored is None:
            return ObjectAsOf(presence=Presence.NOT_THERE)
        row, first_seen = stored
        presence, then = as_of(row, changes, first_seen=first_seen, moment=moment)
        if then is None:
            return ObjectAsOf(presence=presence, first_seen=first_seen)
        return ObjectAsOf(
            presence=presence,
            first_seen=first_seen,
            held_from=then.held_from,
            fields=dict(then.fields),
            unknown=tuple(sorted(then.unknown)),
        )


async def stored_row(
    session: AsyncSession, definition: TableFormat, *, tenant: TenantId, key: str
) -> tuple[StoredRow, datetime] | None:
    """A row as it is stored now, and when it was first seen."""
    fields = ", ".join(f"'{column.name}', {_json('s', column)}" for column in definition.columns)
    rows = await fetch_all(
        session,
        f"SELECT jsonb_build_object({fields}, 'extra', s.extra) - s.unknown AS fields, s.unknown, "
        f"s.first_seen, s.changed_at, s.gone_since FROM {definition.table} s "
        "WHERE s.tenant = :tenant AND s.key = :key",
        tenant=tenant,
        key=key,
    )
    if not rows:
        return None
    [row] = rows
    now = StoredRow(row["fields"], frozenset(row["unknown"]), row["gone_since"], row["changed_at"])
    return now, row["first_seen"]


async def _changes_since(
    session: AsyncSession, table: Table, *, tenant: TenantId, key: str, moment: datetime
) -> list[Change]:
    rows = await fetch_all(
        session,
        "SELECT changed_at, held_from, before, unknown_before, gone_before FROM history "
        "WHERE tenant = :tenant AND table_name = :table AND key = :key AND changed_at > :moment "
        "ORDER BY changed_at DESC",
        tenant=tenant,
        table=table.value,
        key=key,
        moment=moment,
    )
    return [
        Change(
            changed_at=row["changed_at"],
            held_from=row["held_from"],
            before=row["before"],
            unknown_before=frozenset(row["unknown_before"]),
            gone_before=row["gone_before"],
        )
        for row in rows
    ]
