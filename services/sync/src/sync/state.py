"""How sync is doing: each pipeline, and one link with its bases and what both sides say now."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import structlog

from ameise.links import DeepLinks
from chassis.database import Database
from chassis.rpc import Caller, RpcClient
from contracts.actor import Actor
from contracts.ids import AmeiseKey, ZohoId
from contracts.names import Service, Table
from contracts.problems import NotFound, Problem
from contracts.rpc import Empty
from contracts.rpc.ingest import OBJECTS, ObjectsRequest
from contracts.rpc.sync_state import (
    FieldState,
    LinkState,
    LinkStateRequest,
    PipelineState,
    SeenValue,
    SyncState,
)
from sync import limit_store, pipeline_store, state_store
from sync.deep_links import deep_link
from sync.drift_store import told
from sync.kunde import read_kunde
from sync.limits import Terms
from sync.pipelines import Definition, Pipeline
from sync.sides import ameise_values, zoho_values
from sync.systems import Systems
from sync.values import UNKNOWN, Fields, Known, Value
from sync.vertrag import VertragInAmeise
from vendor.errors import VendorError

log: structlog.stdlib.BoundLogger = structlog.get_logger()

Source = Literal["ameise", "ingest"]


@dataclass(frozen=True, slots=True)
class AmeiseNow:
    """Ameise's side as raw fields; `source` is None if nobody could say."""

    source: Source | None
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class State:
    """One method per RPC."""

    database: Database
    rpc: RpcClient
    systems: Systems
    links: DeepLinks
    defaults: Terms

    async def state(self, request: Empty, caller: Caller) -> SyncState:  # noqa: ARG002
        async with self.database.tenant(caller.tenant) as session:
            rows = await state_store.states(session)
            left = await limit_store.credits_left_now(session, self.defaults)
        for row in rows:
            row["zoho_credits_left"] = left[row["zoho_connection"]]
        return SyncState(pipelines=tuple(state_of(row) for row in rows))

    async def link_state(self, request: LinkStateRequest, caller: Caller) -> LinkState:
        """Raises NotFound. A side that does not answer is unknown."""
        async with self.database.tenant(caller.tenant) as session:
            pipeline = await pipeline_store.load(session, request.pipeline)
            if pipeline is None:
                raise NotFound("Diese Pipeline gibt es nicht.")
            row = await state_store.link(session, pipeline, request.side, request.id)
        if row is None:
            raise NotFound("Dazu gibt es in dieser Pipeline keine Verknüpfung.")
        ameise, zoho = await asyncio.gather(
            self._ameise(pipeline, row["ameise_key"]), self._zoho(pipeline, row["zoho_id"])
        )
        return link_state(pipeline, row, ameise, zoho, self.links)

    async def _ameise(self, pipeline: Pipeline, key: str | None) -> AmeiseNow:
        """A Kunde or Vertrag as Ameise has it now; everything else, and what Ameise's API does not give, as
        ingest has it from the newest delivery."""
        if key is None:
            return AmeiseNow(None, {})
        stored = await self._stored(pipeline, key)
        if pipeline.table in {Table.KUNDE, Table.VERTRAG}:
            try:
                ameise = await self.systems.ameise(pipeline, urgent=True)
                found = (
                    await read_kunde(ameise, key)
                    if pipeline.table is Table.KUNDE
                    else VertragInAmeise(await ameise.get_vertrag(key))
                )
            except VendorError as error:
                log.info("link.ameise_not_reached", error=str(error))
            else:
                return AmeiseNow("ameise", {**(stored or {}), **found.fields})
        return AmeiseNow("ingest", stored) if stored is not None else AmeiseNow(None, {})

    async def _stored(self, pipeline: Pipeline, key: str) -> Mapping[str, Any] | None:
        request = ObjectsRequest(table=pipeline.table, keys=(AmeiseKey(key),))
        actor = Actor.of_service(Service.SYNC, pipeline.tenant)
        try:
            reply = await self.rpc.call(OBJECTS, request, actor=actor)
        except Problem as problem:
            log.info("link.ingest_not_reached", problem=problem.type)
            return None
        return next((found.fields for found in reply.objects if not found.gone), None)

    async def _zoho(self, pipeline: Pipeline, zoho_id: str | None) -> Mapping[str, Any] | None:
        if zoho_id is None:
            return None
        try:
            zoho = await self.systems.zoho(pipeline, urgent=True)
            return await zoho.get_record(pipeline.module, zoho_id, pipeline.zoho_fields)
        except VendorError as error:
            log.info("link.zoho_not_reached", error=str(error))
            return None


def state_of(row: dict[str, Any]) -> PipelineState:
    """A row of `state_store.states` as it is told."""
    return PipelineState.model_validate({**row, "drift": told(row)})


def link_state(
    pipeline: Pipeline,
    row: Mapping[str, Any],
    ameise: AmeiseNow,
    zoho: Mapping[str, Any] | None,
    links: DeepLinks,
) -> LinkState:
    """Everything about a link side by side. Pure. `row`: of `state_store.link`."""
    key = row["ameise_key"]
    in_ameise = ameise_values(pipeline.definition, key, ameise.fields) if ameise.source and key else {}
    return LinkState(
        pipeline=pipeline.id,
        key=AmeiseKey(key) if key else None,
        zoho_id=ZohoId(row["zoho_id"]) if row["zoho_id"] else None,
        module=pipeline.module,
        linked_at=row["linked_at"],
        gone_in_zoho=row["gone_in_zoho"],
        ameise_link=deep_link(links, pipeline.table, key),
        ameise_from=ameise.source,
        zoho_reached=zoho is not None,
        fields=tuple(
            _fields(pipeline.definition, row, in_ameise, zoho_values(pipeline.definition, zoho or {}))
        ),
        written=row["written"],
    )


def _fields(
    definition: Definition, row: Mapping[str, Any], ameise: Fields, zoho: Fields
) -> Iterable[FieldState]:
    ameise_base: Mapping[str, Known] = row["ameise_base"] or {}
    zoho_base: Mapping[str, Known] = row["zoho_base"] or {}
    for mapping in definition.fields:
        yield FieldState(
            ameise=mapping.ameise,
            zoho=mapping.zoho,
            ameise_base=_seen(ameise_base.get(mapping.ameise, UNKNOWN)),
            ameise_now=_seen(ameise.get(mapping.ameise, UNKNOWN)),
            zoho_base=_seen(zoho_base.get(mapping.zoho, UNKNOWN)),
            zoho_now=_seen(zoho.get(mapping.zoho, UNKNOWN)),
        )


def _seen(value: Value) -> SeenValue:
    return SeenValue(known=False) if value is UNKNOWN else SeenValue(known=True, value=value)
