"""Stores what became of one Zoho record: link, events and the row of work, in one transaction."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import Database
from chassis.outbox import Outbox
from contracts.events import (
    EventData,
    NumbersWrittenBack,
    WorkParked,
    WorkPostponed,
    WrittenToAmeise,
    WrittenToZoho,
)
from contracts.ids import ZohoId
from contracts.rpc.sync_parked import ParkedCause
from sync import gone_in_zoho, intent_store, link_store, parked_store, pipeline_store, work_store
from sync.link_store import Link
from sync.pipelines import Pipeline
from sync.retry import Park, Postpone, other_half_is_busy
from sync.throughput import Throughput
from sync.work_store import Work


@dataclass(frozen=True, slots=True)
class Done:
    """A record that is in step now: the link to store, and what to tell."""

    link: Link
    events: tuple[EventData, ...]


@dataclass(frozen=True, slots=True)
class Half:
    """Not all was written: what is true by now is kept, the work stays on the table.

    Without the link, a delivery could make a second record of a Kunde that we just created; without the
    bases, Ameise's normalisation of what we wrote would look like an edit at the next try.
    """

    link: Link
    events: tuple[EventData, ...]
    decision: Postpone | Park


Result = Done | Half | Postpone | Park


@dataclass(frozen=True, slots=True)
class RecordStore:
    """`leased` is the link that was held for the work, None if it could not be had."""

    database: Database
    outbox: Outbox
    throughput: Throughput

    async def __call__(
        self, pipeline: Pipeline, work: Work, leased: Link | None, result: Result, *, duration_ms: float
    ) -> None:
        """Store it. Raises LeaseLost if somebody else has the row or the link by now."""
        try:
            await self._store(pipeline, work, leased, result, duration_ms)
            if isinstance(result, Done | Half):
                self.throughput.note(pipeline, written=_wrote(result.events))
        except DBAPIError as error:
            if not link_store.is_in_the_way(error):
                raise
            decision = await self._in_the_way(pipeline, result)
            await self._store(pipeline, work, leased, decision, duration_ms)

    async def tell_conflict(self, work: Work, told: EventData, *, conflict: str) -> None:
        """To be told before the value that loses is overwritten: if the answer gets lost, or we do, the next
        try does not see it any more; if it does, it is not told again."""
        async with self.database.tenant(work.tenant) as session:
            if await work_store.note_conflict(session, work, conflict):
                await self.outbox.tell(session, work.cause, told)

    async def _in_the_way(self, pipeline: Pipeline, result: Result) -> Postpone | Park:
        """What to do if the link cannot be stored, since another one is in its way."""
        if isinstance(result, Done | Half):
            async with self.database.tenant(pipeline.tenant) as session:
                if not await link_store.is_taken(session, pipeline, result.link):
                    return other_half_is_busy()
        return Park(ParkedCause.KUNDE_JUST_LINKED)

    async def _store(
        self, pipeline: Pipeline, work: Work, leased: Link | None, result: Result, duration_ms: float
    ) -> None:
        async with self.database.tenant(work.tenant) as session:
            await work_store.check(session, [work])
            newly_linked = leased is not None and not leased.linked
            match result:
                case Done(link=link, events=events):
                    await self._keep(
                        session, pipeline, work, link, events, duration_ms, newly_linked=newly_linked
                    )
                    await pipeline_store.note_success(session, pipeline)
                    await work_store.finish(session, [work])
                case Half(link=link, events=events, decision=decision):
                    await self._keep(
                        session, pipeline, work, link, events, duration_ms, newly_linked=newly_linked
                    )
                    await self._put_off(session, pipeline, work, decision, duration_ms)
                case Postpone() | Park():
                    await self._put_off(session, pipeline, work, result, duration_ms)
                    if leased is not None:
                        await link_store.give_back(session, [leased])

    async def _keep(
        self,
        session: AsyncSession,
        pipeline: Pipeline,
        work: Work,
        link: Link,
        events: tuple[EventData, ...],
        duration_ms: float,
        *,
        newly_linked: bool,
    ) -> None:
        await link_store.save(session, [link])
        await intent_store.settle_linked(session, pipeline, [link])
        await parked_store.kunden_linked(session, pipeline, [link])
        if link.ameise_key:
            await pipeline_store.forget_judgement(session, pipeline, link.ameise_key)
            if newly_linked:
                await pipeline_store.judge_gone_anew(session, pipeline, link.ameise_key)
            if link.gone_in_zoho:
                await gone_in_zoho.make_again(session, pipeline, [link.ameise_key], work.cause)
        timed = [event.model_copy(update={"duration_ms": duration_ms}) for event in events]
        await self.outbox.tell(session, work.cause, *timed)

    async def _put_off(
        self,
        session: AsyncSession,
        pipeline: Pipeline,
        work: Work,
        decision: Postpone | Park,
        duration_ms: float,
    ) -> None:
        if isinstance(decision, Park) and await parked_store.kunde_is_linked(session, pipeline, decision):
            decision = Postpone(timedelta(0), "sein Kunde ist inzwischen verknüpft", counts=False)
        about: dict[str, Any] = {
            "pipeline": pipeline.id, "module": pipeline.module, "zoho_id": ZohoId(work.object),
            "reason": decision.reason, "duration_ms": duration_ms,
        }  # fmt: skip
        match decision:
            case Postpone():
                await work_store.postpone(session, [(work, decision)])
                if decision.counts:
                    await self.outbox.tell(session, work.cause, WorkPostponed(**about))
            case Park():
                await work_store.park(session, work, decision)
                await pipeline_store.note_error(session, pipeline, decision.reason)
                await self.outbox.tell(session, work.cause, WorkParked(**about))


def _wrote(events: Iterable[EventData]) -> int:
    """1 if the record or its Kunde was written, else 0."""
    return int(any(isinstance(e, (WrittenToAmeise, WrittenToZoho, NumbersWrittenBack)) for e in events))
