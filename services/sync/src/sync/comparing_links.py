"""Links compared with Zoho's records, 200 a call, for as many credits as a night may cost.

Nothing is repaired by guess: a number that does not fit is parked for a person. A record that Zoho no longer
has is marked, as if the look at a webhook had found it; so many at once that permissions are the likelier
reason are not.
"""

from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from prometheus_client import Counter
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis import leases
from chassis.cause import Cause
from chassis.database import Database
from chassis.leases import Lease
from chassis.outbox import Outbox
from contracts.events import LinksCompared
from contracts.ids import TenantId, Uuid
from contracts.names import Difference
from sync import comparison_store, dismissal, gone_in_zoho, pipeline_store
from sync.comparison_store import KnownLink
from sync.comparison_words import in_words, outcome_of
from sync.linked_records import Doubt, doubts, numbers_of
from sync.pipelines import Pipeline
from sync.reconciling import parked_event
from sync.settings import SyncSettings
from sync.systems import Systems
from zoho.client import MAX_RECORDS, PAGE_SIZE, ZohoClient

credits_spent = Counter("sync_link_credits_total", "Zoho's API credits spent on comparing links")


@dataclass(slots=True)
class _Pass:
    """As much of one module as the credits `left` allow."""

    pipeline: Pipeline
    left: int
    records: int = 0
    complete: bool = False
    missing: set[str] = field(default_factory=set[str])
    counts: Tally[Difference] = field(default_factory=Tally[Difference])

    def spend(self, calls: int) -> None:
        self.left -= calls
        credits_spent.inc(calls)


@dataclass(frozen=True, slots=True)
class ComparingLinks:
    """Does one run of a connection; its caller holds the lease."""

    database: Database
    outbox: Outbox
    systems: Systems
    settings: SyncSettings

    async def __call__(
        self, cause: Cause, tenant: TenantId, connection: Uuid, lease: Lease
    ) -> Tally[Difference]:
        """Raises LeaseLost, and the errors of `vendor`."""
        async with self.database.tenant(tenant) as session:
            enabled = await pipeline_store.enabled_over(session, connection)
        pipelines = [p for p in enabled if not p.drift.blocked]
        left, passes = self.settings.reconcile_credits, list[_Pass]()
        for number, pipeline in enumerate(pipelines):
            # An even share of what is left: a large module must not keep the others from their turn.
            share = left // (len(pipelines) - number)
            one = await self._module(cause, _Pass(pipeline, share), lease)
            left -= share - one.left
            passes.append(one)
        counts = sum((one.counts for one in passes), Tally[Difference]())
        held = sum(len(one.missing) for one in passes)
        note = f"{held} Datensätze auf einmal verschwunden: Rechte prüfen, nichts vermerkt" if held else None
        async with self.database.tenant(tenant) as session:
            told = LinksCompared(
                connection=connection, records=sum(one.records for one in passes), counts=dict(counts),
                complete=all(one.complete for one in passes), outcome=outcome_of(counts),
                reason=in_words(counts, note=note),
            )  # fmt: skip
            await self.outbox.tell(session, cause, told)
        return counts

    async def _module(self, cause: Cause, one: _Pass, lease: Lease) -> _Pass:
        zoho = await self.systems.zoho(one.pipeline, urgent=False)
        async with self.database.tenant(one.pipeline.tenant) as session:
            after = (await comparison_store.position(session, one.pipeline)).links_after or "0"
        unique = one.pipeline.definition.unique_field
        while one.left > 0 and not one.complete:
            records = await zoho.select_after(one.pipeline.module, after, [unique, "Modified_Time"])
            one.spend(1)
            one.records += len(records)
            one.complete = len(records) < PAGE_SIZE
            last = None if one.complete else cast("str", records[-1]["id"])
            await self._page(cause, one, numbers_of(one.pipeline, records), after, last, lease)
            after = last or "0"
        await self._missing(cause, one, zoho, lease)
        return one

    async def _page(
        self,
        cause: Cause,
        one: _Pass,
        numbers: Mapping[str, str | None],
        after: str,
        last: str | None,
        lease: Lease,
    ) -> None:
        pipeline = one.pipeline
        async with self.database.tenant(pipeline.tenant) as session:
            await leases.check(session, lease)
            by_id = await comparison_store.links_of_records(session, pipeline, numbers)
            by_key = await comparison_store.links_of_objects(
                session, pipeline, filter(None, numbers.values())
            )
            found = doubts(pipeline, numbers, by_id=by_id, by_key=by_key)
            found = await self._not_dismissed(session, pipeline, numbers, found, by_id)
            rows = await comparison_store.on_table(session, pipeline, "to_ameise", found)
            found = {id_: doubt for id_, doubt in found.items() if id_ not in rows or rows[id_].parked}
            one.counts += Tally(doubt.kind for doubt in found.values())
            await self._park(session, cause, pipeline, found)
            between = await comparison_store.linked_between(session, pipeline, after, last)
            one.missing |= {id_ for id_, link in between.items() if id_ not in numbers and not link.in_hand}
            await comparison_store.move(session, pipeline, links=last or "")

    async def _not_dismissed(
        self,
        session: AsyncSession,
        pipeline: Pipeline,
        numbers: Mapping[str, str | None],
        found: Mapping[str, Doubt],
        links: Mapping[str, KnownLink],
    ) -> dict[str, Doubt]:
        """The doubts but for those that a person let go as they are; one that is over, or another one by now,
        is not held back again."""
        let_go = await dismissal.dismissed(session, pipeline.id, numbers)
        now = {
            id_: dismissal.doubt_of(doubt.parked.cause, doubt.parked.details) for id_, doubt in found.items()
        }
        in_hand = {id_ for id_, link in links.items() if link.in_hand}
        over = {id_ for id_, doubt in let_go.items() if now.get(id_) != doubt and id_ not in in_hand}
        await dismissal.forget(session, pipeline.id, over)
        return {id_: doubt for id_, doubt in found.items() if id_ not in let_go or id_ in over}

    async def _park(
        self, session: AsyncSession, cause: Cause, pipeline: Pipeline, found: Mapping[str, Doubt]
    ) -> None:
        parked = {id_: doubt.parked for id_, doubt in found.items()}
        new = await comparison_store.park_untried(session, pipeline, parked, cause)
        await self.outbox.tell(session, cause, *(parked_event(pipeline, id_, parked[id_]) for id_ in new))

    async def _missing(self, cause: Cause, one: _Pass, zoho: ZohoClient, lease: Lease) -> None:
        """Mark the links whose record is really gone: one that was linked while we read is not."""
        pipeline = one.pipeline
        if not one.missing or len(one.missing) > self.settings.reconcile_gone_limit:
            one.counts[Difference.DELETED] += len(one.missing)
            return
        asked: Sequence[str] = sorted(one.missing)
        there = await zoho.get_records(pipeline.module, asked, [pipeline.definition.unique_field])
        one.spend(-(-len(asked) // MAX_RECORDS))
        async with self.database.tenant(pipeline.tenant) as session:
            await leases.check(session, lease)
            gone = [id_ for id_ in asked if id_ not in there]
            marked = await gone_in_zoho.note(session, self.outbox, pipeline, gone, cause)
        one.counts += Tally({Difference.DELETED: len(marked)})
        one.missing.clear()
