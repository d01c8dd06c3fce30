"""The forms that values take in a delivery, as polars expressions over columns of text.

Every function maps a column of texts (null = empty) to the canonical text of its type, and to null where
the text cannot be read. "Null where there was a text" is what the caller calls unknown.
Canonical: `1980-01-02`, `1234.56`, `true`/`false`, `2024-03-01T14:05:00`.
"""

from collections.abc import Callable, Sequence

import polars as pl

from contracts.rpc.ingest_format import ColumnType
from ingest.problems import MAX_CELL_BYTES, UNREADABLE_CHARACTERS

BLANKS = " \t\r\n\u00a0\ufeff"
_UNREADABLE = f"[{UNREADABLE_CHARACTERS}]"

_ISO_DATE = r"^\d{4}-\d{2}-\d{2}$"
_GERMAN_DATE = r"^\d{1,2}\.\d{1,2}\.\d{4}$"
# Not `\d`: to polars that is a digit of any script, to PostgreSQL only these are.
_GERMAN_DECIMAL = r"^[+-]?([0-9]{1,3}(\.[0-9]{3})+|[0-9]+)(,[0-9]{1,2}0*)?$"
_PLAIN_DECIMAL = r"^[+-]?[0-9]+\.[0-9]{1,2}$"
_STORABLE_DECIMAL = r"^[+-]?[0-9]{1,16}(\.[0-9]{1,20})?$"
"""What a column of type numeric(18, 2) takes."""
_LAST_YEAR = 9999
_TRUE = ("1", "ja", "j", "true", "wahr", "x")
_FALSE = ("0", "nein", "n", "false", "falsch")


def stripped(cell: pl.Expr) -> pl.Expr:
    """Without blanks around it; null when nothing is left."""
    bare = cell.str.strip_chars(BLANKS)
    return pl.when(bare != "").then(bare)


def text(cell: pl.Expr) -> pl.Expr:
    """Any text, unless it holds a NUL byte, a character that no encoding could read, or is far too long.

    PostgreSQL stores no NUL."""
    readable = ~cell.str.contains(_UNREADABLE) & (cell.str.len_bytes() <= MAX_CELL_BYTES)
    return pl.when(readable).then(cell)


def date(cell: pl.Expr) -> pl.Expr:
    """`2.1.1980`, `02.01.1980`, `1980-01-02`, also with a time of midnight. Years have four digits."""
    day = cell.str.replace(r"[T ]00:00(:00)?$", "")
    iso = pl.when(day.str.contains(_ISO_DATE)).then(day).str.to_date("%Y-%m-%d", strict=False)
    german = pl.when(day.str.contains(_GERMAN_DATE)).then(day).str.to_date("%d.%m.%Y", strict=False)
    found = pl.coalesce(iso, german)
    return pl.when(found.dt.year() >= 1).then(found).dt.to_string("%Y-%m-%d")


def decimal(cell: pl.Expr) -> pl.Expr:
    """`1.234,56`, `1234,5`, `1234.56`, with or without a euro sign; at most two decimals, and 16 digits
    before them.

    `1.234` is one thousand two hundred and thirty-four, as amounts are German. `1234.567` is unreadable.
    """
    amount = cell.str.replace(r"\s*(€|EUR)$", "")
    german = pl.when(amount.str.contains(_GERMAN_DECIMAL)).then(
        amount.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    )
    plain = pl.when(amount.str.contains(_PLAIN_DECIMAL)).then(amount)
    found = pl.coalesce(german, plain)
    return pl.when(found.str.contains(_STORABLE_DECIMAL)).then(found).str.strip_prefix("+")


def boolean(cell: pl.Expr) -> pl.Expr:
    """`0`/`1`, `ja`/`nein`, `j`/`n`, `true`/`false`, `wahr`/`falsch`, `x`."""
    word = cell.str.to_lowercase()
    truth = pl.when(word.is_in(_TRUE)).then(pl.lit("true"))
    return truth.otherwise(pl.when(word.is_in(_FALSE)).then(pl.lit("false")))


def timestamp(cell: pl.Expr) -> pl.Expr:
    """A date of either form, alone or with a time to the minute or second; its zone is not known."""
    parts = cell.str.extract_groups(r"^(?<day>[\d.-]{8,10})(?:[T ](?<time>\d{1,2}:\d{2}(?::\d{2})?))?$")
    day = date(parts.struct.field("day"))
    given = parts.struct.field("time")
    with_seconds = pl.when(given.str.count_matches(":") == 1).then(given + ":00").otherwise(given)
    moment = pl.when(given.is_null()).then(day + "T00:00:00").otherwise(day + "T" + with_seconds)
    read = moment.str.to_datetime("%Y-%m-%dT%H:%M:%S", strict=False)
    # A leap second at the end of the last year leads out of what ISO text can say.
    return pl.when(read.dt.year() <= _LAST_YEAR).then(read).dt.to_string("%Y-%m-%dT%H:%M:%S")


CANONICAL: dict[ColumnType, Callable[[pl.Expr], pl.Expr]] = {
    ColumnType.TEXT: text,
    ColumnType.DATE: date,
    ColumnType.DECIMAL: decimal,
    ColumnType.BOOLEAN: boolean,
    ColumnType.TIMESTAMP: timestamp,
}


# ── the usual ways to write a value ──────────────────────────────────────────
#
# Read in a fraction of the time. Each gives what CANONICAL gives, or null where it does not know.

_USUAL_ISO_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_USUAL_GERMAN_DATE = r"^[0-9]{2}\.[0-9]{2}\.[0-9]{4}$"
_USUAL_TIME = r"^.{10}([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?)?$"


def _iso_date(cell: pl.Expr) -> pl.Expr:
    is_day = cell.str.to_date("%Y-%m-%d", strict=False).dt.year() >= 1
    return pl.when(cell.str.contains(_USUAL_ISO_DATE) & is_day).then(cell)


def _german_date(cell: pl.Expr) -> pl.Expr:
    is_day = cell.str.to_date("%d.%m.%Y", strict=False).dt.year() >= 1
    iso = pl.concat_str(cell.str.slice(6, 4), cell.str.slice(3, 2), cell.str.slice(0, 2), separator="-")
    return pl.when(cell.str.contains(_USUAL_GERMAN_DATE) & is_day).then(iso)


def _moment(day: Callable[[pl.Expr], pl.Expr]) -> Callable[[pl.Expr], pl.Expr]:
    def moment(cell: pl.Expr) -> pl.Expr:
        time = cell.str.slice(11)
        seconds = (
            pl.when(time == "").then(pl.lit("00:00:00")).when(time.str.len_bytes() == 5).then(time + ":00")
        )
        found = pl.concat_str(day(cell.str.slice(0, 10)), seconds.otherwise(time), separator="T")
        return pl.when(cell.str.contains(_USUAL_TIME)).then(found)

    return moment


_USUAL: dict[ColumnType, tuple[Callable[[pl.Expr], pl.Expr], ...]] = {
    ColumnType.DATE: (_iso_date, _german_date),
    ColumnType.TIMESTAMP: (_moment(_iso_date), _moment(_german_date)),
}


def canonical(type_: ColumnType, cells: pl.Series) -> pl.Series:
    """The canonical texts of a column; null where nothing stands, or what stands there cannot be read."""
    return _first_that_reads((*_USUAL.get(type_, ()), CANONICAL[type_]), cells)


def _first_that_reads(forms: Sequence[Callable[[pl.Expr], pl.Expr]], cells: pl.Series) -> pl.Series:
    form, *others = forms
    found = cells.to_frame("x").select(form(pl.col("x")).alias(cells.name))[cells.name]
    left = found.is_null() & cells.is_not_null()
    if not others or not left.any():
        return found
    return found.scatter(left.arg_true(), _first_that_reads(others, cells.filter(left)))
