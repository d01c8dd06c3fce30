"""Takes Kunden out of files that were delivered, which stay for some days.

A file that is read as a table loses their records and keeps all others byte for byte; a file that cannot be
understood, or looked into, goes as a whole if it may name one of them: it is only a copy.
"""

import csv
import mmap
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import structlog

from chassis.stop_list import StopList, WrongKey
from contracts.ids import AmeiseKey, Kundennummer, TenantId
from contracts.names import Table
from ingest.archives import is_archive
from ingest.headings import as_utf8, columns_of, header_of
from ingest.problems import TableRejected
from ingest.stopping import KUNDE_COLUMN
from ingest.table_format import Format

log: structlog.stdlib.BoundLogger = structlog.get_logger()

_NUMBER = re.compile(rb"(?<![0-9])[0-9]{1,20}(?![0-9])")


class _Doubt(Exception):  # noqa: N818
    """Whose a record is cannot be said for sure."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """What parts the cells of a file, how many headings it has, and below which the Kundennummer stands."""

    delimiter: str
    width: int
    place: int

    def is_about(self, lines: list[bytes], cells: list[str], kunden: Collection[Kundennummer]) -> bool:
        """Whether a record that names one of them is theirs, and theirs alone. Raises _Doubt, csv.Error."""
        if len(lines) > 1 and any(self._looks_whole(line) for line in lines[1:]):
            raise _Doubt  # quotes of two records may have met by accident
        if self.place < len(cells) and cells[self.place].strip() in kunden:
            return True
        if len(cells) != self.width and any(cell.strip() in kunden for cell in cells):
            raise _Doubt
        return False

    def _looks_whole(self, line: bytes) -> bool:
        """Whether a line could be a record by itself: as many cells, and a number in the right one."""
        cells = line.decode("latin-1").rstrip("\r\n").split(self.delimiter)
        return (
            len(cells) == self.width
            and AmeiseKey.pattern.fullmatch(cells[self.place].strip('" ')) is not None
        )


@dataclass(frozen=True, slots=True)
class Removed:
    """Records taken out of files, and files that went as a whole."""

    rows: int = 0
    files: int = 0

    def __add__(self, other: "Removed") -> "Removed":
        return Removed(self.rows + other.rows, self.files + other.files)


def remove_kunden(folder: Path, form: Format, kunden: Collection[Kundennummer]) -> Removed:
    """Take them out of all files of a folder. Cut off in the middle, it can be repeated."""
    removed = Removed()
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            shutil.rmtree(path)  # what an import unpacked that was killed
        elif is_archive(path.name):
            path.unlink()
            removed += Removed(files=1)
        elif _names(path, kunden):
            removed += _remove_from(path, form, kunden)
    return removed


def kunden_named(folder: Path, is_wanted: Callable[[str], bool]) -> set[Kundennummer]:
    """Wanted Kundennummern that stand anywhere in the files of a folder; archives are not looked into."""
    numbers: set[bytes] = set()
    for path in folder.iterdir():
        if path.is_file() and not is_archive(path.name):
            with path.open("rb") as file:
                numbers.update(found for line in file for found in _NUMBER.findall(line))
    return {Kundennummer(number.decode()) for number in numbers if is_wanted(number.decode())}


def files_naming(folder: Path, kunde: Kundennummer) -> list[str]:
    """Names of the files of a folder that may name a Kunde."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return [path.name for path in files if is_archive(path.name) or _names(path, {kunde})]


def remove_stopped(folder: Path, form: Format, stop_list: StopList, tenant: TenantId) -> Removed:
    """Take everybody on the stop list out of the files of a delivery that ended.

    The end of the delivery stands; what cannot be taken out now goes with the files, some days later.
    """
    try:
        stopped = stop_list.stopped(tenant)
        if not stopped or not folder.is_dir():
            return Removed()
        named = kunden_named(folder, lambda number: stop_list.hash_of(tenant, number) in stopped)
        return remove_kunden(folder, form, named)
    except (OSError, ValueError, WrongKey) as error:
        log.warning("originals.stopped_stay", tenant=tenant, error=type(error).__name__)
        return Removed()


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
    try:
        with path.open("rb") as file:
            header = file.readline()
            return Removed(rows=_rewrite(path, file, header, kunden, _kept_in(path, header, form, table)))
    except (_Doubt, TableRejected, csv.Error):
        path.unlink()
        return Removed(files=1)


def _rewrite(
    path: Path, file: BinaryIO, header: bytes, kunden: Collection[Kundennummer], layout: _Layout
) -> int:
    """Raises _Doubt, csv.Error; then the file is as it was."""
    new, removed, numbers = path.with_name(f"{path.name}.new"), 0, [kunde.encode() for kunde in kunden]
    try:
        with new.open("wb") as out:
            out.write(header)
            for lines, cells in records(file, layout.delimiter):
                # Most records need no more than this look.
                named = any(number in line for line in lines for number in numbers)
                if named and layout.is_about(lines, cells, kunden):
                    removed += 1
                else:
                    out.writelines(lines)
            out.flush()
            os.fsync(out.fileno())
        shutil.copystat(path, new)  # of two files of a table the newer one counts
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return removed


def _kept_in(path: Path, header: bytes, form: Format, table: Table | None) -> _Layout:
    """Raises TableRejected as an import would, _Doubt if no column says whose a record is."""
    if table is None:
        raise _Doubt
    headings, delimiter = header_of(as_utf8(header)[0], path.name, form[table])
    columns = columns_of(tuple(headings), path.name, form[table])
    place = next((place for place, name in columns.items() if name == KUNDE_COLUMN[table]), None)
    if place is None:
        raise _Doubt
    return _Layout(delimiter, len(headings), place)


def records(file: BinaryIO, delimiter: str) -> Iterator[tuple[list[bytes], list[str]]]:
    """Records as their lines, with their ends, and as cells; a quoted line break stays inside.

    Raises csv.Error where quotes do not fit, a quote that never closes among them: an import would read such
    a file without quotes, and where a record of it ends is a guess.
    """
    lines: list[bytes] = []

    def remembered() -> Iterator[str]:
        for line in file:
            lines.append(line)
            # Latin-1 reads any bytes, and what parts cells is the same in all encodings that we read.
            yield line.decode("latin-1")

    for cells in csv.reader(remembered(), delimiter=delimiter, strict=True):
        yield list(lines), cells
        lines.clear()
