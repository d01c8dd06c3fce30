"""From the bytes of a file to cells of text: encoding, delimiter, quotes, line ends. Knows no types."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from ingest.headings import as_utf8, header_of
from ingest.problems import LONE_QUOTE, MAX_CELL_BYTES, UNREADABLE_CHARACTERS, Problem, Rule, TableRejected
from ingest.table_format import TableFormat

END = "\x02"
"""Put behind the last cell of every line before parsing: polars fills short rows up in silence."""
_DOUBTFUL = tuple(character.encode() for character in UNREADABLE_CHARACTERS)


@dataclass(frozen=True, slots=True)
class FileForm:
    """How a file is written. `headings` are normalised."""

    file: str
    delimiter: str
    headings: tuple[str, ...]


def form_of(first_line: bytes, file: str, definition: TableFormat) -> FileForm:
    """The file's form, from its first line with all that its length allows. Raises TableRejected for a file
    that can be no table."""
    headings, delimiter = header_of(as_utf8(first_line)[0], file, definition)
    return FileForm(file, delimiter, tuple(headings))


@dataclass(frozen=True, slots=True)
class Cells:
    """`frame`: `at` (place of the record's first line among those given), `breaks` (line breaks inside its
    cells), `c0` ... `c{width-1}` (null where nothing stands), then `end`, which holds the mark unless the
    row is ragged. `all_readable`: no cell is too long, or has a character that cannot be read."""

    frame: pl.DataFrame
    all_readable: bool


def cells_of(lines: Sequence[bytes], form: FileForm) -> Cells:
    """The cells of whole records. Raises TableRejected."""
    text = as_utf8(b"\n".join(lines))[0].replace(b"\r\n", b"\n").removesuffix(b"\r")
    readable = max(map(len, lines)) <= MAX_CELL_BYTES and not any(c in text for c in _DOUBTFUL)
    names = [f"c{place}" for place in range(len(form.headings))]
    end = f"{form.delimiter}{END}\n"
    marked = text.replace(b"\n", end.encode()) + end.encode()
    try:
        frame = _read_csv(marked, form.delimiter, names, quote='"')
    except pl.exceptions.PolarsError:
        # A quote that never closes, or text behind a closing one: take quotes as ordinary characters, and
        # let the rows that needed them be rejected one by one.
        try:
            frame = _without_quotes(_read_csv(marked, form.delimiter, names, quote=None), names)
        except pl.exceptions.PolarsError as error:
            raise TableRejected(Problem(form.file, Rule.FILE_UNREADABLE)) from error
        readable = False
    frame, broken = _with_places(frame, names, end)
    return Cells(frame, readable and not broken)


def _with_places(frame: pl.DataFrame, names: list[str], inside: str) -> tuple[pl.DataFrame, bool]:
    """Take the mark out of quoted line breaks, which got it too; each of them moves the lines below. Also
    returns whether there are any."""
    broken = [name for name in names if frame[name].str.contains(inside, literal=True).any()]
    if not broken:
        return frame.with_columns(pl.lit(0, pl.UInt32).alias("breaks")), False
    breaks = pl.sum_horizontal(pl.col(name).str.count_matches(inside, literal=True) for name in broken)
    moved = frame.with_columns(
        (pl.col("at") + breaks.cum_sum().shift(1, fill_value=0)).cast(pl.UInt32).alias("at"),
        breaks.cast(pl.UInt32).alias("breaks"),
        *(pl.col(name).str.replace_all(inside, "\n", literal=True) for name in broken),
    )
    return moved, True


def _read_csv(data: bytes, delimiter: str, names: list[str], *, quote: str | None) -> pl.DataFrame:
    return pl.read_csv(
        data,
        has_header=False,
        separator=delimiter,
        quote_char=quote,
        schema=dict.fromkeys([*names, "end", "beyond"], pl.String),
        missing_columns="insert",
        truncate_ragged_lines=True,
    ).with_row_index("at")


def _without_quotes(frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Undo the quotes around whole cells. A quote on one side only makes the cell unreadable."""
    fixed: list[pl.Expr] = []
    for name in names:
        cell = pl.col(name)
        whole = cell.str.contains(r'(?s)^".*"$') & (cell.str.len_bytes() >= 2)
        inner = cell.str.slice(1, cell.str.len_chars() - 2).str.replace_all('""', '"', literal=True)
        lone = cell.str.starts_with('"') | cell.str.ends_with('"')
        fixed.append(
            pl.when(whole).then(inner).when(lone).then(pl.lit(LONE_QUOTE)).otherwise(cell).alias(name)
        )
    return frame.with_columns(fixed)
