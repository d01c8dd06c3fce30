"""The journal: every call that reached a vendor's stand-in, for tests that ask "was it called, how often?".

Paths are kept without their query and no token value is written.
"""

import time
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.state import Store

VENDORS = ("zoho", "ameise", "blaudirekt")

SCHEMA = """
CREATE TABLE IF NOT EXISTS journal (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, vendor TEXT NOT NULL, world TEXT,
    method TEXT NOT NULL, path TEXT NOT NULL, status INTEGER NOT NULL, ms REAL NOT NULL, actor TEXT
);
"""


@dataclass(slots=True)
class Call:
    """What the handler knows about the call it serves; filled as soon as the token is understood."""

    world: str | None = None
    actor: str | None = None


@dataclass(frozen=True, slots=True)
class JournalQuery:
    """Filters of the journal; None means any. `path` is a part of the path."""

    vendor: str | None = None
    method: str | None = None
    path: str | None = None
    world: str | None = None
    since: int = 0
    """Only entries with a greater `seq`."""
    limit: int = 1000


class Journal:
    """Append and ask."""

    def __init__(self, store: Store) -> None:
        self._connection = store.connection
        self._connection.executescript(SCHEMA)

    def add(
        self, *, at: float, vendor: str, method: str, path: str, status: int, ms: float, call: Call
    ) -> None:
        """Append one call."""
        self._connection.execute(
            "INSERT INTO journal VALUES (NULL,?,?,?,?,?,?,?,?)",
            (at, vendor, call.world, method, path, status, round(ms, 3), call.actor),
        )

    def entries(self, query: JournalQuery) -> list[dict[str, Any]]:
        """The matching calls in the order in which they were answered."""
        where = "seq > ?"
        parameters: list[str | int] = [query.since]
        for column, value in (("vendor", query.vendor), ("method", query.method), ("world", query.world)):
            if value is not None:
                where += f" AND {column} = ?"
                parameters.append(value)
        if query.path is not None:
            where += " AND instr(path, ?) > 0"
            parameters.append(query.path)
        rows = self._connection.execute(
            f"SELECT seq, at, vendor, world, method, path, status, ms, actor FROM journal WHERE {where} "  # noqa: S608
            "ORDER BY seq LIMIT ?",
            (*parameters, query.limit),
        )
        names = ("seq", "at", "vendor", "world", "method", "path", "status", "ms", "actor")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def counts(self) -> list[dict[str, Any]]:
        """How many calls by vendor, method, kind of path (ids left out) and status."""
        rows = self._connection.execute("SELECT vendor, method, path, status FROM journal")
        counted: dict[tuple[str, str, str, int], int] = {}
        for vendor, method, path, status in rows:
            key = (vendor, method, _without_ids(path), status)
            counted[key] = counted.get(key, 0) + 1
        names = ("vendor", "method", "path", "status")
        return [
            {**dict(zip(names, key, strict=True)), "count": number} for key, number in sorted(counted.items())
        ]


def _without_ids(path: str) -> str:
    return "/".join("{id}" if part.isdigit() else part for part in path.split("/"))


def vendor_of(path: str) -> str | None:
    """The stand-in that a path belongs to, None for the sandbox's own paths."""
    first = path.split("/", 2)[1] if "/" in path else ""
    return first if first in VENDORS else None


class JournalMiddleware:
    """Writes the journal, before the last byte of an answer leaves: who has the answer finds the entry."""

    def __init__(self, app: ASGIApp, journal: Journal) -> None:
        self._app = app
        self._journal = journal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        vendor = vendor_of(scope["path"]) if scope["type"] == "http" else None
        if vendor is None:
            await self._app(scope, receive, send)
            return
        call, at, start = Call(), time.time(), time.perf_counter()
        scope["sandbox.call"] = call
        path, method, status, written = scope["path"], scope["method"], 500, False

        def write() -> None:
            nonlocal written
            if not written:
                written = True
                ms = (time.perf_counter() - start) * 1000
                self._journal.add(
                    at=at, vendor=vendor, method=method, path=path, status=status, ms=ms, call=call
                )

        async def recording_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif not message.get("more_body"):
                write()
            await send(message)

        try:
            await self._app(scope, receive, recording_send)
        finally:
            write()
