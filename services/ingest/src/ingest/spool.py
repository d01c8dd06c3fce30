"""The directory that deliveries arrive in and stay in until they are imported.

    <spool>/<tenant>/incoming/<file>           the home of the tenant's FTP user
    <spool>/<tenant>/uploading/<file>          an empty marker: the upload of that file is not finished
    <spool>/<tenant>/deliveries/<id>/<file>    the files of one delivery
    <watched>/<tenant>/<file>                  where others may put files without FTP

The markers survive a killed process, so that a file that was cut off is never taken for a whole one.
"""

import errno
import os
import shutil
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from contracts.ids import TenantId, Uuid

UNFINISHED_SUFFIX = ".unfinished"
"""Ends the name of a file in a delivery's folder whose upload was never completed."""

LONGEST_NAME_BYTES = 200
"""Leaves room for what we add to a name; file systems take 255."""


def is_allowed(name: str) -> bool:
    """Whether a file may be called that: one part of a path, printable, not hidden, not too long."""
    return (
        bool(name)
        and not name.startswith(".")
        and "/" not in name
        and name.isprintable()
        and len(name.encode(errors="surrogateescape")) <= LONGEST_NAME_BYTES
    )


@dataclass(frozen=True, slots=True)
class SpooledFile:
    """A file as it lies in a home or in a delivery's folder."""

    path: Path
    size: int
    changed_ns: int
    unfinished: bool

    @property
    def name(self) -> str:
        return self.path.name


@dataclass(frozen=True, slots=True)
class Spool:
    """All homes and deliveries below one directory. `watched` has a second home for every tenant.

    The lock keeps a file from being moved between its mark and its opening: a delivery never gets a file
    that somebody has just begun to write. One process receives, so the lock need not be seen by others.
    """

    root: Path
    watched: Path | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def incoming(self, tenant: TenantId) -> Path:
        return self.root / tenant / "incoming"

    def delivery(self, tenant: TenantId, delivery: Uuid) -> Path:
        return self.root / tenant / "deliveries" / delivery

    def create_home(self, tenant: TenantId) -> Path:
        """Make the tenant's folders if they are missing; returns the home."""
        for folder in (self.incoming(tenant), self._markers(tenant), self.root / tenant / "deliveries"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.incoming(tenant)

    def create_delivery(self, tenant: TenantId, delivery: Uuid) -> Path:
        """Make a delivery's folder if it is missing; returns it."""
        folder = self.delivery(tenant, delivery)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def rename_delivery(self, tenant: TenantId, old: Uuid, new: Uuid) -> None:
        """Give a delivery's files another id. What a process that was killed left under that id goes."""
        folder = self.delivery(tenant, new)
        if folder.exists():
            shutil.rmtree(folder)
        self.delivery(tenant, old).rename(folder)
        _sync(folder.parent)

    def tenants_with_files(self) -> Iterator[TenantId]:
        """Tenants in whose home or watched folder something lies."""
        for tenant in _tenants_in(self.root):
            if any(folder.is_dir() and any(folder.iterdir()) for folder in self._homes(tenant)):
                yield tenant

    def strangers(self) -> set[str]:
        """Folders in the watched directory of no tenant who was set up: nobody takes their files."""
        if self.watched is None or not self.watched.is_dir():
            return set()
        folders = {folder.name for folder in self.watched.iterdir() if folder.is_dir()}
        return folders - set(_tenants_in(self.root))

    def _homes(self, tenant: TenantId) -> list[Path]:
        return [self.incoming(tenant), *([self.watched / tenant] if self.watched else [])]

    def deliveries(self, only: TenantId | None = None) -> Iterator[tuple[TenantId, Uuid]]:
        """Deliveries whose files are still there, of one tenant or of all."""
        for tenant in [only] if only else _tenants_in(self.root):
            folder = self.root / tenant / "deliveries"
            for delivery in folder.iterdir() if folder.is_dir() else ():
                try:
                    yield tenant, Uuid(delivery.name)
                except ValueError:
                    continue  # not made by us

    def delivery_changed_at(self, tenant: TenantId, delivery: Uuid) -> datetime:
        """When a file of it came or went for the last time. Raises OSError."""
        return datetime.fromtimestamp(self.delivery(tenant, delivery).stat().st_mtime, UTC)

    def remove_delivery(self, tenant: TenantId, delivery: Uuid) -> None:
        """Delete the files of a delivery. Cut off in the middle, it can be repeated."""
        shutil.rmtree(self.delivery(tenant, delivery))

    def files(self, tenant: TenantId, delivery: Uuid | None) -> list[SpooledFile]:
        """The files of a delivery that is being received: those in the home and in the watched folder, and
        those moved already."""
        folders = self._homes(tenant)
        if delivery is not None:
            folders.append(self.delivery(tenant, delivery))
        return [file for folder in folders for file in self._in(tenant, folder)]

    def _in(self, tenant: TenantId, folder: Path) -> Iterator[SpooledFile]:
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            try:
                about = path.lstat()
            except FileNotFoundError:
                continue  # a new one takes its place just now
            if not stat.S_ISREG(about.st_mode) or not is_allowed(path.name):
                continue  # links and the like nobody can make by FTP; hidden files are on their way
            unfinished = folder == self.incoming(tenant) and self.is_unfinished(tenant, path.name)
            yield SpooledFile(path, about.st_size, about.st_mtime_ns, unfinished)

    def has_files(self, tenant: TenantId, delivery: Uuid) -> bool:
        """Whether the delivery's files are still there."""
        folder = self.delivery(tenant, delivery)
        return folder.is_dir() and any(folder.iterdir())

    def move_to_delivery(self, tenant: TenantId, delivery: Uuid) -> list[SpooledFile]:
        """Move what lies in the home and the watched folder to the delivery's folder; returns all files
        there. Of two of the same name the newer one stays. When it returns, a power cut loses none of them.

        Can be repeated after being cut off anywhere. Unfinished files are moved too, and stay marked.
        """
        folder = self.create_delivery(tenant, delivery)
        found = [file for home in self._homes(tenant) for file in self._in(tenant, home)]
        for file in sorted(found, key=lambda file: file.changed_ns):
            if file.path.parent == self.incoming(tenant):
                self._move(tenant, file, folder)
            else:
                _move_across(file.path, folder / file.name)
        return self.settled(tenant, delivery)

    def settled(self, tenant: TenantId, delivery: Uuid) -> list[SpooledFile]:
        """The files in a delivery's folder, once a power cut would lose none of them."""
        folder = self.delivery(tenant, delivery)
        files = list(self._in(tenant, folder))
        for path in (*(file.path for file in files), folder):
            _sync(path)
        return files

    def _move(self, tenant: TenantId, file: SpooledFile, folder: Path) -> None:
        with self._lock:
            unfinished = self.is_unfinished(tenant, file.name)
            file.path.rename(folder / (f"{file.name}{UNFINISHED_SUFFIX}" if unfinished else file.name))
            self.finish_upload(tenant, file.name)

    def open_upload(self, tenant: TenantId, name: str, *, anew: bool, make: bool) -> tuple[BinaryIO, bool]:
        """Mark a file as unfinished and open it for writing at its beginning, without a buffer; whether it
        was marked before.

        `anew` puts a new file in its place; what read the old one goes on reading that. Without `make` it
        must be there. Raises OSError, FileNotFoundError among them.
        """
        path, marker = self.incoming(tenant) / name, self._markers(tenant) / name
        flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_CREAT if make else 0)
        with self._lock:
            was_marked = marker.exists()
            marker.touch()
            try:
                if anew:
                    path.unlink(missing_ok=True)
                return os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0), was_marked
            except OSError:
                if not was_marked:
                    marker.unlink(missing_ok=True)
                raise

    def others_in_home(self, tenant: TenantId, name: str) -> tuple[int, int]:
        """How many files lie in a home beside the one of that name, and how many bytes they have."""
        sizes = [file.size for file in self._in(tenant, self.incoming(tenant)) if file.name != name]
        return len(sizes), sum(sizes)

    def is_in_home(self, tenant: TenantId, name: str, descriptor: int) -> bool:
        """Whether the open file is the one of that name in the home."""
        try:
            there = (self.incoming(tenant) / name).lstat()
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(descriptor))

    def finish_upload(self, tenant: TenantId, name: str) -> None:
        (self._markers(tenant) / name).unlink(missing_ok=True)

    def is_unfinished(self, tenant: TenantId, name: str) -> bool:
        return (self._markers(tenant) / name).exists()

    def _markers(self, tenant: TenantId) -> Path:
        return self.root / tenant / "uploading"


def _tenants_in(root: Path) -> Iterator[TenantId]:
    for folder in root.iterdir() if root.is_dir() else ():
        try:
            yield TenantId(folder.name)
        except ValueError:
            continue  # not made by us


def _move_across(source: Path, target: Path) -> None:
    """Move a file, to another file system too: never half of it under the target's name."""
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        new = target.with_name(f".{target.name}")
        shutil.copy2(source, new)
        new.rename(target)
        source.unlink()


def _sync(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
