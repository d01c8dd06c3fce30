"""When is a delivery complete? DailyUp has no public end marker, so it follows from the files themselves,
unless one is configured."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from contracts.names import Table


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """A file in a tenant's home: the tables that it brings (an archive several), whether it is the marker.

    `unfinished`: its upload has begun and not been completed.
    """

    name: str
    tables: frozenset[Table]
    size: int
    quiet_for: timedelta
    unfinished: bool = False
    is_marker: bool = False


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a file must have stood still, and how long missing tables are waited for."""

    quiet: timedelta
    waiting: timedelta


@dataclass(frozen=True, slots=True)
class Complete:
    """The delivery can be imported; `missing` tables did not come (or not whole) in the waiting time."""

    missing: tuple[Table, ...]


def is_complete(
    files: Sequence[ReceivedFile],
    expected: Collection[Table],
    *,
    started: datetime,
    now: datetime,
    patience: Patience,
    by_marker: bool = False,
) -> Complete | None:
    """Whether what is there can be imported; None: wait on.

    While any file still grows nothing is taken, however long it lasts. An upload that was cut off is
    waited for like a missing table, so that the sender can resume it. `by_marker`: the sender says by a
    marker that all has come, so that nothing but the marker is waited for.
    """
    if not files or any(file.quiet_for < patience.quiet for file in files):
        return None
    whole = [file for file in files if not file.unfinished]
    there = frozenset[Table]().union(*(file.tables for file in whole))
    missing = tuple(table for table in Table if table in expected and table not in there)
    all_has_come = any(file.is_marker for file in whole) if by_marker else not missing
    if (not all_has_come or len(whole) < len(files)) and now - started < patience.waiting:
        return None
    return Complete(missing)
