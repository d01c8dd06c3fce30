"""Reads the files of a delivery: tolerant of form, strict about meaning.

Encoding, delimiter and line ends are found out; every cell is read as text first, then by its column's
type. What cannot be read is *unknown*, never empty: a bad cell, a column that was not delivered. A row
whose required cells cannot be read is rejected; a file without its key column is rejected as a whole.
Lines of rows that are known already are passed by. polars is imported here, so this module is imported only
when there is something to read.
"""

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from contracts.names import Table
from ingest.headings import MAX_HEADER_BYTES, columns_of
from ingest.judging import KEPT_PROBLEMS, Judge
from ingest.lines import HASH_BYTES, QUOTE, Lines, Source, hashes_of, lines_of
from ingest.parsing import Cells, FileForm, cells_of, form_of
from ingest.problems import Problem, Rule, TableRejected
from ingest.records import Block, records, wanted_lines
from ingest.spool import UNFINISHED_SUFFIX
from ingest.table_format import Column, Format, TableFormat

READER = 1
"""Counted up whenever a line may be read differently than before: then no line is known."""
FEW_TARGETS = 10_000
"""Keys of entries that a column points to: lists have fewer, tables of people more."""


@dataclass(frozen=True, slots=True)
class TableFile:
    """A file whose heading fits its table. `columns`: place in the file → our column."""

    source: Source
    bytes_: int
    form: FileForm
    definition: TableFormat
    columns: Mapping[int, str]

    @property
    def delivered(self) -> tuple[str, ...]:
        return tuple(sorted(self.columns.values()))

    @property
    def mark(self) -> bytes:
        """Lines of two files mean the same only under the same mark."""
        meaning = (READER, self.form.delimiter, self.form.headings, self.definition.model_dump_json())
        return hashlib.md5(repr(meaning).encode(), usedforsecurity=False).digest()


@dataclass(frozen=True, slots=True)
class ReadTable:
    """What was read of one table. `rows`: good ones, known or new; `filled` and `unreadable` count cells of
    these rows per delivered column: those where something stands, and those of them that could not be
    read. `targets`: the keys that a column's new rows point to, where they are few."""

    table: Table
    file: str
    delivered: tuple[str, ...]
    new_columns: tuple[str, ...]
    rows: int
    filled: Mapping[str, int]
    unreadable: Mapping[str, int]
    targets: Mapping[str, Sequence[str]]
    cut_off: bool
    rejected: int
    rejected_keys: tuple[str, ...]
    every_row_has_key: bool
    problems: tuple[Problem, ...]
    problem_count: int

    def with_kept(self, keys: tuple[str, ...]) -> "ReadTable":
        """The same, with keys that came and are not gone, though their rows were not taken."""
        return replace(self, rejected_keys=(*self.rejected_keys, *keys))

    def with_known(self, rows: int, filled: Mapping[str, int]) -> "ReadTable":
        """The same with rows that were passed by, since they are known."""
        added = {name: self.filled[name] + filled.get(name, 0) for name in self.delivered}
        return replace(self, rows=self.rows + rows, filled=added)

    def without_twins(self, twins: list[Problem]) -> "ReadTable":
        """The same without rows whose key comes again further down."""
        fewer = replace(self, rows=self.rows - len(twins), rejected=self.rejected + len(twins))
        return fewer.with_problems(twins, len(twins))

    def with_problems(self, found: list[Problem], count: int) -> "ReadTable":
        """The same with `count` more problems, of which some are in `found`."""
        room = max(KEPT_PROBLEMS - len(self.problems), 0)
        problems = (*self.problems, *found[:room])
        return replace(self, problems=problems, problem_count=self.problem_count + count)


@dataclass(slots=True)
class ReadDelivery:
    """The files that could be opened, what was read of them, and what was wrong with the others."""

    files: dict[Table, TableFile] = field(default_factory=dict[Table, TableFile])
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


def open_delivery(paths: list[Path], form: Format) -> ReadDelivery:
    """Open the files of one delivery. Of two files of the same table the newer one counts."""
    read = ReadDelivery()
    newest: dict[Table, Path] = {}
    for path in sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path.name)):
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
                read.files[definition.table] = open_file(path, definition)
            except TableRejected as rejected:
                read.problems.append(rejected.problem)
    return read


def open_file(path: Path, definition: TableFormat) -> TableFile:
    """Raises TableRejected."""
    return _open(lambda: path.open("rb"), path.stat().st_size, path.name, definition)


def open_sample(raw: bytes, file: str, definition: TableFormat) -> TableFile:
    """Raises TableRejected."""
    return _open(lambda: io.BytesIO(raw), len(raw), file, definition)


def _open(source: Source, size: int, name: str, definition: TableFormat) -> TableFile:
    with source() as file:
        form = form_of(file.read(MAX_HEADER_BYTES), name, definition)
    return TableFile(source, size, form, definition, columns_of(form.headings, name, definition))


class TableReader:
    """Reads one file once: `frames` first, then what was read of it."""

    def __init__(self, file: TableFile, is_known: pl.Series | None = None) -> None:
        """`is_known`: for each line behind the heading, whether to pass it by."""
        self._file, self._is_known = file, is_known
        self._judge = Judge(file.form, file.definition, file.columns)
        self._key_hashes: list[pl.Series] = []
        self._targets = {c.name: pl.Series(dtype=pl.String) for c in self._references()}
        self._breaks = 0
        self._bytes = 0

    @property
    def percent(self) -> int:
        """How much of the file was read."""
        return min(100, 100 * self._bytes // max(self._file.bytes_, 1))

    def frames(self) -> Iterator[pl.DataFrame]:
        """The good rows block by block: `key`, `row`, `line`, the delivered columns as canonical text, where
        needed `extra` (JSON text of columns that the format does not know) and `unknown` (`{a,b}`), and
        `row_hash` (hex; null where the row must be read again next time). Raises TableRejected."""
        for block in records(wanted_lines(self._lines(), self._is_known)):
            frame = self._frame(block)
            if frame.height:
                self._key_hashes.append(frame["key"].hash())
                self._note_targets(frame)
                yield frame

    def _lines(self) -> Iterator[Lines]:
        for lines in lines_of(self._file.source):
            yield lines
            self._bytes += len(lines.text) + lines.ended
        self._bytes = self._file.bytes_

    def _references(self) -> Iterator[Column]:
        delivered = self._file.columns.values()
        return (c for c in self._file.definition.columns if c.points_to and c.name in delivered)

    def _note_targets(self, frame: pl.DataFrame) -> None:
        for name, known in list(self._targets.items()):
            targets = pl.concat([known, frame[name].drop_nulls().unique().alias("")]).unique()
            if len(targets) <= FEW_TARGETS:
                self._targets[name] = targets
            else:
                del self._targets[name]

    def may_have_twins(self) -> bool:
        """Whether two good rows may have the same key. (Two of one block cannot.)"""
        hashes = pl.concat(self._key_hashes) if self._key_hashes else pl.Series(dtype=pl.UInt64)
        return hashes.n_unique() < len(hashes)

    def result(self) -> ReadTable:
        """What was read in all."""
        seen, file = self._judge.seen, self._file
        return ReadTable(
            table=file.definition.table,
            file=file.form.file,
            delivered=file.delivered,
            new_columns=self._judge.new_columns,
            rows=seen.rows,
            filled=dict(seen.filled),
            unreadable=dict(seen.unreadable),
            targets={name: targets.to_list() for name, targets in self._targets.items()},
            cut_off=seen.cut_off,
            rejected=seen.rejected,
            rejected_keys=tuple(seen.rejected_keys),
            every_row_has_key=seen.every_row_has_key,
            problems=tuple(seen.problems),
            problem_count=seen.problem_count,
        )

    def _frame(self, block: Block) -> pl.DataFrame:
        cells = cells_of(block, self._file.form)
        at, breaks = cells.frame["at"], cells.frame["breaks"]
        lines = block.numbers.gather(at)
        row = lines - (breaks.cum_sum() - breaks + self._breaks)
        self._breaks += int(breaks.sum())
        places = pl.DataFrame(
            {"row": row.cast(pl.UInt32), "line": lines, "row_hash": self._hashes(block, cells)}
        )
        return self._judge(cells, places, ended=block.ended)

    def _hashes(self, block: Block, cells: Cells) -> pl.Series:
        """The hash of each record's line. None where the same line may mean something else the next time: it
        is only a part of the record, or has quotes that could not be taken as such here."""
        hashes = hashes_of(block.lines, self._file.mark).hex("\n", HASH_BYTES)
        found = pl.Series("row_hash", [hashes]).str.split("\n").explode()
        if not cells.quotes_hold:
            quoted = pl.Series([QUOTE in line for line in block.lines])
            return found.set(quoted, None)
        if not cells.any_breaks:
            return found
        frame = pl.DataFrame({"row_hash": found.gather(cells.frame["at"]), "breaks": cells.frame["breaks"]})
        return frame.select(pl.when(pl.col("breaks") == 0).then("row_hash").alias("row_hash"))["row_hash"]


def read_sample(raw: bytes, file: str, definition: TableFormat) -> tuple[ReadTable, pl.DataFrame]:
    """A small file at once: what was read, and its good rows (see `TableReader.frames`). Raises
    TableRejected."""
    reader = TableReader(open_sample(raw, file, definition))
    frames = list(reader.frames())
    rows = pl.concat(frames, how="diagonal") if frames else pl.DataFrame(schema={"key": pl.String})
    return reader.result(), rows
