"""`ingest import`: an operator brings a delivery's files by hand, or looks what they would give.

The files go into the spool and the delivery into the queue, as if they had come by FTP; a running ingest
imports it. Nobody needs to wait for it: the delivery stays in the queue when the operator leaves.
"""

import asyncio
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from chassis.cause import Cause
from chassis.database import Database
from chassis.outbox import Outbox
from contracts.actor import ActorKind
from contracts.events import DeliveryUploaded
from contracts.ids import TenantId, Uuid, new_id
from contracts.problems import Invalid, NotFound
from contracts.rpc.ingest import DeliveryState
from contracts.rpc.ingest_format import ProblemFound, SampleRead
from ingest import store
from ingest.archives import ArchiveLimits, names_in, unpacked
from ingest.format_overrides import Formats
from ingest.settings import IngestSettings
from ingest.spool import Spool, is_allowed
from ingest.table_format import Format
from ingest.tables import DeliveryRow

OPERATOR = "operator"
LOOK_SECONDS = 0.2

Seen = Callable[[DeliveryRow], None]


@dataclass(frozen=True, slots=True)
class ByHand:
    """An operator's hands, with the settings and the database of the service."""

    settings: IngestSettings
    formats: Formats
    database: Database
    outbox: Outbox
    spool: Spool

    async def try_out(self, tenant: TenantId, files: Sequence[Path]) -> list[tuple[str, SampleRead]]:
        """What each file would give, those of archives too, by name. Raises NotFound for a tenant that
        ingest does not know."""
        form, of = await self._format(tenant), self.settings
        limits = ArchiveLimits(of.archive_bytes, of.archive_ratio, of.archive_entries)
        return await asyncio.to_thread(_samples, files, form, limits)

    async def hand_in(
        self, tenant: TenantId, files: Sequence[Path], *, copied: Callable[[Path], None]
    ) -> Uuid:
        """Put the files into the queue as one delivery. Raises NotFound for a tenant that ingest does not
        know, and OSError where a file cannot be copied: then nothing is left of it."""
        form, delivery = await self._format(tenant), new_id()
        folder = self.spool.create_delivery(tenant, delivery)
        try:
            await asyncio.to_thread(_copy, files, folder, copied)
            await self._enqueue(tenant, delivery, files, form)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return delivery

    async def wait_for(self, tenant: TenantId, delivery: Uuid, seen: Seen) -> DeliveryRow:
        """The delivery when it has ended somehow; `seen` gets it each time it was looked at."""
        while True:
            async with self.database.tenant(tenant) as session:
                row = await session.get_one(DeliveryRow, delivery)
            seen(row)
            if row.finished_at is not None:
                return row
            await asyncio.sleep(LOOK_SECONDS)

    async def _format(self, tenant: TenantId) -> Format:
        async with self.database.tenant(tenant) as session:
            known = await store.ftp_user(session, tenant)
        if known is None:
            raise NotFound(f"ingest knows no team {tenant}", remedy="set up its way in for blau direkt first")
        return await self.formats.of(tenant)

    async def _enqueue(self, tenant: TenantId, delivery: Uuid, files: Sequence[Path], form: Format) -> None:
        missing = form.missing_in(name for file in files for name in names_in(file))
        now, bytes_ = datetime.now(UTC), sum(file.stat().st_size for file in files)
        row = DeliveryRow(
            id=delivery, tenant=tenant, state=DeliveryState.WAITING, correlationid=new_id(),
            actor_kind=ActorKind.SERVICE, actor_id=OPERATOR,
            received_from=now, as_of=now - self.settings.as_of_lag, files=len(files), bytes_=bytes_,
            missing=list(missing),
        )  # fmt: skip
        told = DeliveryUploaded(delivery=delivery, files=len(files), bytes_=bytes_)
        cause = Cause(tenant, ActorKind.SERVICE, OPERATOR, Uuid(row.correlationid))
        async with self.database.tenant(tenant) as session:
            session.add(row)
            await self.outbox.tell(session, cause, told)


def files_at(path: Path) -> list[Path]:
    """The file, or the files of the folder, hidden ones aside. Raises Invalid if there is none."""
    inside = sorted(path.iterdir()) if path.is_dir() else [path]
    files = [file for file in inside if file.is_file() and is_allowed(file.name)]
    if not files:
        raise Invalid(f"{path} is no file, and no folder with files")
    return files


def _copy(files: Sequence[Path], folder: Path, copied: Callable[[Path], None]) -> None:
    for file in files:
        shutil.copyfile(file, folder / file.name)
        copied(file)


def _samples(files: Sequence[Path], form: Format, limits: ArchiveLimits) -> list[tuple[str, SampleRead]]:
    from ingest.dry_run import try_out  # noqa: PLC0415 (polars, only when there is something to read)

    with TemporaryDirectory() as folder:
        for file in files:
            (Path(folder) / file.name).symlink_to(file.resolve())
        with unpacked(Path(folder), limits) as contents:
            samples = [(file.name, try_out(file.read_bytes(), file.name, form)) for file in contents.files]
    refused = [ProblemFound.model_validate(problem.as_json()) for problem in contents.problems]
    return samples + [(fault.file, SampleRead(problems=(fault,), problem_count=1)) for fault in refused]
