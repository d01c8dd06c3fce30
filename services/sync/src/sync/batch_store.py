"""Stores what became of a batch: links, judgements, events and the rows of work, in one transaction."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from prometheus_client import Counter
from sqlalchemy.exc import DBAPIError
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.cause import Cause
from chassis.database import Database
from chassis.outbox import Outbox
from contracts.events import (
    MOST_TOGETHER,
    Event,
    ObjectAction,
    ObjectChange,
    WorkParked,
    WorkPostponed,
    WrittenRecord,
    WrittenToZoho,
)
from contracts.ids import AmeiseKey
from contracts.rpc.sync_parked import ParkedCause
from sync import (
    deletion_store,
    drift_store,
    intent_store,
    link_store,
    parked_store,
    pipeline_store,
    work_store,
)
from sync.batch import Merging, Settled, Unsettled, Verdict, conflicts_of
from sync.conflicts import conflict_of
from sync.link_store import Link
from sync.pipelines import Pipeline
from sync.retry import Park, Postpone, other_half_is_busy
from sync.throughput import Throughput
from sync.work_store import Lane, Work

LINKED_MEANWHILE = Postpone(timedelta(0), "inzwischen mit einem Datensatz verknüpft", counts=False)

held_back_total = Counter("sync_held_back_total", "Values not written since they no longer fit Zoho")


@dataclass(frozen=True, slots=True)
class BatchStore:
    """`duration_ms` is what one object of the batch took on average."""

    database: Database
    outbox: Outbox
    throughput: Throughput

    async def __call__(
        self,
        pipeline: Pipeline,
        verdicts: Sequence[Verdict],
        leased: Sequence[Link],
        *,
        duration_ms: float,
    ) -> None:
        """Store all; if one link is refused, each verdict on its own. Raises LeaseLost."""
        try:
            async with self.database.tenant(pipeline.tenant) as session:
                await self._store(session, pipeline, verdicts, duration_ms)
                # Whoever is stored is given back by that.
                stored = {v.link.id for v in verdicts if isinstance(v, Settled) and v.link is not None}
                await link_store.give_back(session, [link for link in leased if link.id not in stored])
            self._note(pipeline, verdicts)
        except DBAPIError as error:
            if not link_store.is_in_the_way(error):
                raise
            for verdict in verdicts:
                await self._store_alone(pipeline, verdict, duration_ms)
            async with self.database.tenant(pipeline.tenant) as session:
                await link_store.give_back(session, leased)

    async def tell_conflicts(self, pipeline: Pipeline, merging: Sequence[Merging]) -> None:
        """To be told before the values that lose are overwritten: if the answer gets lost, or we do, the next
        try finds both sides alike; if it does not, they are not told again."""
        # In the order in which everybody locks rows of work.
        conflicting = sorted((m for m in merging if m.merged.conflicts), key=lambda m: m.item.work.object)
        if not conflicting:
            return
        async with self.database.tenant(pipeline.tenant) as session:
            for m in conflicting:
                conflict = conflict_of(
                    pipeline.definition.fields, m.merged, ameise=m.ameise, zoho=m.zoho, changed=m.changed,
                    tenant=pipeline.tenant,
                )  # fmt: skip
                if await work_store.note_conflict(session, m.item.work, conflict):
                    await self.outbox.tell(session, m.item.work.cause, *conflicts_of(pipeline, m))

    def _note(self, pipeline: Pipeline, verdicts: Sequence[Verdict]) -> None:
        settled = [v for v in verdicts if isinstance(v, Settled)]
        if settled:
            self.throughput.note(pipeline, written=sum(s.wrote is not None for s in settled))
            held_back_total.inc(sum(s.held_back for s in settled))

    async def _store_alone(self, pipeline: Pipeline, verdict: Verdict, duration_ms: float) -> None:
        try:
            async with self.database.tenant(pipeline.tenant) as session:
                await self._store(session, pipeline, [verdict], duration_ms)
            self._note(pipeline, [verdict])
        except DBAPIError as error:
            if not link_store.is_in_the_way(error):
                raise
            work = verdict.item.work if isinstance(verdict, Settled) else verdict.work
            decision = await self._in_the_way(pipeline, verdict)
            async with self.database.tenant(pipeline.tenant) as session:
                await self._store(session, pipeline, [Unsettled(work, decision)], duration_ms)

    async def _in_the_way(self, pipeline: Pipeline, verdict: Verdict) -> Postpone | Park:
        """What to do if a link cannot be stored, since another one is in its way."""
        if isinstance(verdict, Settled) and verdict.link is not None:
            async with self.database.tenant(pipeline.tenant) as session:
                if not await link_store.is_taken(session, pipeline, verdict.link):
                    return other_half_is_busy()
        return Park(ParkedCause.RECORD_LINKED)

    async def _store(
        self, session: AsyncSession, pipeline: Pipeline, verdicts: Sequence[Verdict], duration_ms: float
    ) -> None:
        settled = [v for v in verdicts if isinstance(v, Settled)]
        unsettled = [v for v in verdicts if isinstance(v, Unsettled)]
        await work_store.check(session, [*(s.item.work for s in settled), *(u.work for u in unsettled)])
        if overtaken := await self._linked_meanwhile(session, pipeline, settled):
            settled = [s for s in settled if s not in overtaken]
            unsettled += [Unsettled(s.item.work, LINKED_MEANWHILE) for s in overtaken]
        await self._plan_deletions(session, pipeline, settled)
        await self._store_links(session, pipeline, settled)
        told: list[Event] = []
        for cause, of_cause in _by_cause(s for s in settled if s.events or s.wrote is not None):
            wrote = [s.wrote for s in of_cause if s.wrote is not None]
            data = [*(e for s in of_cause for e in s.events), *told_as_written(pipeline, wrote)]
            timed = (event.model_copy(update={"duration_ms": duration_ms}) for event in data)
            told += [self.outbox.event(cause, event) for event in timed]
        await self.outbox.put(session, *told)
        await self._ask_for_looks(session, pipeline, settled)
        await work_store.finish(session, [s.item.work for s in settled])
        if any(s.outcome == "applied" for s in settled):
            await pipeline_store.note_success(session, pipeline)
        await self.put_off(session, pipeline, unsettled)

    async def _linked_meanwhile(
        self, session: AsyncSession, pipeline: Pipeline, settled: Sequence[Settled]
    ) -> list[Settled]:
        """Those that are gone without a record to be marked, but that have one by now.

        Whoever links a record looks for such a judgement and takes it back
        (`pipeline_store.judge_gone_anew`): he waits for the rows that are locked here, or we for him.
        """
        without = {str(s.item.object.key): s for s in settled if s.without_record}
        if not without:
            return []
        linked = await link_store.zoho_ids_of(
            session, pipeline, pipeline.module, pipeline.table, sorted(without)
        )
        return [without[key] for key in linked]

    async def _plan_deletions(
        self, session: AsyncSession, pipeline: Pipeline, settled: Sequence[Settled]
    ) -> None:
        """Records of what is gone wait to be deleted, if the pipeline says so; those of others do not."""
        deletion = pipeline.definition.deletion
        gone = {str(s.item.object.key): s.item.work.cause for s in settled if s.outcome == "gone"}
        there = {str(s.item.object.key) for s in settled if s.outcome not in {None, "gone"}}
        await deletion_store.cancel(session, pipeline, there if deletion else there | gone.keys())
        await deletion_store.there_again(session, pipeline, there)
        if deletion is not None:
            await deletion_store.plan(session, pipeline, gone, after_days=deletion.after_days)

    async def _store_links(
        self, session: AsyncSession, pipeline: Pipeline, settled: Sequence[Settled]
    ) -> None:
        links = [s.link for s in settled if s.link is not None]
        await link_store.save(session, links)
        await intent_store.settle_linked(session, pipeline, links)
        await parked_store.kunden_linked(session, pipeline, links)
        judged = [
            (s.item.object.key, s.item.object.version, outcome)
            for s in settled
            if (outcome := s.judged_as) is not None
        ]
        await pipeline_store.judge(session, pipeline, judged)
        if held_back := sum(s.held_back for s in settled):
            await drift_store.count_held_back(session, pipeline, held_back)

    async def _ask_for_looks(
        self, session: AsyncSession, pipeline: Pipeline, settled: Sequence[Settled]
    ) -> None:
        """Zoho knows something that Ameise does not: a webhook was lost, or is under way. What is parked is
        tried once more: what stood in its way may have been mended here or in Ameise since."""
        behind = {
            s.link.zoho_id: s.item.work.cause for s in settled if s.look_at_zoho and s.link and s.link.zoho_id
        }
        if behind and pipeline.definition.takes_webhooks:
            await work_store.intake(
                session,
                pipeline.tenant,
                pipeline=pipeline.id,
                direction="to_ameise",
                lane=Lane.CHUNK,
                objects=behind,
            )

    async def put_off(
        self, session: AsyncSession, pipeline: Pipeline, unsettled: Sequence[Unsettled]
    ) -> None:
        """Keep the rows for later, or for a person, who is told."""
        later: list[tuple[Work, Postpone]] = []
        for work, decision in ((u.work, u.decision) for u in unsettled):
            match decision:
                case Postpone():
                    later.append((work, decision))
                    if decision.counts:
                        await self._tell(session, pipeline, work, WorkPostponed, decision.reason)
                case Park():
                    await work_store.park(session, work, decision)
                    await pipeline_store.note_error(session, pipeline, decision.reason)
                    await self._tell(session, pipeline, work, WorkParked, decision.reason)
        if later:
            await work_store.postpone(session, later)

    async def _tell(
        self,
        session: AsyncSession,
        pipeline: Pipeline,
        work: Work,
        kind: type[WorkParked | WorkPostponed],
        reason: str,
    ) -> None:
        change = ObjectChange(table=pipeline.table, key=AmeiseKey(work.object), action=ObjectAction.UNCHANGED)
        told = kind(pipeline=pipeline.id, module=pipeline.module, object=change, reason=reason)
        await self.outbox.tell(session, work.cause, told)


def told_as_written(pipeline: Pipeline, records: Sequence[WrittenRecord]) -> Iterator[WrittenToZoho]:
    """Events on what Zoho took: together, since a million of them would cost more than the writing."""
    for start in range(0, len(records), MOST_TOGETHER):
        some = tuple(records[start : start + MOST_TOGETHER])
        told: dict[str, Any] = (
            {"zoho_id": some[0].zoho_id, "object": some[0]} if len(some) == 1 else {"objects": some}
        )
        yield WrittenToZoho(pipeline=pipeline.id, module=pipeline.module, **told)


def _by_cause(settled: Iterable[Settled]) -> Iterator[tuple[Cause, list[Settled]]]:
    """Grouped, so that what came of one chunk is told together."""
    grouped: dict[tuple[str | int | None, ...], list[Settled]] = {}
    for one in settled:
        work = one.item.work
        grouped.setdefault((work.correlationid, work.causationid, work.lane), []).append(one)
    return ((some[0].item.work.cause, some) for some in grouped.values())
