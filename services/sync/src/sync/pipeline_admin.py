"""What an admin can ask of sync about the pipelines themselves."""

import asyncio
from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import Database
from chassis.outbox import Outbox
from chassis.rpc import Caller, RpcClient
from contracts.events import (
    PipelineDeleted,
    PipelineDisabled,
    PipelineEnabled,
    PipelinesCreated,
    PipelineUpdated,
)
from contracts.ids import PipelineId
from contracts.names import Table
from contracts.problems import Conflict, Internal, NotFound, Unavailable
from contracts.rpc import Empty
from contracts.rpc.ingest import SEND_AGAIN, SendAgainRequest
from contracts.rpc.ingest_format import GET_FORMAT, TableView
from contracts.rpc.sync_pipelines import (
    CreatePipeline,
    DeletePipeline,
    PicklistTemplate,
    PipelineDetail,
    PipelineFields,
    PipelineGone,
    PipelineRequest,
    PipelineTemplate,
    PipelineTemplates,
    SwitchPipeline,
    UpdatePipeline,
)
from sync import known_fields, parked_store, pipeline_store
from sync.admin import summary
from sync.connections import check_connections
from sync.definition_check import check_definition
from sync.drift import ModuleMetadata
from sync.drift_store import told
from sync.drift_watch import DriftWatch, Place
from sync.mapping import sources_of
from sync.names_check import FieldsThere
from sync.pipelines import Definition, Pipeline
from sync.rules import fields_of
from sync.templates import BUILT_IN, LISTS


@dataclass(frozen=True, slots=True)
class PipelineAdmin:
    """One method per RPC. All raise NotFound for a pipeline that is not this tenant's."""

    database: Database
    outbox: Outbox
    rpc: RpcClient
    drift: DriftWatch

    async def create(self, request: CreatePipeline, caller: Caller) -> PipelineDetail:
        """Raises Invalid, Conflict, NotFound for the module, NotFound or NotConnected for the connections.
        Neither ingest nor Zoho need say which fields there are."""
        definition = Definition.model_validate(request.definition.model_dump())
        await check_connections(
            self.rpc, caller, ameise=request.ameise_connection, zoho=request.zoho_connection
        )
        place = Place(caller.tenant, request.zoho_connection, request.module)
        zoho = await self.drift.metadata_now(place)
        if zoho is not None and zoho.fields is None:
            raise NotFound(f"das Modul {request.module} gibt es in Zoho nicht")
        # A ready pipeline can be made where Zoho lacks some of its fields, and changed then.
        ready = {m.zoho for t in BUILT_IN if t.table is request.table for m in t.definition.fields}
        there = await self._fields_there(request.table, zoho, caller, accepted=frozenset(ready))
        check_definition(request.table, definition, there)
        async with self.database.tenant(caller.tenant) as session:
            number = await pipeline_store.create(
                session,
                caller.tenant,
                name=request.name,
                table=request.table,
                module=request.module,
                ameise_connection=request.ameise_connection,
                zoho_connection=request.zoho_connection,
                enabled=request.enabled,
                definition=definition,
            )
            if number is None:
                raise Conflict(
                    f"eine Pipeline von {request.table} nach {request.module} gibt es schon",
                    remedy="bitte diese ändern",
                )
            await self.outbox.tell(session, caller.cause, PipelinesCreated(pipelines=(number,)))
            pipeline = await _loaded(session, number)
        await self._judge_anew(pipeline, caller)
        return await self._detail(number, caller, there=there)

    async def get(self, request: PipelineRequest, caller: Caller) -> PipelineDetail:
        return await self._detail(request.pipeline, caller)

    async def fields(self, request: PipelineRequest, caller: Caller) -> PipelineFields:
        """What a person chooses from; none of an end that does not say."""
        async with self.database.tenant(caller.tenant) as session:
            pipeline = await _loaded(session, request.pipeline)
        place = Place(pipeline.tenant, pipeline.zoho_connection, pipeline.module)
        view, zoho = await asyncio.gather(
            self._table_view(pipeline.table, caller), self.drift.metadata_lately(place)
        )
        return PipelineFields(
            ameise=known_fields.in_ameise(view) if view else (),
            zoho=known_fields.in_zoho(zoho.fields or {}) if zoho else (),
        )

    async def update(self, request: UpdatePipeline, caller: Caller) -> PipelineDetail:
        """Raises Invalid, and Conflict if somebody changed the definition meanwhile. Neither ingest nor Zoho
        need say which fields there are."""
        definition = Definition.model_validate(request.definition.model_dump())
        async with self.database.tenant(caller.tenant) as session:
            before = await _loaded(session, request.pipeline)
        place = Place(before.tenant, before.zoho_connection, before.module)
        # What vanished since it was typed must not hold up another change.
        accepted = frozenset(before.definition.zoho_fields)
        mapped = frozenset(name for m in before.definition.fields for name in sources_of(m))
        rule = before.definition.ameise_rule
        ruled = frozenset(fields_of(rule) if definition.ameise_rule == rule else ())
        zoho = await self.drift.metadata_now(place)
        there = await self._fields_there(
            before.table, zoho, caller, accepted=accepted, mapped=mapped, ruled=ruled
        )
        check_definition(before.table, definition, there)
        async with self.database.tenant(caller.tenant) as session:
            changed = await pipeline_store.change(
                session,
                request.pipeline,
                name=request.name,
                old_version=request.version,
                definition=definition,
            )
            if not changed:
                raise Conflict("die Pipeline wurde inzwischen geändert", remedy="bitte neu laden")
            await self.outbox.tell(session, caller.cause, PipelineUpdated(pipeline=request.pipeline))
            pipeline = await _loaded(session, request.pipeline)
            unjudged = pipeline.table in await pipeline_store.tables_not_judged(session)
            parked = await parked_store.are_objects_parked(session, pipeline)
        # Changed back, it has judged objects as it is now, but not those that were parked in between: also if
        # ingest did not answer then, and it is saved once more as it is.
        if unjudged or parked or pipeline.version != before.version:
            await self._judge_anew(pipeline, caller)
        return await self._detail(request.pipeline, caller, there=there)

    async def delete(self, request: DeletePipeline, caller: Caller) -> PipelineGone:
        """Raises Conflict, which says how many links there are, unless they may go too."""
        async with self.database.tenant(caller.tenant) as session:
            pipeline = await _loaded(session, request.pipeline)
            links = await pipeline_store.count_links(session, pipeline)
            if links and not request.links_too:
                raise Conflict(
                    f"die Pipeline „{pipeline.name}“ hat {links} Verknüpfungen",
                    remedy="ausschalten, oder das Löschen mit den Verknüpfungen bestätigen",
                )
            works = await pipeline_store.delete(session, pipeline)
            told = PipelineDeleted(pipeline=pipeline.id, links=links)
            await self.outbox.tell(session, caller.cause, told)
        return PipelineGone(links=links, works=works)

    async def switch(self, request: SwitchPipeline, caller: Caller) -> PipelineDetail:
        """On or off. What changed in Ameise while it was off is asked for when it is switched on."""
        async with self.database.tenant(caller.tenant) as session:
            pipeline = await _loaded(session, request.pipeline)
            if await pipeline_store.switch(session, pipeline.id, enabled=request.enabled):
                kind = PipelineEnabled if request.enabled else PipelineDisabled
                await self.outbox.tell(session, caller.cause, kind(pipeline=pipeline.id))
                pipeline = await _loaded(session, request.pipeline)
        await self._judge_anew(pipeline, caller)
        return await self._detail(pipeline.id, caller)

    async def templates(self, request: Empty, caller: Caller) -> PipelineTemplates:  # noqa: ARG002
        return PipelineTemplates(
            pipelines=tuple(
                PipelineTemplate(name=t.name, table=t.table, module=t.module, definition=t.definition)
                for t in BUILT_IN
            ),
            picklists=tuple(
                PicklistTemplate(table=t.table, module=t.module, field=t.field, column=t.column)
                for t in LISTS
            ),
        )

    async def _judge_anew(self, pipeline: Pipeline, caller: Caller) -> None:
        """Have ingest send what it has stored; what was judged as it is by this definition is skipped.

        Raises Unavailable; what was decided is stored by then, and asking for it again does the rest.
        """
        if pipeline.enabled and pipeline.definition.takes_deliveries:
            wanted = SendAgainRequest(tables=(pipeline.table,))
            await self.rpc.call(
                SEND_AGAIN, wanted, actor=caller.actor, correlationid=caller.cause.correlationid
            )

    async def _fields_there(
        self,
        table: Table,
        zoho: ModuleMetadata | None,
        caller: Caller,
        *,
        accepted: frozenset[str],
        mapped: frozenset[str] = frozenset(),
        ruled: frozenset[str] = frozenset(),
    ) -> FieldsThere:
        return FieldsThere(
            ameise=await self._fields_of(table, caller),
            zoho=frozenset(zoho.fields) if zoho and zoho.fields is not None else None,
            accepted=accepted,
            mapped=mapped,
            ruled=ruled,
        )

    async def _fields_of(self, table: Table, caller: Caller) -> frozenset[str] | None:
        """Of Ameise's objects; None if ingest does not answer, or is too old to know."""
        view = await self._table_view(table, caller)
        return frozenset(view.fields) or None if view else None

    async def _table_view(self, table: Table, caller: Caller) -> TableView | None:
        """None if ingest does not answer what this release can read."""
        try:
            form = await self.rpc.call(
                GET_FORMAT, Empty(), actor=caller.actor, correlationid=caller.cause.correlationid
            )
        except (Unavailable, Internal):
            return None
        return next((view for view in form.tables if view.table is table), None)

    async def _detail(
        self, number: PipelineId, caller: Caller, *, there: FieldsThere | None = None
    ) -> PipelineDetail:
        async with self.database.tenant(caller.tenant) as session:
            pipeline = await _loaded(session, number)
            rows = await pipeline_store.summaries(session)
        row = next(row for row in rows if row["id"] == int(number))
        return PipelineDetail(
            pipeline=summary(row), version=pipeline.version, definition=pipeline.definition, drift=told(row),
            unchecked=there.unchecked if there else (),
        )  # fmt: skip


async def _loaded(session: AsyncSession, number: PipelineId) -> Pipeline:
    found = await pipeline_store.load(session, number)
    if found is None:
        raise NotFound(f"es gibt keine Pipeline {number}")
    return found
