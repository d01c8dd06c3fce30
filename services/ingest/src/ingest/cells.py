"""The forms that values take in a delivery, read column by column.

`canonical` maps a column of texts (null = empty) to the canonical texts of its type, and to null where a
text cannot be read. "Null where there was a text" is what the caller calls unknown.
Canonical: `1980-01-02`, `1234.56`, `true`/`false`, `2024-03-01T14:05:00`.
"""

import re
from collections.abc import Callable

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


def stripped(cells: pl.DataFrame) -> pl.DataFrame:
    """Texts without blanks around them; null where nothing is left."""
    bare = cells.select(pl.all().str.strip_chars(BLANKS))
    empty = [name for name in bare.columns if (bare[name] == "").any()]
    return bare.with_columns(pl.when(pl.col(name) != "").then(pl.col(name)) for name in empty)


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
# Each is read in a fraction of the time of the above, to the same canonical text; else to null.

_Reading = Callable[[pl.Expr], pl.Expr]


_ISO, _GERMAN = "[0-9]{4}-[0-9]{2}-[0-9]{2}", r"[0-9]{2}\.[0-9]{2}\.[0-9]{4}"
_MINUTES = "[T ]([01][0-9]|2[0-3]):[0-5][0-9]"
_SECONDS = f"{_MINUTES}:[0-5][0-9]"
_WITH_POINT, _WITH_COMMA = r"-?[0-9]{1,16}\.[0-9]{1,2}", "-?[0-9]{1,16},[0-9]{1,2}"


def _fitting(pattern: str, cell: pl.Expr) -> pl.Expr:
    """The texts of that pattern."""
    return pl.when(cell.str.contains(f"^{pattern}$")).then(cell)


def _iso_day(cell: pl.Expr) -> pl.Expr:
    day = _fitting(_ISO, cell)
    return pl.when(day.str.to_date("%Y-%m-%d", strict=False).dt.year() >= 1).then(day)


def _german_day(cell: pl.Expr) -> pl.Expr:
    day = _fitting(_GERMAN, cell)
    iso = pl.concat_str(day.str.slice(6, 4), day.str.slice(3, 2), day.str.slice(0, 2), separator="-")
    return pl.when(day.str.to_date("%d.%m.%Y", strict=False).dt.year() >= 1).then(iso)


def _moments(pattern: str, day: _Reading) -> dict[str, _Reading]:
    """A day alone, with a time to the minute, and to the second."""

    def timed(times: str, behind: str) -> _Reading:
        return lambda cell: pl.concat_str(
            day(cell.str.slice(0, 10)),
            _fitting(times, cell.str.slice(10)).str.slice(1) + behind,
            separator="T",
        )

    return {
        pattern: lambda cell: day(cell) + "T00:00:00",
        pattern + _MINUTES: timed(_MINUTES, ":00"),
        pattern + _SECONDS: timed(_SECONDS, ""),
    }


_USUAL: dict[ColumnType, dict[str, _Reading]] = {
    ColumnType.DATE: {_ISO: _iso_day, _GERMAN: _german_day},
    ColumnType.DECIMAL: {
        _WITH_POINT: lambda cell: _fitting(_WITH_POINT, cell),
        _WITH_COMMA: lambda cell: _fitting(_WITH_COMMA, cell).str.replace(",", ".", literal=True),
    },
    ColumnType.BOOLEAN: {
        "[01]": lambda cell: pl.when(cell == "1").then(pl.lit("true")).when(cell == "0").then(pl.lit("false"))
    },
    ColumnType.TIMESTAMP: _moments(_ISO, _iso_day) | _moments(_GERMAN, _german_day),
}
"""Pattern of a text → how all of that pattern are read."""


def canonical(type_: ColumnType, cells: pl.Series) -> pl.Series:
    """The canonical texts of a column; null where nothing stands, or what stands there cannot be read. Where
    the first text is written in a usual way, the others mostly are."""
    first = cells.drop_nulls().head(1).to_list()
    usual = [
        reading
        for pattern, reading in _USUAL.get(type_, {}).items()
        if first and re.fullmatch(pattern, first[0])
    ]
    if not usual:
        return _read(CANONICAL[type_], cells)
    found = _read(usual[0], cells)
    left = found.is_null() & cells.is_not_null()
    return (
        found.scatter(left.arg_true(), _read(CANONICAL[type_], cells.filter(left))) if left.any() else found
    )


def _read(reading: _Reading, cells: pl.Series) -> pl.Series:
    return cells.to_frame("x").select(reading(pl.col("x")).alias(cells.name)).to_series()
