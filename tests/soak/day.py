"""A day passes: everything that bears a moment is a day older.

No clock is changed: what happened is put back instead, in sync's database and its backup, in the books of the
stand-ins, and in what the stage remembers. So a backup is yesterday's, and what waited for a day is due.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from sandbox.state import Store

DAY = timedelta(days=1)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[+-]\d\d:\d\d|Z)")

_COLUMNS = """
SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c
JOIN information_schema.tables t USING (table_schema, table_name)
WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.is_generated = 'NEVER'
AND c.data_type IN ('timestamp with time zone', 'jsonb', 'json', 'text', 'character varying')
AND c.table_name <> 'alembic_version'
"""


def earlier(text: str) -> str:
    """The text with every moment in it a day earlier.

    >>> earlier('{"at": "2026-03-09T12:00:00.5+01:00", "born": "1980-02-29"}')
    '{"at": "2026-03-08T12:00:00.500000+01:00", "born": "1980-02-29"}'
    """
    return _MOMENT.sub(lambda moment: (datetime.fromisoformat(moment[0]) - DAY).isoformat(), text)


def age_database(url: str) -> None:
    """Every moment in every row, also those in JSON. As superuser, while nobody works with it."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        for column in connection.execute(_COLUMNS.encode()).fetchall():
            _age_column(connection, **column)


def _age_column(
    connection: psycopg.Connection[dict[str, Any]], table_name: str, column_name: str, data_type: str
) -> None:
    names = {"table": sql.Identifier(table_name), "column": sql.Identifier(column_name)}
    if data_type == "timestamp with time zone":
        connection.execute(
            sql.SQL("UPDATE {table} SET {column} = {column} - make_interval(days => 1)").format(**names)
        )
        return
    texts = connection.execute(
        sql.SQL("SELECT ctid, {column}::text AS text FROM {table} WHERE {column}::text ~ {moment}").format(
            **names, moment=sql.Literal(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d")
        )
    ).fetchall()
    update = sql.SQL("UPDATE {table} SET {column} = %s::{type} WHERE ctid = %s").format(
        **names, type=sql.SQL(data_type)
    )
    for row in texts:
        connection.execute(update, [earlier(row["text"]), row["ctid"]])


def age_books(store: Store, worlds: Sequence[str], callers: Sequence[str]) -> None:
    """What the stand-ins keep of these worlds, and their journal of the calls of `callers`."""
    book, day = store.connection, DAY.total_seconds()
    book.create_function("earlier", 1, lambda text: text and earlier(text), deterministic=True)
    with store.transaction():
        for world in worlds:
            book.execute(
                "UPDATE objects SET data = earlier(data), created_at = created_at - ?, "
                "modified_at = modified_at - ? WHERE world = ?",
                (day, day, world),
            )
            book.execute(
                "UPDATE versions SET data = earlier(data), at = at - ? WHERE world = ?", (day, world)
            )
        for caller in callers:
            book.execute("UPDATE journal SET at = at - ? WHERE world = ?", (day, caller))
