"""Takes Kunden out of files that were delivered, which stay for some days.

A file that is read as a table loses their records and keeps all others byte for byte; a file that cannot be
understood, or looked into, goes as a whole if it may name one of them. So do archives: a held delivery that
came as one must be sent again.
"""

import csv
import io
import mmap
import os
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from contracts.ids import Kundennummer
from ingest.archives import is_archive
from ingest.stopping import KUNDE_COLUMN
from ingest.table_format import Format, TableFormat

_DELIMITERS = (";", ",", "\t")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Removed:
    """Records taken out of files, and files that went as a whole."""

    rows: int = 0
    files: int = 0

    def __add__(self, other: "Removed") -> "Removed":
        return Removed(self.rows + other.rows, self.files + other.files)


def remove_kunden(
    folder: Path, form: Format, kunden: Collection[Kundennummer], *, keep_archives: bool = False
) -> Removed:
    """Take them out of all files of a folder. Cut off in the middle, it can be repeated.

    `keep_archives`: the delivery is still to be imported, which leaves them out and comes here afterwards.
    """
    removed = Removed()
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            shutil.rmtree(path)  # unpacked by a process that was killed
        elif is_archive(path.name):
            if keep_archives:
                continue
            path.unlink()
            removed += Removed(files=1)
        elif _names(path, kunden):
            removed += _remove_from(path, form, kunden)
    return removed


def _names(path: Path, kunden: Collection[Kundennummer]) -> bool:
    with path.open("rb") as file:
        if not path.stat().st_size:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return any(content.find(kunde.encode()) >= 0 for kunde in kunden)


def _remove_from(path: Path, form: Format, kunden: Collection[Kundennummer]) -> Removed:
    table = form.table_of(path.name)
    if table is not None and table not in KUNDE_COLUMN:
        return Removed()  # a list: the number is that of something else there
    with path.open("rb") as file:
        header = file.readline()
        place = _place(header, form[table], KUNDE_COLUMN[table]) if table else None
        if place is None:
            path.unlink()
            return Removed(files=1)
        return Removed(rows=_rewrite(path, file, header, kunden, *place))


def _rewrite(
    path: Path, file: BinaryIO, header: bytes, kunden: Collection[Kundennummer], place: int, delimiter: str
) -> int:
    new, removed, numbers = path.with_name(f"{path.name}.new"), 0, [kunde.encode() for kunde in kunden]
    with new.open("wb") as out:
        out.write(header)
        for record in records(file):
            # Most records need no more than this look.
            if any(number in record for number in numbers) and _is_about(record, kunden, place, delimiter):
                removed += 1
            else:
                out.write(record)
        out.flush()
        os.fsync(out.fileno())
    shutil.copystat(path, new)  # of two files of a table the newer one counts
    new.replace(path)
    return removed


def _place(header: bytes, definition: TableFormat, column: str) -> tuple[int, str] | None:
    """In which cell the Kundennummer stands, and what parts the cells."""
    line = header.removeprefix(_BOM).decode(errors="replace").rstrip("\r\n")
    for delimiter in _DELIMITERS:
        try:
            headings = _cells(line, delimiter)
        except csv.Error:
            continue
        for place, heading in enumerate(headings):
            found = definition.column_headed(heading)
            if found is not None and found.name == column:
                return place, delimiter
    return None


def _is_about(record: bytes, kunden: Collection[Kundennummer], place: int, delimiter: str) -> bool:
    """A record that names one of them and cannot be read counts as theirs."""
    # Latin-1 reads any bytes, and digits in all encodings that we read are the same.
    try:
        cells = _cells(record.decode("latin-1"), delimiter)
    except csv.Error:
        return True
    return place >= len(cells) or cells[place].strip() in kunden


def _cells(record: str, delimiter: str) -> list[str]:
    """Raises csv.Error."""
    rows = list(csv.reader(io.StringIO(record, newline=""), delimiter=delimiter))
    return rows[0] if rows else []


def records(file: BinaryIO) -> Iterator[bytes]:
    """Records with their ends; quoted line breaks stay inside. After a quote that never closes each line is a
    record."""
    open_: list[bytes] = []
    for line in file:
        quotes = line.count(b'"') % 2
        if not open_ and not quotes:
            yield line
            continue
        closes = bool(open_ and quotes)
        open_.append(line)
        if closes:
            yield b"".join(open_)
            open_ = []
    yield from open_
