"""Records of objects that have been gone in Ameise for long enough go to Zoho's recycle bin.

Nothing is believed that can be looked at: ingest is asked whether the object is still gone, Zoho whether the
record is still as we left it, both right before. What somebody edited, and more than may be deleted in a day,
waits for a person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import Database
from chassis.rpc import RpcClient
from contracts.actor import Actor
from contracts.events import DeletedInZoho, DeletionsHeld, EventData, ObjectAction, ObjectChange
from contracts.ids import AmeiseKey, ZohoId
from contracts.names import Service
from contracts.problems import Problem
from contracts.rpc.ingest import OBJECTS, ObjectsRequest
from contracts.rpc.sync_parked import ParkedCause
from sync import deletion_store, link_store, pipeline_store, work_store
from sync.batch import Unsettled
from sync.batch_store import BatchStore
from sync.deletion import DayLimit, edited_since, is_as_made, is_nothing_new, is_overruled
from sync.deletion_store import Overruled
from sync.link_store import Link
from sync.pipelines import Pipeline
from sync.recognising import having_read
from sync.record_events import deleted_in_zoho
from sync.retry import Park, Postpone, decide
from sync.sides import zoho_values
from sync.systems import Systems
from sync.work_store import Work
from sync.workers import More
from sync.zoho_changes import news_of
from vendor.errors import Unavailable, VendorError
from zoho.client import ZohoClient
from zoho.models import Record

BUSY_DELAY = timedelta(seconds=1)
WAIT_FOR_INGEST = timedelta(minutes=1)
PAUSED_DELAY = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class _Cancelled:
    """There is nothing to delete: the object is back, or its record belongs to it no more."""

    work: Work


@dataclass(frozen=True, slots=True)
class _Gone:
    """The record is not in Zoho any more; `by_us`: since we deleted it."""

    work: Work
    link: Link
    by_us: bool


@dataclass(frozen=True, slots=True)
class _Refused:
    """Zoho has it still."""

    unsettled: Unsettled
    link: Link


_Verdict = _Cancelled | _Gone | _Refused | Unsettled


@dataclass(frozen=True, slots=True)
class Deleting:
    """Does the work of a batch of one pipeline, at most 100 rows."""

    database: Database
    store: BatchStore
    rpc: RpcClient
    systems: Systems
    limit: DayLimit
    lease: timedelta
    give_up_after: timedelta

    async def __call__(self, works: list[Work], _more: More) -> None:
        """Do the batch and store what came of it. Raises LeaseLost if somebody else has a row by now."""
        async with self.database.tenant(works[0].tenant) as session:
            pipeline = await pipeline_store.load(session, works[0].pipeline)
            wanted = pipeline is not None and pipeline.definition.deletion is not None
            if pipeline is None or not wanted or not pipeline.definition.takes_deliveries:
                await work_store.check(session, works)
                await work_store.finish(session, works)
                return
        leased: list[Link] = []
        verdicts: list[_Verdict] = []
        try:
            await self._delete(pipeline, works, leased, verdicts)
        except VendorError as error:
            verdicts += [self._failed(work, error) for work in _undecided(works, verdicts)]
        except Problem as problem:  # ingest refused or did not answer
            later = Postpone(WAIT_FOR_INGEST, f"ingest: {problem.detail}", counts=False)
            verdicts += [Unsettled(work, later) for work in _undecided(works, verdicts)]
        await self._store(pipeline, verdicts, leased)

    async def _delete(
        self, pipeline: Pipeline, works: list[Work], leased: list[Link], verdicts: list[_Verdict]
    ) -> None:
        """Put the verdicts on `works` into `verdicts`, and what is leased into `leased`, whatever happens.

        Raises VendorError, and Problem of ingest.
        """
        if not pipeline.enabled:
            paused = Postpone(PAUSED_DELAY, "die Pipeline ist pausiert", counts=False)
            verdicts += [Unsettled(work, paused) for work in works]
            return
        gone = await self._still_gone(pipeline, works, verdicts)
        async with self.database.tenant(pipeline.tenant) as session:
            known = await link_store.of_keys(session, pipeline, [work.object for work in gone])
        linked = {key for key, link in known.items() if link.linked and not link.gone_in_zoho}
        verdicts += [_Cancelled(work) for work in gone if work.object not in linked]
        held, overruled = await self._held(pipeline, [work for work in gone if work.object in linked])
        works[:] = [work for work in works if work.id not in held]
        chosen = [work for work in gone if work.object in linked and work.id not in held]
        if not chosen:
            return
        async with self.database.tenant(pipeline.tenant) as session:
            links = await link_store.lease_by_keys(
                session, pipeline, [work.object for work in chosen], owner=works[0].owner, lasting=self.lease
            )
        leased += links.values()
        busy = Postpone(BUSY_DELAY, "in Arbeit", counts=False)
        verdicts += [Unsettled(work, busy) for work in chosen if work.object not in links]
        in_hand = [(work, links[work.object]) for work in chosen if work.object in links]
        zoho = await self.systems.zoho(pipeline, urgent=False)
        as_left = await self._as_we_left_them(pipeline, zoho, in_hand, overruled, verdicts)
        verdicts += await self._call(pipeline, zoho, as_left)

    async def _still_gone(
        self, pipeline: Pipeline, works: Sequence[Work], verdicts: list[_Verdict]
    ) -> list[Work]:
        keys = tuple(AmeiseKey(work.object) for work in works)
        request = ObjectsRequest(table=pipeline.table, keys=keys)
        reply = await self.rpc.call(OBJECTS, request, actor=Actor.of_service(Service.SYNC, pipeline.tenant))
        objects = {str(found.key): found for found in reply.objects}
        gone: list[Work] = []
        for work in works:
            found = objects.get(work.object)
            if found is None:  # no tombstone: a database that was emptied says nothing about the object
                about = {"table": pipeline.table.value, "key": work.object}
                verdicts.append(Unsettled(work, Park(ParkedCause.OBJECT_UNKNOWN, about)))
            elif not found.gone:
                verdicts.append(_Cancelled(work))
            else:
                gone.append(work)
        return gone

    async def _held(self, pipeline: Pipeline, works: Sequence[Work]) -> tuple[set[int], Overruled]:
        """The rows that wait for a person from now on, since there are too many, of which he is told once;
        and what was overruled."""
        if not works:
            return set(), {}
        too_many = ParkedCause.TOO_MANY_DELETIONS
        async with self.database.tenant(pipeline.tenant) as session:
            await work_store.check(session, works)
            overruled = await deletion_store.overruled(session, works)
            now = await deletion_store.standing(session, pipeline)
            most = self.limit.of(now.linked)
            if now.in_a_day <= most:
                return set(), overruled
            held = [work for work in works if too_many not in overruled.get(work.id, {})]
            park = Park(too_many, {"records": str(now.in_a_day), "limit": str(most)})
            for work in held:
                await work_store.park(session, work, park)
            if held:
                await pipeline_store.note_error(session, pipeline, park.reason)
            if held and not now.held:
                told = DeletionsHeld(
                    pipeline=pipeline.id, records=now.in_a_day, limit=most, reason=park.reason
                )
                await self.store.outbox.tell(session, held[0].cause, told)
        return {work.id for work in held}, overruled

    async def _as_we_left_them(
        self,
        pipeline: Pipeline,
        zoho: ZohoClient,
        in_hand: Sequence[tuple[Work, Link]],
        overruled: Overruled,
        verdicts: list[_Verdict],
    ) -> list[tuple[Work, Link]]:
        """Those whose record nobody edited since our last write, and that hold nothing that Ameise lacks."""
        ids = [link.zoho_id for _, link in in_hand if link.zoho_id]
        fields = [*pipeline.zoho_fields, "Created_By"]
        records = await zoho.get_records(pipeline.module, ids, fields) if ids else {}
        as_left: list[tuple[Work, Link]] = []
        for work, link in in_hand:
            record = records.get(link.zoho_id or "")
            edit_overruled_at = overruled.get(work.id, {}).get(ParkedCause.EDITED_BEFORE_DELETION)
            if record is None:
                verdicts.append(_Gone(work, link, by_us=link.deleted_by_us))
            elif edited_since(own_write_of(link), record, overruled_at=edit_overruled_at) or (
                not is_overruled(record, edit_overruled_at) and _is_ahead(pipeline, link, record)
            ):
                park = Park(ParkedCause.EDITED_BEFORE_DELETION, {"zoho_id": link.zoho_id or ""})
                verdicts.append(Unsettled(work, park))
            else:
                as_left.append((work, link))
        return as_left

    async def _call(
        self, pipeline: Pipeline, zoho: ZohoClient, chosen: Sequence[tuple[Work, Link]]
    ) -> list[_Verdict]:
        if not chosen:
            return []
        async with self.database.tenant(pipeline.tenant) as session:
            await work_store.check(session, [work for work, _ in chosen])
            await link_store.check(session, [link for _, link in chosen])
            await deletion_store.about_to_delete(session, [link for _, link in chosen])
        ids = [link.zoho_id or "" for _, link in chosen]
        try:
            results = await zoho.delete(pipeline.module, ids)
        except VendorError as error:
            unsettled = [(self._failed(work, error), link) for work, link in chosen]
            if isinstance(error, Unavailable) and error.outcome_unknown:  # the next look finds out
                return [one for one, _ in unsettled]
            return [_Refused(one, link) for one, link in unsettled]
        errors = {id_: error for id_, result in zip(ids, results, strict=True) if (error := result.error())}
        # A record that somebody else deleted in this moment is refused like one that may not be deleted.
        there: Mapping[str, object] = (
            await zoho.get_records(pipeline.module, list(errors), ["Modified_Time"]) if errors else {}
        )
        verdicts: list[_Verdict] = []
        for (work, link), id_ in zip(chosen, ids, strict=True):
            if id_ in there:
                verdicts.append(_Refused(self._failed(work, errors[id_]), link))
            else:
                verdicts.append(_Gone(work, link, by_us=id_ not in errors))
        return verdicts

    def _failed(self, work: Work, error: VendorError) -> Unsettled:
        decision = decide(
            error,
            attempts=work.attempts,
            failing_since=work.failing_since,
            now=datetime.now(UTC),
            give_up_after=self.give_up_after,
        )
        return Unsettled(work, decision)

    async def _store(self, pipeline: Pipeline, verdicts: Sequence[_Verdict], leased: Sequence[Link]) -> None:
        cancelled = [v.work for v in verdicts if isinstance(v, _Cancelled)]
        gone = [v for v in verdicts if isinstance(v, _Gone)]
        refused = [v for v in verdicts if isinstance(v, _Refused)]
        unsettled = [v for v in verdicts if isinstance(v, Unsettled)] + [v.unsettled for v in refused]
        done = [*cancelled, *(v.work for v in gone)]
        async with self.database.tenant(pipeline.tenant) as session:
            await work_store.check(session, [*done, *(u.work for u in unsettled)])
            await link_store.check(session, leased)
            await deletion_store.gone(session, [v.link for v in gone])
            await deletion_store.still_there(
                session, [v.link for v in gone if not v.by_us] + [v.link for v in refused]
            )
            await self._tell(session, pipeline, gone)
            await work_store.finish(session, done)
            await self.store.put_off(session, pipeline, unsettled)
            await link_store.give_back(session, leased)

    async def _tell(self, session: AsyncSession, pipeline: Pipeline, gone: Sequence[_Gone]) -> None:
        for one in gone:
            told: EventData
            if one.by_us:
                change = ObjectChange(
                    table=pipeline.table, key=AmeiseKey(one.work.object), action=ObjectAction.GONE
                )
                told = DeletedInZoho(
                    pipeline=pipeline.id, module=pipeline.module, zoho_id=ZohoId(one.link.zoho_id or ""),
                    object=change, reason="in Ameise entfallen; der Datensatz liegt in Zohos Papierkorb",
                )  # fmt: skip
            else:
                told = deleted_in_zoho(pipeline, one.link.zoho_id or "", one.work.object)
            await self.store.outbox.tell(session, one.work.cause, told)


def _undecided(works: Sequence[Work], verdicts: Sequence[_Verdict]) -> list[Work]:
    decided = {(v.unsettled.work if isinstance(v, _Refused) else v.work).id for v in verdicts}
    return [work for work in works if work.id not in decided]


def _is_ahead(pipeline: Pipeline, link: Link, record: Record) -> bool:
    """Whether somebody's edit has not got to Ameise: we may have written to the record since, since a person
    is still asked about that field, or the pipeline's rule leaves the record out. Where a value was never
    compared, somebody may have typed it, unless the record is as we made it."""
    own_write = own_write_of(link)
    as_made = own_write is not None and is_as_made(own_write, record)
    read = having_read(link, record, zoho_values(pipeline.definition, record))
    in_zoho, in_ameise = read.zoho_base or {}, link.ameise_base or {}
    return any(
        mapping.zoho in in_zoho
        or mapping.ameise in link.asked
        or not (as_made or is_nothing_new(mapping, value, in_ameise.get(mapping.ameise)))
        for mapping, value in news_of(pipeline.definition, record, in_zoho)
    )


def own_write_of(link: Link) -> Mapping[str, str] | None:
    """Our last write to a link's record, also if it was not read back yet."""
    return link_store.own_write(link.unread) or link.own_write
