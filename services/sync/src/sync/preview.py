"""What would become of an object or record if it were looked at now: the decisions of the work itself, with
nothing sent, leased or stored."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ameise.client import AmeiseClient
from chassis.database import Database
from chassis.rpc import Caller, RpcClient
from contracts import problems
from contracts.actor import Actor
from contracts.ids import AmeiseKey, new_id
from contracts.names import Service
from contracts.problems import NotFound
from contracts.rpc.ingest import BUCKETS, DIGEST, BucketsRequest, DigestRequest
from contracts.rpc.sync_parked import ParkedCause
from contracts.rpc.sync_preview import AT_RANDOM, Foreseen, ObjectPreview, Preview, PreviewRequest
from sync import link_store, pipeline_store, waiting_store
from sync.batch import merge_both
from sync.in_ameise import Found
from sync.link_store import Link
from sync.mapping import CannotConvert
from sync.outside_words import NotPossible, named, why_refused
from sync.pipelines import Pipeline, includes_record
from sync.preview_words import foreseen, of_merged, of_new_object, of_verdict, with_deletions
from sync.recognising import having_read
from sync.retry import Park, Postpone, refused
from sync.sides import zoho_values
from sync.systems import Systems
from sync.to_ameise import ToAmeise, number_of, values_of
from sync.to_zoho import ToZoho
from sync.work_store import Lane, Work
from vendor.errors import NotConnected, NotNow, Rejected, VendorError
from zoho.models import Record

FIRST_BUCKETS = 5


@dataclass(frozen=True, slots=True)
class Previewing:
    """Answers one RPC."""

    database: Database
    rpc: RpcClient
    systems: Systems
    to_zoho: ToZoho
    to_ameise: ToAmeise

    async def __call__(self, request: PreviewRequest, caller: Caller) -> Preview:
        """Raises NotFound; Conflict, NotConnected or Unavailable for what the outside systems say."""
        async with self.database.tenant(caller.tenant) as session:
            pipeline = await pipeline_store.load(session, request.pipeline)
        if pipeline is None:
            raise NotFound(f"es gibt keine Pipeline {request.pipeline}")
        try:
            return Preview(objects=tuple(await self._look(pipeline, request)))
        except NotConnected as error:
            raise problems.NotConnected(f"{named(error.system)} ist nicht verbunden") from error
        except Rejected as error:
            raise problems.Conflict(why_refused(error)) from error
        except NotNow as error:
            raise problems.Unavailable(str(error)) from error
        except VendorError as error:
            raise problems.Unavailable(f"{named(error.system)} antwortet zurzeit nicht") from error

    async def _look(self, pipeline: Pipeline, request: PreviewRequest) -> Sequence[ObjectPreview]:
        """What is asked for from the side that the pipeline does not listen to is found by its link."""
        takes_deliveries = pipeline.definition.takes_deliveries
        if request.key is None and request.zoho_id is None:
            if takes_deliveries:
                return await self._objects(pipeline, await self._keys_at_random(pipeline))
            async with self.database.tenant(pipeline.tenant) as session:
                ids = await link_store.some_records(session, pipeline, count=AT_RANDOM)
            return [await self._record(pipeline, id_) for id_ in ids]
        if request.key is not None:
            if takes_deliveries:
                return await self._objects(pipeline, [request.key])
            async with self.database.tenant(pipeline.tenant) as session:
                link = (await link_store.of_keys(session, pipeline, [request.key])).get(request.key)
            if link is None or link.zoho_id is None:
                raise NotFound("Dazu gibt es in dieser Pipeline keine Verknüpfung.")
            return [await self._record(pipeline, link.zoho_id)]
        zoho_id = request.zoho_id or ""
        if pipeline.definition.takes_webhooks:
            return [await self._record(pipeline, zoho_id)]
        async with self.database.tenant(pipeline.tenant) as session:
            link = await link_store.of_record(session, pipeline, zoho_id)
        if link is None or link.ameise_key is None:
            raise NotFound("Dazu gibt es in dieser Pipeline keine Verknüpfung.")
        return await self._objects(pipeline, [AmeiseKey(link.ameise_key)])

    async def _keys_at_random(self, pipeline: Pipeline) -> list[AmeiseKey]:
        """Of what ingest has and is not gone. Buckets hold objects by chance, from none to some hundreds:
        more and more of them are asked for, until there are enough objects to choose from."""
        actor = Actor.of_service(Service.SYNC, pipeline.tenant)
        digest = await self.rpc.call(DIGEST, DigestRequest(table=pipeline.table), actor=actor)
        buckets = random.sample(digest.buckets, len(digest.buckets))
        there: list[AmeiseKey] = []
        count = FIRST_BUCKETS
        while buckets and len(there) < AT_RANDOM:
            some, buckets, count = buckets[:count], buckets[count:], count * 2
            request, more = BucketsRequest(table=pipeline.table, buckets=tuple(b.bucket for b in some)), True
            while more and len(there) < AT_RANDOM:
                page = await self.rpc.call(BUCKETS, request, actor=actor)
                there += [found.key for found in page.objects if not found.gone]
                more = page.more
                if more:
                    request = request.model_copy(update={"after": page.objects[-1].key})
        return random.sample(there, min(AT_RANDOM, len(there)))

    async def _objects(self, pipeline: Pipeline, keys: Sequence[AmeiseKey]) -> list[ObjectPreview]:
        """What a delivery of these objects would do."""
        if not keys:
            return []
        works = [imagined(pipeline, key) for key in keys]
        verdicts, items = await self.to_zoho.judge(pipeline, works, anew=True)
        async with self.database.tenant(pipeline.tenant) as session:
            known = await link_store.of_keys(session, pipeline, keys)
            plans = await waiting_store.plans_for(session, pipeline, keys)
        links = {str(item.object.key): no_link(key=item.object.key) for item in items} | known
        shown = [of_verdict(pipeline, verdict, links=known) for verdict in verdicts]
        if not items:
            return with_deletions(shown, plans)
        sides = await self.to_zoho.read(pipeline, items, links, urgent=True)
        for item in items:
            merging = merge_both(pipeline, item, *sides.of(item), sides.conversion)
            shown.append(of_verdict(pipeline, merging, links=known))
        return with_deletions(sorted(shown, key=lambda one: one.key or ""), plans)

    async def _record(self, pipeline: Pipeline, zoho_id: str) -> ObjectPreview:
        """What a webhook of this record would do."""
        zoho = await self.systems.zoho(pipeline, urgent=True)
        ameise = await self.systems.ameise(pipeline, urgent=True)
        record = await zoho.get_record(pipeline.module, zoho_id, pipeline.zoho_fields)
        async with self.database.tenant(pipeline.tenant) as session:
            link = await link_store.of_record(session, pipeline, zoho_id) or no_link(zoho_id=zoho_id)
        if record is None:
            return foreseen(link, Foreseen.GONE_IN_ZOHO, "der Datensatz existiert in Zoho nicht mehr")
        match includes_record(pipeline.definition, record):
            case True:
                pass
            case False:
                return foreseen(link, Foreseen.EXCLUDED, "die Auswahlregel nimmt den Datensatz aus")
            case None:
                return foreseen(link, Foreseen.PARKED, Park(ParkedCause.RULE_UNDECIDED).reason)
        try:
            return await self._merged(pipeline, ameise, link, record)
        except CannotConvert as error:
            park = Park(ParkedCause.VALUE_UNFIT, {"problem": str(error)})
            return foreseen(link, Foreseen.PARKED, park.reason)
        except NotPossible as error:
            park = Park(ParkedCause.REFUSED_BY_AMEISE, refused(error))
            return foreseen(link, Foreseen.PARKED, park.reason)

    async def _merged(
        self, pipeline: Pipeline, ameise: AmeiseClient, link: Link, record: Record
    ) -> ObjectPreview:
        objects = self.to_ameise.objects[pipeline.table]
        number = number_of(pipeline, link, record)
        if number is None:
            wanted = self.to_ameise.wanted(pipeline, record)
            found = await objects.foresee(pipeline, ameise, record, wanted)
            if isinstance(found, Park | Postpone):
                waits = Foreseen.PARKED if isinstance(found, Park) else Foreseen.WAITS
                return foreseen(link, waits, found.reason)
            if not isinstance(found, Found):
                return of_new_object(pipeline, link, found, zoho_values(pipeline.definition, record))
            number = found.key
        if isinstance(number, Park):
            return foreseen(link, Foreseen.PARKED, number.reason)
        if (taken := await self.to_ameise.taken(pipeline, link, number)) is not None:
            return foreseen(link, Foreseen.PARKED, taken.reason)
        before = await objects.read(pipeline, ameise, number)
        if isinstance(before, Park):
            return foreseen(link, Foreseen.PARKED, before.reason)
        if not link.linked:
            link = await self.to_ameise.with_bases_sent(pipeline, link, number, record)
        in_ameise, in_zoho = values_of(pipeline, before), zoho_values(pipeline.definition, record)
        link = having_read(replace(link, ameise_key=number), record, in_zoho)
        merged = await self.to_ameise.merge(pipeline, before, record, link)
        await self.to_ameise.check(pipeline, ameise, before, merged)
        return of_merged(pipeline, link, merged, in_ameise, in_zoho)


def imagined(pipeline: Pipeline, key: AmeiseKey) -> Work:
    """A row of work that is on no table."""
    return Work(
        id=0, tenant=pipeline.tenant, pipeline=pipeline.id, object=key, asked=0, fence=0, owner="",
        safe_until=0.0, attempts=0, failing_since=None, correlationid=new_id(), causationid=None,
        lane=Lane.INTERACTIVE,
    )  # fmt: skip


def no_link(*, key: str | None = None, zoho_id: str | None = None) -> Link:
    """What a link is before the first work on its record or object."""
    nothing: Mapping[str, str] = {}
    return Link(0, 0, zoho_id, key, None, None, nothing, gone_in_zoho=False, linked=False)
