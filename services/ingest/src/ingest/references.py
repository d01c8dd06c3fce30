"""References that point nowhere: a Vertrag without Kunde, an unknown Sparte. They are warnings.

A key is somewhere if the delivery brings it, or if it is stored and the delivery does not remove it.
"""

import asyncio
from collections.abc import Collection, Mapping

import polars as pl
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.ids import TenantId
from contracts.names import Table
from ingest import store
from ingest.problems import Problem, Rule
from ingest.reading import KEPT_PROBLEMS, ReadDelivery, ReadTable
from ingest.table_format import Column, Format


async def report_dangling(
    session: AsyncSession, read: ReadDelivery, form: Format, *, tenant: TenantId, whole: Collection[Table]
) -> None:
    """Add to `read` a problem for each row that points nowhere, and a note for each column with such rows.

    `whole` are the tables of the delivery whose absent rows are gone. Before the merge. What points to a
    table that never came is not judged.
    """
    ever = {*read.tables, *await store.delivered_tables(session, tenant)}
    for table, read_table in list(read.tables.items()):
        for column in form[table].columns:
            target = column.points_to
            if target is None or target not in ever or column.name not in read_table.delivered:
                continue
            keys = await asyncio.to_thread(_not_delivered, read.tables, read_table, column.name, target)
            if len(keys) and target not in whole:
                stored = await store.living_keys(session, target, tenant=tenant, of=keys.to_list())
                keys = keys.filter(~keys.is_in(pl.Series(list(stored), dtype=pl.String).implode()))
            if len(keys):
                rows = await asyncio.to_thread(_rows_with, read_table, column, keys)
                read.notes.append(f"{table}.{column.name} zeigt in {rows.height} Zeilen ins Leere")
                said = _said(read_table.file, column.name, rows)
                read.tables[table] = read.tables[table].with_problems(said, rows.height)


def _not_delivered(
    tables: Mapping[Table, ReadTable], read: ReadTable, column: str, target: Table
) -> pl.Series:
    """The distinct keys in `column` that no row of the delivery's `target` table has."""
    wanted = read.frame[column].drop_nulls().unique()
    if (there := tables.get(target)) is None:
        return wanted
    rejected = pl.Series(there.rejected_keys, dtype=pl.String)
    return wanted.filter(~(wanted.is_in(there.frame["key"].implode()) | wanted.is_in(rejected.implode())))


def _rows_with(read: ReadTable, column: Column, keys: pl.Series) -> pl.DataFrame:
    """Where the rows stand that hold one of `keys`."""
    return read.places.filter(read.frame[column.name].is_in(keys.implode()).fill_null(value=False))


def _said(file: str, column: str, rows: pl.DataFrame) -> list[Problem]:
    return [
        Problem(file, Rule.POINTS_NOWHERE, row, column, line)
        for row, line in rows.head(KEPT_PROBLEMS).iter_rows()
    ]
