"""Judges the rows of one file, block by block: which are good, and what is wrong with the others."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from contracts.ids import AmeiseKey
from contracts.rpc.ingest_format import ColumnType, Policy
from ingest.cells import BLANKS, CANONICAL, stripped
from ingest.parsing import END, Cells, FileForm
from ingest.problems import Problem, Rule, value_class
from ingest.table_format import Column, TableFormat

KEPT_PROBLEMS = 20_000
"""Problems of one table that are kept one by one; the others are only counted."""

_KEY_PATTERN = f"^{AmeiseKey.pattern.pattern}$"


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
        flags = frame.select(check.broken.alias(name) for name, check in checks.items())
        fired = {name: check for name, check in checks.items() if flags[name].any()}
        frame = frame.hstack(flags.select(list(fired)))
        for name, check in fired.items():
            self._report(frame.filter(pl.col(name)), check)
        swallowing = any(check.rule is Rule.ROW_SWALLOWS_ROWS for check in fired.values())
        if swallowing or (not ended and bool(frame["short"][-1])):
            self.seen.cut_off = True
            self.seen.add([Problem(self._form.file, Rule.FILE_CUT_OFF)], 1)
        frame = self._without_rejected(frame, [name for name, check in fired.items() if check.rejects])
        self._count(frame)
        unreadable = [
            (name, check.column) for name, check in fired.items() if check.column and not check.rejects
        ]
        return self._finished(frame, unreadable)

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
        width = len(self._form.headings)
        frame = cells.frame.drop("at").hstack(places)
        # Nothing but the mark stands in a blank line; an empty cell with others behind it is a row.
        blank = (pl.col("c0").fill_null("") == "") & (pl.col("c1" if width > 1 else "end") == END)
        frame = frame.filter(~blank.fill_null(value=False))
        swallowing = self._swallowing(frame)
        ragged = pl.col("end").ne_missing(END)
        short = ragged & pl.any_horizontal(
            (pl.col(f"c{i}") == END).fill_null(value=False) for i in range(width)
        )
        frame = frame.select(
            "row", "line",
            pl.when(pl.col("breaks") == 0).then("row_hash").alias("row_hash"),
            *(stripped(pl.col(f"c{place}")).alias(f"raw:{name}") for place, name in self._columns.items()),
            *(
                stripped(pl.col(f"c{place}")).alias(f"extra:{self._form.headings[place]}")
                for place in self._extra_places
            ),
            short.alias("short"), ragged.alias("ragged"),
            pl.col("row").is_in(swallowing.implode()).alias("swallowing"),
        )  # fmt: skip
        # Of texts that are all readable there is nothing to find out.
        plain = {ColumnType.TEXT} if cells.all_readable else set[ColumnType]()
        frame = frame.with_columns(
            (raw if column.type in plain else CANONICAL[column.type](raw)).alias(column.name)
            for column in self._delivered
            for raw in [pl.col(f"raw:{column.name}")]
        )
        return frame.with_columns(pl.concat_str(self._definition.key, separator=":").alias("key"))

    def _swallowing(self, frame: pl.DataFrame) -> pl.Series:
        """Numbers of the rows in which a cell seems to hold other rows, because a quote in one row was
        closed by one in another: behind a line break stands what begins a row up to its key, and there are
        delimiters for a row at least."""
        broken = frame.filter(pl.col("breaks") > 0)
        if broken.is_empty():
            return broken["row"]
        delimiter, names = self._form.delimiter, [f"c{place}" for place in range(len(self._form.headings))]
        keys = {place for place, name in self._columns.items() if name in self._definition.key}
        begin = "".join(
            (_like(frame[names[place]]) if place in keys else f"[^{delimiter}\\n]*") + delimiter
            for place in range(max(keys) + 1)
        )
        holds_rows = pl.any_horizontal(
            pl.col(name).str.contains(f"\\n{begin}")
            & (pl.col(name).str.count_matches(delimiter, literal=True) >= len(names) - 1)
            for name in names
        )
        return broken.filter(holds_rows)["row"]

    def _checks(self, cells: Cells, frame: pl.DataFrame) -> list[_Check]:
        whole = ~pl.col("ragged")
        no_key = ~pl.col("key").str.contains(_KEY_PATTERN).fill_null(value=False)
        key = self._definition.key[0] if len(self._definition.key) == 1 else None
        checks = [
            _Check(pl.col("ragged") & pl.col("short"), Rule.ROW_TOO_SHORT),
            _Check(pl.col("ragged") & ~pl.col("short"), Rule.ROW_TOO_LONG),
            _Check(pl.col("swallowing"), Rule.ROW_SWALLOWS_ROWS),
            _Check(no_key, Rule.KEY_UNREADABLE, key),
        ]
        if frame["key"].n_unique() < frame.height:
            last_of_key = pl.col("row") == pl.col("row").max().over("key")
            checks.append(_Check(whole & ~no_key & ~last_of_key, Rule.KEY_TWICE, key))
        for column in self._delivered:
            value, raw = pl.col(column.name), pl.col(f"raw:{column.name}")
            if column.name in self._definition.key:
                continue
            if column.required:
                checks.append(_Check(whole & value.is_null(), Rule.REQUIRED_UNREADABLE, column.name))
            elif column.type is not ColumnType.TEXT or not cells.all_readable:
                unreadable = whole & value.is_null() & raw.is_not_null()
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
        has_key = pl.col("key").str.contains(_KEY_PATTERN).fill_null(value=False)
        self.seen.rejected += rejected.height
        self.seen.every_row_has_key &= bool(rejected.select(has_key.all()).item())
        good = frame.filter(~is_bad)
        keys = rejected.filter(has_key)["key"].unique()
        # Of a key that came twice the last row counts, if it is good.
        self.seen.rejected_keys |= set(keys.filter(~keys.is_in(good["key"].implode())))
        return good

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


def _like(keys: pl.Series) -> str:
    """Pattern of a cell that may be one of these keys. Narrow where it can be: any word may be a key."""
    only_digits = keys.drop_nulls().str.contains(f"^[{BLANKS}]*[0-9]+[{BLANKS}]*$").all()
    return f'[ "]*{"[0-9]+" if only_digits else AmeiseKey.pattern.pattern}[ "]*'
