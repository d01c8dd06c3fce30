"""The state of all stand-ins: versioned JSON objects in one SQLite file.

An object lives in a *world* (a Zoho org, a Hauptvermittler), has a *kind* and an id. Every version is kept
with its moment (Unix seconds), so "the state as of T" is a query. Values that are searched for are in the
table `lookup`: no request scans a table. One connection serves the event loop's thread; calls are
synchronous and short (tens of microseconds), which is faster than handing them to another thread.
"""

import sqlite3
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    world TEXT, kind TEXT, id TEXT, parent TEXT NOT NULL, data TEXT NOT NULL,
    created_at REAL NOT NULL, modified_at REAL NOT NULL, deleted INTEGER NOT NULL,
    PRIMARY KEY (world, kind, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS objects_modified ON objects (world, kind, deleted, modified_at, id);
CREATE INDEX IF NOT EXISTS objects_created ON objects (world, kind, deleted, created_at, id);
CREATE INDEX IF NOT EXISTS objects_parent ON objects (world, kind, parent, id) WHERE parent <> '';
CREATE TABLE IF NOT EXISTS versions (
    world TEXT, kind TEXT, id TEXT, at REAL, data TEXT,
    PRIMARY KEY (world, kind, id, at)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lookup (
    world TEXT, kind TEXT, field TEXT, value TEXT, id TEXT,
    PRIMARY KEY (world, kind, field, value, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS lookup_object ON lookup (world, kind, id);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""

SORT_COLUMNS = {"id": "id", "Created_Time": "created_at", "Modified_Time": "modified_at"}


@dataclass(frozen=True, slots=True)
class Stored:
    """One object as it is now."""

    id: str
    data: dict[str, Any]
    created_at: float
    modified_at: float


@dataclass(frozen=True, slots=True)
class PageQuery:
    """A page of a kind: sorted by a key of `SORT_COLUMNS`, after the (sort value, id) of the page before."""

    sort_by: str
    descending: bool
    limit: int
    after: tuple[float | str, str] | None = None
    offset: int = 0
    modified_since: float | None = None
    deleted: bool = False


def dump(data: Mapping[str, Any]) -> str:
    """Compact JSON, umlauts as they are."""
    return to_json(data).decode()


def _fold(value: str) -> str:
    return value.strip().casefold()


def open_database(path: Path) -> sqlite3.Connection:
    """Open `path` for reading and writing. NORMAL is enough: a lost last second of a sandbox hurts nobody."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA busy_timeout=5000")
    return connection


class Store:
    """All objects of all worlds. Not thread-safe: a thread opens its own `Store` on the same file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.connection = open_database(path)
        self.connection.executescript(SCHEMA)
        self._depth = 0

    def close(self) -> None:
        """Close the file; the WAL is merged into it."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Generator[None]:
        """One write transaction; inner ones join the outer. Nothing may be awaited inside."""
        if self._depth == 0:
            self.connection.execute("BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
        except BaseException:
            self._depth -= 1
            if self._depth == 0:
                self.connection.execute("ROLLBACK")
            raise
        self._depth -= 1
        if self._depth == 0:
            self.connection.execute("COMMIT")

    def next_number(self, name: str, *, start: int = 1, count: int = 1) -> int:
        """The first of `count` numbers never given before under `name`."""
        row = self.connection.execute(
            "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + ? "
            "RETURNING value",
            (name, start + count - 1, count),
        ).fetchone()
        return int(row[0]) - count + 1

    def put(
        self,
        world: str,
        kind: str,
        id_: str,
        data: Mapping[str, Any],
        *,
        index: Mapping[str, Iterable[str]] | None = None,
        parent: str = "",
        at: float | None = None,
    ) -> None:
        """Write a new version. `index` maps a field to the values by which `find` shall meet this object;
        None leaves them as they are."""
        moment = time.time() if at is None else at
        text = dump(data)
        execute = self.connection.execute
        with self.transaction():
            execute(
                "INSERT INTO objects VALUES (?,?,?,?,?,?,?,0) ON CONFLICT (world, kind, id) DO UPDATE SET "
                "parent = excluded.parent, data = excluded.data, modified_at = excluded.modified_at, "
                "deleted = 0",
                (world, kind, id_, parent, text, moment, moment),
            )
            execute("INSERT OR REPLACE INTO versions VALUES (?,?,?,?,?)", (world, kind, id_, moment, text))
            if index is not None:
                execute("DELETE FROM lookup WHERE world = ? AND kind = ? AND id = ?", (world, kind, id_))
                self.connection.executemany(
                    "INSERT OR IGNORE INTO lookup VALUES (?,?,?,?,?)",
                    [
                        (world, kind, field, _fold(value), id_)
                        for field, values in index.items()
                        for value in values
                    ],
                )

    def remove(self, world: str, kind: str, id_: str, *, at: float | None = None) -> bool:
        """Delete an object, leaving a tombstone version. False if there was none."""
        moment = time.time() if at is None else at
        with self.transaction():
            gone = self.connection.execute(
                "UPDATE objects SET deleted = 1, modified_at = ? "
                "WHERE world = ? AND kind = ? AND id = ? AND deleted = 0",
                (moment, world, kind, id_),
            ).rowcount
            if gone:
                self.connection.execute(
                    "INSERT OR REPLACE INTO versions VALUES (?,?,?,?,NULL)", (world, kind, id_, moment)
                )
                self.connection.execute(
                    "DELETE FROM lookup WHERE world = ? AND kind = ? AND id = ?", (world, kind, id_)
                )
        return gone > 0

    def get(self, world: str, kind: str, id_: str) -> Stored | None:
        """The object as it is now, or None."""
        row = self.connection.execute(
            "SELECT id, data, created_at, modified_at FROM objects "
            "WHERE world = ? AND kind = ? AND id = ? AND deleted = 0",
            (world, kind, id_),
        ).fetchone()
        return None if row is None else _stored(row)

    def find(self, world: str, kind: str, field: str, value: str) -> list[str]:
        """Ids of the objects that have `value` in `field`, whatever the case; oldest id first."""
        rows = self.connection.execute(
            "SELECT id FROM lookup WHERE world = ? AND kind = ? AND field = ? AND value = ? ORDER BY id",
            (world, kind, field, _fold(value)),
        )
        return [row[0] for row in rows]

    def find_prefix(self, world: str, kind: str, field: str, prefix: str, *, limit: int) -> list[str]:
        """Ids of up to `limit` objects whose `field` starts with `prefix`, whatever the case."""
        start = _fold(prefix)
        rows = self.connection.execute(
            "SELECT id FROM lookup WHERE world = ? AND kind = ? AND field = ? AND value >= ? AND value < ? "
            "ORDER BY value, id LIMIT ?",
            (world, kind, field, start, start + "\U0010ffff", limit),
        )
        return [row[0] for row in rows]

    def children(self, world: str, kind: str, parent: str) -> list[Stored]:
        """The objects of a kind under one parent."""
        rows = self.connection.execute(
            "SELECT id, data, created_at, modified_at FROM objects "
            "WHERE world = ? AND kind = ? AND parent = ? AND parent <> '' AND deleted = 0 ORDER BY id",
            (world, kind, parent),
        )
        return [_stored(row) for row in rows]

    def all(self, world: str, kind: str) -> Iterator[Stored]:
        """Every object of a kind, by id."""
        rows = self.connection.execute(
            "SELECT id, data, created_at, modified_at FROM objects "
            "WHERE world = ? AND kind = ? AND deleted = 0 ORDER BY id",
            (world, kind),
        )
        return (_stored(row) for row in rows)

    def ids(self, world: str, kind: str) -> list[str]:
        """Every id of a kind, in order."""
        rows = self.connection.execute(
            "SELECT id FROM objects WHERE world = ? AND kind = ? AND deleted = 0 ORDER BY id", (world, kind)
        )
        return [row[0] for row in rows]

    def count(self, world: str, kind: str) -> int:
        """How many objects of a kind there are."""
        row = self.connection.execute(
            "SELECT count(*) FROM objects WHERE world = ? AND kind = ? AND deleted = 0", (world, kind)
        ).fetchone()
        return int(row[0])

    def page(self, world: str, kind: str, query: PageQuery) -> list[Stored]:
        """One page, along an index."""
        column = SORT_COLUMNS[query.sort_by]
        direction, compare = ("DESC", "<") if query.descending else ("ASC", ">")
        where = "world = ? AND kind = ? AND deleted = ?"
        values: list[float | str] = [world, kind, int(query.deleted)]
        if query.modified_since is not None:
            where += " AND modified_at >= ?"
            values.append(query.modified_since)
        if query.after is not None:
            where += f" AND id {compare} ?" if column == "id" else f" AND ({column}, id) {compare} (?, ?)"
            values += [query.after[1]] if column == "id" else list(query.after)
        order = f"id {direction}" if column == "id" else f"{column} {direction}, id {direction}"
        rows = self.connection.execute(
            # Only constants of SORT_COLUMNS and of this function are put together here.
            f"SELECT id, data, created_at, modified_at FROM objects WHERE {where} ORDER BY {order} "  # noqa: S608
            "LIMIT ? OFFSET ?",
            (*values, query.limit, query.offset),
        )
        return [_stored(row) for row in rows]

    def as_of(self, world: str, kind: str, at: float) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every (id, object) of a kind as it was at the moment `at`.

        SQLite takes the bare columns from the row that holds max(at): one walk along the primary key.
        """
        rows = self.connection.execute(
            "SELECT id, data, max(at) FROM versions WHERE world = ? AND kind = ? AND at <= ? GROUP BY id",
            (world, kind, at),
        )
        return ((id_, from_json(text)) for id_, text, _ in rows if text is not None)


def _stored(row: tuple[str, str, float, float]) -> Stored:
    return Stored(id=row[0], data=from_json(row[1]), created_at=row[2], modified_at=row[3])
