"""From the bytes of a file to cells of text: encoding, delimiter, quotes, line ends. Knows no types."""

from dataclasses import dataclass

import polars as pl

from ingest.headings import BOM, as_utf8, header_of
from ingest.problems import LONE_QUOTE, MAX_CELL_BYTES, UNREADABLE_CHARACTERS, Problem, Rule, TableRejected
from ingest.records import Block
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
    row is ragged.

    - `all_readable`: no cell is too long, or has a character that cannot be read.
    - `any_breaks`, `any_ragged`: whether there are such rows.
    - `quotes_hold`: quotes were read as such; else as ordinary characters, since they fit nowhere.
    """

    frame: pl.DataFrame
    all_readable: bool
    any_breaks: bool
    any_ragged: bool
    quotes_hold: bool


def cells_of(block: Block, form: FileForm) -> Cells:
    """The cells of whole records. Raises TableRejected."""
    text = _plain(block.text)
    names = [f"c{place}" for place in range(len(form.headings))]
    end = f"{form.delimiter}{END}\n".encode()
    quotes_hold, any_breaks = True, False
    try:
        frame = _read_csv(text.replace(b"\n", end) + end, form.delimiter, [*names, "end"], quote='"')
        if frame.height < len(block.lines):
            frame, any_breaks = _read_broken(text, form.delimiter, names), True
    except pl.exceptions.PolarsError:
        # A quote that never closes, or text behind a closing one: take quotes as ordinary characters, and
        # let the rows that needed them be rejected one by one.
        quotes_hold, any_breaks = False, False
        try:
            frame = _read_csv(text.replace(b"\n", end) + end, form.delimiter, [*names, "end"], quote=None)
            frame = _without_quotes(frame, names)
        except pl.exceptions.PolarsError as error:
            raise TableRejected(Problem(form.file, Rule.FILE_UNREADABLE)) from error
    if not any_breaks:
        at = pl.int_range(frame.height, dtype=pl.UInt32, eager=True)
        frame = frame.with_columns(at.alias("at"), pl.lit(0, pl.UInt32).alias("breaks"))
    readable = max(map(len, block.lines)) <= MAX_CELL_BYTES and not any(c in text for c in _DOUBTFUL)
    return Cells(
        frame,
        all_readable=readable and quotes_hold and not any_breaks,
        any_breaks=any_breaks,
        any_ragged=not frame["end"].eq_missing(END).all(),
        quotes_hold=quotes_hold,
    )


def _plain(raw: bytes) -> bytes:
    """UTF-8 with line feeds only, and no BOM at the beginning of a line: polars would drop that of the first
    line only, and a line must mean the same wherever it stands."""
    text = as_utf8(raw)[0]
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").removesuffix(b"\r")
    return text.replace(b"\n" + BOM, b"\n") if BOM in text else text


def _read_broken(text: bytes, delimiter: str, names: list[str]) -> pl.DataFrame:
    """Read lines of which some are only parts of records: each is numbered in front, so a record's number is
    that of its first line. The mark behind a line and the number before the next are taken out of cells."""
    lines = text.split(b"\n")
    end = f"{delimiter}{END}\n".encode()
    numbered = b"".join(b"%d%s%s%s" % (at, delimiter.encode(), line, end) for at, line in enumerate(lines))
    frame = _read_csv(numbered, delimiter, ["at", *names, "end"], quote='"')
    at = frame["at"].cast(pl.UInt32)
    cells = (pl.col(name).str.replace_all(f"{delimiter}{END}\n[0-9]+{delimiter}", "\n") for name in names)
    return frame.with_columns(
        at.alias("at"), (at.shift(-1, fill_value=len(lines)) - at - 1).alias("breaks"), *cells
    )


def _read_csv(data: bytes, delimiter: str, names: list[str], *, quote: str | None) -> pl.DataFrame:
    return pl.read_csv(
        data,
        has_header=False,
        separator=delimiter,
        quote_char=quote,
        schema=dict.fromkeys(names, pl.String),
        missing_columns="insert",
        extra_columns="ignore",
    )


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
