"""Reads the files of a delivery: tolerant of form, strict about meaning.

Encoding, delimiter and line ends are found out; every cell is read as text first, then by its column's
type. What cannot be read is *unknown*, never empty: a bad cell, a column that was not delivered. A row
whose required cells cannot be read is rejected; a file without its key column is rejected as a whole.
polars is imported here, so this module is imported only when there is something to read.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from contracts.ids import AmeiseKey
from contracts.names import Table
from contracts.rpc.ingest_format import Policy
from ingest.cells import BLANKS, CANONICAL, stripped
from ingest.headings import columns_of
from ingest.parsing import END, FileForm, cells_of, open_text
from ingest.problems import Problem, Rule, TableRejected, value_class
from ingest.spool import UNFINISHED_SUFFIX
from ingest.table_format import Column, Format, TableFormat

KEPT_PROBLEMS = 20_000
"""Problems of one table that are kept one by one; the others are only counted."""

_KEY_PATTERN = f"^{AmeiseKey.pattern.pattern}$"


@dataclass(frozen=True, slots=True)
class ReadTable:
    """One table as read. `frame`: `key`, the format's columns as canonical text, `extra` (JSON text of
    columns that the format does not know), `unknown` (`{a,b}`), `row_hash` (MD5 of all of it); `places`:
    `row` and `line` of each of its rows. `filled` and `unreadable` count cells of these rows per delivered
    column: those where something stands, and those of them that could not be read."""

    table: Table
    file: str
    frame: pl.DataFrame
    places: pl.DataFrame
    form: FileForm
    delivered: tuple[str, ...]
    new_columns: tuple[str, ...]
    filled: Mapping[str, int]
    unreadable: Mapping[str, int]
    cut_off: bool
    rejected: int
    rejected_keys: tuple[str, ...]
    every_row_has_key: bool
    problems: tuple[Problem, ...]
    problem_count: int

    @property
    def rows(self) -> int:
        return self.frame.height

    def with_kept(self, keys: tuple[str, ...]) -> "ReadTable":
        """The same, with keys that came and are not gone, though their rows were not taken."""
        return replace(self, rejected_keys=(*self.rejected_keys, *keys))

    def with_problems(self, found: list[Problem], count: int) -> "ReadTable":
        """The same with `count` more problems, of which some are in `found`."""
        room = max(KEPT_PROBLEMS - len(self.problems), 0)
        problems = (*self.problems, *found[:room])
        return replace(self, problems=problems, problem_count=self.problem_count + count)


@dataclass(slots=True)
class ReadDelivery:
    """All tables that could be read, and what was wrong with the others."""

    tables: dict[Table, ReadTable] = field(default_factory=dict[Table, ReadTable])
    problems: list[Problem] = field(default_factory=list[Problem])
    unfinished: set[Table] = field(default_factory=set[Table])
    """Tables of which a file did not come whole."""
    notes: list[str] = field(default_factory=list[str])
    """What to say of the delivery as a whole beside the number of its problems."""

    def all_problems(self) -> list[Problem]:
        return [*self.problems, *(problem for read in self.tables.values() for problem in read.problems)]

    def problem_count(self) -> int:
        return len(self.problems) + sum(read.problem_count for read in self.tables.values())


def read_delivery(files: list[Path], form: Format) -> ReadDelivery:
    """Read the files of one delivery. Of two files of the same table the newer one counts."""
    read = ReadDelivery()
    newest: dict[Table, Path] = {}
    for path in sorted(files, key=lambda path: (path.stat().st_mtime_ns, path.name)):
        if path.name.endswith(UNFINISHED_SUFFIX):
            read.problems.append(Problem(path.name, Rule.FILE_UNFINISHED))
            if table := form.table_of(path.name.removesuffix(UNFINISHED_SUFFIX)):
                read.unfinished.add(table)
            continue
        table = form.table_of(path.name)
        if table is None:
            read.problems.append(Problem(path.name, Rule.FILE_OF_NO_TABLE))
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
    data, form = open_text(raw, file, definition)
    columns = columns_of(form.headings, file, definition)
    notes = [
        Problem(file, Rule.COLUMN_MISSING, column=column.name)
        for column in definition.columns
        if column.name not in columns.values() and column.missing is not Policy.IGNORE
    ]
    notes += [
        # The heading is the sender's word for a column, no value: it may be told.
        Problem(file, Rule.COLUMN_UNKNOWN, row=1, line=1, column=heading[:60])
        for place, heading in enumerate(form.headings)
        if heading and place not in columns and definition.policy_for_new(heading) is not Policy.IGNORE
    ]
    return _Rows(form, definition, columns).judge(cells_of(data, form), notes)


# ── rows ─────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Rows:
    """Judges the rows of one file."""

    form: FileForm
    definition: TableFormat
    columns: dict[int, str]

    def judge(self, cells: pl.DataFrame, notes: list[Problem]) -> ReadTable:
        frame = self._typed(cells)
        checks = self._checks()
        frame = frame.with_columns(check.alias(name) for name, (check, _, _) in checks.items())
        problems, count = list(notes), len(notes)
        for name, (_, rule, column) in checks.items():
            if rule is Rule.CELL_UNREADABLE and self._column(column).unreadable is Policy.IGNORE:
                continue
            found = frame.filter(pl.col(name))
            count += found.height
            problems += self._said(found.head(max(KEPT_PROBLEMS - len(problems), 0)), rule, column)
        cut_off = self._is_cut_off(frame) or bool(frame["swallowing"].any())
        if cut_off:
            problems.append(Problem(self.form.file, Rule.FILE_CUT_OFF))
            count += 1
        rejecting = [name for name, (_, rule, _) in checks.items() if rule is not Rule.CELL_UNREADABLE]
        rejected = frame.filter(pl.any_horizontal(rejecting))
        good = frame.filter(~pl.any_horizontal(rejecting))
        known_keys = rejected.filter(~pl.col("no_key") & ~pl.col("key_twice"))["key"]
        return ReadTable(
            table=self.definition.table,
            file=self.form.file,
            frame=self._finished(good, checks),
            places=good.select("row", "line"),
            form=self.form,
            delivered=tuple(sorted(self.columns.values())),
            new_columns=tuple(self.form.headings[place] for place in self._extra_places()),
            filled=self._counted(good, lambda column: pl.col(f"raw:{column.name}").is_not_null()),
            unreadable=self._counted(
                good,
                lambda column: pl.col(f"raw:{column.name}").is_not_null() & pl.col(column.name).is_null(),
            ),
            cut_off=cut_off,
            rejected=rejected.height,
            rejected_keys=tuple(known_keys.unique().to_list()),
            every_row_has_key=not rejected["no_key"].any(),
            problems=tuple(problems),
            problem_count=count,
        )

    def _said(self, found: pl.DataFrame, rule: Rule, column: str | None) -> list[Problem]:
        """A problem of each row, with the kind of value that stood there."""
        raws = found[f"raw:{column}"].to_list() if f"raw:{column}" in found.columns else None
        return [
            Problem(self.form.file, rule, row, column, line, value_class(raws[place]) if raws else None)
            for place, (row, line) in enumerate(found.select("row", "line").iter_rows())
        ]

    def _is_cut_off(self, frame: pl.DataFrame) -> bool:
        """Whether the last line ends before its last cell, and without a line end."""
        return frame.height > 0 and bool(frame["too_short"][-1]) and not self.form.ended

    def _counted(self, good: pl.DataFrame, holds: Callable[[Column], pl.Expr]) -> dict[str, int]:
        """In how many rows something holds for a column, for each one delivered."""
        counts = good.select(holds(column).sum().alias(column.name) for column in self._delivered())
        return counts.row(0, named=True)

    def _column(self, name: str | None) -> Column:
        return next(column for column in self.definition.columns if column.name == name)

    def _typed(self, cells: pl.DataFrame) -> pl.DataFrame:
        """Blank lines gone; per known column the delivered text (`raw:x`) and the canonical one (`x`)."""
        width = len(self.form.headings)
        # Nothing but the mark stands in a blank line; an empty cell with others behind it is a row.
        blank = (pl.col("c0") == "") & (pl.col("c1" if width > 1 else "end") == END)
        cells = cells.filter(~blank)
        swallowing = self._swallowing(cells)
        raws = [stripped(pl.col(f"c{place}")).alias(f"raw:{name}") for place, name in self.columns.items()]
        extras = [
            stripped(pl.col(f"c{place}")).alias(f"extra:{self.form.headings[place]}")
            for place in self._extra_places()
        ]
        ends = [
            ((pl.col("end") != END) & pl.any_horizontal(pl.col(f"c{i}") == END for i in range(width))).alias(
                "short"
            ),
            (pl.col("end") != END).alias("ragged"),
            pl.col("row").is_in(swallowing.implode()).alias("swallowing"),
        ]
        frame = cells.select("row", "line", *raws, *extras, *ends)
        frame = frame.with_columns(
            CANONICAL[column.type](pl.col(f"raw:{column.name}")).alias(column.name)
            for column in self._delivered()
        )
        return frame.with_columns(pl.concat_str(self.definition.key, separator=":").alias("key"))

    def _swallowing(self, cells: pl.DataFrame) -> pl.Series:
        """Numbers of the rows in which a cell seems to hold other rows, because a quote in one row was
        closed by one in another: behind a line break stands what begins a row up to its key, and there are
        delimiters for a row at least."""
        broken = cells.filter(pl.col("breaks") > 0)
        if broken.is_empty():
            return broken["row"]
        delimiter, names = self.form.delimiter, [f"c{place}" for place in range(len(self.form.headings))]
        keys = {place for place, name in self.columns.items() if name in self.definition.key}
        begin = "".join(
            (_like(cells[names[place]]) if place in keys else f"[^{delimiter}\\n]*") + delimiter
            for place in range(max(keys) + 1)
        )
        holds_rows = pl.any_horizontal(
            pl.col(name).str.contains(f"\\n{begin}")
            & (pl.col(name).str.count_matches(delimiter, literal=True) >= len(names) - 1)
            for name in names
        )
        return broken.filter(holds_rows)["row"]

    def _extra_places(self) -> list[int]:
        """Places of columns that the format does not know, and that are kept; of equal headings the first."""
        places: dict[str, int] = {}
        for place, heading in enumerate(self.form.headings):
            ignored = self.definition.policy_for_new(heading) is Policy.IGNORE
            if heading and place not in self.columns and not ignored:
                places.setdefault(heading, place)
        return list(places.values())

    def _delivered(self) -> list[Column]:
        return [column for column in self.definition.columns if column.name in self.columns.values()]

    def _checks(self) -> dict[str, tuple[pl.Expr, Rule, str | None]]:
        """Name of the check → (true where broken, rule, column)."""
        whole = ~pl.col("ragged")
        no_key = ~pl.col("key").str.contains(_KEY_PATTERN).fill_null(value=False)
        key = self.definition.key[0] if len(self.definition.key) == 1 else None
        last_of_key = pl.col("row") == pl.col("row").max().over("key")
        checks: dict[str, tuple[pl.Expr, Rule, str | None]] = {
            "too_short": (pl.col("ragged") & pl.col("short"), Rule.ROW_TOO_SHORT, None),
            "too_long": (pl.col("ragged") & ~pl.col("short"), Rule.ROW_TOO_LONG, None),
            "swallowing": (pl.col("swallowing"), Rule.ROW_SWALLOWS_ROWS, None),
            "no_key": (no_key, Rule.KEY_UNREADABLE, key),
            "key_twice": (whole & ~no_key & ~last_of_key, Rule.KEY_TWICE, key),
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


def _like(keys: pl.Series) -> str:
    """Pattern of a cell that may be one of these keys. Narrow where it can be: any word may be a key."""
    only_digits = keys.str.contains(f"^[{BLANKS}]*[0-9]+[{BLANKS}]*$").all()
    return f'[ "]*{"[0-9]+" if only_digits else AmeiseKey.pattern.pattern}[ "]*'


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
