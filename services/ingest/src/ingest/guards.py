"""What must not pass without a person: a delivery that would make much vanish, or lost a column."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from contracts.events import TableCounts
from contracts.names import Table


@dataclass(frozen=True, slots=True)
class Before:
    """What was stored of a table before this delivery: living rows, and the columns last delivered."""

    rows: int
    columns: frozenset[str]


@dataclass(frozen=True, slots=True)
class Limits:
    """Losing more than `percent` of a table's rows, and more than `floor` of them, holds the delivery."""

    percent: float
    floor: int


@dataclass(frozen=True, slots=True)
class Incoming:
    """What the delivery brings of a table."""

    rows: int
    columns: frozenset[str]
    counts: TableCounts


def reasons_to_hold(
    before: Mapping[Table, Before], incoming: Mapping[Table, Incoming], limits: Limits
) -> list[str]:
    """Why a person must look at this delivery first, in words; empty if it may pass."""
    return [
        f"{table}: {reason}"
        for table, new in incoming.items()
        if (old := before.get(table)) is not None
        for reason in _reasons(old, new, limits)
    ]


def _reasons(old: Before, new: Incoming, limits: Limits) -> Iterator[str]:
    if old.rows and not new.rows:
        yield f"empty, though {old.rows} rows are stored"
    elif new.counts.gone > limits.floor and new.counts.gone > old.rows * limits.percent / 100:
        yield f"{new.counts.gone} of {old.rows} rows are missing"
    if lost := sorted(old.columns - new.columns):
        yield f"column {', '.join(lost)} is missing, it used to be delivered"
