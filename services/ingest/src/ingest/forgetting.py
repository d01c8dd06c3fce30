"""Erases one Kunde from all that ingest holds, and keeps deliveries from bringing him back (rule 19).

Runs under the lease of the tenant's imports, so that none that has read him already stores him afterwards.
Each step can be repeated; the stop comes first, so that being cut off leaves nobody half remembered for long.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from nats.errors import Error as NatsError
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis import leases, objects
from chassis.cause import Cause
from chassis.database import fetch_all, run_sql
from chassis.leases import Lease, LeaseLost
from chassis.process import Foundation
from chassis.stop_list import StopList, StopListIncomplete, WrongKey, check_size, remember_size
from contracts.events import KundeForgotten, StopLifted
from contracts.ids import Kundennummer, TenantId, new_id
from contracts.names import Service, Table
from contracts.problems import Conflict, NotFound
from contracts.rpc.ingest import ForgetReceipt
from contracts.streams import DOWNLOADS, UPLOADS
from ingest import importing, store
from ingest.format_overrides import Formats
from ingest.originals import Removed, remove_kunden
from ingest.settings import IngestSettings
from ingest.spool import Spool
from ingest.stopping import KUNDE_COLUMN, stored_though_stopped

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LEASE_LASTS = timedelta(minutes=2)
"""As long as the RPC may take."""
_HINDRANCES = (NatsError, TimeoutError, LeaseLost, OSError, ValueError, WrongKey)
"""What may keep somebody from being forgotten just now: NATS, the disk, the stop list."""
PATIENCE_SECONDS = 5.0
"""How long the end of an import is waited for, before the caller is asked to come again."""


@dataclass(frozen=True, slots=True)
class Forgetting:
    """Forgets, and lets come back."""

    base: Foundation
    settings: IngestSettings
    formats: Formats
    spool: Spool
    stop_list: StopList

    async def forget(self, cause: Cause, tenant: TenantId, kunde: Kundennummer) -> ForgetReceipt:
        """Raises Conflict while an import runs, or if no stop list is set up or it lost entries."""
        lease = await self._no_import(tenant)
        try:
            await self._check_list(tenant)
            await asyncio.to_thread(self.stop_list.stop, tenant, kunde)
            async with self.base.database.tenant(tenant) as session:
                await remember_size(session, self.stop_list, tenant)
            originals = await self._remove_from_originals(tenant, kunde)
            erased = {"original_rows": originals.rows, "original_files": originals.files}
            js = self.base.broker.js
            erased["objects"] = sum(
                [await objects.forget_all_of(js, bucket, tenant) for bucket in (DOWNLOADS, UPLOADS)]
            )
            async with self.base.database.tenant(tenant) as session:
                erased |= await _erase(session, tenant, kunde)
                told = KundeForgotten(kunde=kunde, counts=erased)
                await self.base.outbox.tell(session, cause, told)
                await leases.check(session, lease)
        finally:
            async with self.base.database.tenant(tenant) as session:
                await leases.give_back(session, lease)
        log.info("kunde.forgotten", **erased)
        return ForgetReceipt(kunde=kunde, at=datetime.now(UTC), erased=erased)

    async def forget_returned(self) -> None:
        """Forget those on the stop list who are stored nevertheless: a backup was restored."""
        try:
            tenants = await asyncio.to_thread(self.stop_list.tenants)
        except _HINDRANCES as error:
            log.warning("stop_list.unusable", error=type(error).__name__)
            return
        for tenant in tenants:
            try:
                await self._forget_returned_of(tenant)
            except Conflict as conflict:  # the next look comes soon
                log.info("kunde.stays_for_now", tenant=tenant, reason=conflict.detail)
            except _HINDRANCES as error:  # as it does here; the other tenants need not wait
                log.warning("kunde.stays_for_now", tenant=tenant, reason=type(error).__name__)

    async def _forget_returned_of(self, tenant: TenantId) -> None:
        async with self.base.database.tenant(tenant) as session:
            returned = await stored_though_stopped(session, self.stop_list, tenant)
        for kunde in sorted(returned):
            log.warning("kunde.returned", tenant=tenant)
            await self.forget(Cause.of_service(Service.INGEST, tenant), tenant, kunde)

    async def lift_stop(self, cause: Cause, tenant: TenantId, kunde: Kundennummer) -> None:
        """Raises NotFound if he is not on the stop list, Conflict if it lost entries."""
        await self._check_list(tenant)
        if not await asyncio.to_thread(self.stop_list.lift, tenant, kunde):
            raise NotFound("Dieser Kunde steht nicht auf der Sperrliste.")
        async with self.base.database.tenant(tenant) as session:
            await remember_size(session, self.stop_list, tenant)
            await self.base.outbox.tell(session, cause, StopLifted(kunde=kunde))

    async def _check_list(self, tenant: TenantId) -> None:
        """Nothing is written to a list that is not the newest, in a directory that is not mounted perhaps."""
        try:
            async with self.base.database.tenant(tenant) as session:
                await check_size(session, self.stop_list, tenant)
        except StopListIncomplete as error:
            raise Conflict(
                str(error), remedy="INGEST_STOP_LIST_DIR einhängen oder die neueste Kopie dorthin legen."
            ) from error

    async def _no_import(self, tenant: TenantId) -> Lease:
        # An owner of its own: the lease of an import by this very replica must not count as ours.
        owner = f"{self.settings.replica}-forgets-{new_id()}"
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    async with self.base.database.tenant(tenant) as session:
                        lease = await leases.take(
                            session, tenant, importing.LEASE, owner=owner, lasting=LEASE_LASTS
                        )
                    if lease:
                        return lease
                    await asyncio.sleep(PATIENCE_SECONDS / 20)
        except TimeoutError as error:
            remedy = "Danach noch einmal versuchen."
            raise Conflict("Gerade wird eine Lieferung importiert.", remedy=remedy) from error

    async def _remove_from_originals(self, tenant: TenantId, kunde: Kundennummer) -> Removed:
        """Files that are still to be imported stay whole: the stop list keeps him out then, and they lose him
        once that delivery has ended."""
        form = await self.formats.of(tenant)

        async with self.base.database.tenant(tenant) as session:
            decided = await store.decided_deliveries(session, tenant)

        def remove() -> Removed:
            there = [delivery for _, delivery in self.spool.deliveries(tenant)]
            folders = [self.spool.delivery(tenant, delivery) for delivery in there if delivery in decided]
            return sum((remove_kunden(folder, form, {kunde}) for folder in folders), start=Removed())

        return await asyncio.to_thread(remove)


async def _erase(session: AsyncSession, tenant: TenantId, kunde: Kundennummer) -> dict[str, int]:
    """Delete his rows and all that was kept about them; returns how many, by table."""
    erased = {"history": 0}
    for table, column in KUNDE_COLUMN.items():
        rows = await fetch_all(
            session,
            f"DELETE FROM {table} WHERE tenant = :tenant AND {column} = :kunde "  # noqa: S608 (names are ours)
            "RETURNING key, gone_since IS NULL AS living",
            tenant=tenant,
            kunde=kunde,
        )
        erased[table.value] = len(rows)
        about = {"tenant": tenant, "table": table.value}
        keys: set[str] = {row["key"] for row in rows} | ({kunde} if table is Table.KUNDE else set())
        # Also of rows that were his once, and are another's now.
        erased["history"] += await run_sql(
            session,
            "DELETE FROM history WHERE tenant = :tenant AND table_name = :table "
            "AND (key = ANY(CAST(:keys AS text[])) "
            "OR before ->> CAST(:column AS text) = :kunde OR after ->> CAST(:column AS text) = :kunde)",
            keys=list(keys), column=column, kunde=kunde, **about,
        )  # fmt: skip
        await _forget_previews(session, tenant, table, keys)
        await run_sql(
            session,
            "UPDATE delivered_table SET rows = rows - :living WHERE tenant = :tenant AND table_name = :table",
            living=sum(1 for row in rows if row["living"]),
            **about,
        )
    return erased


async def _forget_previews(session: AsyncSession, tenant: TenantId, table: Table, keys: set[str]) -> None:
    """The previews of held deliveries show some keys of each table."""
    await run_sql(
        session,
        """
        UPDATE delivery d SET preview = jsonb_set(d.preview, ARRAY['tables', :table, 'keys'], (
            SELECT coalesce(jsonb_object_agg(action, shown), '{}')
            FROM (SELECT a.key AS action, (SELECT coalesce(jsonb_agg(k), '[]')
                                           FROM jsonb_array_elements_text(a.value) k
                                           WHERE k <> ALL(CAST(:keys AS text[]))) AS shown
                  FROM jsonb_each(d.preview -> 'tables' -> :table -> 'keys') a) kept))
        WHERE d.tenant = :tenant AND d.preview -> 'tables' -> :table ? 'keys'
        """,
        tenant=tenant,
        table=table.value,
        keys=list(keys),
    )
