"""What people do about parked work: look through it, retry it, say who somebody is, discard it."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from ameise.links import DeepLinks
from chassis.database import Database
from chassis.outbox import MAX_BODY_BYTES, Outbox
from chassis.rpc import Caller, RpcClient
from contracts.actor import Actor, Role
from contracts.events import (
    EventData,
    ObjectAction,
    ObjectChange,
    ParkedRetried,
    WorkDiscarded,
    WorkRetried,
)
from contracts.ids import AmeiseKey, Kundennummer, PipelineId, ZohoId
from contracts.names import Service, Table
from contracts.rpc.ingest import OBJECTS, ObjectsRequest
from contracts.rpc.sync_parked import (
    Discarded,
    DiscardParked,
    ListParked,
    ParkedCause,
    ParkedFilter,
    ParkedGroup,
    ParkedGroups,
    ParkedWork,
    ParkedWorks,
    Retried,
    RetryAllParked,
    RetryParked,
)
from sync import dismissal, parked_store, pipeline_store, waiting_store
from sync.deep_links import deep_link
from sync.parked_words import english
from sync.pipelines import Pipeline
from sync.work_store import Lane

MOST_BYTES = MAX_BODY_BYTES * 3 // 4
"""Of a page: the rest is for the envelope, and for what JSON escapes once more."""
RETRIED_AT_ONCE = 1000
"""Rows in one transaction when everything is retried."""


@dataclass(frozen=True, slots=True)
class Parked:
    """One method per RPC."""

    database: Database
    outbox: Outbox
    rpc: RpcClient
    links: DeepLinks

    async def list_parked(self, request: ListParked, caller: Caller) -> ParkedWorks:
        async with self.database.tenant(caller.tenant) as session:
            total, rows = await parked_store.page(session, request)
        words_too = caller.actor.role is not Role.USER
        works = fitting([shown_work(row, self.links, words_too=words_too) for row in rows[: request.limit]])
        return ParkedWorks(
            total=total, works=works, next_page=works[-1].id if len(rows) > len(works) else None
        )

    async def group_parked(self, request: ParkedFilter, caller: Caller) -> ParkedGroups:
        async with self.database.tenant(caller.tenant) as session:
            rows = await parked_store.groups(session, request)
        return ParkedGroups(groups=tuple(ParkedGroup(**row) for row in rows))

    async def retry_parked(self, request: RetryParked, caller: Caller) -> Retried:
        """Ahead of everything else: somebody waits for it."""
        async with self.database.tenant(caller.tenant) as session:
            rows = [row for row in await parked_store.lock(session, request.ids) if may_be_hurried(row)]
            await parked_store.make_due(session, [row["id"] for row in rows], lane=Lane.INTERACTIVE)
            await self._tell(session, caller, rows, WorkRetried)
        return Retried(retried=len(rows))

    async def retry_all_parked(self, request: RetryAllParked, caller: Caller) -> Retried:
        """Batch by batch, each row once: one that fails at once and is parked again is not tried without end.

        Cut off in between, what is left is still parked. Rows keep their place in the queue: nobody waits
        for one of thousands.
        """
        after, retried = 0, 0
        while True:
            async with self.database.tenant(caller.tenant) as session:
                ids = await parked_store.lock_next(
                    session, pipeline=request.pipeline, cause=request.cause, after=after,
                    count=RETRIED_AT_ONCE,
                )  # fmt: skip
                if ids:
                    await parked_store.make_due(session, ids)
                    told = ParkedRetried(
                        pipeline=request.pipeline,
                        cause=request.cause.value if request.cause else None,
                        works=len(ids),
                    )
                    await self.outbox.tell(session, caller.cause, told)
            retried += len(ids)
            if len(ids) < RETRIED_AT_ONCE:
                return Retried(retried=retried)
            after = ids[-1]

    async def discard_parked(self, request: DiscardParked, caller: Caller) -> Discarded:
        """Objects of Ameise count as judged in their present version: they come again when they change. So do
        records that do not fit their link.

        Raises Unavailable if ingest does not say which version that is.
        """
        versions = await self._versions(request.ids, caller)
        async with self.database.tenant(caller.tenant) as session:
            rows = await parked_store.lock(session, request.ids)
            for number in sorted({row["pipeline"] for row in rows}):
                pipeline = await pipeline_store.load(session, PipelineId(str(number)))
                if pipeline is not None:
                    objects = [
                        row["object"]
                        for row in rows
                        if row["pipeline"] == number and row["direction"] == "to_zoho"
                    ]
                    judged = [
                        (key, versions[pipeline.table, key], "discarded")
                        for key in objects
                        if (pipeline.table, key) in versions
                    ]
                    await pipeline_store.judge(session, pipeline, judged)
                    doubts = {
                        row["object"]: doubt
                        for row in rows
                        if row["pipeline"] == number
                        and row["direction"] == "to_ameise"
                        and (doubt := dismissal.doubt_of(row["cause"], row["details"]))
                    }
                    await dismissal.remember(session, caller.tenant, pipeline.id, doubts)
                    kept = [
                        row["object"]
                        for row in rows
                        if row["pipeline"] == number and row["direction"] == "deletion"
                    ]
                    await waiting_store.keep_of(session, pipeline, kept)
            await parked_store.discard(session, [row["id"] for row in rows])
            await self._tell(session, caller, rows, WorkDiscarded, reason=request.reason)
        return Discarded(discarded=len(rows))

    async def _versions(self, ids: Sequence[int], caller: Caller) -> dict[tuple[Table, str], str]:
        """The present version of each object of Ameise that these rows are about; asked for outside of the
        transaction. A row that changes meanwhile is judged too old, and so comes again."""
        async with self.database.tenant(caller.tenant) as session:
            rows = await parked_store.lock(session, ids)
            keys: dict[Table, set[AmeiseKey]] = {}
            for row in rows:
                pipeline = await pipeline_store.load(session, PipelineId(str(row["pipeline"])))
                if pipeline is not None and row["direction"] == "to_zoho":
                    keys.setdefault(pipeline.table, set()).add(AmeiseKey(row["object"]))
        versions: dict[tuple[Table, str], str] = {}
        for table, wanted in keys.items():
            request = ObjectsRequest(table=table, keys=tuple(sorted(wanted)))
            actor = Actor.of_service(Service.SYNC, caller.tenant)
            reply = await self.rpc.call(
                OBJECTS, request, actor=actor, correlationid=caller.cause.correlationid
            )
            versions |= {(table, found.key): found.version for found in reply.objects}
        return versions

    async def _tell(
        self,
        session: AsyncSession,
        caller: Caller,
        rows: Sequence[dict[str, Any]],
        kind: type[WorkRetried | WorkDiscarded],
        *,
        reason: str | None = None,
    ) -> None:
        pipelines = {
            number: await pipeline_store.load(session, PipelineId(str(number)))
            for number in {row["pipeline"] for row in rows}
        }
        told = [told_about(kind, row, pipelines[row["pipeline"]], reason) for row in rows]
        await self.outbox.tell(session, caller.cause, *told)


def may_be_hurried(row: dict[str, Any]) -> bool:
    """Nobody shortens the time that a record waits to be deleted: its object may come back. Pure."""
    return row["direction"] != "deletion" or row["parked"] or row["attempts"] > 0


def told_about(
    kind: type[WorkRetried | WorkDiscarded],
    row: dict[str, Any],
    pipeline: Pipeline | None,
    reason: str | None = None,
) -> EventData:
    """The event about a row of work."""
    to_ameise = row["direction"] == "to_ameise"
    changed = (
        ObjectChange(table=pipeline.table, key=AmeiseKey(row["object"]), action=ObjectAction.UNCHANGED)
        if pipeline and not to_ameise
        else None
    )
    return kind(
        pipeline=PipelineId(str(row["pipeline"])),
        module=pipeline.module if pipeline else "",
        zoho_id=ZohoId(row["object"]) if to_ameise else None,
        object=changed,
        reason=reason,
    )


def fitting(works: Sequence[ParkedWork]) -> tuple[ParkedWork, ...]:
    """As many of the first ones as travel in one reply, at least one. Pure."""
    sizes = itertools.accumulate(len(work.model_dump_json().encode()) for work in works)
    count = sum(1 for size in sizes if size <= MOST_BYTES)
    return tuple(works[: max(1, count)])


def shown_work(row: dict[str, Any], links: DeepLinks, *, words_too: bool) -> ParkedWork:
    """A row as people see it; `words_too`: with the outside system's words. Pure."""
    to_ameise, parked = row["direction"] == "to_ameise", row["parked"]
    cause = ParkedCause(row["cause"]) if parked else None
    key = row["linked_key"] if to_ameise else row["object"]
    return ParkedWork(
        id=row["id"],
        pipeline=PipelineId(str(row["pipeline"])),
        object=row["object"],
        zoho_id=row["object"] if to_ameise else row["linked_zoho_id"],
        reason=row["reason"] or "",
        words=row["words"] if words_too else None,
        attempts=row["attempts"],
        since=row["failing_since"] or row["created_at"],
        cause=cause,
        direction="to_ameise" if to_ameise else "to_zoho",
        module=row["module"],
        reason_en=english(cause, row["details"]) if cause else None,
        table=Table(row["table_name"]) if row["table_name"] else None,
        candidates=tuple(
            AmeiseKey(number)
            for number in (row["candidates"] if parked else ())
            if Kundennummer.pattern.fullmatch(number)
        ),
        ameise_key=key,
        ameise_link=deep_link(links, row["table_name"], key),
        due_at=None if parked else row["due_at"],
    )
