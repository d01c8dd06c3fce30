"""What must not pass without a person: a delivery that would make much vanish, or lost or emptied a column.

And what must not be taken for an order to remove anything: a table that did not come whole.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from contracts.events import TableCounts
from contracts.names import Table
from contracts.rpc.ingest_format import Policy
from ingest.table_format import Column, TableFormat


@dataclass(frozen=True, slots=True)
class Before:
    """What was stored of a table before this delivery: living rows, the columns last delivered, and in how
    many of the rows last delivered each of these was filled."""

    rows: int
    columns: frozenset[str]
    filled: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class Limit:
    """More than `percent` of the rows, and more than `floor` of them, is too much."""

    percent: float
    floor: int

    def is_passed_by(self, rows: float, *, of: float) -> bool:
        return rows > self.floor and rows > of * self.percent / 100


@dataclass(frozen=True, slots=True)
class Limits:
    """`gone`: rows that vanish; `emptied`: cells of a column; `rejected`: rows that cannot be read."""

    gone: Limit
    emptied: Limit
    rejected: Limit


@dataclass(frozen=True, slots=True)
class Incoming:
    """What the delivery brings of a table. `rows`: all, rejected ones too. `filled` and `unreadable`: cells
    per delivered column in the rows that are not rejected; `new_columns`: headings that we do not know."""

    definition: TableFormat
    rows: int
    columns: frozenset[str]
    counts: TableCounts
    filled: Mapping[str, int] = field(default_factory=dict[str, int])
    unreadable: Mapping[str, int] = field(default_factory=dict[str, int])
    new_columns: tuple[str, ...] = ()


def reasons_to_hold(
    before: Mapping[Table, Before], incoming: Mapping[Table, Incoming], limits: Limits
) -> list[str]:
    """Why a person must look at this delivery first, in words for the admin; empty if it may pass."""
    return [
        f"{table}: {reason}"
        for table, new in incoming.items()
        for reason in _reasons(before.get(table), new, limits)
    ]


def _reasons(old: Before | None, new: Incoming, limits: Limits) -> Iterator[str]:
    if old:
        yield from _of_rows(old, new, limits)
    if lost := sorted(_lost(old, new)):
        yield f"Spalte {', '.join(lost)} fehlt, bisher kam sie"
    if asked := sorted(
        column.name
        for column in new.definition.columns
        if column.name not in new.columns and column.missing is Policy.HOLD
    ):
        yield f"Spalte {', '.join(asked)} fehlt"
    if unknown := [h for h in new.new_columns if new.definition.policy_for_new(h) is Policy.HOLD]:
        yield f"Spalte {', '.join(heading[:60] for heading in unknown)} ist neu"
    for column in new.definition.columns:
        bad, filled = new.unreadable.get(column.name, 0), new.filled.get(column.name, 0)
        if column.unreadable is Policy.HOLD and limits.emptied.is_passed_by(bad, of=filled):
            yield f"Spalte {column.name} ist in {bad} von {filled} Zeilen unlesbar"
        if old and (fall := _fall(old, new, column, limits.emptied)):
            yield fall


def _of_rows(old: Before, new: Incoming, limits: Limits) -> Iterator[str]:
    if old.rows and not new.rows:
        yield f"leer, obwohl {old.rows} Zeilen gespeichert sind"
    elif limits.gone.is_passed_by(new.counts.gone, of=old.rows):
        yield f"{new.counts.gone} von {old.rows} Zeilen fehlen"


def _lost(old: Before | None, new: Incoming) -> set[str]:
    """Columns that used to be delivered and are not any more, unless somebody said what to do then."""
    told = {column.name for column in new.definition.columns if column.missing is not None}
    return set(old.columns - new.columns - told) if old else set()


def _fall(old: Before, new: Incoming, column: Column, limit: Limit) -> str | None:
    """In words, if the column was filled in many more rows, measured in points of percent. A cell that
    cannot be read counts as filled: it empties nothing."""
    name = column.name
    before, now = _rows(old.filled), _rows(new.filled)
    if not before or not now or name not in old.filled or name not in new.filled:
        return None
    was, is_ = old.filled[name] / before, new.filled[name] / now
    if not limit.is_passed_by((was - is_) * now, of=now):
        return None
    return f"Spalte {name} ist in {is_:.0%} der Zeilen gefüllt, zuvor in {was:.0%}"


def _rows(filled: Mapping[str, int]) -> int:
    """Rows counted: the columns of the key are filled in all of them."""
    return max(filled.values(), default=0)


def is_whole(
    *, rows: int, rejected: int, every_row_has_key: bool, cut_off: bool, unfinished: bool, limit: Limit
) -> bool:
    """Whether what a table does not bring is gone. Not so where rows may be missing by mistake."""
    incomplete = cut_off or unfinished or not every_row_has_key
    return not incomplete and not limit.is_passed_by(rejected, of=rows + rejected)
