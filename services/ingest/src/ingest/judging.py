"""Judges the rows of one file, block by block: which are good, and what is wrong with the others."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from contracts.ids import AmeiseKey
from contracts.rpc.ingest_format import ColumnType, Policy
from ingest.cells import BLANKS, canonical, stripped
from ingest.parsing import END, Cells, FileForm
from ingest.problems import Problem, Rule, value_class
from ingest.table_format import Column, TableFormat

KEPT_PROBLEMS = 20_000
"""Problems of one table that are kept one by one; the others are only counted."""

_HAS_KEY = pl.col("key").str.contains(f"^{AmeiseKey.pattern.pattern}$").fill_null(value=False)


@dataclass(slots=True)
class Seen:
    """What was found so far; see `reading.ReadTable`."""

    rows: int = 0
    rejected: int = 0
    rejected_keys: set[str] = field(default_factory=set[str])
    every_row_has_key: bool = True
    cut_off: bool = False
    filled: Counter[str] = field(default_factory=Counter[str])
    unreadable: Counter[str] = field(default_factory=Counter[str])
    problems: list[Problem] = field(default_factory=list[Problem])
    problem_count: int = 0

    def add(self, problems: list[Problem], count: int) -> None:
        """Problems found together, `count` in all."""
        self.problems += problems[: max(KEPT_PROBLEMS - len(self.problems), 0)]
        self.problem_count += count


@dataclass(frozen=True, slots=True)
class _Check:
    """A rule that a row or a cell of it may break; `broken` is true where it does."""

    broken: pl.Expr
    rule: Rule
    column: str | None = None

    @property
    def rejects(self) -> bool:
        return self.rule is not Rule.CELL_UNREADABLE


class Judge:
    """Call it with one block after the other; `seen` says what was found in all of them."""

    def __init__(self, form: FileForm, definition: TableFormat, columns: Mapping[int, str]) -> None:
        self._form, self._definition, self._columns = form, definition, columns
        self._delivered = [c for c in definition.columns if c.name in columns.values()]
        self._missing = [c.name for c in definition.columns if c.name not in columns.values()]
        self._extra_places = self._places_of_extras()
        self.seen = Seen(filled=Counter(dict.fromkeys((c.name for c in self._delivered), 0)))
        self.seen.unreadable.update(dict.fromkeys((c.name for c in self._delivered), 0))
        notes = self._notes()
        self.seen.add(notes, len(notes))

    @property
    def new_columns(self) -> tuple[str, ...]:
        """Headings that the format does not know, and that are kept."""
        return tuple(self._form.headings[place] for place in self._extra_places)

    def __call__(self, cells: Cells, places: pl.DataFrame, *, ended: bool) -> pl.DataFrame:
        """The good rows of a block. `places`: `row`, `line` and `row_hash` of each record; `ended`: a line
        end follows the last one."""
        frame = self._typed(cells, places)
        if frame.is_empty():
            return self._finished(frame, [])
        checks = {f"broken:{at}": check for at, check in enumerate(self._checks(cells, frame))}
        frame = frame.with_columns(check.broken.alias(name) for name, check in checks.items())
        fired = {name: check for name, check in checks.items() if frame[name].any()}
        for name, check in fired.items():
            self._report(frame.filter(pl.col(name)), check)
        swallowing = any(check.rule is Rule.ROW_SWALLOWS_ROWS for check in fired.values())
        if (swallowing or (not ended and bool(frame["short"][-1]))) and not self.seen.cut_off:
            self.seen.cut_off = True
            self.seen.add([Problem(self._form.file, Rule.FILE_CUT_OFF)], 1)
        good = self._without_rejected(frame, [name for name, check in fired.items() if check.rejects])
        good = self._without_twins(good)
        self._count(good)
        unreadable = [
            (name, check.column) for name, check in fired.items() if check.column and not check.rejects
        ]
        return self._finished(good, unreadable)

    # ── what is looked at ────────────────────────────────────────────────────

    def _notes(self) -> list[Problem]:
        """What the heading alone says."""
        missing = [
            Problem(self._form.file, Rule.COLUMN_MISSING, column=column.name)
            for column in self._definition.columns
            if column.name in self._missing and column.missing is not Policy.IGNORE
        ]
        return missing + [
            # The heading is the sender's word for a column, no value: it may be told.
            Problem(self._form.file, Rule.COLUMN_UNKNOWN, row=1, line=1, column=heading[:60])
            for place, heading in enumerate(self._form.headings)
            if heading
            and place not in self._columns
            and self._definition.policy_for_new(heading) is not Policy.IGNORE
        ]

    def _places_of_extras(self) -> list[int]:
        """Places of columns that the format does not know, and that are kept; of equal headings the first."""
        places: dict[str, int] = {}
        for place, heading in enumerate(self._form.headings):
            ignored = self._definition.policy_for_new(heading) is Policy.IGNORE
            if heading and place not in self._columns and not ignored:
                places.setdefault(heading, place)
        return list(places.values())

    def _typed(self, cells: Cells, places: pl.DataFrame) -> pl.DataFrame:
        """Blank lines gone; per known column the delivered text (`raw:x`) and the canonical one (`x`)."""
        frame = cells.frame.drop("at").hstack(places)
        width = len(self._form.headings)
        if cells.any_ragged or width == 1:
            # Nothing but the mark stands in a blank line; an empty cell with others behind it is a row.
            blank = (pl.col("c0").fill_null("") == "") & (pl.col("c1" if width > 1 else "end") == END)
            frame = frame.filter(~blank.fill_null(value=False))
        short = pl.any_horizontal((pl.col(f"c{i}") == END).fill_null(value=False) for i in range(width))
        ragged = pl.col("end").ne_missing(END)
        swallowing = self._swallowing(frame) if cells.any_breaks else pl.Series(dtype=pl.UInt32)
        known = frame.select(
            "row", "line", "row_hash",
            (ragged if cells.any_ragged else pl.lit(value=False)).alias("ragged"),
            (ragged & short if cells.any_ragged else pl.lit(value=False)).alias("short"),
            pl.col("line").is_in(swallowing.implode()).alias("swallowing"),
        )  # fmt: skip
        names = {f"c{place}": f"raw:{name}" for place, name in self._columns.items()}
        names |= {f"c{place}": f"extra:{self._form.headings[place]}" for place in self._extra_places}
        raws = stripped(frame.select(pl.col(cell).alias(name) for cell, name in names.items()))
        # Of texts that are all readable there is nothing to find out.
        plain = {ColumnType.TEXT} if cells.all_readable else set[ColumnType]()
        values = [
            (raw if column.type in plain else canonical(column.type, raw)).alias(column.name)
            for column in self._delivered
            for raw in [raws[f"raw:{column.name}"]]
        ]
        frame = known.hstack(raws).hstack(values)
        return frame.with_columns(pl.concat_str(self._definition.key, separator=":").alias("key"))

    def _swallowing(self, frame: pl.DataFrame) -> pl.Series:
        """Lines of the rows in which a cell seems to hold other rows, because a quote in one row was closed
        by one in another: behind a line break stands what begins a row up to its key, and there are
        delimiters for a row at least. Where the row's own key is a number, so are those of the others: any
        word may be a key, and a text may have a word and delimiters in each of its lines."""
        delimiter, cells = self._form.delimiter, [f"c{place}" for place in range(len(self._form.headings))]
        keys = [place for place, name in self._columns.items() if name in self._definition.key]

        def holds_rows(key: str) -> pl.Expr:
            begin = "".join(
                (f'[ "]*{key}[ "]*' if place in keys else f"[^{delimiter}\\n]*") + delimiter
                for place in range(max(keys) + 1)
            )
            return pl.any_horizontal(
                pl.col(cell).str.contains(f"\\n{begin}").fill_null(value=False)
                & (pl.col(cell).str.count_matches(delimiter, literal=True) >= len(cells) - 1)
                for cell in cells
            )

        number = pl.all_horizontal(
            pl.col(f"c{place}").str.contains(f"^[{BLANKS}]*[0-9]+[{BLANKS}]*$").fill_null(value=False)
            for place in keys
        )
        holds = pl.when(number).then(holds_rows("[0-9]+")).otherwise(holds_rows(AmeiseKey.pattern.pattern))
        return frame.filter(pl.col("breaks") > 0).filter(holds)["line"]

    def _checks(self, cells: Cells, frame: pl.DataFrame) -> list[_Check]:
        """The rules that may be broken here, as a glance shows."""
        whole = ~pl.col("ragged")
        key = self._definition.key[0] if len(self._definition.key) == 1 else None
        checks: list[_Check] = []
        if cells.any_ragged:
            checks.append(_Check(pl.col("ragged") & pl.col("short"), Rule.ROW_TOO_SHORT))
            checks.append(_Check(pl.col("ragged") & ~pl.col("short"), Rule.ROW_TOO_LONG))
        checks.append(_Check(pl.col("swallowing"), Rule.ROW_SWALLOWS_ROWS))
        checks.append(_Check(~_HAS_KEY, Rule.KEY_UNREADABLE, key))
        for column in self._delivered:
            value, raw = frame[column.name], frame[f"raw:{column.name}"]
            is_null = pl.col(column.name).is_null()
            if column.name in self._definition.key:
                continue
            if column.required and value.null_count():
                checks.append(_Check(whole & is_null, Rule.REQUIRED_UNREADABLE, column.name))
            elif not column.required and value.null_count() > raw.null_count():
                unreadable = whole & is_null & pl.col(f"raw:{column.name}").is_not_null()
                checks.append(_Check(unreadable, Rule.CELL_UNREADABLE, column.name))
        return checks

    # ── what comes of it ─────────────────────────────────────────────────────

    def _report(self, found: pl.DataFrame, check: _Check) -> None:
        """A problem of each row, with the kind of value that stood there."""
        if check.rule is Rule.CELL_UNREADABLE and self._column(check.column).unreadable is Policy.IGNORE:
            return
        kept = found.head(max(KEPT_PROBLEMS - len(self.seen.problems), 0))
        raws = kept[f"raw:{check.column}"].to_list() if f"raw:{check.column}" in kept.columns else None
        problems = [
            Problem(
                self._form.file, check.rule, row, check.column, line,
                value_class(raws[place]) if raws else None,
            )
            for place, (row, line) in enumerate(kept.select("row", "line").iter_rows())
        ]  # fmt: skip
        self.seen.add(problems, found.height)

    def _without_rejected(self, frame: pl.DataFrame, rejecting: list[str]) -> pl.DataFrame:
        if not rejecting:
            return frame
        is_bad = pl.any_horizontal(rejecting)
        rejected = frame.filter(is_bad)
        self.seen.rejected += rejected.height
        self.seen.every_row_has_key &= bool(rejected.select(_HAS_KEY.all()).item())
        good = frame.filter(~is_bad)
        keys = rejected.filter(_HAS_KEY)["key"].unique()
        self.seen.rejected_keys |= set(keys.filter(~keys.is_in(good["key"].implode())))
        return good

    def _without_twins(self, good: pl.DataFrame) -> pl.DataFrame:
        """Of good rows with the same key the last one counts."""
        if good["key"].n_unique() == good.height:
            return good
        key = self._definition.key[0] if len(self._definition.key) == 1 else None
        is_last = pl.col("row") == pl.col("row").max().over("key")
        twins = good.filter(~is_last)
        self._report(twins, _Check(~is_last, Rule.KEY_TWICE, key))
        self.seen.rejected += twins.height
        return good.filter(is_last)

    def _count(self, good: pl.DataFrame) -> None:
        self.seen.rows += good.height
        for column in self._delivered:
            raw, value = good[f"raw:{column.name}"], good[column.name]
            self.seen.filled[column.name] += good.height - raw.null_count()
            self.seen.unreadable[column.name] += value.null_count() - raw.null_count()

    def _column(self, name: str | None) -> Column:
        return next(column for column in self._definition.columns if column.name == name)

    def _finished(self, good: pl.DataFrame, unreadable: list[tuple[str, str]]) -> pl.DataFrame:
        """`unreadable`: names of the flags that say where a cell cannot be read, and its column."""
        row_hash = pl.col("row_hash")
        more: list[pl.Expr] = []
        if unreadable:
            names = [pl.lit(name) for name in self._missing]
            names += [pl.when(pl.col(flag)).then(pl.lit(column)) for flag, column in unreadable]
            more.append(("{" + pl.concat_str(names, separator=",", ignore_nulls=True) + "}").alias("unknown"))
            row_hash = pl.when(~pl.any_horizontal(flag for flag, _ in unreadable)).then(row_hash)
        if self._extra_places:
            extras = [f"extra:{heading}" for heading in self.new_columns]
            bare = (
                pl.col(name).str.replace_all("\x00", "", literal=True).alias(name.removeprefix("extra:"))
                for name in extras
            )
            more.append(pl.struct(bare).struct.json_encode().alias("extra"))
        names_ = [column.name for column in self._delivered]
        return good.select("key", "row", "line", *names_, *more, row_hash.alias("row_hash"))
