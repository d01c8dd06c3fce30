"""Unpacks the `.zip` and `.gz` files of a delivery, within limits on size, ratio, entries and names.

An archive is refused as a whole, or taken as a whole. What it may hold: files at its top or in one folder,
whose name is then left out, so that no two may have the same. Not: a path that leaves the archive, deeper
folders, links, encrypted entries. An archive inside an archive is a file of no table.
"""

import errno
import gzip
import os
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ingest.problems import Problem, Rule
from ingest.spool import is_allowed

FOLDER = ".unpacked"
"""Below a delivery's folder while the delivery is read; nobody can send a file of that name."""
CHUNK_BYTES = 1024 * 1024
DIRECTORY_BYTES = 1024 * 1024
"""Of a ZIP file's list of entries, which is read into memory before anything else is known of it."""
RATIO_FLOOR_BYTES = 10 * 1024 * 1024
"""Below this, a high ratio does no harm: a column of zeros is packed very small."""
_ENCRYPTED = 0x1
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_END = struct.Struct("<4s4H2LH")
"""The record at the end of a ZIP file; the sixth field is the size of the list of entries."""
_END_SIGNATURE, _ZIP64_SIGNATURE = b"PK\x05\x06", b"PK\x06\x07"
_ZIP64_BYTES = 20
_LONGEST_COMMENT = 0xFFFF
_LEFT_OUT = ("__MACOSX", ".DS_Store")
"""What a Mac adds to every archive."""


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """Of all archives of a delivery together, unpacked: bytes; of each: entries, and how many times larger
    than packed."""

    bytes_: int
    ratio: float
    entries: int


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The files to read, those of archives among them, and the archives that were refused."""

    files: list[Path]
    problems: list[Problem]


_BROKEN = (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, NotImplementedError, ValueError)


class _Refused(Exception):  # noqa: N818
    def __init__(self, rule: Rule) -> None:
        super().__init__(rule)
        self.rule = rule


def is_archive(name: str) -> bool:
    return name.lower().endswith((".zip", ".gz"))


def names_in(path: Path) -> list[str]:
    """Names of the files that a file gives: its own, or those in an archive; none of one that cannot be read
    (yet), or would be refused."""
    if not is_archive(path.name):
        return [path.name]
    if path.suffix.lower() == ".gz":
        return [path.stem]
    try:
        _check_directory(path)
        with zipfile.ZipFile(path) as archive:
            return [name for name, _ in _entries(archive)]
    except (_Refused, *_BROKEN, OSError):
        return []


@contextmanager
def unpacked(folder: Path, limits: ArchiveLimits) -> Generator[Unpacked]:
    """The files of a delivery with its archives unpacked; what was unpacked goes when the block ends.

    Blocking. A file keeps its archive's time, which decides between two of the same table. Raises OSError
    if the disk is full.
    """
    found = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    contents = Unpacked([path for path in found if not is_archive(path.name)], [])
    into = folder / FOLDER
    shutil.rmtree(into, ignore_errors=True)  # of a process that was killed
    left = limits.bytes_
    try:
        for number, path in enumerate(path for path in found if is_archive(path.name)):
            target = into / str(number)
            target.mkdir(parents=True)
            try:
                files = _unpack(path, target, limits, left)
            except _Refused as refused:
                contents.problems.append(Problem(path.name, refused.rule))
                shutil.rmtree(target)
            else:
                contents.files.extend(files)
                left -= sum(file.stat().st_size for file in files)
        yield contents
    finally:
        shutil.rmtree(into, ignore_errors=True)


def _unpack(path: Path, target: Path, limits: ArchiveLimits, left: int) -> Sequence[Path]:
    packed = path.stat()
    room = _Room(left, max(int(packed.st_size * limits.ratio), RATIO_FLOOR_BYTES))
    files: list[Path] = []
    try:
        if path.suffix.lower() == ".gz":
            with gzip.open(path) as source:
                files.append(_copy(source, target, path.stem, room))
        else:
            _check_directory(path)
            with zipfile.ZipFile(path) as archive:
                entries = _entries(archive)
                if len(entries) > limits.entries:
                    raise _Refused(Rule.ARCHIVE_TOO_MANY_ENTRIES)
                for name, entry in entries:
                    with archive.open(entry) as source:
                        files.append(_copy(source, target, name, room))
    except _BROKEN as error:
        raise _Refused(Rule.ARCHIVE_UNREADABLE) from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # a place before the file's beginning, says a broken list
            raise
        raise _Refused(Rule.ARCHIVE_UNREADABLE) from error
    for file in files:
        os.utime(file, ns=(packed.st_mtime_ns, packed.st_mtime_ns))
    return files


def _check_directory(path: Path) -> None:
    """Look at the end of a ZIP file, as zipfile does. Raises _Refused.

    ZIP64 is refused: only archives above 4 GiB or of 65,535 entries need it.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _END.size - _ZIP64_BYTES - _LONGEST_COMMENT))
        tail = file.read()
    at = len(tail) - _END.size
    if not (tail[at:].startswith(_END_SIGNATURE) and tail.endswith(b"\x00\x00")):
        at = tail.rfind(_END_SIGNATURE)
    if (
        at < 0
        or len(tail) < at + _END.size
        or tail[max(0, at - _ZIP64_BYTES) : at].startswith(_ZIP64_SIGNATURE)
    ):
        raise _Refused(Rule.ARCHIVE_UNREADABLE)
    if _END.unpack_from(tail, at)[5] > DIRECTORY_BYTES:
        raise _Refused(Rule.ARCHIVE_TOO_MANY_ENTRIES)


def _entries(archive: zipfile.ZipFile) -> list[tuple[str, zipfile.ZipInfo]]:
    """Name that an entry's file gets → the entry. Raises _Refused."""
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        parts = entry.filename.replace("\\", "/").split("/")
        if entry.filename.endswith("/") or any(part in _LEFT_OUT for part in parts):
            continue  # of a folder, its files tell
        *folders, name = parts
        if len(folders) > 1 or name in found or not all(map(is_allowed, parts)) or ":" in entry.filename:
            raise _Refused(Rule.ARCHIVE_NAME)
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise _Refused(Rule.ARCHIVE_LINK)
        if entry.flag_bits & _ENCRYPTED:
            raise _Refused(Rule.ARCHIVE_ENCRYPTED)
        if entry.compress_type not in _METHODS:
            raise _Refused(Rule.ARCHIVE_UNREADABLE)
        found[name] = entry
    return list(found.items())


class _Room:
    """How much may still be unpacked. Counts what really comes: an archive may lie about its sizes."""

    def __init__(self, bytes_: int, by_ratio: int) -> None:
        self._bytes, self._by_ratio = bytes_, by_ratio

    def take(self, count: int) -> None:
        """Raises _Refused."""
        self._bytes -= count
        self._by_ratio -= count
        if self._bytes < 0:
            raise _Refused(Rule.ARCHIVE_TOO_LARGE)
        if self._by_ratio < 0:
            raise _Refused(Rule.ARCHIVE_RATIO)


def _copy(source: IO[bytes] | gzip.GzipFile, target: Path, name: str, room: _Room) -> Path:
    if not is_allowed(name):
        raise _Refused(Rule.ARCHIVE_NAME)
    path = target / name
    with path.open("xb") as file:
        while chunk := source.read(CHUNK_BYTES):
            room.take(len(chunk))
            file.write(chunk)
    return path
