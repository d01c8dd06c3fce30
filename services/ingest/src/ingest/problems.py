"""What was found wrong with a delivery: which file, which line, which column, which rule, and what kind of
value stood there. Never the value."""

import re
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

MAX_CELL_BYTES = 32_768
"""A longer cell is no value of ours: more likely a quote was never closed."""
UNREADABLE_CHARACTERS = "\x00\x02\ufffd"
"""PostgreSQL stores no NUL; the second is `parsing.END`; the third stands for what no encoding could read."""
LONE_QUOTE = '"\x02'
"""Stands for a cell that a quote opens and none closes, or the other way round. No file can hold it as a
readable cell, and it is not the mark behind a line (`parsing.END`)."""


class Rule(StrEnum):
    """The rule that a file, a row or a cell broke."""

    FILE_OF_NO_TABLE = "file_of_no_table"
    FILE_UNFINISHED = "file_unfinished"
    FILE_SUPERSEDED = "file_superseded"
    FILE_EMPTY = "file_empty"
    FILE_UNREADABLE = "file_unreadable"
    FILE_CUT_OFF = "file_cut_off"
    ARCHIVE_UNREADABLE = "archive_unreadable"
    ARCHIVE_TOO_LARGE = "archive_too_large"
    ARCHIVE_RATIO = "archive_ratio"
    ARCHIVE_TOO_MANY_ENTRIES = "archive_too_many_entries"
    ARCHIVE_NAME = "archive_name"
    ARCHIVE_LINK = "archive_link"
    ARCHIVE_ENCRYPTED = "archive_encrypted"
    TOO_MANY_COLUMNS = "too_many_columns"
    COLUMN_TWICE = "column_twice"
    COLUMN_MISSING = "column_missing"
    COLUMN_UNKNOWN = "column_unknown"
    KEY_COLUMN_MISSING = "key_column_missing"
    ROW_TOO_SHORT = "row_too_short"
    ROW_TOO_LONG = "row_too_long"
    ROW_SWALLOWS_ROWS = "row_swallows_rows"
    KEY_UNREADABLE = "key_unreadable"
    KEY_TWICE = "key_twice"
    REQUIRED_UNREADABLE = "required_unreadable"
    CELL_UNREADABLE = "cell_unreadable"
    POINTS_NOWHERE = "points_nowhere"
    NOTHING_TAKEN_FOR_GONE = "nothing_taken_for_gone"


class ValueClass(StrEnum):
    """What kind of value stood in a cell."""

    EMPTY = "empty"
    NUMBER = "number"
    DATE_LIKE = "date-like"
    TEXT = "text"
    TOO_LONG = "too long"
    LONE_QUOTE = "lone quote"
    UNREADABLE_CHARACTERS = "unreadable characters"


@dataclass(frozen=True, slots=True)
class Problem:
    """`row` counts records, `line` lines, the header being 1; they differ once a cell held a line break."""

    file: str
    rule: Rule
    row: int | None = None
    column: str | None = None
    line: int | None = None
    value: ValueClass | None = None

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


class TableRejected(Exception):  # noqa: N818
    """A file cannot be read as its table at all: what is stored of the table stays as it is."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.file}: {problem.rule}")
        self.problem = problem


_NUMBER = re.compile(r"[+-]?[\d.,]*\d")
_DATE_LIKE = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}([T ].*)?")


def value_class(cell: str | None) -> ValueClass:
    """What kind of value a cell holds."""
    if cell is None:
        return ValueClass.EMPTY
    if cell == LONE_QUOTE:
        return ValueClass.LONE_QUOTE
    if len(cell.encode()) > MAX_CELL_BYTES:
        return ValueClass.TOO_LONG
    if re.search(f"[{UNREADABLE_CHARACTERS}]", cell):
        return ValueClass.UNREADABLE_CHARACTERS
    if _DATE_LIKE.fullmatch(cell):
        return ValueClass.DATE_LIKE
    return ValueClass.NUMBER if _NUMBER.fullmatch(cell) else ValueClass.TEXT
