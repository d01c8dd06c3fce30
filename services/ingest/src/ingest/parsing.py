"""From the bytes of a file to cells of text: encoding, delimiter, quotes, line ends. Knows no types."""

from dataclasses import dataclass

import polars as pl

from ingest.headings import Encoding, as_utf8, header_of
from ingest.problems import LONE_QUOTE, Problem, Rule, TableRejected
from ingest.table_format import TableFormat

END = "\x02"
"""Put behind the last cell of every line before parsing: polars fills short rows up in silence."""


@dataclass(frozen=True, slots=True)
class FileForm:
    """How a file is written. `headings` are normalised; `ended`: its last line has a line end."""

    file: str
    encoding: Encoding
    delimiter: str
    headings: tuple[str, ...]
    ended: bool


def open_text(raw: bytes, file: str, definition: TableFormat) -> tuple[bytes, FileForm]:
    """The file's text as UTF-8, and its form. Raises TableRejected for a file that can be no table."""
    data, encoding = as_utf8(raw)
    headings, delimiter = header_of(data, file, definition)
    return data, FileForm(file, encoding, delimiter, tuple(headings), data.endswith(b"\n"))


def cells_of(data: bytes, form: FileForm) -> pl.DataFrame:
    """Cells as text: `row`, `line`, `breaks` (line breaks inside its cells), `c0` ... `c{width-1}`, then
    `end`, which holds the mark unless the row is ragged. Raises TableRejected."""
    delimiter = form.delimiter
    body = data.split(b"\n", 1)[1] if b"\n" in data else b""
    body = body.replace(b"\r\n", b"\n").removesuffix(b"\n")
    names = [f"c{place}" for place in range(len(form.headings))]
    if not body:
        places = {"row": pl.UInt32, "line": pl.UInt32, "breaks": pl.UInt32}
        return pl.DataFrame(schema=places | dict.fromkeys((*names, "end"), pl.String))
    marked = body.replace(b"\n", f"{delimiter}{END}\n".encode()) + f"{delimiter}{END}\n".encode()
    try:
        frame = _read_csv(marked, delimiter, names, quote='"')
    except pl.exceptions.PolarsError:
        # A quote that never closes, or text behind a closing one: take quotes as ordinary characters, and
        # let the rows that needed them be rejected one by one.
        try:
            frame = _without_quotes(_read_csv(marked, delimiter, names, quote=None), names)
        except pl.exceptions.PolarsError as error:
            raise TableRejected(Problem(form.file, Rule.FILE_UNREADABLE)) from error
    return _with_lines(frame, names, f"{delimiter}{END}\n")


def _with_lines(frame: pl.DataFrame, names: list[str], inside: str) -> pl.DataFrame:
    """Take the mark out of quoted line breaks, which got it too; each of them moves the lines below."""
    broken = [name for name in names if frame[name].str.contains(inside, literal=True).any()]
    if not broken:
        return frame.with_columns(pl.col("row").alias("line"), pl.lit(0, pl.UInt32).alias("breaks"))
    breaks = pl.sum_horizontal(pl.col(name).str.count_matches(inside, literal=True) for name in broken)
    return frame.with_columns(
        (pl.col("row") + breaks.cum_sum().shift(1, fill_value=0)).alias("line"),
        breaks.alias("breaks"),
        *(pl.col(name).str.replace_all(inside, "\n", literal=True) for name in broken),
    )


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
        fixed.append(
            pl.when(whole).then(inner).when(lone).then(pl.lit(LONE_QUOTE)).otherwise(cell).alias(name)
        )
    return frame.with_columns(fixed)
