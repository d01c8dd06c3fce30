"""What is different about a tenant's files, laid over the built-in format.

Names in DailyUp are assumed, so an admin can fit them to the real files without a release. Our own columns
and their stored types stay: what is changed is how they are found in a file, and how they are read.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
from pydantic import ValidationError

from chassis.cause import Cause
from chassis.database import Database
from chassis.outbox import Outbox
from contracts.events import FormatChanged
from contracts.ids import TenantId
from contracts.names import Table
from contracts.problems import Invalid
from contracts.rpc.ingest_format import (
    ColumnChange,
    ColumnType,
    ColumnView,
    FormatChanges,
    FormatView,
    TableChange,
    TableView,
)
from ingest import store
from ingest.composing import OBJECT_TABLES, field_names
from ingest.table_format import Column, Format, TableFormat, normalised
from ingest.tables import FormatOverrideRow

log: structlog.stdlib.BoundLogger = structlog.get_logger()

_MOMENTS = frozenset({ColumnType.DATE, ColumnType.TIMESTAMP})


@dataclass(frozen=True, slots=True)
class Formats:
    """Each tenant's format, as it is now."""

    base: Format
    database: Database
    outbox: Outbox
    _told: set[tuple[TenantId, str]] = field(default_factory=set[tuple[TenantId, str]])

    async def of(self, tenant: TenantId, *, trying: FormatChanges | None = None) -> Format:
        """The format that applies to the tenant's files; with `trying`, the one that would if that were set
        (raises Invalid)."""
        if trying is not None:
            return changed_format(self.base, trying)
        try:
            async with self.database.tenant(tenant) as session:
                changes = await store.format_changes(session, tenant)
            return changed_format(self.base, changes)
        except Invalid as fault:
            # They fitted when they were set: a newer release brought another built-in format. Deliveries of
            # other tenants must go on, and the guards stand before what is now read differently.
            if (tenant, fault.detail) not in self._told:  # receiving asks twice a second
                self._told.add((tenant, fault.detail))
                log.error("format.changes_do_not_fit", tenant=tenant, fault=fault.detail)  # noqa: TRY400
            return self.base

    async def view(self, tenant: TenantId) -> FormatView:
        """As `of`: what does not fit any more is told, so that whoever looks can mend it."""
        changes = FormatChanges()
        try:
            async with self.database.tenant(tenant) as session:
                changes = await store.format_changes(session, tenant)
            return _view(changes, self.base, changed_format(self.base, changes))
        except Invalid as fault:
            return _view(changes, self.base, self.base, fault=fault.detail)

    async def set(self, cause: Cause, tenant: TenantId, changes: FormatChanges) -> FormatView:
        """Replace all changes of the tenant. Raises Invalid, in words, if they do not fit."""
        view = _view(changes, self.base, changed_format(self.base, changes))
        row = FormatOverrideRow(
            tenant=tenant, changes=changes.model_dump(mode="json", exclude_none=True, exclude_defaults=True),
            changed_at=datetime.now(UTC), changed_by=cause.actor_id,
        )  # fmt: skip
        async with self.database.tenant(tenant) as session:
            await session.merge(row)
            await self.outbox.tell(session, cause, FormatChanged(tables=tuple(sorted(changes.tables))))
        log.info("format.changed", tables=sorted(changes.tables))
        return view


def changed_format(base: Format, changes: FormatChanges) -> Format:
    """`base` with `changes` laid over it. Raises Invalid, in words, if they do not fit."""
    try:
        tables = tuple(
            _changed_table(definition, change)
            if (change := changes.tables.get(definition.table))
            else definition
            for definition in base.tables
        )
    except ValidationError as error:
        raise Invalid("; ".join(fault["msg"] for fault in error.errors())) from error
    if faults := list(_ambiguities(tables)):
        raise Invalid("; ".join(faults))
    return base.model_copy(update={"tables": tables})


def _changed_table(definition: TableFormat, change: TableChange) -> TableFormat:
    if stray := sorted(set(change.columns) - set(definition.names)):
        raise Invalid(f"{definition.table} hat keine Spalte {', '.join(stray)}.")
    columns = [
        _changed_column(definition.table, column, change.columns.get(column.name, ColumnChange()))
        for column in definition.columns
    ]
    return TableFormat(
        table=definition.table,
        files=change.files or definition.files,
        key=definition.key,
        columns=tuple(columns),
        new_columns=definition.new_columns
        | {normalised(heading): policy for heading, policy in change.new_columns.items()},
    )


def _changed_column(table: Table, column: Column, change: ColumnChange) -> Column:
    if change.type and not _fits(change.type, stored=column.type):
        raise Invalid(
            f"{table}.{column.name} kann nicht als {change.type} gelesen werden: "
            f"gespeichert wird es als {column.type}."
        )
    return column.model_copy(
        update={name: value for name, value in change if value is not None}  # the names are the same
    )


def _fits(read_as: ColumnType, *, stored: ColumnType) -> bool:
    """Whether a value's canonical text, read as one type, can be stored as the other."""
    return read_as is stored or stored is ColumnType.TEXT or {read_as, stored} <= _MOMENTS


def _ambiguities(tables: tuple[TableFormat, ...]) -> Iterator[str]:
    patterns = Counter(pattern.lower() for definition in tables for pattern in set(definition.files))
    for pattern in sorted(pattern for pattern, count in patterns.items() if count > 1):
        yield f"Das Dateimuster {pattern} steht bei mehreren Tabellen."
    for definition in tables:
        headings = Counter(
            heading
            for column in definition.columns
            for heading in {column.name, *map(normalised, column.aliases)}
        )
        for heading in sorted(heading for heading, count in headings.items() if count > 1):
            yield f"{definition.table}: {heading} steht für mehrere Spalten."


def _view(changes: FormatChanges, base: Format, applies: Format, *, fault: str | None = None) -> FormatView:
    return FormatView(
        base=base.version,
        fault=fault,
        changes=changes,
        tables=tuple(
            TableView(
                table=definition.table,
                files=definition.files,
                key=definition.key,
                columns=tuple(
                    ColumnView(name=c.name, type=c.type, required=c.required, aliases=c.aliases)
                    for c in definition.columns
                ),
                fields=field_names(applies, definition.table) if definition.table in OBJECT_TABLES else (),
            )
            for definition in applies.tables
        ),
    )
