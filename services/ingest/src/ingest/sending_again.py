"""Tells sync once more of what is stored: for pipelines that were made after the delivery came."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.cause import Cause
from chassis.database import Database, fetch_all
from chassis.outbox import Outbox
from contracts.events import SentAgain
from contracts.ids import TenantId, Uuid
from contracts.names import Table
from contracts.work import CHUNK_SIZE
from ingest import store
from ingest.composing import OBJECT_TABLES
from ingest.versions import Import, work_of

_NEXT = """
SELECT key, version, gone FROM object_version
WHERE tenant = :tenant AND table_name = :table AND key > :after ORDER BY key LIMIT :size
"""


@dataclass(frozen=True, slots=True)
class SendingAgain:
    """All in one transaction: either all of it travels, or the caller is told that it failed."""

    database: Database
    outbox: Outbox

    async def __call__(self, cause: Cause, tenant: TenantId, tables: Collection[Table]) -> dict[Table, int]:
        """Objects sent, per table, in the order in which they depend on each other."""
        sent: dict[Table, int] = {}
        async with self.database.tenant(tenant) as session:
            delivered = await store.delivered_tables(session, tenant)
            for table in OBJECT_TABLES:
                if table in tables and table in delivered:
                    last = delivered[table]
                    newest = Import(tenant, Uuid(last.delivery), last.as_of, cause)
                    sent[table] = await self._send(session, table, newest)
            if sent:
                await self.outbox.tell(session, cause, SentAgain(counts=sent))
        return sent

    async def _send(self, session: AsyncSession, table: Table, newest: Import) -> int:
        count, after = 0, ""
        while True:
            chunk = await fetch_all(
                session, _NEXT, tenant=newest.tenant, table=table.value, after=after, size=CHUNK_SIZE
            )
            if not chunk:
                return count
            await self.outbox.ask(session, work_of(chunk, table, newest))
            count, after = count + len(chunk), chunk[-1]["key"]
