"""Up to 100 objects of Ameise brought to one Zoho module: fetch, judge, merge, write, remember.

One call reads the linked records, one updates them, one upserts the new ones by our own unique field. What
was written is not read back but recognised at the next look (`recognising`). Objects that need no call are
no part of the 100: as long as more wait, others take their places, so that calls are full. Results are judged
record by record: a bad one never holds up the others.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog

from chassis.database import Database
from chassis.rpc import RpcClient
from contracts.actor import Actor
from contracts.events import ObjectAction
from contracts.ids import AmeiseKey
from contracts.names import Service, Table
from contracts.problems import Problem
from contracts.rpc.ingest import OBJECTS, ComposedObject, ObjectsRequest
from contracts.rpc.sync_parked import ParkedCause
from contracts.work import CHUNK_SIZE
from sync import link_store, pipeline_store, work_store
from sync.batch import (
    Item,
    Merging,
    Settled,
    Unsettled,
    Verdict,
    as_sent,
    judge_before_writing,
    merge_item,
    newest_change,
    written,
)
from sync.batch_store import BatchStore
from sync.drift_watch import DriftWatch
from sync.full_calls import FULL_CALL, FullCalls, rows_to_add
from sync.link_store import Link
from sync.mapping import Conversion, Converter, FieldMapping, sources_of
from sync.meeting import with_records_of_intents
from sync.pipelines import Pipeline
from sync.recognising import unread
from sync.retry import Park, Postpone, decide
from sync.systems import Systems
from sync.work_store import Lane, Work
from sync.workers import More
from sync.zoho_records import sent_to_zoho
from vendor.errors import Stale, VendorError
from zoho.client import ZohoClient
from zoho.models import Record, RecordResult

log: structlog.stdlib.BoundLogger = structlog.get_logger()

BUSY_DELAY = timedelta(seconds=1)
WAIT_FOR_KUNDE = timedelta(seconds=2)
WAIT_FOR_PARKED_KUNDE = timedelta(minutes=1)
WAIT_FOR_INGEST = timedelta(seconds=2)
PAUSED_DELAY = timedelta(seconds=30)
BLOCKED_DELAY = timedelta(minutes=1)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
"""Every record was modified after it."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What became of a batch before anything is written: verdicts, and items to be written by `zoho`.

    `newest` is when the youngest of the records read was changed.
    """

    verdicts: list[Verdict]
    merging: Sequence[Merging] = ()
    newest: datetime | None = None
    zoho: ZohoClient | None = None


@dataclass(frozen=True, slots=True)
class Sides:
    """What a batch is merged with: links by key, the records that they name by Zoho id, lookups resolved."""

    zoho: ZohoClient
    links: Mapping[str, Link]
    records: Mapping[str, Record]
    conversion: Conversion

    def of(self, item: Item) -> tuple[Link, Record | None]:
        """An item's link and record."""
        link = self.links[item.object.key]
        return link, self.records.get(link.zoho_id or "")


@dataclass(frozen=True, slots=True)
class ToZoho:
    """Does the work of a batch of one pipeline. All state is in the database."""

    database: Database
    store: BatchStore
    rpc: RpcClient
    systems: Systems
    drift: DriftWatch
    full_calls: FullCalls
    link_base: str
    lease: timedelta
    give_up_after: timedelta

    async def __call__(self, works: list[Work], more: More) -> None:
        """Do the batch and store what came of it. Raises LeaseLost if somebody else has a row by now.

        `more(count)` takes further rows of the same pipeline, and puts them into `works`.
        """
        begun = time.perf_counter()
        tenant = works[0].tenant
        pipeline = await pipeline_store.load(self.database.each_alone(tenant), works[0].pipeline)
        if pipeline is None or not pipeline.definition.takes_deliveries:
            async with self.database.tenant(tenant) as session:
                await work_store.check(session, works)
                await work_store.finish(session, works)
            return
        if pipeline.enabled:
            pipeline = await self.drift.checked(pipeline)
        leased: list[Link] = []
        try:
            verdicts = await self._bring_in_step(pipeline, works, more, leased)
        except VendorError as error:
            verdicts = [self._failed(work, error) for work in works]
        except Problem as problem:  # ingest refused or did not answer
            later = Postpone(WAIT_FOR_INGEST, f"ingest: {problem.detail}", counts=False)
            verdicts = [Unsettled(work, later) for work in works]
        duration_ms = (time.perf_counter() - begun) * 1000 / len(works)
        await self.store(pipeline, verdicts, leased, duration_ms=round(duration_ms, 1))

    async def _bring_in_step(
        self, pipeline: Pipeline, works: list[Work], more: More, leased: list[Link]
    ) -> list[Verdict]:
        if not pipeline.enabled:
            paused = Postpone(PAUSED_DELAY, "die Pipeline ist pausiert", counts=False)
            return [Unsettled(work, paused) for work in works]
        if pipeline.drift.blocked:
            waits = Postpone(BLOCKED_DELAY, pipeline.drift.blocked, counts=False)
            return [Unsettled(work, waits) for work in works]
        verdicts, items = await self._gather(pipeline, works, more)
        prepared = await self.prepare(
            pipeline, items, leased, urgent=works[0].lane <= Lane.WEBHOOK, lasting=self.lease
        )
        written = await self._write(pipeline, prepared)
        return [*verdicts, *prepared.verdicts, *written]

    async def judge(
        self, pipeline: Pipeline, works: Sequence[Work], *, anew: bool = False
    ) -> tuple[list[Verdict], list[Item]]:
        """The verdicts on those rows that need no writing, and the items that do.

        `anew`: also if they were judged as they are. Raises Problem of ingest.
        """
        verdicts, items = await self._fetch(pipeline, works, anew=anew)
        return verdicts, await self._ready(pipeline, items, verdicts)

    async def prepare(
        self,
        pipeline: Pipeline,
        items: Sequence[Item],
        leased: list[Link],
        *,
        urgent: bool,
        lasting: timedelta,
    ) -> Prepared:
        """Read and merge up to 100 items; whoever asks writes them.

        What is leased is put into `leased` at once, to be given back whatever happens. Raises VendorError.
        """
        verdicts: list[Verdict] = []
        links = await self._lease(pipeline, items, verdicts, lasting=lasting)
        leased += links.values()
        items = [item for item in items if item.object.key in links]
        if not items:
            return Prepared(verdicts)
        sides = await self.read(pipeline, items, links, urgent=urgent)
        merging: list[Merging] = []
        for item in items:
            merged = merge_item(pipeline, item, *sides.of(item), sides.conversion)
            if isinstance(merged, Merging):
                merging.append(merged)
            else:
                verdicts.append(merged)
        return Prepared(verdicts, merging, newest_change(sides.records), sides.zoho)

    async def read(
        self, pipeline: Pipeline, items: Sequence[Item], links: Mapping[str, Link], *, urgent: bool
    ) -> Sides:
        """What is needed to merge items that have links. Raises VendorError."""
        met = await with_records_of_intents(self.database, pipeline, items, links)
        zoho = await self.systems.zoho(pipeline, urgent=urgent)
        records = await self._read_linked(pipeline, zoho, list(met.values()))
        return Sides(zoho, met, records, await self._conversion(pipeline, items))

    async def _gather(
        self, pipeline: Pipeline, works: list[Work], more: More
    ) -> tuple[list[Verdict], list[Item]]:
        """Enough items for a full call, if so many wait; and the verdicts on those that need none."""
        verdicts: list[Verdict] = []
        items: list[Item] = []
        fresh: Sequence[Work] = tuple(works)
        while fresh:
            settled, found = await self.judge(pipeline, fresh)
            verdicts += settled
            items += found
            wanted = rows_to_add(len(items), looked_through=len(works))
            fresh = await more(wanted) if wanted else ()
        self.full_calls.note(pipeline.tenant, pipeline.id, found=len(items), looked_through=len(works))
        surplus = Postpone(timedelta(0), "passt nicht mehr in den Aufruf", counts=False)
        verdicts += [Unsettled(item.work, surplus) for item in items[FULL_CALL:]]
        return verdicts, items[:FULL_CALL]

    async def _fetch(
        self, pipeline: Pipeline, works: Sequence[Work], *, anew: bool
    ) -> tuple[list[Verdict], list[Item]]:
        """The objects as ingest has them now; what needs no writing has its verdict already."""
        keys = tuple(AmeiseKey(work.object) for work in works)
        objects = await self._objects(pipeline, pipeline.table, keys)
        each_alone = self.database.each_alone(pipeline.tenant)
        judged = await pipeline_store.judged_versions(each_alone, pipeline, keys)
        gone = [key for key, found in objects.items() if found.gone]
        linked = (
            await link_store.zoho_ids_of(each_alone, pipeline, pipeline.module, pipeline.table, gone)
            if gone
            else {}
        )
        verdicts: list[Verdict] = []
        items: list[Item] = []
        for work, key in zip(works, keys, strict=True):
            found = objects.get(key)
            if found is None:
                about = {"table": pipeline.table.value, "key": work.object}
                verdicts.append(Unsettled(work, Park(ParkedCause.OBJECT_UNKNOWN, about)))
                continue
            item = Item(work, found)
            if judged.get(found.key) == found.version and not anew:
                verdicts.append(Settled(item, outcome=None))
                continue
            verdict = judge_before_writing(pipeline, item, zoho_id=linked.get(found.key))
            if verdict is not None:
                verdicts.append(verdict)
            else:
                items.append(item)
        return verdicts, items

    async def _objects(
        self, pipeline: Pipeline, table: Table, keys: Sequence[AmeiseKey]
    ) -> dict[AmeiseKey, ComposedObject]:
        actor = Actor.of_service(Service.SYNC, pipeline.tenant)
        objects: dict[AmeiseKey, ComposedObject] = {}
        for start in range(0, len(keys), CHUNK_SIZE):
            some = ObjectsRequest(table=table, keys=tuple(keys[start : start + CHUNK_SIZE]))
            reply = await self.rpc.call(OBJECTS, some, actor=actor)
            objects |= {found.key: found for found in reply.objects}
        return objects

    async def _ready(self, pipeline: Pipeline, items: Sequence[Item], verdicts: list[Verdict]) -> list[Item]:
        """Items whose Kunde has been judged; the others wait, so that a Vertrag finds its lookup.

        A Kunde that ingest does not know, or that is gone, is not waited for.
        """
        lookups = [m for m in pipeline.definition.fields if _looks_up(m, Table.KUNDE)]
        if not lookups:
            return list(items)
        kunden = sorted({key for m in lookups for key in keys_looked_up(m, items)})
        async with self.database.tenant(pipeline.tenant) as session:
            open_ = await pipeline_store.kunden_not_judged(session, pipeline, kunden)
            parked = await work_store.parked_objects(session, sorted(open_))
        if not open_:
            return list(items)
        known = await self._objects(pipeline, Table.KUNDE, sorted(open_))
        waited_for = {key for key in open_ if key in known and not known[key].gone}
        ready: list[Item] = []
        for item in items:
            wanted = {key for m in lookups for key in keys_looked_up(m, [item])} & waited_for
            if not wanted:
                ready.append(item)
                continue
            kunde = min(wanted)
            # Not parked along with its Kunde: whoever sees to that one need not see to all his Verträge.
            reason = f"wartet auf Kunde {kunde}" + (", der geparkt ist" if kunde in parked else "")
            delay = WAIT_FOR_PARKED_KUNDE if kunde in parked else WAIT_FOR_KUNDE
            verdicts.append(Unsettled(item.work, Postpone(delay, reason, counts=False)))
        return ready

    async def _lease(
        self, pipeline: Pipeline, items: Sequence[Item], verdicts: list[Verdict], *, lasting: timedelta
    ) -> dict[str, Link]:
        if not items:
            return {}
        keys = [item.object.key for item in items]
        held = await link_store.lease_by_keys(
            self.database.each_alone(pipeline.tenant),
            pipeline,
            keys,
            owner=items[0].work.owner,
            lasting=lasting,
        )
        busy = Postpone(BUSY_DELAY, "in Arbeit", counts=False)
        verdicts += [Unsettled(item.work, busy) for item in items if item.object.key not in held]
        return held

    async def _read_linked(
        self, pipeline: Pipeline, zoho: ZohoClient, links: Sequence[Link]
    ) -> dict[str, Record]:
        ids = [link.zoho_id for link in links if link.zoho_id is not None]
        return await zoho.get_records(pipeline.module, ids, pipeline.zoho_fields) if ids else {}

    async def _conversion(self, pipeline: Pipeline, items: Sequence[Item]) -> Conversion:
        """The converters, with all lookups of the batch resolved by one query per module."""
        resolved: dict[tuple[str, str], str] = {}
        for mapping in pipeline.definition.fields:
            if mapping.converter is not Converter.LOOKUP or mapping.module is None:
                continue
            keys = keys_looked_up(mapping, items)
            found = await link_store.zoho_ids_of(
                self.database.each_alone(pipeline.tenant), pipeline, mapping.module, mapping.points_to, keys
            )
            resolved |= {(mapping.module, key): zoho_id for key, zoho_id in found.items()}
        return Conversion(
            link_base=self.link_base,
            resolve=lambda module, key: resolved.get((module, key)),
        )

    async def _write(self, pipeline: Pipeline, prepared: Prepared) -> list[Verdict]:
        """Update the linked ones, upsert the new ones; a call that fails as a whole fails only its items."""
        merging, zoho = prepared.merging, prepared.zoho
        if not merging or zoho is None:
            return []
        linked = [m for m in merging if not m.is_new]
        new = [m for m in merging if m.is_new]
        each_alone = self.database.each_alone(pipeline.tenant)
        await link_store.check_held(each_alone, [m.item.work for m in merging], [m.link for m in merging])
        if new:
            async with self.database.tenant(pipeline.tenant) as session:
                await link_store.remember_sent(session, [as_sent(pipeline, m) for m in new])
        return [
            *await self._write_call(pipeline, zoho, linked, newest=prepared.newest),
            *await self._write_new(pipeline, zoho, new),
        ]

    async def _write_new(self, pipeline: Pipeline, zoho: ZohoClient, new: Sequence[Merging]) -> list[Verdict]:
        """Make the records of objects that are linked to none. A record that Zoho turns out to have already
        (a write whose answer was lost, a restored backup) is not overwritten, but linked and merged with:
        somebody may have changed it meanwhile."""
        if not new:
            return []
        unique = pipeline.definition.unique_field
        layout = pipeline.definition.layout
        fixed = {"Layout": {"id": layout}} if layout else {}
        inserts = [{**fixed, **sent_to_zoho(pipeline, m.merged), unique: m.item.object.key} for m in new]
        try:
            results = await zoho.upsert(
                pipeline.module, inserts, duplicate_check_fields=[unique], if_unmodified_since=LONG_AGO
            )
        except VendorError as error:
            return [self._failed(m.item.work, error) for m in new]
        there = [m for m, result in zip(new, results, strict=True) if isinstance(result.error(), Stale)]
        made = [(m, r) for m, r in zip(new, results, strict=True) if not isinstance(r.error(), Stale)]
        verdicts: list[Verdict] = [self._judge_result(pipeline, m, result) for m, result in made]
        return verdicts + await self._write_to_found(pipeline, zoho, there)

    async def _write_to_found(
        self, pipeline: Pipeline, zoho: ZohoClient, there: Sequence[Merging]
    ) -> list[Verdict]:
        """Link objects to the records that hold their numbers already, and bring both in step."""
        if not there:
            return []
        unique, items = pipeline.definition.unique_field, [m.item for m in there]
        try:
            # Changes nothing, but says which records they are: ALREADY_MODIFIED need not.
            named = await zoho.upsert(
                pipeline.module,
                [{unique: item.object.key} for item in items],
                duplicate_check_fields=[unique],
            )
            ids = [result.id for result in named if result.succeeded]
            records = await zoho.get_records(pipeline.module, ids, pipeline.zoho_fields)
        except VendorError as error:
            return [self._failed(item.work, error) for item in items]
        conversion = await self._conversion(pipeline, items)
        verdicts: list[Verdict] = []
        merging: list[Merging] = []
        for found, result in zip(there, named, strict=True):
            if (error := result.error()) is not None:
                verdicts.append(self._failed(found.item.work, error))
                continue
            link = replace(found.link, zoho_id=result.id)
            merged = merge_item(pipeline, found.item, link, records.get(result.id), conversion)
            if isinstance(merged, Merging):
                merging.append(merged)
            else:
                verdicts.append(merged)
        return verdicts + await self._write_call(pipeline, zoho, merging, newest=newest_change(records))

    async def _write_call(
        self, pipeline: Pipeline, zoho: ZohoClient, merging: Sequence[Merging], *, newest: datetime | None
    ) -> list[Verdict]:
        if not merging:
            return []
        updates = [{**sent_to_zoho(pipeline, m.merged), "id": m.link.zoho_id} for m in merging]
        await self.store.tell_conflicts(pipeline, merging)
        try:
            results = await zoho.update(pipeline.module, updates, if_unmodified_since=newest)
        except VendorError as error:
            return [self._failed(m.item.work, error) for m in merging]
        return [self._judge_result(pipeline, m, r) for m, r in zip(merging, results, strict=True)]

    def _judge_result(self, pipeline: Pipeline, merging: Merging, result: RecordResult) -> Verdict:
        if (error := result.error()) is not None:
            return self._failed(merging.item.work, error)
        action = ObjectAction.CREATED if result.action == "insert" else ObjectAction.UPDATED
        moment = result.modified_time
        remembered = unread(merging.merged.to_zoho, since=moment, until=moment, author=result.author)
        return written(pipeline, merging, zoho_id=result.id, action=action, unread=remembered)

    def _failed(self, work: Work, error: VendorError) -> Unsettled:
        decision = decide(
            error,
            attempts=work.attempts,
            failing_since=work.failing_since,
            now=datetime.now(UTC),
            give_up_after=self.give_up_after,
        )
        return Unsettled(work, decision)


def _looks_up(mapping: FieldMapping, table: Table) -> bool:
    return mapping.converter is Converter.LOOKUP and mapping.points_to is table


def keys_looked_up(mapping: FieldMapping, items: Sequence[Item]) -> list[AmeiseKey]:
    """The keys that a lookup's field holds, each once; what cannot be a key is nobody's."""
    [source] = sources_of(mapping)
    found = {str(item.object.fields.get(source) or "") for item in items}
    return sorted(AmeiseKey(key) for key in found if AmeiseKey.pattern.fullmatch(key))
