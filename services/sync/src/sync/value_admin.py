"""What an admin can ask of sync about the values of a mapped picklist, and about Zoho's users."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from chassis.database import Database
from chassis.rpc import Caller, RpcClient
from contracts import problems
from contracts.actor import Actor
from contracts.ids import AmeiseKey, TenantId
from contracts.names import Service, Table
from contracts.problems import Invalid, NotFound
from contracts.rpc.ingest import (
    BUCKETS,
    DIGEST,
    OBJECTS,
    BucketsRequest,
    DigestRequest,
    ObjectsRequest,
)
from contracts.rpc.pipeline_definition import Converter, FieldMapping
from contracts.rpc.sync_values import ListEntry, SuggestedValues, SuggestValues
from contracts.work import CHUNK_SIZE
from sync import pipeline_store
from sync.drift import NO_USERS
from sync.mapping import sources_of
from sync.pipelines import Pipeline
from sync.suggesting import LIST_FIELDS, ListField, PickValue, suggest
from sync.systems import Systems
from vendor.errors import NotConnected, Rejected, VendorError
from zoho.models import User

MOST_ENTRIES = 5_000
"""Of a list; Ameise's longest, the Gesellschaften, has some hundreds."""


@dataclass(frozen=True, slots=True)
class ValueAdmin:
    """One method per RPC."""

    database: Database
    rpc: RpcClient
    systems: Systems

    async def suggest_values(self, request: SuggestValues, caller: Caller) -> SuggestedValues:
        """Raises NotFound for a pipeline or field that is not there, Invalid for a field that is no list or
        no picklist, or if Zoho's users may not be read, and NotConnected or Unavailable if Zoho or ingest
        does not say."""
        async with self.database.tenant(caller.tenant) as session:
            pipeline = await pipeline_store.load(session, request.pipeline)
        if pipeline is None:
            raise NotFound(f"es gibt keine Pipeline {request.pipeline}")
        mapping = mapping_of(pipeline, request.field)
        listed = list_of(mapping)
        entries = await self._entries(caller.tenant, listed)
        names: dict[str, str] = {}
        if mapping.converter is Converter.USER:
            users = await self._users(pipeline)
            picklist = [PickValue(user.id, user.full_name or "") for user in users]
            names = {user.id: f"{user.full_name or ''} <{user.email or ''}>" for user in users}
        else:
            picklist = await self._picklist(pipeline, mapping.zoho)
        suggested = suggest(entries, picklist, mapping.values)
        return SuggestedValues(
            table=listed.table,
            values=dict(suggested.values),
            texts={} if listed.by_text else {value: entries[value] for value in suggested.values},
            unmatched=tuple(ListEntry(value=value, text=entries[value]) for value in suggested.unmatched),
            unused=tuple(suggested.unused),
            names=names,
        )

    async def _users(self, pipeline: Pipeline) -> list[User]:
        with problems_of_zoho():
            try:
                zoho = await self.systems.zoho(pipeline, urgent=True)
                return await zoho.list_active_users()
            except Rejected as error:
                raise Invalid(NO_USERS) from error

    async def _picklist(self, pipeline: Pipeline, field: str) -> list[PickValue]:
        with problems_of_zoho():
            zoho = await self.systems.zoho(pipeline, urgent=True)
            fields = await zoho.list_fields(pipeline.module)
        found = next((one for one in fields if one.api_name == field), None)
        if found is None:
            raise NotFound(f"{pipeline.module} hat in Zoho kein Feld {field}")
        values = [
            PickValue(value.actual_value or "", value.display_value or value.actual_value or "")
            for value in found.pick_list_values or ()
        ]
        if not values:
            raise Invalid(f"{field} ist in Zoho keine Auswahlliste")
        return values

    async def _entries(self, tenant: TenantId, listed: ListField) -> dict[str, str]:
        """What the mapped field may hold → the text of the entry, in the order of the keys."""
        keys = await self._keys(tenant, listed.table)
        entries: dict[str, str] = {}
        for start in range(0, len(keys), CHUNK_SIZE):
            request = ObjectsRequest(table=listed.table, keys=tuple(keys[start : start + CHUNK_SIZE]))
            reply = await self.rpc.call(OBJECTS, request, actor=Actor.of_service(Service.SYNC, tenant))
            for found in reply.objects:
                text = str(found.fields.get(listed.column) or "").strip()
                if text and not found.gone:
                    entries[text if listed.by_text else str(found.key)] = text
        return entries

    async def _keys(self, tenant: TenantId, table: Table) -> list[AmeiseKey]:
        actor = Actor.of_service(Service.SYNC, tenant)
        digest = await self.rpc.call(DIGEST, DigestRequest(table=table), actor=actor)
        if not digest.buckets:
            return []
        if sum(bucket.objects for bucket in digest.buckets) > MOST_ENTRIES:
            raise Invalid(f"{table} hat mehr als {MOST_ENTRIES} Einträge")
        request = BucketsRequest(table=table, buckets=tuple(bucket.bucket for bucket in digest.buckets))
        keys: list[AmeiseKey] = []
        while True:
            page = await self.rpc.call(BUCKETS, request, actor=actor)
            keys += [found.key for found in page.objects if not found.gone]
            if not page.more:
                return sorted(keys)
            request = request.model_copy(update={"after": page.objects[-1].key})


@contextmanager
def problems_of_zoho() -> Generator[None]:
    """What Zoho does not say is a problem that travels by RPC."""
    try:
        yield
    except NotConnected as error:
        raise problems.NotConnected(str(error), remedy="bitte Zoho neu verbinden") from error
    except VendorError as error:
        raise problems.Unavailable(str(error)) from error


def mapping_of(pipeline: Pipeline, field: str) -> FieldMapping:
    """Raises NotFound."""
    found = next((m for m in pipeline.definition.fields if field in {m.ameise, m.zoho}), None)
    if found is None:
        raise NotFound(f"die Pipeline „{pipeline.name}“ ordnet kein Feld {field} zu")
    return found


def list_of(mapping: FieldMapping) -> ListField:
    """The list whose entries a mapped field holds. Raises Invalid."""
    sources = sources_of(mapping)
    if len(sources) != 1 or sources[0] not in LIST_FIELDS:
        raise Invalid(f"{mapping.ameise} kommt aus keiner Liste von Ameise")
    return LIST_FIELDS[sources[0]]
