"""Kunden who asked to be forgotten, so that no delivery, webhook or restored backup brings them back.

An append-only file outside the database and its backups, one per service. It holds no Kundennummer and no
Zoho id, only HMAC-SHA256 of tenant and entry under a key from the settings: one line per stop, and one per
stop that was lifted. The first line proves the key, since under another one the list would silently stop
nobody. How many lines there are is remembered in the service's table `stop_list_size`, to find out if the
list lost some.
"""

import asyncio
import errno
import fcntl
import hashlib
import hmac
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from pydantic import SecretStr
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import fetch_all, run_sql
from contracts.ids import TenantId, ZohoId
from contracts.problems import Conflict

log: structlog.stdlib.BoundLogger = structlog.get_logger()

FILE = "stop-list.jsonl"


class WrongKey(Exception):  # noqa: N818
    """The stop list was written under another key: nobody on it would be recognised."""


class StopListIncomplete(Exception):  # noqa: N818
    """The file of the stop list is missing, or an older one: whoever is not on it would come back."""


UNUSABLE = (StopListIncomplete, WrongKey, OSError, ValueError)
"""What looking at the list raises where it cannot be used as it is."""


def zoho_entry(zoho_id: ZohoId) -> str:
    """What a Zoho record is called on the list; a Kunde is called by the Kundennummer alone."""
    return f"zoho:{zoho_id}"


@dataclass(frozen=True, slots=True)
class StopList:
    """The list in one directory, shared by all replicas. Read anew for each use: it is short."""

    folder: Path
    key: SecretStr

    def check(self) -> None:
        """Find out early whether the list can be used. Raises WrongKey, OSError, ValueError."""
        self._lines()

    def tenants(self) -> list[TenantId]:
        """Those with an entry. Raises WrongKey, OSError, ValueError."""
        return sorted({TenantId(line["tenant"]) for line in self._lines()})

    def stopped(self, tenant: TenantId) -> frozenset[str]:
        """The hashes that are stopped for a tenant now. Raises WrongKey, OSError, ValueError."""
        stopped: set[str] = set()
        for line in self._lines():
            if line["tenant"] == tenant:
                (stopped.add if line["stop"] else stopped.discard)(line["hash"])
        return frozenset(stopped)

    def _lines(self) -> list[dict[str, Any]]:
        path = self.folder / FILE
        if not path.exists():
            return []
        whole, _, torn = path.read_text().rpartition("\n")
        try:
            first, *lines = [json.loads(line) for line in whole.splitlines()]
        except ValueError as error:
            raise ValueError(f"{path} is damaged: put its newest copy in its place") from error
        if torn:  # of a write that was cut off: whoever asked for it was told so; the next one removes it
            log.warning("stop_list.torn_line", path=str(path))
        if not hmac.compare_digest(first["key"], self._proof()):
            raise WrongKey(f"{path} was written under another key (STOP_LIST_KEY)")
        return lines

    def entries(self, tenant: TenantId) -> int:
        """How many lines there are about a tenant: never fewer than before. Raises WrongKey, OSError,
        ValueError."""
        return sum(1 for line in self._lines() if line["tenant"] == tenant)

    def hash_of(self, tenant: TenantId, entry: str) -> str:
        """What stands for this Kundennummer or `zoho_entry` on the list."""
        return self._hmac(f"{tenant}:{entry}")

    def stop(self, tenant: TenantId, entry: str) -> None:
        """Durable when it returns. Raises Conflict if there is no key, WrongKey, OSError."""
        if not self.key.get_secret_value():
            raise Conflict(
                "Ohne Sperrliste kann niemand gelöscht werden.",
                remedy="INGEST_STOP_LIST_KEY und SYNC_STOP_LIST_KEY setzen.",
            )
        if self.hash_of(tenant, entry) not in self.stopped(tenant):
            self._append(tenant, entry, stop=True)

    def lift(self, tenant: TenantId, entry: str) -> bool:
        """Whether it was on the list. Raises WrongKey, OSError."""
        if self.hash_of(tenant, entry) not in self.stopped(tenant):
            return False
        self._append(tenant, entry, stop=False)
        return True

    def _append(self, tenant: TenantId, entry: str, *, stop: bool) -> None:
        self._begin()
        line = json.dumps({"tenant": tenant, "hash": self.hash_of(tenant, entry), "stop": stop})
        _write(self.folder / FILE, line, os.O_APPEND)

    def _begin(self) -> None:
        """Make the file with its first line, if there is none."""
        path = self.folder / FILE
        if path.exists():
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_suffix(f".{os.getpid()}")
        _write(new, json.dumps({"key": self._proof()}), os.O_TRUNC)
        try:
            os.link(new, path)  # unlike a rename, it replaces no file of another replica
        except FileExistsError:
            return
        finally:
            new.unlink()
        folder = os.open(self.folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def _proof(self) -> str:
        return self._hmac("stop list")

    def _hmac(self, text: str) -> str:
        return hmac.digest(self.key.get_secret_value().encode(), text.encode(), hashlib.sha256).hex()


async def remember_size(session: AsyncSession, stop_list: StopList, tenant: TenantId) -> None:
    """Keep how many entries the list has, to find out if it loses some. Raises as the list does."""
    entries = await asyncio.to_thread(stop_list.entries, tenant)
    await run_sql(
        session,
        "INSERT INTO stop_list_size AS s (tenant, entries) SELECT :tenant, CAST(:entries AS integer) "
        "WHERE CAST(:entries AS integer) > 0 ON CONFLICT (tenant) DO UPDATE "
        "SET entries = excluded.entries WHERE s.entries < excluded.entries",
        tenant=tenant,
        entries=entries,
    )


async def check_size(session: AsyncSession, stop_list: StopList, tenant: TenantId) -> None:
    """Raises StopListIncomplete if the list was longer once: who is missing would come back unnoticed."""
    rows = await fetch_all(
        session, "SELECT entries FROM stop_list_size WHERE tenant = :tenant", tenant=tenant
    )
    wanted = rows[0]["entries"] if rows else 0
    # The file after the number: it may grow in between, and never shrinks.
    entries = await asyncio.to_thread(stop_list.entries, tenant)
    if entries < wanted:
        raise StopListIncomplete(
            f"Die Sperrliste hat {entries} statt {wanted} Einträge: sie muss zurückgespielt werden."
        )


def _write(path: Path, line: str, how: int) -> None:
    """One whole line or none, also on a full disk; replicas write one after the other. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | how, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # until it is closed
        _cut_torn_line(descriptor)
        size, content = os.fstat(descriptor).st_size, f"{line}\n".encode()
        try:
            _write_all(descriptor, content)
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    if os.write(descriptor, content) < len(content):
        raise OSError(errno.ENOSPC, "only a part of a line could be written")


def _cut_torn_line(descriptor: int) -> None:
    """Remove what a write left that was cut off, lest the next line continues it."""
    size = os.fstat(descriptor).st_size
    content = os.pread(descriptor, size, 0)
    os.ftruncate(descriptor, content.rfind(b"\n") + 1)
