# ruff: noqa: S608 (tables are an enum, columns are identifiers by the format's own check)
"""Loads what a file of a delivery says into temporary tables, passing by the lines that are known already.

- `incoming_<table>`: the good rows that were read (COPY does not work into tables with row-level security);
- `unseen_<table>`, where something is stored: keys of the living rows that no known line stands for: the
  delivery brings them in another way, or not at all.

While PostgreSQL stores one block of the file, the next is written down for it, and the one after that read.
"""

import asyncio
import io
import struct
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from psycopg import sql
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import driver_connection, fetch_all, run_sql
from contracts.ids import TenantId
from contracts.names import Table
from contracts.rpc.ingest_format import ColumnType
from ingest.problems import Problem, Rule, value_class
from ingest.table_format import TableFormat

if TYPE_CHECKING:
    import polars as pl

    from ingest.known_lines import KnownLines
    from ingest.reading import ReadTable, TableFile, TableReader

SQL_TYPES: Mapping[ColumnType, str] = {
    ColumnType.TEXT: "text",
    ColumnType.DATE: "date",
    ColumnType.DECIMAL: "numeric(18, 2)",
    ColumnType.BOOLEAN: "boolean",
    ColumnType.TIMESTAMP: "timestamp",
}

_CTID = struct.Struct(">IH")
"""Page, and place in it; as PostgreSQL sends them."""


@dataclass(frozen=True, slots=True)
class Staged:
    """What is known of a table whose file was read. `is_first`: nothing of it was ever stored."""

    known: "KnownLines"
    is_first: bool


@dataclass(frozen=True, slots=True)
class _Stored:
    """The living rows of a table: how many, their hashes (zeros where there is none) and ctids in the same
    order, each one behind the other, and filled cells."""

    rows: int
    hashes: bytes
    ctids: bytes
    filled: Mapping[str, int]

    def ctids_of(self, places: Iterable[int]) -> list[str]:
        ctids = (_CTID.unpack_from(self.ctids, place * _CTID.size) for place in places)
        return [f"({page},{item})" for page, item in ctids]


async def stage(
    session: AsyncSession, file: "TableFile", *, tenant: TenantId, loaded: Callable[[int, int], None]
) -> tuple["ReadTable", Staged]:
    """Fill both temporary tables; tells `loaded` rows and percent of the file. Raises TableRejected: then
    what was begun in PostgreSQL must be rolled back."""
    # Here, because polars costs memory that a service that only waits does not need.
    from ingest.known_lines import NOTHING_KNOWN, match  # noqa: PLC0415
    from ingest.lines import hash_lines  # noqa: PLC0415
    from ingest.reading import TableReader  # noqa: PLC0415

    table = file.definition.table
    known, filled = NOTHING_KNOWN, Counter[str]()
    is_first = await _is_first(session, table, tenant)
    if not is_first:
        hashing = asyncio.create_task(asyncio.to_thread(hash_lines, file.source, file.mark))
        try:
            stored = await _stored(session, file.definition, tenant)
        finally:
            hashes = await hashing
        known = await asyncio.to_thread(match, hashes, stored.hashes)
        filled = await _note_missed(session, file, stored, known, tenant)
    await _create_incoming(session, file)
    reader = TableReader(file, known.is_known if known.count else None)
    await _copy(session, table, reader, loaded)
    if not is_first:
        await run_sql(session, f"ANALYZE incoming_{table} (key)")
    twins = await _twins_of_each_other(session, file) if reader.may_have_twins() else []
    read = reader.result()
    if known.count and read.rows:
        of_known, of_these = await _twins_of_known(session, file, known, tenant)
        twins += of_known
        filled -= of_these
    return read.with_known(known.count, filled).without_twins(twins), Staged(known, is_first)


async def _is_first(session: AsyncSession, table: Table, tenant: TenantId) -> bool:
    [row] = await fetch_all(
        session, f"SELECT NOT EXISTS (SELECT FROM {table} WHERE tenant = :tenant) AS is_first", tenant=tenant
    )
    return row["is_first"]


async def _stored(session: AsyncSession, definition: TableFormat, tenant: TenantId) -> _Stored:
    counts = ", ".join(f"count({name})" for name in definition.names)
    query = (
        "SELECT count(*), string_agg(uuid_send(coalesce(row_hash, '00000000-0000-0000-0000-000000000000')), "
        f"''::bytea), string_agg(tidsend(ctid), ''::bytea), {counts} "
        f"FROM {definition.table} WHERE tenant = %s AND gone_since IS NULL"
    )
    async with (await driver_connection(session)).cursor(binary=True) as cursor:
        await cursor.execute(query.encode(), (tenant,))
        row = await cursor.fetchone()
    assert row is not None
    rows, hashes, ctids, *filled = row
    return _Stored(rows, hashes or b"", ctids or b"", dict(zip(definition.names, filled, strict=True)))


async def _note_missed(
    session: AsyncSession, file: "TableFile", stored: _Stored, known: "KnownLines", tenant: TenantId
) -> Counter[str]:
    """Returns in how many of the other living rows each delivered column is filled.

    Nobody else writes the table under the tenant's lease, so the rows still are where they were."""
    table = file.definition.table
    await run_sql(session, f'CREATE TEMPORARY TABLE unseen_{table} (key text COLLATE "C") ON COMMIT DROP')
    filled = Counter({name: stored.filled[name] for name in file.delivered})
    if known.missed:
        ctids = stored.ctids_of(known.missed)
        filled -= await _note_unseen(session, file, "s.ctid = ANY(CAST(:these AS tid[]))", ctids, tenant)
        await run_sql(session, f"ANALYZE unseen_{table}")
    return filled


async def _note_unseen(
    session: AsyncSession, file: "TableFile", which: str, these: Sequence[str], tenant: TenantId
) -> Counter[str]:
    """Fill `unseen_<table>`; returns in how many of these rows each delivered column is filled."""
    table = file.definition.table
    columns = ", ".join(("key", *file.delivered))
    counts = ", ".join(f"count({name}) AS {name}" for name in file.delivered)
    [row] = await fetch_all(
        session,
        f"""
        WITH these AS MATERIALIZED (SELECT {columns} FROM {table} s WHERE s.tenant = :tenant AND {which}),
        noted AS (INSERT INTO unseen_{table} SELECT key FROM these)
        SELECT {counts} FROM these
        """,
        tenant=tenant,
        these=these,
    )
    return Counter(row)


async def _create_incoming(session: AsyncSession, file: "TableFile") -> None:
    definition = file.definition
    columns = ", ".join(f"{column.name} {SQL_TYPES[column.type]}" for column in definition.columns)
    missing = ", ".join(f"'{name}'" for name in definition.names if name not in file.delivered)
    await run_sql(
        session,
        f'CREATE TEMPORARY TABLE incoming_{definition.table} (key text COLLATE "C" NOT NULL, '
        f"row integer NOT NULL, line integer NOT NULL, {columns}, extra jsonb NOT NULL DEFAULT '{{}}', "
        f"unknown text[] NOT NULL DEFAULT CAST(ARRAY[{missing}] AS text[]), row_hash uuid) ON COMMIT DROP",
    )


async def _copy(
    session: AsyncSession, table: Table, reader: "TableReader", loaded: Callable[[int, int], None]
) -> None:
    rows = 0
    async with (
        (await driver_connection(session)).cursor() as cursor,
        aclosing(_as_csv(reader.frames())) as parts,
    ):
        async for columns, height, body in parts:
            into = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(
                sql.Identifier(f"incoming_{table}"), sql.SQL(", ").join(map(sql.Identifier, columns))
            )
            async with cursor.copy(into) as copy:
                await copy.write(body)
            rows += height
            loaded(rows, reader.percent)


T = TypeVar("T")

_Part = tuple[list[str], int, memoryview]
"""Columns, number of rows, and rows as CSV."""


async def _as_csv(frames: Iterator["pl.DataFrame"]) -> AsyncGenerator[_Part]:
    """One frame is read, and the one before made CSV, each in a thread, while PostgreSQL stores a third."""
    async with aclosing(_ahead(lambda: asyncio.to_thread(next, frames, None))) as read:

        async def following() -> _Part | None:
            frame = await anext(read, None)
            if frame is None:
                return None
            return frame.columns, frame.height, await asyncio.to_thread(_csv, frame)

        async with aclosing(_ahead(following)) as parts:
            async for part in parts:
                yield part


def _csv(frame: "pl.DataFrame") -> memoryview:
    """As bytes: a text of Python's would be made of them, and made bytes again."""
    written = io.BytesIO()
    frame.write_csv(written, include_header=False)
    return written.getbuffer()


async def _ahead(make: Callable[[], Awaitable[T | None]]) -> AsyncGenerator[T]:
    """What `make` makes until it makes nothing, each while the one before is in use."""
    upcoming = asyncio.ensure_future(make())
    try:
        while (part := await asyncio.shield(upcoming)) is not None:
            upcoming = asyncio.ensure_future(make())
            yield part
    finally:
        # A thread cannot be stopped, and the file must not be closed under it.
        await asyncio.wait([upcoming])


async def _twins_of_each_other(session: AsyncSession, file: "TableFile") -> list[Problem]:
    """Of rows with the same key the last one counts; the others go."""
    table = file.definition.table
    rows = await fetch_all(
        session,
        f"""
        WITH twins AS (
            DELETE FROM incoming_{table} i
            USING (SELECT ctid, row_number() OVER (PARTITION BY key ORDER BY row DESC) AS place
                   FROM incoming_{table}) t
            WHERE t.ctid = i.ctid AND t.place > 1 RETURNING i.key, i.row, i.line
        )
        SELECT key, row, line FROM twins ORDER BY row
        """,
    )
    return [_twin(file, row["key"], row["row"], row["line"]) for row in rows]


async def _twins_of_known(
    session: AsyncSession, file: "TableFile", known: "KnownLines", tenant: TenantId
) -> tuple[list[Problem], Counter[str]]:
    """The same where one of the two lines is known; and in how many of the rows that were overtaken, and are
    unseen now, each delivered column is filled."""
    table = file.definition.table
    rows = await fetch_all(
        session,
        f"""
        SELECT i.key, i.row, i.line, replace(CAST(s.row_hash AS text), '-', '') AS hash
        FROM incoming_{table} i JOIN {table} s ON s.tenant = :tenant AND s.key = i.key
        WHERE s.gone_since IS NULL AND NOT EXISTS (SELECT FROM unseen_{table} u WHERE u.key = i.key)
        ORDER BY i.row
        """,
        tenant=tenant,
    )
    lines = known.lines_of(row["hash"] for row in rows)
    overtaken = {row["key"] for row in rows if lines[row["hash"]] > row["line"]}
    overtaking = {row["key"] for row in rows} - overtaken
    await run_sql(
        session, f"DELETE FROM incoming_{table} WHERE key = ANY(CAST(:keys AS text[]))", keys=list(overtaken)
    )
    which = "s.key = ANY(CAST(:these AS text[]))"
    filled = await _note_unseen(session, file, which, list(overtaking), tenant)
    twins = [
        _twin(file, row["key"], row["row"], row["line"])
        if row["key"] in overtaken
        else _twin(file, row["key"], None, lines[row["hash"]])
        for row in rows
    ]
    return twins, filled


def _twin(file: "TableFile", key: str, row: int | None, line: int) -> Problem:
    [first, *others] = file.definition.key
    column, kind = (None, None) if others else (first, value_class(key))
    return Problem(file.form.file, Rule.KEY_TWICE, row, column, line, kind)
