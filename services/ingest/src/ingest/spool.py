"""The directory that deliveries arrive in and stay in until they are imported.

    <spool>/<tenant>/incoming/<file>           the home of the tenant's FTP user
    <spool>/<tenant>/uploading/<file>          an empty marker: the upload of that file is not finished
    <spool>/<tenant>/deliveries/<id>/<file>    the files of one delivery

The markers survive a killed process, so that a file that was cut off is never taken for a whole one.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from contracts.ids import TenantId, Uuid

UNFINISHED_SUFFIX = ".unfinished"
"""Ends the name of a file in a delivery's folder whose upload was never completed."""


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
    """All homes and deliveries below one directory."""

    root: Path

    def incoming(self, tenant: TenantId) -> Path:
        return self.root / tenant / "incoming"

    def delivery(self, tenant: TenantId, delivery: Uuid) -> Path:
        return self.root / tenant / "deliveries" / delivery

    def create_home(self, tenant: TenantId) -> Path:
        """Make the tenant's folders if they are missing; returns the home."""
        for folder in (self.incoming(tenant), self._markers(tenant), self.root / tenant / "deliveries"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.incoming(tenant)

    def tenants_with_files(self) -> Iterator[TenantId]:
        """Tenants in whose home something lies."""
        for tenant in self._tenants():
            home = self.incoming(tenant)
            if home.is_dir() and any(home.iterdir()):
                yield tenant

    def _tenants(self) -> Iterator[TenantId]:
        for folder in self.root.iterdir() if self.root.is_dir() else ():
            try:
                yield TenantId(folder.name)
            except ValueError:
                continue  # no tenant's

    def deliveries(self, only: TenantId | None = None) -> Iterator[tuple[TenantId, Uuid]]:
        """Deliveries whose files are still there, of one tenant or of all."""
        for tenant in [only] if only else self._tenants():
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
        """The files of a delivery that is being received: those in the home, and those moved already."""
        folders = [self.incoming(tenant)]
        if delivery is not None:
            folders.append(self.delivery(tenant, delivery))
        return [file for folder in folders if folder.is_dir() for file in self._in(tenant, folder)]

    def _in(self, tenant: TenantId, folder: Path) -> Iterator[SpooledFile]:
        for path in sorted(folder.iterdir()):
            if path.is_symlink() or not path.is_file():
                continue  # nobody can make these by FTP
            about = path.stat()
            unfinished = folder == self.incoming(tenant) and self.is_unfinished(tenant, path.name)
            yield SpooledFile(path, about.st_size, about.st_mtime_ns, unfinished)

    def move_to_delivery(self, tenant: TenantId, delivery: Uuid) -> list[SpooledFile]:
        """Move what lies in the home to the delivery's folder; returns all files there.

        Can be repeated after being cut off anywhere. Unfinished files are moved too, and stay marked.
        """
        folder = self.delivery(tenant, delivery)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in list(self._in(tenant, self.incoming(tenant))):
            name = f"{file.name}{UNFINISHED_SUFFIX}" if file.unfinished else file.name
            file.path.rename(folder / name)
            self.finish_upload(tenant, file.name)
        return list(self._in(tenant, folder))

    def begin_upload(self, tenant: TenantId, name: str) -> bool:
        """Mark a file as unfinished; True if it was not so before."""
        marker = self._markers(tenant) / name
        if marker.exists():
            return False
        marker.touch()
        return True

    def finish_upload(self, tenant: TenantId, name: str) -> None:
        (self._markers(tenant) / name).unlink(missing_ok=True)

    def is_unfinished(self, tenant: TenantId, name: str) -> bool:
        return (self._markers(tenant) / name).exists()

    def _markers(self, tenant: TenantId) -> Path:
        return self.root / tenant / "uploading"
