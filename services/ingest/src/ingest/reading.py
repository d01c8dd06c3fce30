"""Reads the files of a delivery: tolerant of form, strict about meaning.

Encoding, delimiter and line ends are found out; every cell is read as text first, then by its column's
type. What cannot be read is *unknown*, never empty: a bad cell, a column that was not delivered. A row
whose required cells cannot be read is rejected; a file without its key column is rejected as a whole.
polars is imported here, so this module is imported only when there is something to read.
"""

import csv
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from contracts.ids import AmeiseKey
from contracts.names import Table
from ingest.cells import CANONICAL, stripped
from ingest.problems import Problem, Rule, TableRejected
from ingest.table_format import Column, Format, TableFormat, normalised

MAX_COLUMNS = 1000
MAX_HEADER_BYTES = 262_144
KEPT_PROBLEMS = 20_000
"""Problems of one table that are kept one by one; the others are only counted."""

DELIMITERS = (";", ",", "\t")
_END = "\x02"
"""Put behind the last cell of every line before parsing: polars fills short rows up in silence."""
_KEY_PATTERN = f"^{AmeiseKey.pattern.pattern}$"


@dataclass(frozen=True, slots=True)
class ReadTable:
    """One table as read. `frame`: `key`, the format's columns as canonical text, `extra` (JSON text of
    columns that the format does not know), `unknown` (`{a,b}`), `row_hash` (MD5 of all of it)."""

    table: Table
    file: str
    frame: pl.DataFrame
    delivered: tuple[str, ...]
    rejected: int
    rejected_keys: tuple[str, ...]
    every_row_has_key: bool
    problems: tuple[Problem, ...]
    problem_count: int

    @property
    def rows(self) -> int:
        return self.frame.height


@dataclass(slots=True)
class ReadDelivery:
    """All tables that could be read, and what was wrong with the others."""

    tables: dict[Table, ReadTable] = field(default_factory=dict[Table, ReadTable])
    problems: list[Problem] = field(default_factory=list[Problem])

    def all_problems(self) -> list[Problem]:
        return [*self.problems, *(problem for read in self.tables.values() for problem in read.problems)]

    def problem_count(self) -> int:
        return len(self.problems) + sum(read.problem_count for read in self.tables.values())


def read_delivery(files: list[Path], form: Format) -> ReadDelivery:
    """Read the files of one delivery. Of two files of the same table the newer one counts."""
    read = ReadDelivery()
    newest: dict[Table, Path] = {}
    for path in sorted(files, key=lambda path: (path.stat().st_mtime_ns, path.name)):
        table = form.table_of(path.name)
        if table is None:
            unfinished = path.suffix == ".unfinished"
            rule = Rule.FILE_UNFINISHED if unfinished else Rule.FILE_OF_NO_TABLE
            read.problems.append(Problem(path.name, rule))
            continue
        if table in newest:
            read.problems.append(Problem(newest[table].name, Rule.FILE_SUPERSEDED))
        newest[table] = path
    for definition in form.tables:
        if path := newest.get(definition.table):
            try:
                read.tables[definition.table] = read_table(path.read_bytes(), path.name, definition)
            except TableRejected as rejected:
                read.problems.append(rejected.problem)
    return read


def read_table(raw: bytes, file: str, definition: TableFormat) -> ReadTable:
    """Read one file as `definition` says. Raises TableRejected."""
    data = as_utf8(raw)
    headings, delimiter = _header(data, file, definition)
    columns = _columns(headings, file, definition)
    notes = [
        Problem(file, Rule.COLUMN_MISSING, column=column.name)
        for column in definition.columns
        if column.name not in columns.values()
    ]
    notes += [
        # The heading is the sender's word for a column, no value: it may be told.
        Problem(file, Rule.COLUMN_UNKNOWN, column=heading[:60])
        for place, heading in enumerate(headings)
        if heading and place not in columns
    ]
    rows = _parse(data, file, delimiter, len(headings))
    return _Rows(file, definition, headings, columns).judge(rows, notes)


# ── bytes ────────────────────────────────────────────────────────────────────


def as_utf8(raw: bytes) -> bytes:
    """The file's text as UTF-8 without BOM. What is no UTF-8 is read as Windows-1252, line by line, so
    that a file of mixed encodings keeps both kinds of lines right."""
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return b"\n".join(map(_line_as_utf8, raw.split(b"\n")))
    return raw


def _line_as_utf8(line: bytes) -> bytes:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace").encode()
    return line


def _header(data: bytes, file: str, definition: TableFormat) -> tuple[list[str], str]:
    """The headings, and the delimiter under which most of them are columns that we know."""
    if not data.strip():
        raise TableRejected(Problem(file, Rule.FILE_EMPTY))
    first_line = data[:MAX_HEADER_BYTES].split(b"\n", 1)[0].rstrip(b"\r")
    if len(first_line) >= MAX_HEADER_BYTES - 1:
        raise TableRejected(Problem(file, Rule.TOO_MANY_COLUMNS, row=1))
    line = first_line.decode("utf-8", errors="replace").replace("\x00", "")
    best: tuple[int, list[str], str] = (-1, [], ";")
    for delimiter in DELIMITERS:
        try:
            headings = next(csv.reader([line], delimiter=delimiter))
        except (csv.Error, StopIteration):
            continue
        known = sum(1 for heading in headings if definition.column_headed(heading))
        if known > best[0]:
            best = (known, headings, delimiter)
    _, headings, delimiter = best
    if len(headings) > MAX_COLUMNS:
        raise TableRejected(Problem(file, Rule.TOO_MANY_COLUMNS, row=1))
    return [normalised(heading) for heading in headings], delimiter


def _columns(headings: list[str], file: str, definition: TableFormat) -> dict[int, str]:
    """Place in the file → our column. Raises TableRejected where that is not clear, or a key is missing."""
    found: dict[int, str] = {}
    exact = {heading for heading in headings if heading in definition.names}
    for place, heading in enumerate(headings):
        column = definition.column_headed(heading)
        if column is None or (column.name in exact and heading != column.name):
            continue  # the column stands there under its own name; a namesake by alias is an unknown one
        if column.name in found.values():
            raise TableRejected(Problem(file, Rule.COLUMN_TWICE, row=1, column=column.name))
        found[place] = column.name
    for name in definition.key:
        if name not in found.values():
            raise TableRejected(Problem(file, Rule.KEY_COLUMN_MISSING, row=1, column=name))
    return found


def _parse(data: bytes, file: str, delimiter: str, width: int) -> pl.DataFrame:
    """Cells as text: `c0` ... `c{width-1}`, then `end`, which holds the mark unless the row is ragged."""
    body = data.split(b"\n", 1)[1] if b"\n" in data else b""
    body = body.replace(b"\r\n", b"\n").removesuffix(b"\n")
    names = [f"c{place}" for place in range(width)]
    if not body:
        return pl.DataFrame(schema=dict.fromkeys(("row", *names, "end"), pl.String))
    marked = body.replace(b"\n", f"{delimiter}{_END}\n".encode()) + f"{delimiter}{_END}\n".encode()
    try:
        frame = _read_csv(marked, delimiter, names, quote='"')
    except pl.exceptions.PolarsError:
        # A quote that never closes, or text behind a closing one: take quotes as ordinary characters, and
        # let the rows that needed them be rejected one by one.
        try:
            frame = _without_quotes(_read_csv(marked, delimiter, names, quote=None), names)
        except pl.exceptions.PolarsError as error:
            raise TableRejected(Problem(file, Rule.FILE_UNREADABLE)) from error
    # A quoted line break got the mark too.
    inside = f"{delimiter}{_END}\n"
    broken = [name for name in names if frame[name].str.contains(inside, literal=True).any()]
    return frame.with_columns(pl.col(name).str.replace_all(inside, "\n", literal=True) for name in broken)


def _read_csv(data: bytes, delimiter: str, names: list[str], *, quote: str | None) -> pl.DataFrame:
    return pl.read_csv(
        data,
        has_header=False,
        separator=delimiter,
        quote_char=quote,
        schema=dict.fromkeys([*names, "end", "beyond"], pl.String),
        missing_columns="insert",
        truncate_ragged_lines=True,
        empty_string_is_null=False,
    ).with_row_index("row", offset=2)


def _without_quotes(frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Undo the quotes around whole cells. A quote on one side only makes the cell unreadable."""
    fixed: list[pl.Expr] = []
    for name in names:
        cell = pl.col(name)
        whole = cell.str.contains(r'(?s)^".*"$') & (cell.str.len_bytes() >= 2)
        inner = cell.str.slice(1, cell.str.len_chars() - 2).str.replace_all('""', '"', literal=True)
        lone = cell.str.starts_with('"') | cell.str.ends_with('"')
        fixed.append(pl.when(whole).then(inner).when(lone).then(pl.lit("\x00")).otherwise(cell).alias(name))
    return frame.with_columns(fixed)


# ── rows ─────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Rows:
    """Judges the rows of one file."""

    file: str
    definition: TableFormat
    headings: list[str]
    columns: dict[int, str]

    def judge(self, cells: pl.DataFrame, notes: list[Problem]) -> ReadTable:
        frame = self._typed(cells)
        checks = self._checks()
        frame = frame.with_columns(check.alias(name) for name, (check, _, _) in checks.items())
        problems, count = list(notes), len(notes)
        for name, (_, rule, column) in checks.items():
            found = frame.filter(pl.col(name))
            count += found.height
            kept = found["row"].head(max(KEPT_PROBLEMS - len(problems), 0)).to_list()
            problems += [Problem(self.file, rule, row, column) for row in kept]
        rejecting = [name for name, (_, rule, _) in checks.items() if rule is not Rule.CELL_UNREADABLE]
        rejected = frame.filter(pl.any_horizontal(rejecting))
        good = frame.filter(~pl.any_horizontal(rejecting))
        known_keys = rejected.filter(~pl.col("no_key") & ~pl.col("key_twice"))["key"]
        return ReadTable(
            table=self.definition.table,
            file=self.file,
            frame=self._finished(good, checks),
            delivered=tuple(sorted(self.columns.values())),
            rejected=rejected.height,
            rejected_keys=tuple(known_keys.unique().to_list()),
            every_row_has_key=not rejected["no_key"].any(),
            problems=tuple(problems),
            problem_count=count,
        )

    def _typed(self, cells: pl.DataFrame) -> pl.DataFrame:
        """Blank lines gone; per known column the delivered text (`raw:x`) and the canonical one (`x`)."""
        width = len(self.headings)
        blank = (pl.col("c0") == (_END if width > 0 else "")) if width > 1 else (pl.col("c0") == "")
        cells = cells.filter(~(blank & (pl.col("c1") == "") if width > 1 else blank))
        raws = [stripped(pl.col(f"c{place}")).alias(f"raw:{name}") for place, name in self.columns.items()]
        extras = [
            stripped(pl.col(f"c{place}")).alias(f"extra:{self.headings[place]}")
            for place in self._extra_places()
        ]
        ends = [
            (
                (pl.col("end") != _END) & pl.any_horizontal(pl.col(f"c{i}") == _END for i in range(width))
            ).alias("short"),
            (pl.col("end") != _END).alias("ragged"),
        ]
        frame = cells.select("row", *raws, *extras, *ends)
        frame = frame.with_columns(
            CANONICAL[column.type](pl.col(f"raw:{column.name}")).alias(column.name)
            for column in self._delivered()
        )
        return frame.with_columns(pl.concat_str(self.definition.key, separator=":").alias("key"))

    def _extra_places(self) -> list[int]:
        """Places of columns that the format does not know; of equal headings the first."""
        places: dict[str, int] = {}
        for place, heading in enumerate(self.headings):
            if heading and place not in self.columns:
                places.setdefault(heading, place)
        return list(places.values())

    def _delivered(self) -> list[Column]:
        return [column for column in self.definition.columns if column.name in self.columns.values()]

    def _checks(self) -> dict[str, tuple[pl.Expr, Rule, str | None]]:
        """Name of the check → (true where broken, rule, column)."""
        whole = ~pl.col("ragged")
        no_key = ~pl.col("key").str.contains(_KEY_PATTERN).fill_null(value=False)
        last_of_key = pl.col("row") == pl.col("row").max().over("key")
        checks: dict[str, tuple[pl.Expr, Rule, str | None]] = {
            "too_short": (pl.col("ragged") & pl.col("short"), Rule.ROW_TOO_SHORT, None),
            "too_long": (pl.col("ragged") & ~pl.col("short"), Rule.ROW_TOO_LONG, None),
            "no_key": (no_key, Rule.KEY_UNREADABLE, None),
            "key_twice": (whole & ~no_key & ~last_of_key, Rule.KEY_TWICE, None),
        }
        for column in self._delivered():
            value, raw = pl.col(column.name), pl.col(f"raw:{column.name}")
            if column.name in self.definition.key:
                continue
            if column.required:
                checks[f"bad:{column.name}"] = (
                    whole & value.is_null(),
                    Rule.REQUIRED_UNREADABLE,
                    column.name,
                )
            else:
                unreadable = whole & value.is_null() & raw.is_not_null()
                checks[f"bad:{column.name}"] = (unreadable, Rule.CELL_UNREADABLE, column.name)
        return checks

    def _finished(
        self, good: pl.DataFrame, checks: dict[str, tuple[pl.Expr, Rule, str | None]]
    ) -> pl.DataFrame:
        delivered = set(self.columns.values())
        missing = [name for name in self.definition.names if name not in delivered]
        bad = [
            (name, column)
            for name, (_, rule, column) in checks.items()
            if rule is Rule.CELL_UNREADABLE and good[name].any()
        ]
        unknown = pl.concat_str(
            [
                *[pl.lit(name) for name in missing],
                *[pl.when(pl.col(name)).then(pl.lit(column)) for name, column in bad],
            ]
            or [pl.lit("")],
            separator=",",
            ignore_nulls=True,
        )
        extras = [name for name in good.columns if name.startswith("extra:")]
        extra = (
            pl.struct(
                pl.col(name).str.replace_all("\x00", "", literal=True).alias(name.removeprefix("extra:"))
                for name in extras
            ).struct.json_encode()
            if extras
            else pl.lit("{}")
        )
        frame = good.select(
            "key",
            *[
                pl.col(name) if name in delivered else pl.lit(None, pl.String).alias(name)
                for name in self.definition.names
            ],
            extra.alias("extra"),
            ("{" + unknown + "}").alias("unknown"),
        )
        return frame.with_columns(row_hash=_row_hashes(frame))


def _row_hashes(frame: pl.DataFrame) -> pl.Series:
    """MD5 of each row: equal means that nothing was delivered differently."""
    joined = frame.select(
        pl.concat_str(pl.all().fill_null("\x00"), separator="\x1f").alias("row_hash")
    ).to_series()
    return pl.Series(
        "row_hash",
        [hashlib.md5(row.encode(), usedforsecurity=False).hexdigest() for row in joined.to_list()],
        dtype=pl.String,
    )
