"""What people can ask of sync about records that wait to be deleted in Zoho: look, keep, delete now.

To delete now only ends the waiting: whether the object is still gone, and the record as we left it, is looked
at as ever, and no more go in a day than may.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from ameise.links import DeepLinks
from chassis.database import Database
from chassis.outbox import Outbox
from chassis.rpc import Caller
from contracts.events import DeletionHurried, ObjectAction, ObjectChange, RecordKept
from contracts.ids import AmeiseKey, PipelineId, ZohoId
from contracts.problems import Invalid
from contracts.rpc.sync_waiting import (
    ChosenDeletions,
    DeletionsDecided,
    ListDeletions,
    WaitingDeletion,
    WaitingDeletions,
)
from sync import pipeline_store, waiting_store
from sync.deep_links import deep_link


@dataclass(frozen=True, slots=True)
class DeletionAdmin:
    """One method per RPC."""

    database: Database
    outbox: Outbox
    links: DeepLinks

    async def list_deletions(self, request: ListDeletions, caller: Caller) -> WaitingDeletions:
        """Raises Invalid for a position that is none."""
        after = _position(request.after)
        async with self.database.tenant(caller.tenant) as session:
            total, rows = await waiting_store.page(
                session, pipeline=request.pipeline, after=after, limit=request.limit
            )
        shown = rows[: request.limit]
        return WaitingDeletions(
            total=total,
            deletions=tuple(_shown(row, self.links) for row in shown),
            next_page=_page_after(shown[-1]) if len(rows) > len(shown) else None,
        )

    async def keep_records(self, request: ChosenDeletions, caller: Caller) -> DeletionsDecided:
        """They are not deleted while their objects stay away; one that comes back and goes again is."""
        async with self.database.tenant(caller.tenant) as session:
            rows = await waiting_store.lock(session, request.ids)
            await waiting_store.keep(session, rows)
            await self._tell(session, caller, rows, RecordKept)
        return DeletionsDecided(decided=len(rows))

    async def delete_now(self, request: ChosenDeletions, caller: Caller) -> DeletionsDecided:
        async with self.database.tenant(caller.tenant) as session:
            rows = await waiting_store.lock(session, request.ids)
            await waiting_store.hurry(session, rows)
            await self._tell(session, caller, rows, DeletionHurried)
        return DeletionsDecided(decided=len(rows))

    async def _tell(
        self,
        session: AsyncSession,
        caller: Caller,
        rows: Sequence[dict[str, Any]],
        kind: type[RecordKept | DeletionHurried],
    ) -> None:
        told: list[RecordKept | DeletionHurried] = []
        pipelines = {
            number: await pipeline_store.load(session, PipelineId(str(number)))
            for number in {row["pipeline"] for row in rows}
        }
        for row in rows:
            if (pipeline := pipelines[row["pipeline"]]) is not None:
                change = ObjectChange(
                    table=pipeline.table, key=AmeiseKey(row["object"]), action=ObjectAction.UNCHANGED
                )
                zoho_id = ZohoId(row["zoho_id"])
                told.append(
                    kind(pipeline=pipeline.id, module=pipeline.module, zoho_id=zoho_id, object=change)
                )
        await self.outbox.tell(session, caller.cause, *told)


def _position(page: str | None) -> tuple[datetime, int] | None:
    if page is None:
        return None
    due, _, id_ = page.rpartition("~")
    try:
        return datetime.fromisoformat(due), int(id_)
    except ValueError as error:
        raise Invalid("Diese Seite gibt es nicht.") from error


def _page_after(row: dict[str, Any]) -> str:
    return f"{row['due_at'].isoformat()}~{row['id']}"


def _shown(row: dict[str, Any], links: DeepLinks) -> WaitingDeletion:
    return WaitingDeletion(
        id=row["id"],
        pipeline=PipelineId(str(row["pipeline"])),
        module=row["module"],
        key=AmeiseKey(row["object"]),
        zoho_id=ZohoId(row["zoho_id"]),
        name=row["name"],
        since=row["created_at"],
        due_at=row["due_at"],
        reason=row["reason"] or "",
        ameise_link=deep_link(links, row["table_name"], row["object"]),
    )
