"""Everything that ingest holds about one Kunde, as JSON (rule 19): the right to know.

Of the files that were delivered, which stay for some days, it only tells the names of those that may name
him: what stands in them was stored, was left out, or is still to be imported.
"""

import asyncio
import io
import json
from dataclasses import dataclass
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis import objects
from chassis.cause import Cause
from chassis.database import fetch_all
from chassis.process import Foundation
from contracts.events import KundeInformed
from contracts.ids import Kundennummer, TenantId
from contracts.names import Table
from contracts.problems import NotFound
from contracts.rpc.ingest import Download, Information
from contracts.streams import DOWNLOADS
from ingest.originals import files_naming
from ingest.spool import Spool
from ingest.stopping import KUNDE_COLUMN

MAX_INLINE_BYTES = 256 * 1024
"""More goes into an object: the envelope around it, and its escapes, must fit into a message too."""


_OURS = frozenset({"tenant", "row_hash", "version", "versioned_at", "versioned_by"})
"""Columns that say nothing about him."""


@dataclass(frozen=True, slots=True)
class Informing:
    """Reads, as the tenant who asks."""

    base: Foundation
    spool: Spool

    async def __call__(self, cause: Cause, tenant: TenantId, kunde: Kundennummer) -> Information:
        """Raises NotFound if nothing is held about him."""
        async with self.base.database.tenant(tenant) as session:
            about = await _everything(session, tenant, kunde)
            if not about["tables"] and not about["history"]:
                raise NotFound("Über diesen Kunden ist nichts gespeichert.")
            await self.base.outbox.tell(session, cause, KundeInformed(kunde=kunde))
        about["original_files"] = await asyncio.to_thread(self._files, tenant, kunde)
        text = json.dumps(about, ensure_ascii=False, indent=2).encode()
        if len(text) <= MAX_INLINE_BYTES:
            return Information(about=about)
        stored = await objects.store(self.base.broker.js, DOWNLOADS, tenant, io.BytesIO(text))
        rows = sum(len(rows) for rows in about["tables"].values())
        name = f"{tenant}_kunde_{kunde}.json"
        return Information(file=Download(object=stored, size=len(text), rows=rows, file_name=name))

    def _files(self, tenant: TenantId, kunde: Kundennummer) -> list[dict[str, Any]]:
        """Delivery and names of the files that may name him: an archive may name anybody."""
        found = (
            (delivery, files_naming(self.spool.delivery(tenant, delivery), kunde))
            for _, delivery in self.spool.deliveries(tenant)
        )
        return [{"delivery": str(delivery), "files": files} for delivery, files in found if files]


async def _everything(session: AsyncSession, tenant: TenantId, kunde: Kundennummer) -> dict[str, Any]:
    """`tables`: name → rows; `history`: changes; `deliveries`: those that brought a change."""
    tables: dict[str, list[Any]] = {}
    history: list[Any] = []
    deliveries: set[str] = set()
    for table, column in KUNDE_COLUMN.items():
        rows = await fetch_all(
            session,
            f"SELECT to_jsonb(s) AS row FROM {table} s "  # noqa: S608 (names are ours)
            f"WHERE s.tenant = :tenant AND s.{column} = :kunde ORDER BY s.key",
            tenant=tenant,
            kunde=kunde,
        )
        deliveries |= {row["row"].get("versioned_by") for row in rows} - {None}
        if rows:
            tables[table.value] = [
                {name: value for name, value in row["row"].items() if name not in _OURS} for row in rows
            ]
        keys = list({*(row["row"]["key"] for row in rows), *([kunde] if table is Table.KUNDE else [])})
        kept = await fetch_all(
            session,
            "SELECT to_jsonb(h) - 'tenant' AS change FROM history h "
            "WHERE h.tenant = :tenant AND h.table_name = :table AND (h.key = ANY(CAST(:keys AS text[])) "
            "OR h.before ->> CAST(:column AS text) = :kunde OR h.after ->> CAST(:column AS text) = :kunde) "
            "ORDER BY h.changed_at, h.key",
            tenant=tenant, table=table.value, keys=keys, column=column, kunde=kunde,
        )  # fmt: skip
        history += [row["change"] for row in kept]
    deliveries |= {change["delivery"] for change in history}
    came = await fetch_all(
        session,
        "SELECT CAST(id AS text) AS id, to_jsonb(received_from) AS received_from FROM delivery "
        "WHERE id = ANY(CAST(:deliveries AS uuid[])) ORDER BY received_from",
        deliveries=sorted(deliveries),
    )
    return {"tables": tables, "history": history, "deliveries": came}
