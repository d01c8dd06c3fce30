"""Erases one Kunde from all that sync holds, tells what it holds, and lets him come back (rule 19).

The stop comes first and is durable, so that nothing about him is taken in any more; then what is in hand is
waited for, and all goes in one transaction. Each call can be repeated.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError

from chassis.cause import Cause
from chassis.database import Database
from chassis.outbox import Outbox
from chassis.rpc import Caller
from chassis.stop_list import (
    UNUSABLE,
    StopList,
    check_size,
    remember_size,
    zoho_entry,
)
from contracts.events import LinksForgotten, LinksInformed, SyncStopLifted
from contracts.ids import Kundennummer, TenantId, ZohoId
from contracts.names import Service
from contracts.problems import Conflict, NotFound
from contracts.rpc import Empty
from contracts.rpc.ingest import KundeRequest
from contracts.rpc.sync_people import (
    LiftSyncStop,
    SyncForgetReceipt,
    SyncInformation,
    SyncInformRequest,
)
from sync import people_store

log: structlog.stdlib.BoundLogger = structlog.get_logger()

PATIENCE_SECONDS = 10.0
"""How long work in hand is waited for, before the caller is asked to come again."""
LOOK_AGAIN_SECONDS = 0.2
HINDERED_SECONDS = 60.0
"""Until those whom a backup brought back are looked for again, if that was not possible."""
PAGE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class People:
    """One method per RPC."""

    database: Database
    outbox: Outbox
    stop_list: StopList

    async def forget(self, request: KundeRequest, caller: Caller) -> SyncForgetReceipt:
        """Raises Conflict if he is in hand all the time, or if the stop list cannot be used."""
        return await self._forget_when_idle(caller.cause, caller.tenant, request.kunde)

    async def forget_returned(self) -> None:
        """Forget those on the stop list who are linked nevertheless: a backup was restored. Tried until it is
        done; nothing about them is worked on meanwhile."""
        while not await self._forget_all_returned():  # noqa: ASYNC110 (a disk, or another process)
            await asyncio.sleep(HINDERED_SECONDS)

    async def _forget_all_returned(self) -> bool:
        """Whether nothing hindered it."""
        try:
            for tenant in await asyncio.to_thread(self.stop_list.tenants):
                for kunde in sorted(await self._returned(tenant)):
                    log.warning("kunde.returned", tenant=tenant)
                    cause = Cause.of_service(Service.SYNC, tenant)
                    await self._forget_when_idle(cause, tenant, kunde)
        except (*UNUSABLE, Conflict, SQLAlchemyError) as error:
            log.warning("kunde.stays_for_now", error=type(error).__name__)
            return False
        return True

    async def _returned(self, tenant: TenantId) -> set[Kundennummer]:
        """Kunden who are on the list and in the tables. The key stays here: it must not travel to the
        database that the list shall outlive."""
        stopped = await asyncio.to_thread(self.stop_list.stopped, tenant)
        if not stopped:
            return set()
        async with self.database.tenant(tenant) as session:
            created = await people_store.created_kunden(session)
        found = await asyncio.to_thread(self._stopped_among, tenant, created, stopped)
        after = 0
        while True:
            async with self.database.tenant(tenant) as session:
                linked = await people_store.linked_kunden(session, after=after)
            if not linked:
                return found
            after = linked[-1][0]
            numbers = [number for _, number in linked]
            found |= await asyncio.to_thread(self._stopped_among, tenant, numbers, stopped)

    def _stopped_among(
        self, tenant: TenantId, numbers: Sequence[str], stopped: Collection[str]
    ) -> set[Kundennummer]:
        # On the list are Kundennummern only, so what fits one is one.
        return {Kundennummer(n) for n in numbers if self.stop_list.hash_of(tenant, n) in stopped}

    async def _forget_when_idle(
        self, cause: Cause, tenant: TenantId, kunde: Kundennummer
    ) -> SyncForgetReceipt:
        await self._check_list(tenant)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                # What is in hand ends in another process perhaps: there is nothing to wait for.
                while (receipt := await self._forget(cause, tenant, kunde)) is None:  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_AGAIN_SECONDS)
        except TimeoutError as error:
            raise Conflict(
                "Der Kunde wird gerade abgeglichen.", remedy="Bitte gleich noch einmal."
            ) from error
        log.info("kunde.forgotten", **receipt.erased)
        return receipt

    async def _forget(self, cause: Cause, tenant: TenantId, kunde: Kundennummer) -> SyncForgetReceipt | None:
        """None while something about him is in hand."""
        async with self.database.tenant(tenant) as session:
            traces = await people_store.find(session, kunde)
            stopped = tuple(map(ZohoId, traces.zoho_ids))
            await self._stop(tenant, kunde, stopped)
            await remember_size(session, self.stop_list, tenant)
            if traces.in_hand:
                return None
            erased = await people_store.erase(session, traces)
            await self.outbox.tell(session, cause, LinksForgotten(kunde=kunde, counts=erased))
        return SyncForgetReceipt(kunde=kunde, at=datetime.now(UTC), erased=erased, stopped=stopped)

    async def _stop(self, tenant: TenantId, kunde: Kundennummer, zoho_ids: tuple[ZohoId, ...]) -> None:
        try:
            for entry in [str(kunde), *map(zoho_entry, zoho_ids)]:
                await asyncio.to_thread(self.stop_list.stop, tenant, entry)
        except UNUSABLE as error:
            raise _unusable(error) from error

    async def inform(self, request: SyncInformRequest, caller: Caller) -> SyncInformation:
        """Raises NotFound if nothing is held about him, or there is no such page."""
        async with self.database.tenant(caller.tenant) as session:
            traces = await people_store.find(session, request.kunde)
            if not traces.found:
                raise NotFound("nothing is held about this Kunde")
            pages = people_store.pages(await people_store.everything(session, traces), most_bytes=PAGE_BYTES)
            if request.page >= len(pages):
                raise NotFound("there is no such page")
            if request.page == 0:
                await self.outbox.tell(session, caller.cause, LinksInformed(kunde=request.kunde))
        is_last = request.page + 1 == len(pages)
        return SyncInformation(about=pages[request.page], next_page=None if is_last else request.page + 1)

    async def lift_stop(self, request: LiftSyncStop, caller: Caller) -> Empty:
        """Raises NotFound if none of them is on the stop list, Conflict if it cannot be used."""
        await self._check_list(caller.tenant)
        entries = [str(request.kunde), *map(zoho_entry, request.zoho_ids)]
        try:
            lifted = [await asyncio.to_thread(self.stop_list.lift, caller.tenant, entry) for entry in entries]
        except UNUSABLE as error:
            raise _unusable(error) from error
        if not any(lifted):
            raise NotFound("this Kunde is not on the stop list")
        async with self.database.tenant(caller.tenant) as session:
            await remember_size(session, self.stop_list, caller.tenant)
            await self.outbox.tell(session, caller.cause, SyncStopLifted(kunde=request.kunde))
        return Empty()

    async def _check_list(self, tenant: TenantId) -> None:
        """Nothing is written to a list that is not the newest, in a directory that is not mounted perhaps."""
        try:
            async with self.database.tenant(tenant) as session:
                await check_size(session, self.stop_list, tenant)
        except UNUSABLE as error:
            raise _unusable(error) from error


def _unusable(error: Exception) -> Conflict:
    return Conflict(
        f"the stop list cannot be used: {error}",
        remedy="mount SYNC_STOP_LIST_DIR, or put its newest copy there",
    )
