"""From the bytes of a file to cells of text: encoding, delimiter, quotes, line ends. Knows no types."""

from dataclasses import dataclass

import polars as pl

from ingest.headings import BOM, as_utf8, header_of
from ingest.lines import QUOTE
from ingest.problems import LONE_QUOTE, MAX_CELL_BYTES, UNREADABLE_CHARACTERS, Problem, Rule, TableRejected
from ingest.records import Block
from ingest.table_format import TableFormat

END = "\x02"
"""Put behind the last cell of every line before parsing: polars fills short rows up in silence."""
_DOUBTFUL = tuple(character.encode()[:1] for character in UNREADABLE_CHARACTERS)
"""Bytes without which no unreadable character is there: single ones are found in a third of the time."""


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
    text = as_utf8(block.text)[0]
    is_clean = not any(byte in text for byte in _DOUBTFUL)
    readable = is_clean and max(map(len, block.lines)) <= MAX_CELL_BYTES
    usual = _read_usual(text, len(block.lines), form) if is_clean else None
    if usual is not None:
        return Cells(
            _unbroken(usual), all_readable=readable, any_breaks=False, any_ragged=False, quotes_hold=True
        )
    text = _plain(text)
    try:
        if _may_have_breaks(block):
            frame = _read_numbered(text, form)
        else:
            frame = _unbroken(_read_csv(_marked(text, form), form, quote='"'))
            if frame.height != len(block.lines):
                return _without_quotes(text, form)
    except pl.exceptions.PolarsError:
        return _without_quotes(text, form)
    broken = frame.filter(pl.col("breaks") > 0)
    if broken.height:
        broken = _without_numbers(broken, form)
        frame = _with_rows(frame, broken, _names(form))
        longest = broken.select(pl.max_horizontal(pl.col(_names(form)).str.len_bytes().max())).item()
        readable = readable and longest <= MAX_CELL_BYTES
    return Cells(
        frame,
        all_readable=readable,
        any_breaks=broken.height > 0,
        any_ragged=not frame["end"].eq_missing(END).all(),
        quotes_hold=True,
    )


def _may_have_breaks(block: Block) -> bool:
    return QUOTE in block.text and any(line.count(QUOTE) & 1 for line in block.lines)


def _plain(text: bytes) -> bytes:
    """With line feeds only, and no BOM at the beginning of a line: polars would drop that of the first line
    only, and a line must mean the same wherever it stands."""
    return text.replace(b"\r\n", b"\n").removesuffix(b"\r").replace(b"\n" + BOM, b"\n").removeprefix(BOM)


def _marked(text: bytes, form: FileForm) -> bytes:
    end = f"{form.delimiter}{END}\n".encode()
    return text.replace(b"\n", end) + end


def _unbroken(frame: pl.DataFrame) -> pl.DataFrame:
    at = pl.int_range(frame.height, dtype=pl.UInt32, eager=True)
    return frame.with_columns(at.alias("at"), pl.lit(0, pl.UInt32).alias("breaks"))


def _read_usual(text: bytes, lines: int, form: FileForm) -> pl.DataFrame | None:
    """The rows of lines that all end in CR and LF, where none is ragged or more than a line; else None.

    The CR becomes the mark, which takes a fifth of the time of looking for both. There are as many CR as
    lines, and each line has the mark at its end: so no CR stands elsewhere.
    """
    mark = f"{form.delimiter}{END}".encode()
    marked = text.replace(b"\r", mark)
    if len(marked) - len(text) != lines * (len(mark) - 1):
        return None
    try:
        frame = _read_csv(marked, form, quote='"')
    except pl.exceptions.PolarsError:
        return None
    return frame if frame.height == lines and frame["end"].eq_missing(END).all() else None


def _read_numbered(text: bytes, form: FileForm) -> pl.DataFrame:
    """Read lines of which some may be only parts of records: each is numbered in front, so a record's number
    is that of its first line."""
    lines, delimiter = text.split(b"\n"), form.delimiter.encode()
    numbered = b"\n".join(b"%d%s%s" % (at, delimiter, line) for at, line in enumerate(lines))
    frame = _read_csv(_marked(numbered, form), form, "at", quote='"')
    at = frame["at"].cast(pl.UInt32)
    breaks = at.shift(-1, fill_value=len(lines)) - at - 1
    return frame.with_columns(at.alias("at"), breaks.alias("breaks"))


def _without_numbers(broken: pl.DataFrame, form: FileForm) -> pl.DataFrame:
    """Take the mark behind a line and the number before the next out of the cells."""
    between = f"{form.delimiter}{END}\n[0-9]+{form.delimiter}"
    return broken.with_columns(pl.col(_names(form)).str.replace_all(between, "\n"))


def _with_rows(frame: pl.DataFrame, others: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """The same with the cells of `others` in the rows that have their `at`."""
    places = frame["at"].is_in(others["at"].implode()).arg_true()
    changed = [name for name in names if not frame[name].gather(places).eq_missing(others[name]).all()]
    return frame.with_columns(frame[name].scatter(places, others[name]) for name in changed)


def _without_quotes(text: bytes, form: FileForm) -> Cells:
    """Where a quote never closes, or text stands behind a closing one: take quotes as ordinary characters,
    and let the rows that needed them be rejected one by one. Raises TableRejected."""
    try:
        frame = _read_csv(_marked(text, form), form, quote=None)
    except pl.exceptions.PolarsError as error:
        raise TableRejected(Problem(form.file, Rule.FILE_UNREADABLE)) from error
    frame = _unbroken(frame.with_columns(map(_unquoted, _names(form))))
    any_ragged = not frame["end"].eq_missing(END).all()
    return Cells(frame, all_readable=False, any_breaks=False, any_ragged=any_ragged, quotes_hold=False)


def _unquoted(name: str) -> pl.Expr:
    """Undo the quotes around a whole cell. A quote on one side only makes the cell unreadable."""
    cell = pl.col(name)
    whole = cell.str.contains(r'(?s)^".*"$') & (cell.str.len_bytes() >= 2)
    inner = cell.str.slice(1, cell.str.len_chars() - 2).str.replace_all('""', '"', literal=True)
    lone = cell.str.starts_with('"') | cell.str.ends_with('"')
    return pl.when(whole).then(inner).when(lone).then(pl.lit(LONE_QUOTE)).otherwise(cell).alias(name)


def _names(form: FileForm) -> list[str]:
    return [f"c{place}" for place in range(len(form.headings))]


def _read_csv(data: bytes, form: FileForm, *before: str, quote: str | None) -> pl.DataFrame:
    """Columns `before` those of the file, these, and `end`."""
    return pl.read_csv(
        data,
        has_header=False,
        separator=form.delimiter,
        quote_char=quote,
        schema=dict.fromkeys([*before, *_names(form), "end"], pl.String),
        missing_columns="insert",
        extra_columns="ignore",
    )
