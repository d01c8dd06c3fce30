"""One file on its way in, whichever protocol brings it: within the limits, unfinished until it is whole.

Used in the threads of the servers; nothing here waits for the event loop.
"""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO

import structlog
from prometheus_client import Counter

from contracts.ids import TenantId
from ingest.settings import IngestSettings
from ingest.spool import LONGEST_NAME_BYTES, Spool, is_allowed

log: structlog.stdlib.BoundLogger = structlog.get_logger()

HOME_CHECKED_EVERY_BYTES = 4 * 1024 * 1024
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

files_total = Counter("ingest_received_files_total", "Files received", ["protocol", "result"])
refused_total = Counter("ingest_uploads_refused_total", "Uploads refused or ended by us", ["reason"])


class Refusal(StrEnum):
    """Why an upload is not taken."""

    NAME = "name"
    FILE_TOO_LARGE = "file_too_large"
    TOO_MANY_FILES = "too_many_files"
    HOME_FULL = "home_full"
    DISK_FULL = "disk_full"
    TAKEN = "taken"

    @property
    def words(self) -> str:
        """For the client, in English: who reads it is the sender's operator."""
        return _WORDS[self]


_WORDS = {
    Refusal.NAME: "This file name is not allowed.",
    Refusal.FILE_TOO_LARGE: "The file is larger than allowed.",
    Refusal.TOO_MANY_FILES: "There are too many files already.",
    Refusal.HOME_FULL: "The files together are larger than allowed.",
    Refusal.DISK_FULL: "No space left on the server, try again later.",
    Refusal.TAKEN: "The delivery was closed before this file was whole, send it again.",
}


class UploadRefused(OSError):  # noqa: N818
    """Nothing more of this file is taken."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(errno.EACCES, reason.words)
        self.reason = reason


class Begin(StrEnum):
    """What an upload does with a file of its name that is there."""

    ANEW = "anew"
    AT_END = "at_end"
    INSIDE = "inside"


@dataclass(frozen=True, slots=True)
class Uploads:
    """Opens uploads of one protocol. `on_change` is called whenever a file has come or was cut off."""

    settings: IngestSettings
    spool: Spool
    protocol: str
    on_change: Callable[[], None]

    def begin(self, tenant: TenantId, name: str, how: Begin) -> "Upload":
        """Raises UploadRefused; FileNotFoundError where there is nothing to go on with."""
        try:
            self._check_home(tenant, name)
            file, was_marked = self.spool.open_upload(
                tenant, name, anew=how is Begin.ANEW, make=how is not Begin.INSIDE
            )
        except UploadRefused as refused:
            self.refuse(tenant, name, refused.reason)
            raise
        except OSError as error:
            if error.errno not in _DISK_FULL:
                raise
            self.refuse(tenant, name, Refusal.DISK_FULL)
            raise UploadRefused(Refusal.DISK_FULL) from error
        return Upload(self, tenant, name, file, how, was_marked=was_marked)

    def _check_home(self, tenant: TenantId, name: str) -> None:
        if not is_allowed(name):
            raise UploadRefused(Refusal.NAME)
        files, bytes_ = self.spool.others_in_home(tenant, name)
        if files >= self.settings.upload_home_files:
            raise UploadRefused(Refusal.TOO_MANY_FILES)
        if bytes_ >= self.settings.upload_home_bytes:
            raise UploadRefused(Refusal.HOME_FULL)

    def refuse(self, tenant: TenantId, name: str, reason: Refusal) -> None:
        refused_total.labels(reason).inc()
        log.warning("upload.refused", tenant=tenant, file=name[:LONGEST_NAME_BYTES], reason=reason)


class Upload:
    """A file that is written to. It stays marked as unfinished until `finish`, whatever happens."""

    def __init__(
        self, uploads: Uploads, tenant: TenantId, name: str, file: BinaryIO, how: Begin, *, was_marked: bool
    ) -> None:
        self._uploads = uploads
        self._tenant = tenant
        self._file = file
        self._appends = how is Begin.AT_END
        self._was_whole = how is not Begin.ANEW and not was_marked
        self._written = 0
        self._home_checked_at = 0
        self.file_name = name
        self.refused: Refusal | None = None
        if self._appends:
            file.seek(0, os.SEEK_END)

    @property
    def closed(self) -> bool:
        return self._file.closed

    def seek(self, offset: int) -> None:
        self._file.seek(offset)

    def write(self, data: bytes | memoryview) -> None:
        """Write all of it, where the file stands. Raises UploadRefused, and from then on again."""
        if self.refused:
            raise UploadRefused(self.refused)
        settings, size = self._uploads.settings, self._file.tell() + len(data)
        if size > settings.upload_file_bytes:
            self._refuse(Refusal.FILE_TOO_LARGE)
        if self._written >= self._home_checked_at:
            self._home_checked_at += HOME_CHECKED_EVERY_BYTES
            _, others = self._uploads.spool.others_in_home(self._tenant, self.file_name)
            if others + size > settings.upload_home_bytes:
                self._refuse(Refusal.HOME_FULL)
        self._written += len(data)
        try:
            _write_all(self._file, data)
        except OSError as error:
            if error.errno not in _DISK_FULL:
                raise
            self._refuse(Refusal.DISK_FULL)

    def write_at(self, offset: int, data: bytes) -> None:
        """Write all of it at a place in the file, or at its end, if it was begun so. Raises UploadRefused."""
        if not self._appends:
            self._file.seek(offset)
        self.write(data)

    def stat(self) -> os.stat_result:
        return os.fstat(self._file.fileno())

    def _refuse(self, reason: Refusal) -> None:
        self.refused = reason
        self._uploads.refuse(self._tenant, self.file_name, reason)
        raise UploadRefused(reason)

    def was_taken(self) -> bool:
        """Whether its delivery was closed meanwhile: what was written is no longer in the home."""
        return not self._uploads.spool.is_in_home(self._tenant, self.file_name, self._file.fileno())

    def close(self) -> None:
        """Close the file; it stays unfinished, unless it was whole before and nothing was written."""
        if not self._file.closed:
            self._file.close()
            if self._was_whole and not self._written:
                self._uploads.spool.finish_upload(self._tenant, self.file_name)

    def finish(self) -> None:
        """All of it has come."""
        self.close()
        self._uploads.spool.finish_upload(self._tenant, self.file_name)
        files_total.labels(self._uploads.protocol, "whole").inc()
        self._uploads.on_change()

    def cut_off(self) -> None:
        """It ended before its end; the sender may go on with it."""
        self.close()
        files_total.labels(self._uploads.protocol, "cut_off").inc()
        log.warning("upload.cut_off", tenant=self._tenant, file=self.file_name)
        self._uploads.on_change()


class Pace:
    """How fast one connection may send: evenly; who was slower before may catch up a second of it."""

    def __init__(self, bytes_per_second: int, now: float) -> None:
        self._bytes_per_second = bytes_per_second
        self._due = now

    def delay_after(self, received: int, now: float) -> float:
        """Seconds to read nothing after so many bytes came; `now` in monotonic seconds."""
        self._due = max(self._due, now - 1.0) + received / self._bytes_per_second
        return max(0.0, self._due - now)


def _write_all(file: BinaryIO, data: bytes | memoryview) -> None:
    """An unbuffered file may take a part only, the last one before the disk is full."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]
