"""What the first line of a file says: encoding, delimiter, and which column stands where.

Knows nothing of polars: those use it too who do not read the rows.
"""

import csv
from typing import Literal

from ingest.problems import Problem, Rule, TableRejected
from ingest.table_format import TableFormat, normalised

MAX_COLUMNS = 1000
MAX_HEADER_BYTES = 262_144
DELIMITERS = (";", ",", "\t")

Encoding = Literal["utf-8", "utf-8 with BOM", "windows-1252"]
BOM = b"\xef\xbb\xbf"


def as_utf8(raw: bytes) -> tuple[bytes, Encoding]:
    """The file's text as UTF-8 without BOM. What is no UTF-8 is read as Windows-1252, line by line, so
    that a file of mixed encodings keeps both kinds of lines right."""
    bare = raw.removeprefix(BOM)
    try:
        bare.decode("utf-8")
    except UnicodeDecodeError:
        return b"\n".join(map(_line_as_utf8, bare.split(b"\n"))), "windows-1252"
    return bare, "utf-8" if bare is raw else "utf-8 with BOM"


def _line_as_utf8(line: bytes) -> bytes:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace").encode()
    return line


def header_of(data: bytes, file: str, definition: TableFormat) -> tuple[list[str], str]:
    """The headings, and the delimiter under which most of them are columns that we know. Raises
    TableRejected."""
    if not data.strip():
        raise TableRejected(Problem(file, Rule.FILE_EMPTY))
    first_line = data[:MAX_HEADER_BYTES].split(b"\n", 1)[0].rstrip(b"\r")
    if len(first_line) >= MAX_HEADER_BYTES - 1:
        raise TableRejected(Problem(file, Rule.TOO_MANY_COLUMNS, row=1, line=1))
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
        raise TableRejected(Problem(file, Rule.TOO_MANY_COLUMNS, row=1, line=1))
    return [normalised(heading) for heading in headings], delimiter


def columns_of(headings: tuple[str, ...], file: str, definition: TableFormat) -> dict[int, str]:
    """Place in the file → our column. Raises TableRejected where that is not clear, or a key is missing."""
    found: dict[int, str] = {}
    exact = {heading for heading in headings if heading in definition.names}
    for place, heading in enumerate(headings):
        column = definition.column_headed(heading)
        if column is None or (column.name in exact and heading != column.name):
            continue  # the column stands there under its own name; a namesake by alias is an unknown one
        if column.name in found.values():
            raise TableRejected(Problem(file, Rule.COLUMN_TWICE, row=1, line=1, column=column.name))
        found[place] = column.name
    for name in definition.key:
        if name not in found.values():
            raise TableRejected(Problem(file, Rule.KEY_COLUMN_MISSING, row=1, line=1, column=name))
    return found
