"""Tells sync once more of what is stored: for pipelines that were made after the delivery came, and where a
comparison found that a message was lost."""

from dataclasses import dataclass
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.cause import Cause
from chassis.database import Database, fetch_all
from chassis.outbox import Outbox
from contracts.events import SentAgain
from contracts.ids import TenantId, Uuid
from contracts.names import Table
from contracts.rpc.ingest import SendAgainRequest
from contracts.work import CHUNK_SIZE
from ingest import store
from ingest.composing import OBJECT_TABLES, check_is_object_table
from ingest.versions import Import, work_of

PAGE = 50 * CHUNK_SIZE
"""Objects in one transaction."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which versions are sent: those of `tables` that fulfil `condition` (SQL with `parameters`)."""

    tables: tuple[Table, ...]
    condition: str
    parameters: dict[str, Any]


def selection_of(request: SendAgainRequest) -> Selection:
    """Raises Invalid for single parts of a Kunde."""
    if request.objects:
        check_is_object_table(request.objects.table)
        keys = list(request.objects.keys)
        return Selection((request.objects.table,), "key = ANY(CAST(:keys AS text[]))", {"keys": keys})
    if request.delivery:
        return Selection(OBJECT_TABLES, "versioned_by = :delivery", {"delivery": request.delivery})
    if request.changed_since:
        return Selection(OBJECT_TABLES, "versioned_at >= :since", {"since": request.changed_since})
    # In the order in which they depend on each other.
    return Selection(tuple(table for table in OBJECT_TABLES if table in request.tables), "true", {})


@dataclass(frozen=True, slots=True)
class SendingAgain:
    """A page of objects per transaction: cut off, some of it travels, and asking again does no harm."""

    database: Database
    outbox: Outbox

    async def __call__(self, cause: Cause, tenant: TenantId, request: SendAgainRequest) -> dict[Table, int]:
        """Objects sent, per table. Raises Invalid for single parts of a Kunde."""
        selection = selection_of(request)
        async with self.database.tenant(tenant) as session:
            delivered = await store.delivered_tables(session, tenant)
        sent: dict[Table, int] = {}
        for table in selection.tables:
            if last := delivered.get(table):
                newest = Import(tenant, Uuid(last.delivery), last.as_of, cause)
                if count := await self._send(selection, table, newest):
                    sent[table] = count
        if sent:
            async with self.database.tenant(tenant) as session:
                await self.outbox.tell(session, cause, SentAgain(counts=sent))
        return sent

    async def _send(self, selection: Selection, table: Table, newest: Import) -> int:
        count, after = 0, ""
        while True:
            async with self.database.tenant(newest.tenant) as session:
                rows = await _page(session, selection, table, newest.tenant, after)
                chunks = [rows[start : start + CHUNK_SIZE] for start in range(0, len(rows), CHUNK_SIZE)]
                await self.outbox.ask(session, *(work_of(chunk, table, newest) for chunk in chunks))
            count += len(rows)
            if len(rows) < PAGE:
                return count
            after = rows[-1]["key"]


async def _page(
    session: AsyncSession, selection: Selection, table: Table, tenant: TenantId, after: str
) -> list[dict[str, Any]]:
    return await fetch_all(
        session,
        "SELECT key, version, gone_since IS NOT NULL AS gone "  # noqa: S608 (names and condition are ours)
        f"FROM {table} WHERE tenant = :tenant AND version IS NOT NULL "
        f"AND key > :after AND {selection.condition} ORDER BY key LIMIT :size",
        tenant=tenant, after=after, size=PAGE, **selection.parameters,
    )  # fmt: skip
