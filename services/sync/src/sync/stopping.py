"""Keeps what is on the stop list from coming in: webhooks, chunks, and rows of a restored backup (rule 19).

The file is read again when it changed. A list that lost entries stops everything instead of nobody: messages
come again, and rows of work wait, until its newest copy is back.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.cause import Cause
from chassis.database import Database
from chassis.outbox import Outbox
from chassis.stop_list import FILE, StopList, check_size, zoho_entry
from contracts.events import EventData, ObjectAction, ObjectChange, StoppedSkipped
from contracts.ids import AmeiseKey, PipelineId, TenantId, ZohoId
from contracts.names import Table
from sync import pipeline_store, work_store
from sync.work_store import Work, WorkDirection
from sync.workers import More

Signature = tuple[int, int, int]
Do = Callable[[list[Work], More], Awaitable[None]]

MISSING_IS_BELIEVED_SECONDS = 1.0
"""Without a file nobody is stopped, or it was lost: the database, which knows, is asked so often."""


@dataclass(frozen=True, slots=True)
class _Known:
    """The hashes that are stopped, as the file was then (None: there was none)."""

    signature: Signature | None
    read_at: float
    hashes: frozenset[str]

    def holds(self, signature: Signature | None) -> bool:
        if signature is None:
            fresh = time.monotonic() - self.read_at < MISSING_IS_BELIEVED_SECONDS
            return self.signature is None and fresh
        return self.signature == signature


@dataclass(slots=True)
class Stopping:
    """Who is stopped now, by tenant."""

    stop_list: StopList
    database: Database
    outbox: Outbox
    _known: dict[TenantId, _Known] = field(default_factory=dict[TenantId, _Known])

    async def records(self, tenant: TenantId, zoho_ids: Collection[str]) -> frozenset[str]:
        """Which of these records are stopped. Raises StopListIncomplete, and as the list does."""
        return await self._stopped(tenant, {zoho_id: zoho_entry(ZohoId(zoho_id)) for zoho_id in zoho_ids})

    async def kunden(self, tenant: TenantId, keys: Collection[str]) -> frozenset[str]:
        """Which of these Kunden are stopped. Raises StopListIncomplete, and as the list does."""
        return await self._stopped(tenant, {key: key for key in keys})

    async def tell(self, session: AsyncSession, cause: Cause, *skipped: EventData) -> None:
        """That something was skipped."""
        await self.outbox.tell(session, cause, *skipped)

    async def _stopped(self, tenant: TenantId, entries: dict[str, str]) -> frozenset[str]:
        hashes = await self._hashes(tenant)
        if not hashes:
            return frozenset()
        hash_of = self.stop_list.hash_of
        return frozenset(id_ for id_, entry in entries.items() if hash_of(tenant, entry) in hashes)

    async def _hashes(self, tenant: TenantId) -> frozenset[str]:
        signature = _signature(self.stop_list)
        known = self._known.get(tenant)
        if known is not None and known.holds(signature):
            return known.hashes
        async with self.database.tenant(tenant) as session:
            await check_size(session, self.stop_list, tenant)
        hashes = await asyncio.to_thread(self.stop_list.stopped, tenant)
        self._known[tenant] = _Known(signature, time.monotonic(), hashes)
        return hashes


def _signature(stop_list: StopList) -> Signature | None:
    """What tells two states of the file apart: it only grows, or another one is put in its place."""
    try:
        stat = (stop_list.folder / FILE).stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def skipped_record(pipeline: PipelineId, zoho_id: str) -> StoppedSkipped:
    """The event about a Zoho record that is stopped."""
    return StoppedSkipped(pipeline=pipeline, zoho_id=ZohoId(zoho_id), reason=_REASON)


def skipped_kunde(pipeline: PipelineId | None, key: str) -> StoppedSkipped:
    """The event about a Kunde who is stopped."""
    change = ObjectChange(table=Table.KUNDE, key=AmeiseKey(key), action=ObjectAction.UNCHANGED)
    return StoppedSkipped(pipeline=pipeline, object=change, reason=_REASON)


_REASON = "steht auf der Sperrliste: gelöscht auf Verlangen"


@dataclass(frozen=True, slots=True)
class NotStopped:
    """Lets rows about somebody who is stopped go from the table, told, before any work is done on them.

    They were taken in before the stop, or come from a restored backup.
    """

    direction: WorkDirection
    stopping: Stopping
    database: Database

    def before(self, do: Do) -> Do:
        """`do`, but for those rows, also among what it takes by `more`. Raises what `do` and `kept` raise."""

        async def do_kept(works: list[Work], more: More) -> None:
            async def more_kept(count: int) -> list[Work]:
                taken = await more(count)
                kept = await self.kept(taken)
                if len(kept) == len(taken):
                    return kept
                left_out = {work.id for work in taken} - {work.id for work in kept}
                works[:] = [work for work in works if work.id not in left_out]
                return kept

            works[:] = await self.kept(works)
            if works:
                await do(works, more_kept)

        return do_kept

    async def kept(self, works: Sequence[Work]) -> list[Work]:
        """Rows of one pipeline but for those of somebody stopped. Raises LeaseLost, and as the stop list
        does."""
        stopped = await self._stopped(works) if works else frozenset[str]()
        if not stopped:
            return list(works)  # by far the most
        await self._skip([work for work in works if work.object in stopped])
        return [work for work in works if work.object not in stopped]

    async def _stopped(self, works: Sequence[Work]) -> frozenset[str]:
        tenant, objects = works[0].tenant, [work.object for work in works]
        if self.direction == "to_ameise":
            return await self.stopping.records(tenant, objects)
        stopped = await self.stopping.kunden(tenant, objects)
        if not stopped:
            return stopped
        async with self.database.tenant(tenant) as session:
            pipeline = await pipeline_store.load(session, works[0].pipeline)
        # The number of a Vertrag may be that of a Kunde who is stopped.
        return stopped if pipeline is not None and pipeline.table is Table.KUNDE else frozenset()

    async def _skip(self, works: Sequence[Work]) -> None:
        told = skipped_record if self.direction == "to_ameise" else skipped_kunde
        async with self.database.tenant(works[0].tenant) as session:
            await work_store.check(session, works)
            await work_store.finish(session, works)
            for work in works:
                await self.stopping.tell(session, work.cause, told(work.pipeline, work.object))
