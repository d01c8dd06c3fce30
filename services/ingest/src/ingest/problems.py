"""What was found wrong with a delivery: which file, which row, which column, which rule. Never the value."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Rule(StrEnum):
    """The rule that a file, a row or a cell broke."""

    FILE_OF_NO_TABLE = "file_of_no_table"
    FILE_UNFINISHED = "file_unfinished"
    FILE_SUPERSEDED = "file_superseded"
    FILE_EMPTY = "file_empty"
    FILE_UNREADABLE = "file_unreadable"
    ARCHIVE_UNREADABLE = "archive_unreadable"
    ARCHIVE_TOO_LARGE = "archive_too_large"
    ARCHIVE_RATIO = "archive_ratio"
    ARCHIVE_TOO_MANY_ENTRIES = "archive_too_many_entries"
    ARCHIVE_NAME = "archive_name"
    ARCHIVE_LINK = "archive_link"
    ARCHIVE_ENCRYPTED = "archive_encrypted"
    QUOTES_UNBALANCED = "quotes_unbalanced"
    TOO_MANY_COLUMNS = "too_many_columns"
    COLUMN_TWICE = "column_twice"
    COLUMN_MISSING = "column_missing"
    COLUMN_UNKNOWN = "column_unknown"
    KEY_COLUMN_MISSING = "key_column_missing"
    ROW_TOO_SHORT = "row_too_short"
    ROW_TOO_LONG = "row_too_long"
    KEY_UNREADABLE = "key_unreadable"
    KEY_TWICE = "key_twice"
    REQUIRED_UNREADABLE = "required_unreadable"
    CELL_UNREADABLE = "cell_unreadable"


REJECTS_ROW = frozenset(
    {Rule.ROW_TOO_SHORT, Rule.ROW_TOO_LONG, Rule.KEY_UNREADABLE, Rule.KEY_TWICE, Rule.REQUIRED_UNREADABLE}
)


@dataclass(frozen=True, slots=True)
class Problem:
    """`row` counts records, the header being 1; it is the line unless cells hold line breaks."""

    file: str
    rule: Rule
    row: int | None = None
    column: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


class TableRejected(Exception):  # noqa: N818
    """A file cannot be read as its table at all: what is stored of the table stays as it is."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.file}: {problem.rule}")
        self.problem = problem
