"""Up to 100 objects of Ameise brought to one Zoho module: fetch, judge, merge, write, remember.

One call reads the linked records, one updates them, one upserts the new ones by our own unique field, one
reads back what was written. Results are judged record by record: a bad one never holds up the others.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog

from chassis.database import Database
from chassis.rpc import RpcClient
from contracts.actor import Actor
from contracts.events import ObjectAction, WrittenToZoho
from contracts.ids import AmeiseKey, ZohoId
from contracts.names import Service, Table
from contracts.problems import Problem
from contracts.rpc.ingest import OBJECTS, ComposedObject, ObjectsRequest
from sync import link_store, pipeline_store, work_store
from sync.batch import (
    Item,
    Merging,
    Settled,
    Unsettled,
    Verdict,
    change_of,
    conflicts_of,
    judge_before_writing,
    merge_item,
    newest_change,
    with_new_bases,
)
from sync.batch_store import BatchStore
from sync.link_store import Link
from sync.mapping import Conversion, Converter, FieldMapping, sources_of
from sync.pipelines import Pipeline
from sync.retry import Park, ParkedReason, Postpone, decide
from sync.systems import Systems
from sync.work_store import Work
from sync.zoho_records import read_back, sent_to_zoho
from vendor.errors import VendorError
from zoho.client import ZohoClient
from zoho.models import Record, RecordResult

log: structlog.stdlib.BoundLogger = structlog.get_logger()

BUSY_DELAY = timedelta(seconds=1)
WAIT_FOR_KUNDE = timedelta(seconds=2)
WAIT_FOR_PARKED_KUNDE = timedelta(minutes=1)
WAIT_FOR_INGEST = timedelta(seconds=2)
PAUSED_DELAY = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class ToZoho:
    """Does the work of a batch of one pipeline. All state is in the database."""

    database: Database
    store: BatchStore
    rpc: RpcClient
    systems: Systems
    link_base: str
    lease: timedelta
    give_up_after: timedelta

    async def __call__(self, works: Sequence[Work]) -> None:
        """Do the batch and store what came of it. Raises LeaseLost if somebody else has a row by now."""
        begun = time.perf_counter()
        async with self.database.tenant(works[0].tenant) as session:
            pipeline = await pipeline_store.load(session, works[0].pipeline)
            if pipeline is None:
                await work_store.finish(session, works)
                return
        leased: list[Link] = []
        try:
            verdicts = await self._bring_in_step(pipeline, works, leased)
        except VendorError as error:
            verdicts = [self._failed(work, error) for work in works]
        except Problem as problem:  # ingest refused or did not answer
            later = Postpone(WAIT_FOR_INGEST, f"ingest: {problem.detail}", counts=False)
            verdicts = [Unsettled(work, later) for work in works]
        duration_ms = (time.perf_counter() - begun) * 1000 / len(works)
        await self.store(pipeline, verdicts, leased, duration_ms=round(duration_ms, 1))

    async def _bring_in_step(
        self, pipeline: Pipeline, works: Sequence[Work], leased: list[Link]
    ) -> list[Verdict]:
        if not pipeline.enabled:
            paused = Postpone(PAUSED_DELAY, "die Pipeline ist pausiert", counts=False)
            return [Unsettled(work, paused) for work in works]
        verdicts, items = await self._fetch(pipeline, works)
        items = await self._ready(pipeline, items, verdicts)
        links = await self._lease(pipeline, items, verdicts)
        leased += links.values()
        items = [item for item in items if item.object.key in links]
        if not items:
            return verdicts
        zoho = await self.systems.zoho(pipeline)
        records = await self._read_linked(pipeline, zoho, list(links.values()))
        conversion = await self._conversion(pipeline, items)
        merging: list[Merging] = []
        for item in items:
            link = links[item.object.key]
            merged = merge_item(pipeline, item, link, records.get(link.zoho_id or ""), conversion)
            if isinstance(merged, Merging):
                merging.append(merged)
            else:
                verdicts.append(merged)
        return verdicts + await self._write(pipeline, zoho, merging, newest=newest_change(records))

    async def _fetch(self, pipeline: Pipeline, works: Sequence[Work]) -> tuple[list[Verdict], list[Item]]:
        """The objects as ingest has them now; what needs no writing has its verdict already."""
        keys = tuple(AmeiseKey(work.object) for work in works)
        objects = await self._objects(pipeline, pipeline.table, keys)
        async with self.database.tenant(pipeline.tenant) as session:
            judged = await pipeline_store.judged_versions(session, pipeline, keys)
            linked = await link_store.zoho_ids_of(session, pipeline, pipeline.module, pipeline.table, keys)
        verdicts: list[Verdict] = []
        items: list[Item] = []
        for work in works:
            found = objects.get(AmeiseKey(work.object))
            if found is None:
                reason = f"{ParkedReason.REJECTED}: ingest kennt {pipeline.table} {work.object} nicht"
                verdicts.append(Unsettled(work, Park(reason)))
                continue
            item = Item(work, found)
            if judged.get(found.key) == found.version:
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
        reply = await self.rpc.call(OBJECTS, ObjectsRequest(table=table, keys=tuple(keys)), actor=actor)
        return {found.key: found for found in reply.objects}

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
        self, pipeline: Pipeline, items: Sequence[Item], verdicts: list[Verdict]
    ) -> dict[str, Link]:
        if not items:
            return {}
        keys = [item.object.key for item in items]
        async with self.database.tenant(pipeline.tenant) as session:
            held = await link_store.lease_by_keys(
                session, pipeline, keys, owner=items[0].work.owner, lasting=self.lease
            )
        busy = Postpone(BUSY_DELAY, "in Arbeit", counts=False)
        verdicts += [Unsettled(item.work, busy) for item in items if item.object.key not in held]
        return held

    async def _read_linked(
        self, pipeline: Pipeline, zoho: ZohoClient, links: Sequence[Link]
    ) -> dict[str, Record]:
        ids = [link.zoho_id for link in links if link.zoho_id is not None]
        return await zoho.get_records(pipeline.module, ids, pipeline.definition.zoho_fields) if ids else {}

    async def _conversion(self, pipeline: Pipeline, items: Sequence[Item]) -> Conversion:
        """The converters, with all lookups of the batch resolved by one query per module."""
        resolved: dict[tuple[str, str], str] = {}
        for mapping in pipeline.definition.fields:
            if mapping.converter is not Converter.LOOKUP or mapping.module is None:
                continue
            keys = keys_looked_up(mapping, items)
            async with self.database.tenant(pipeline.tenant) as session:
                found = await link_store.zoho_ids_of(
                    session, pipeline, mapping.module, mapping.points_to, keys
                )
            resolved |= {(mapping.module, key): zoho_id for key, zoho_id in found.items()}
        return Conversion(
            link_base=self.link_base,
            resolve=lambda module, key: resolved.get((module, key)),
        )

    async def _write(
        self, pipeline: Pipeline, zoho: ZohoClient, merging: Sequence[Merging], *, newest: datetime | None
    ) -> list[Verdict]:
        """Update the linked ones, upsert the new ones; a call that fails as a whole fails only its items."""
        if not merging:
            return []
        async with self.database.tenant(pipeline.tenant) as session:
            await work_store.check(session, [m.item.work for m in merging])
            await link_store.check(session, [m.link for m in merging])
        linked = [m for m in merging if m.link.zoho_id is not None]
        new = [m for m in merging if m.link.zoho_id is None]
        return [
            *await self._write_call(pipeline, zoho, linked, newest=newest),
            *await self._write_call(pipeline, zoho, new, newest=None),
        ]

    async def _write_call(
        self, pipeline: Pipeline, zoho: ZohoClient, merging: Sequence[Merging], *, newest: datetime | None
    ) -> list[Verdict]:
        if not merging:
            return []
        unique = pipeline.definition.unique_field
        try:
            if merging[0].link.zoho_id is not None:
                updates = [{**sent_to_zoho(pipeline, m.merged), "id": m.link.zoho_id} for m in merging]
                results = await zoho.update(pipeline.module, updates, if_unmodified_since=newest)
            else:
                layout = pipeline.definition.layout
                fixed = {"Layout": {"id": layout}} if layout else {}
                inserts = [
                    {**fixed, **sent_to_zoho(pipeline, m.merged), unique: m.item.object.key} for m in merging
                ]
                results = await zoho.upsert(pipeline.module, inserts, duplicate_check_fields=[unique])
        except VendorError as error:
            return [self._failed(m.item.work, error) for m in merging]
        reread = await self._read_back(pipeline, zoho, [r.id for r in results if r.succeeded])
        pairs = zip(merging, results, strict=True)
        return [self._judge_result(pipeline, m, result, reread) for m, result in pairs]

    async def _read_back(self, pipeline: Pipeline, zoho: ZohoClient, ids: Sequence[str]) -> dict[str, Record]:
        """The records as Zoho keeps them after our write; without them, what we sent becomes the base."""
        if not ids:
            return {}
        try:
            return await zoho.get_records(pipeline.module, ids, pipeline.definition.zoho_fields)
        except VendorError as error:
            log.warning("zoho.not_read_back", module=pipeline.module, records=len(ids), error=str(error))
            return {}

    def _judge_result(
        self, pipeline: Pipeline, merging: Merging, result: RecordResult, reread: dict[str, Record]
    ) -> Verdict:
        item, merged = merging.item, merging.merged
        if (error := result.error()) is not None:
            return self._failed(item.work, error)
        read = read_back(pipeline, merged, reread.get(result.id), written_at=result.modified_time)
        link = replace(with_new_bases(pipeline, merging, zoho_read_back=read), zoho_id=result.id)
        action = ObjectAction.CREATED if result.action == "insert" else ObjectAction.UPDATED
        told = WrittenToZoho(
            pipeline=pipeline.id,
            module=pipeline.module,
            zoho_id=ZohoId(result.id),
            object=change_of(pipeline, item, action, sorted(merged.to_zoho)),
        )
        events = (*conflicts_of(pipeline, merging), told)
        behind = bool(merged.to_ameise or merging.link.written_after(item.object.as_of))
        return Settled(item, merging.outcome, link, events, look_at_zoho=behind)

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
