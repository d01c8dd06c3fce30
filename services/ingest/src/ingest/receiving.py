"""The receiving half: one replica serves FTP and SFTP under a lease, and watches the homes for complete
deliveries.

A delivery begins with the first file in a home: its row (state `receiving`) gives it its id and the moment
it began. When it is complete its files are moved into its own folder, and the row becomes `waiting`. Both
steps can be repeated: after a crash between them the files are found in the home and the folder together.
"""

import asyncio
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import structlog

from chassis import leases
from chassis.database import is_unreachable
from chassis.leases import Lease, LeaseLost
from chassis.process import Foundation
from chassis.wakeups import pause
from contracts.events import DeliveryReceived
from contracts.ids import TenantId, Uuid, new_id
from contracts.names import Outcome, Table
from contracts.rpc.ingest import DeliveryState
from contracts.subjects import SYSTEM_TENANT
from ingest import archives, ftp_server, store
from ingest.completeness import Complete, Patience, ReceivedFile, is_complete
from ingest.failed_logins import FailedLogins
from ingest.format_overrides import Formats
from ingest.ftp_users import Users
from ingest.importing import Importer, cause_of
from ingest.settings import IngestSettings
from ingest.spool import Spool, SpooledFile
from ingest.table_format import Format
from ingest.tables import DeliveryRow
from ingest.uploading import Uploads

log: structlog.stdlib.BoundLogger = structlog.get_logger()

POLL_SECONDS = 0.5
LEASE = "receiving"


@dataclass(slots=True)
class _Seen:
    """How a file looked, since when it has looked like that (monotonic seconds), and what it brings (None:
    not looked into yet)."""

    size: int
    changed_ns: int
    since: float
    tables: frozenset[Table] | None = None


@dataclass(slots=True)
class Receiver:
    """Receives files and hands complete deliveries to the importer.

    `settled` is set once this replica serves, or knows that another one does.
    """

    base: Foundation
    settings: IngestSettings
    formats: Formats
    spool: Spool
    importer: Importer
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    _receiving: dict[TenantId, DeliveryRow] = field(default_factory=dict[TenantId, DeliveryRow])
    _seen: dict[tuple[TenantId, Path], _Seen] = field(default_factory=dict[tuple[TenantId, Path], _Seen])
    _warned: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    async def run(self) -> None:
        """Receive whenever the lease is ours, for ever. Raises OSError if a port is taken."""
        while True:
            try:
                if lease := await self._take():
                    await self._receive(lease)
                self.settled.set()
            except LeaseLost:
                log.warning("receiving.lease_lost")
            except Exception as error:
                if not is_unreachable(error):
                    raise
                log.warning("receiving.postponed", reason="PostgreSQL is away")
            await asyncio.sleep(self.settings.receiving_lease.total_seconds() / 3)

    async def _take(self) -> Lease | None:
        # Receiving concerns all tenants at once, so its lease belongs to none of them.
        async with self.base.database.tenant(SYSTEM_TENANT) as session:
            return await leases.take(
                session, cast("TenantId", SYSTEM_TENANT), LEASE,
                owner=self.settings.replica, lasting=self.settings.receiving_lease,
            )  # fmt: skip

    async def _receive(self, lease: Lease) -> None:
        """Serve FTP and SFTP, and watch the homes until the lease is lost."""
        loop, changed = asyncio.get_running_loop(), asyncio.Event()
        await self._remember_receiving()

        def on_change() -> None:
            with suppress(RuntimeError):  # the loop has ended: so will the server
                loop.call_soon_threadsafe(changed.set)

        with self._serving(on_change) as are_alive:
            self.settled.set()
            try:
                while True:
                    if not are_alive():
                        raise RuntimeError("a server's thread has ended")
                    lease = await self._keep(lease)
                    changed.clear()
                    await self._watch()
                    await pause(changed, POLL_SECONDS)
            finally:
                await self._give_back(lease)

    @contextmanager
    def _serving(self, on_change: Callable[[], None]) -> Generator[Callable[[], bool]]:
        """Serve FTP, and SFTP if it has a port; gives a function that says whether all servers are alive."""
        settings, url = self.settings, self.settings.database_all_tenants_url
        failed_logins = FailedLogins(
            settings.ftp_failed_login_seconds, settings.failed_logins_to_block, settings.failed_logins_block
        )
        with ExitStack() as stack:
            uploads = Uploads(settings, self.spool, "ftp", on_change)
            servers = [stack.enter_context(ftp_server.serving(settings, Users(url), uploads, failed_logins))]
            if (port := settings.sftp_port) is not None:
                # Here, because asyncssh costs memory, and most installations serve no SFTP.
                from ingest import sftp_server  # noqa: PLC0415

                uploads = Uploads(settings, self.spool, "sftp", on_change)
                servers.append(
                    stack.enter_context(
                        sftp_server.serving(settings, port, Users(url), uploads, failed_logins)
                    )
                )
            yield lambda: all(is_alive() for is_alive in servers)

    async def _keep(self, lease: Lease) -> Lease:
        """Extend the lease when a third of it has passed. Raises LeaseLost."""
        left = lease.until - datetime.now(UTC)
        if left > self.settings.receiving_lease * 2 / 3:
            return lease
        if kept := await self._take():
            return kept
        raise LeaseLost(LEASE)

    async def _give_back(self, lease: Lease) -> None:
        with suppress(Exception):
            async with self.base.database.tenant(SYSTEM_TENANT) as session:
                await leases.give_back(session, lease)

    async def _remember_receiving(self) -> None:
        """What was being received when a process ended; asked for all tenants at once."""
        async with self.base.all_tenants.unbound() as session:
            rows = await store.receiving_deliveries(session)
        self._receiving = {TenantId(row.tenant): row for row in rows}
        self._seen.clear()

    async def _watch(self) -> None:
        """Look at every home that holds files, and at every delivery that has begun."""
        with_files = await asyncio.to_thread(lambda: list(self.spool.tenants_with_files()))
        for tenant in {*with_files, *self._receiving}:
            try:
                await self._look_at(tenant)
            except OSError as error:  # a full disk, a folder that we may not write to: the others go on
                self._warn_once("receiving.cannot_take", f"{tenant}: {error.strerror}")
        for folder in await asyncio.to_thread(self.spool.strangers):
            self._warn_once("watch_dir.no_such_team", folder)

    def _warn_once(self, event: str, what: str) -> None:
        if (event, what) not in self._warned:
            self._warned.add((event, what))
            log.warning(event, what=what)

    async def _look_at(self, tenant: TenantId) -> None:
        begun = self._receiving.get(tenant)
        known = Uuid(begun.id) if begun else None
        form = await self.formats.of(tenant)
        spooled = await asyncio.to_thread(self.spool.files, tenant, known)
        if not spooled:
            return
        delivery = begun or await self._begin(tenant)
        complete = is_complete(
            await asyncio.to_thread(lambda: [self._as_received(tenant, file, form) for file in spooled]),
            list(Table),
            started=delivery.received_from,
            now=datetime.now(UTC),
            patience=Patience(timedelta(seconds=self.settings.quiet_seconds), self.settings.waiting_time),
            by_marker=bool(self.settings.marker_pattern),
        )
        if complete is not None:
            await self._hand_over(tenant, delivery, complete)

    def _as_received(self, tenant: TenantId, file: SpooledFile, form: Format) -> ReceivedFile:
        now, key = time.monotonic(), (tenant, file.path)
        seen = self._seen.get(key)
        if seen is None or (seen.size, seen.changed_ns) != (file.size, file.changed_ns):
            seen = self._seen[key] = _Seen(file.size, file.changed_ns, now)
        if seen.tables is None and not file.unfinished:
            seen.tables = frozenset(filter(None, map(form.table_of, archives.names_in(file.path))))
        return ReceivedFile(
            name=file.name,
            tables=seen.tables or frozenset(),
            size=file.size,
            quiet_for=timedelta(seconds=now - seen.since),
            unfinished=file.unfinished,
            is_marker=self.settings.is_marker(file.name),
        )

    async def _begin(self, tenant: TenantId) -> DeliveryRow:
        now = datetime.now(UTC)
        row = DeliveryRow(
            id=new_id(), tenant=tenant, state=DeliveryState.RECEIVING, correlationid=new_id(),
            received_from=now, as_of=now - self.settings.as_of_lag,
        )  # fmt: skip
        async with self.base.database.tenant(tenant) as session:
            session.add(row)
        self._receiving[tenant] = row
        log.info("delivery.begun", tenant=tenant, delivery=row.id)
        await self.importer.prepare()
        return row

    async def _hand_over(self, tenant: TenantId, delivery: DeliveryRow, complete: Complete) -> None:
        """Move the files, then let the importer have them."""
        files = await asyncio.to_thread(self.spool.move_to_delivery, tenant, Uuid(delivery.id))
        bytes_ = sum(file.size for file in files)
        async with self.base.database.tenant(tenant) as session:
            await store.change_delivery(
                session, delivery.id, state=DeliveryState.WAITING, files=len(files), bytes_=bytes_,
                missing=list(complete.missing),
            )  # fmt: skip
            told = DeliveryReceived(
                delivery=Uuid(delivery.id), files=len(files), bytes_=bytes_, missing=complete.missing,
                outcome=Outcome.WARNING if complete.missing else Outcome.OK,
            )  # fmt: skip
            await self.base.outbox.tell(session, cause_of(delivery), told)
        del self._receiving[tenant]
        self._seen = {key: seen for key, seen in self._seen.items() if key[0] != tenant}
        log.info("delivery.received", tenant=tenant, delivery=delivery.id, files=len(files), bytes=bytes_)
        self.importer.wake.set()
