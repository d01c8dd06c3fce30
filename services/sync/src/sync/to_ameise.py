"""One Zoho record brought to Ameise: read both sides, merge, write what changed, remember the bases.

Also the way by which a changed record learns what Ameise knows better: the merge goes both ways, so
Kundennummer, simplr user name and deep link are written back here after an Erstanlage. What a Kunde or a
Vertrag is, and how it is made, is said by `sync.in_ameise.Objects`.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from ameise.client import AmeiseClient
from chassis.database import Database
from contracts.ids import AmeiseKey, Kundennummer, Vertragsnummer
from contracts.names import Table
from contracts.rpc.sync_parked import ParkedCause
from sync import bulk_store, intent_store, link_store, lookups, pipeline_store, record_events, work_store
from sync.bases import bases_after
from sync.conflicts import asked_back, conflict_of, decisions_of, questions_after, unreadable
from sync.dismissal import RECORD_SEEN, SEEN, seen
from sync.fitting import merge_fitting
from sync.in_ameise import Found, InAmeise, Objects
from sync.link_store import Link
from sync.mapping import CannotConvert, Conversion, Way, check, read_zoho
from sync.merge import Merged
from sync.outside_words import NotPossible
from sync.pipelines import Pipeline, includes_record
from sync.recognising import having_read, unread
from sync.record_store import Done, Half, RecordStore, Result
from sync.retry import Park, Postpone, decide
from sync.sides import ameise_values, zoho_values
from sync.systems import Systems
from sync.values import UNKNOWN, Known, Value
from sync.work_store import Lane, Work
from sync.zoho_changes import as_seen
from sync.zoho_records import is_made_by_send, modified_time, read_back, sent_to_zoho
from vendor.errors import VendorError
from zoho.client import ZohoClient
from zoho.models import Record

log: structlog.stdlib.BoundLogger = structlog.get_logger()

BUSY_DELAY = timedelta(milliseconds=250)
IN_BULK_DELAY = timedelta(seconds=10)
"""A bulk write holds its records for minutes."""
PAUSED_DELAY = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class _Outside:
    """Who to ask."""

    zoho: ZohoClient
    ameise: AmeiseClient


@dataclass(frozen=True, slots=True)
class _Sides:
    """Both sides of one record as read, and who to write to."""

    zoho: ZohoClient
    record: Record
    ameise: AmeiseClient
    before: InAmeise
    found: Found


@dataclass(frozen=True, slots=True)
class ToAmeise:
    """Does the work of one row. All state is in the database; any replica may do any row. `objects`: of the
    tables that can be written to."""

    database: Database
    store: RecordStore
    systems: Systems
    objects: Mapping[Table, Objects]
    link_base: str
    lease: timedelta
    give_up_after: timedelta

    async def __call__(self, work: Work) -> None:
        """Do it and store what came of it. Raises LeaseLost if somebody else has the row by now."""
        begun = time.perf_counter()
        async with self.database.tenant(work.tenant) as session:
            pipeline = await pipeline_store.load(session, work.pipeline)
            if pipeline is None or not pipeline.definition.takes_webhooks:
                log.warning("webhook.unwanted", zoho_id=work.object)
                await work_store.check(session, [work])
                await work_store.finish(session, [work])
                return
            held = await link_store.lease_by_zoho_ids(
                session, pipeline, [work.object], owner=work.owner, lasting=self.lease
            )
        link = held.get(work.object)
        if link is None:
            async with self.database.tenant(work.tenant) as session:
                in_bulk = await bulk_store.is_open(session, pipeline)
            delay = IN_BULK_DELAY if in_bulk else BUSY_DELAY
            busy = Postpone(delay, "in Arbeit", counts=False)
            await self.store(pipeline, work, None, busy, duration_ms=_ms_since(begun))
            return
        try:
            result = await self._bring_in_step(pipeline, work, link)
        except (VendorError, CannotConvert) as error:
            result = self._decide(work, error)
        await self.store(pipeline, work, link, result, duration_ms=_ms_since(begun))

    def _decide(self, work: Work, error: VendorError | CannotConvert) -> Postpone | Park:
        if isinstance(error, CannotConvert):
            return Park(ParkedCause.VALUE_UNFIT, {"problem": str(error)})
        return decide(
            error,
            attempts=work.attempts,
            failing_since=work.failing_since,
            now=datetime.now(UTC),
            give_up_after=self.give_up_after,
        )

    async def _bring_in_step(self, pipeline: Pipeline, work: Work, link: Link) -> Result:
        if not pipeline.enabled:
            return Postpone(PAUSED_DELAY, "die Pipeline ist pausiert", counts=False)
        if pipeline.table not in self.objects:
            raise NotPossible("ameise", f"{pipeline.table} kann in Ameise nicht geändert werden")
        urgent = work.lane <= Lane.WEBHOOK
        zoho = await self.systems.zoho(pipeline, urgent=urgent)
        ameise = await self.systems.ameise(pipeline, urgent=urgent)
        record = await zoho.get_record(pipeline.module, work.object, pipeline.zoho_fields)
        if record is None:
            known = link.gone_in_zoho or not link.linked
            told = (
                record_events.excluded(pipeline, work.object, "der Datensatz existiert in Zoho nicht mehr")
                if known
                else record_events.deleted_in_zoho(pipeline, work.object, link.ameise_key)
            )
            return Done(replace(link, gone_in_zoho=True), (told,))
        match includes_record(pipeline.definition, record):
            case True:
                pass
            case False:
                reason = "die Auswahlregel nimmt den Datensatz aus"
                return Done(link, (record_events.excluded(pipeline, work.object, reason),))
            case None:
                return _having_seen(Park(ParkedCause.RULE_UNDECIDED), pipeline, record)
        try:
            result = await self._with_object(pipeline, work, link, _Outside(zoho, ameise), record)
        except (VendorError, CannotConvert) as error:
            result = self._decide(work, error)
        return _having_seen(result, pipeline, record)

    async def _with_object(
        self, pipeline: Pipeline, work: Work, link: Link, outside: _Outside, record: Record
    ) -> Result:
        objects, ameise = self.objects[pipeline.table], outside.ameise
        found = await self._object_of(pipeline, ameise, work, link, record)
        if not isinstance(found, Found):
            return found
        before = await objects.read(pipeline, ameise, found.key)
        if isinstance(before, Park):
            return before
        if found.adopted and (kunde := before.fields.get("kunde_id")):
            async with self.database.tenant(pipeline.tenant) as session:
                await intent_store.keep_adopted(session, pipeline, work.object, kunde=kunde, key=found.key)
        if not link.linked:
            link = await self.with_bases_sent(pipeline, link, found.key, record)
        link = replace(link, ameise_key=found.key, gone_in_zoho=False)
        sides = _Sides(outside.zoho, record, ameise, before, found)
        return await self._write_both(pipeline, work, sides, link)

    async def _write_both(self, pipeline: Pipeline, work: Work, sides: _Sides, link: Link) -> Done | Half:
        """Merge and write, Ameise first. What failed half way keeps what is true already: the link at least,
        so that the next delivery meets the record and does not make a second one."""
        newly, found = not link.linked, sides.found
        fields = pipeline.definition.fields
        ameise, in_record = values_of(pipeline, sides.before), zoho_values(pipeline.definition, sides.record)
        link = having_read(link, sides.record, in_record)
        void = unreadable(fields, link.asked, ameise=ameise, zoho=in_record)
        link = replace(link, asked=asked_back(link.asked, void, ameise=ameise))
        told_void = record_events.not_decided_for_zoho(pipeline, work.object, void, found)
        try:
            merged = await self.merge(pipeline, sides.before, sides.record, link)
            await self.check(pipeline, sides.ameise, sides.before, merged)
            if merged.to_ameise or merged.to_zoho:
                await self._still_ours(work, link)
            if merged.conflicts:
                conflict = conflict_of(
                    fields, merged, ameise=ameise, zoho=in_record, changed=modified_time(sides.record),
                    tenant=pipeline.tenant,
                )  # fmt: skip
                told_now = record_events.conflict(pipeline, work.object, merged, found)
                await self.store.tell_conflict(work, told_now, conflict=conflict)
            in_ameise = await self._write_ameise(pipeline, sides.ameise, sides.before, merged)
        except (VendorError, CannotConvert) as error:
            told = record_events.of_ameise(pipeline, work.object, Merged(), found, newly=newly)
            return Half(link, told_void + told, self._decide(work, error))
        failed: VendorError | None = None
        in_zoho: Mapping[str, Value] = {}
        try:
            in_zoho, link = await self._write_zoho(pipeline, sides.zoho, sides.record, merged, link)
        except VendorError as error:
            failed = error
        ameise_base, zoho_base = bases_after(
            fields,
            merged,
            ameise=ameise,
            zoho=in_record,
            ameise_read_back=in_ameise,
            zoho_read_back=in_zoho,
        )
        questions = questions_after(
            fields,
            merged,
            link.asked,
            ameise=ameise,
            zoho=in_record,
            settled=ameise_base,
            now=datetime.now(UTC),
        )
        # Also what an earlier try wrote before it was cut off, what a person changed in Ameise, and all of an
        # object that is read for the first time: it is as new as our own writes, and a delivery made before
        # it must not take it back.
        fresh = [*merged.to_ameise, *link.new_in_ameise(ameise_base)]
        done = (
            replace(link, asked=questions).with_bases(ameise=ameise_base, zoho=zoho_base).having_seen(fresh)
        )
        told = told_void + record_events.of_ameise(pipeline, work.object, merged, found, newly=newly)
        if failed is not None:
            return Half(done, told, self._decide(work, failed))
        told += record_events.of_zoho(pipeline, work.object, merged, found)
        nothing = () if merged.conflicts else (record_events.already_equal(pipeline, work.object, found),)
        return Done(done, told or nothing)

    async def _object_of(
        self, pipeline: Pipeline, ameise: AmeiseClient, work: Work, link: Link, record: Record
    ) -> Found | Postpone | Park:
        """What the record belongs to: by link, by the number in the record, or made now."""
        number = number_of(pipeline, link, record)
        if isinstance(number, Park):
            return number
        if number is None:
            wanted = self.wanted(pipeline, record)
            found = await self.objects[pipeline.table].find_or_create(pipeline, ameise, work, record, wanted)
            if not isinstance(found, Found):
                return found
        else:
            found = Found(number, adopted=not link.linked)
        return await self.taken(pipeline, link, found.key) or found

    async def taken(self, pipeline: Pipeline, link: Link, number: str) -> Park | None:
        """Why the object cannot be that of a record which is not linked yet."""
        if link.linked:
            return None
        async with self.database.tenant(pipeline.tenant) as session:
            holder = await link_store.holder_of_key(session, pipeline, number)
        if holder is None or holder == link.zoho_id:
            return None
        if pipeline.table is Table.KUNDE:
            return Park(ParkedCause.KUNDE_TAKEN, {"kunde": number, "zoho_id": holder})
        about = {"table": pipeline.table.value, "key": number, "zoho_id": holder}
        return Park(ParkedCause.NUMBER_TAKEN, about)

    async def with_bases_sent(
        self, pipeline: Pipeline, link: Link, key: str, record: Mapping[str, Any]
    ) -> Link:
        """The link with the bases that a delivery remembered when it made this record and its answer got
        lost: without them, what was edited since would look like a conflict."""
        async with self.database.tenant(pipeline.tenant) as session:
            sent = await link_store.sent_for(session, pipeline, key)
        if sent is None or link.zoho_base is not None or not is_made_by_send(sent.own_write, record):
            return link
        return replace(link, ameise_base=sent.ameise_base, zoho_base=sent.zoho_base)

    def wanted(self, pipeline: Pipeline, record: Mapping[str, Any]) -> dict[str, Known]:
        """The record's values in Ameise's form, as a new object needs them."""
        wanted: dict[str, Known] = {}
        conversion = Conversion(link_base=self.link_base, resolve=_nothing)
        for mapping in pipeline.definition.fields:
            if mapping.zoho in pipeline.drift.left_out:
                continue
            value = read_zoho(mapping, record)
            if mapping.way is not Way.TO_ZOHO and value is not UNKNOWN:
                converted = conversion.to_ameise(mapping, value)
                if converted is not None:  # what is missing is told all at once, by the Erstanlage
                    check(mapping, converted, receiver=mapping.ameise)
                wanted[mapping.ameise] = converted
        return wanted

    async def merge(
        self, pipeline: Pipeline, before: InAmeise, record: Mapping[str, Any], link: Link
    ) -> Merged:
        resolve = await lookups.resolver(self.database, pipeline, {**before.fields, "key": before.key})
        return merge_fitting(
            pipeline,
            ameise=values_of(pipeline, before),
            zoho=zoho_values(pipeline.definition, record),
            ameise_base=link.ameise_base,
            zoho_base=link.zoho_base,
            conversion=Conversion(link_base=self.link_base, resolve=resolve),
            asked=decisions_of(link.asked),
        )

    async def check(self, pipeline: Pipeline, ameise: AmeiseClient, before: InAmeise, merged: Merged) -> None:
        """Raises Unfit or Rejected if Ameise would not take what the merge wants to write there."""
        if merged.to_ameise:
            await self.objects[pipeline.table].check(pipeline, ameise, before, merged.to_ameise)

    async def _write_ameise(
        self, pipeline: Pipeline, ameise: AmeiseClient, before: InAmeise, merged: Merged
    ) -> Mapping[str, Value]:
        """Write to Ameise what the merge found; returns the object's values as read back."""
        if not merged.to_ameise:
            return {}
        return values_of(pipeline, await before.changed(ameise, merged.to_ameise))

    async def _write_zoho(
        self, pipeline: Pipeline, zoho: ZohoClient, record: Record, merged: Merged, link: Link
    ) -> tuple[Mapping[str, Value], Link]:
        """Write to Zoho what the merge found; returns the record's values as read back, and the link that
        knows of our write.

        Raises Stale if somebody changed the record since we read it.
        """
        if not merged.to_zoho:
            return {}, link
        changes = {**sent_to_zoho(pipeline, merged), "id": record["id"]}
        [result] = await zoho.update(pipeline.module, [changes], if_unmodified_since=modified_time(record))
        if (error := result.error()) is not None:
            raise error
        reread = await zoho.get_record(pipeline.module, record["id"], pipeline.zoho_fields)
        moment = result.modified_time
        ours = unread(merged.to_zoho, since=moment, until=moment, author=result.author)
        values = read_back(pipeline, merged, reread, written_at=moment, author=result.author)
        return values, replace(link, own_write=link_store.own_write(ours) or link.own_write)

    async def _still_ours(self, work: Work, link: Link) -> None:
        """Make sure that nobody took over, before a write. Raises LeaseLost."""
        if time.monotonic() < work.safe_until:
            return
        async with self.database.tenant(work.tenant) as session:
            await work_store.check(session, [work])
            await link_store.check(session, [link])


def _having_seen(result: Result, pipeline: Pipeline, record: Record) -> Result:
    """What is parked remembers what the record held: as long as that stays, it need not be tried again."""
    match result:
        case Park():
            return _remembering(result, pipeline, record)
        case Half(decision=Park() as park):
            return replace(result, decision=_remembering(park, pipeline, record))
        case _:
            return result


def _remembering(park: Park, pipeline: Pipeline, record: Record) -> Park:
    return replace(park, details={**park.details, RECORD_SEEN: as_seen(pipeline, record)})


def number_of(pipeline: Pipeline, link: Link, record: Mapping[str, Any]) -> AmeiseKey | Park | None:
    """What the record belongs to, by its link or what stands in it; None if it says nothing."""
    field = pipeline.definition.unique_field
    in_record = str(record.get(field) or "").strip()
    if link.linked and in_record and in_record != link.ameise_key:
        # Two records were merged in Zoho, or somebody typed another number: whose edits are these?
        if pipeline.table is Table.KUNDE:
            about = {"typed": in_record[:20], "kunde": link.ameise_key or ""}
            return Park(ParkedCause.OTHER_NUMBER, about)
        about = {"table": pipeline.table.value, "key": link.ameise_key or "", "field": field}
        about[SEEN] = seen(in_record)
        return Park(ParkedCause.NUMBER_DIFFERS, about)
    number = link.ameise_key or in_record
    try:
        kind = Kundennummer if pipeline.table is Table.KUNDE else Vertragsnummer
        return kind(number) if number else None
    except ValueError:
        return Park(ParkedCause.NO_NUMBER, {"field": field})


def values_of(pipeline: Pipeline, found: InAmeise) -> dict[str, Value]:
    return ameise_values(pipeline.definition, found.key, found.fields)


def _nothing(_module: str, _key: str) -> None:
    """What lookups lead to on the way to Ameise, which they never take."""


def _ms_since(begun: float) -> float:
    return round((time.perf_counter() - begun) * 1000, 1)
