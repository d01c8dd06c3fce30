"""A delivery that a person uploads: its files come by the object store; it waits for its import at once."""

import asyncio
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
from nats.errors import Error as NatsError
from sqlalchemy.exc import IntegrityError

from chassis import objects
from chassis.cause import Cause
from chassis.process import Foundation
from contracts.events import DeliveryUploaded
from contracts.ids import TenantId, Uuid, new_id
from contracts.names import Table
from contracts.problems import Invalid, NotFound, Unavailable
from contracts.rpc.ingest import DeliveryState, UploadedFile, UploadReply
from contracts.streams import UPLOADS
from ingest.archives import names_in
from ingest.format_overrides import Formats
from ingest.importing import Importer
from ingest.settings import IngestSettings
from ingest.spool import Spool, is_allowed
from ingest.table_format import Format
from ingest.tables import DeliveryRow

log: structlog.stdlib.BoundLogger = structlog.get_logger()

FETCH_SECONDS = 50
"""All files of an upload; the caller waits a minute."""


@dataclass(frozen=True, slots=True)
class ManualUpload:
    """Takes uploads."""

    base: Foundation
    settings: IngestSettings
    formats: Formats
    spool: Spool
    importer: Importer

    async def __call__(
        self, cause: Cause, tenant: TenantId, delivery: Uuid, files: tuple[UploadedFile, ...]
    ) -> UploadReply:
        """Fetch the files into a delivery of their own. May be repeated.

        Raises Invalid, NotFound, Unavailable.
        """
        names = {file.name for file in files}
        if len(names) < len(files) or not all(map(is_allowed, names)):
            raise Invalid("Ein Dateiname kommt doppelt vor oder ist nicht zulässig.")
        if taken := await self._taken(tenant, delivery):
            return taken
        # Under an id of its own until it is taken: what is asked twice at once does not share a folder.
        own = new_id()
        folder = await asyncio.to_thread(self.spool.create_delivery, tenant, own)
        try:
            bytes_ = await self._fetch(tenant, files, folder)
            await asyncio.to_thread(self.spool.settled, tenant, own)
            await self._enqueue(cause, tenant, delivery, own, files=len(files), bytes_=bytes_)
        except (NotFound, IntegrityError):
            if taken := await self._taken(tenant, delivery):  # asked twice at once, and the other was quicker
                return taken
            raise
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        log.info("delivery.uploaded", delivery=delivery, files=len(files), bytes=bytes_)
        self.importer.wake.set()
        await self._forget(tenant, files)
        return UploadReply(delivery=delivery, files=len(files), bytes_=bytes_)

    async def _enqueue(
        self, cause: Cause, tenant: TenantId, delivery: Uuid, own: Uuid, *, files: int, bytes_: int
    ) -> None:
        """Let the delivery have the files under the id `own`. Raises IntegrityError if it is known."""
        form = await self.formats.of(tenant)
        missing = await asyncio.to_thread(_missing, self.spool.delivery(tenant, own), form)
        now = datetime.now(UTC)
        row = DeliveryRow(
            id=delivery, tenant=tenant, state=DeliveryState.WAITING, correlationid=cause.correlationid,
            actor_kind=cause.actor_kind, actor_id=cause.actor_id,
            received_from=now, as_of=now - self.settings.as_of_lag, files=files, bytes_=bytes_,
            missing=list(missing),
        )  # fmt: skip
        async with self.base.database.tenant(tenant) as session:
            session.add(row)
            await session.flush()  # here a second call waits for the first one to end
            told = DeliveryUploaded(delivery=delivery, files=files, bytes_=bytes_)
            await self.base.outbox.tell(session, cause, told)
            await asyncio.to_thread(self.spool.rename_delivery, tenant, own, delivery)

    async def _taken(self, tenant: TenantId, delivery: Uuid) -> UploadReply | None:
        """What was answered when this was asked before."""
        async with self.base.database.tenant(tenant) as session:
            row = await session.get(DeliveryRow, delivery)
        return UploadReply(delivery=delivery, files=row.files, bytes_=row.bytes_) if row else None

    async def _fetch(self, tenant: TenantId, files: tuple[UploadedFile, ...], folder: Path) -> int:
        """Write the objects to files; returns how many bytes they have.

        Raises Invalid, NotFound, Unavailable.
        """
        left = self.settings.upload_home_bytes
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                for file in files:
                    most = min(left, self.settings.upload_file_bytes)
                    left -= await self._fetch_one(tenant, file.object, folder / file.name, most)
        except (NatsError, TimeoutError) as error:
            raise Unavailable(
                "Der Zwischenspeicher antwortet nicht.", remedy="Später noch einmal."
            ) from error
        return self.settings.upload_home_bytes - left

    async def _fetch_one(self, tenant: TenantId, object_: Uuid, path: Path, most: int) -> int:
        js = self.base.broker.js
        try:
            size = await objects.size(js, UPLOADS, tenant, object_)
            if size > most:
                raise Invalid(f"{path.name} ist zu groß: {size} Bytes.")
            with path.open("wb") as out:
                async for piece in objects.read(js, UPLOADS, tenant, object_):
                    await asyncio.to_thread(out.write, piece)
        except NotFound as error:
            raise NotFound(f"{path.name} ist nicht mehr da.", remedy="Noch einmal hochladen.") from error
        return size

    async def _forget(self, tenant: TenantId, files: tuple[UploadedFile, ...]) -> None:
        """Take the objects away at once; where that fails, their time does it."""
        try:
            for object_ in {file.object for file in files}:
                await objects.forget(self.base.broker.js, UPLOADS, tenant, object_)
        except (NatsError, TimeoutError) as error:
            log.info("upload.objects_left", error=type(error).__name__)


def _missing(folder: Path, form: Format) -> tuple[Table, ...]:
    return form.missing_in(name for file in folder.iterdir() for name in names_in(file))
