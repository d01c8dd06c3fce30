"""When is a delivery complete? DailyUp has no public end marker, so it follows from the files themselves."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from contracts.names import Table


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """A file in a tenant's home. `unfinished`: its upload has begun and not been completed."""

    name: str
    table: Table | None
    size: int
    quiet_for: timedelta
    unfinished: bool = False


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
) -> Complete | None:
    """Whether what is there can be imported; None: wait on.

    While any file still grows nothing is taken, however long it lasts. An upload that was cut off is
    waited for like a missing table, so that the sender can resume it.
    """
    if not files or any(file.quiet_for < patience.quiet for file in files):
        return None
    whole = {file.table for file in files if not file.unfinished}
    missing = tuple(table for table in Table if table in expected and table not in whole)
    waits_for_something = bool(missing) or any(file.unfinished for file in files)
    if waits_for_something and now - started < patience.waiting:
        return None
    return Complete(missing)
