"""What an admin can ask of sync about the pipelines themselves."""

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
from contracts.problems import Conflict, NotFound
from contracts.rpc import Empty
from contracts.rpc.ingest import SEND_AGAIN, SendAgainRequest
from contracts.rpc.sync_pipelines import (
    CreatePipeline,
    DeletePipeline,
    PicklistTemplate,
    PipelineDetail,
    PipelineGone,
    PipelineRequest,
    PipelineTemplate,
    PipelineTemplates,
    SwitchPipeline,
    UpdatePipeline,
)
from sync import parked_store, pipeline_store
from sync.admin import summary
from sync.connections import check_connections
from sync.definition_check import check_definition
from sync.drift_store import told
from sync.pipelines import Definition, Pipeline
from sync.templates import BUILT_IN, LISTS


@dataclass(frozen=True, slots=True)
class PipelineAdmin:
    """One method per RPC. All raise NotFound for a pipeline that is not this tenant's."""

    database: Database
    outbox: Outbox
    rpc: RpcClient

    async def create(self, request: CreatePipeline, caller: Caller) -> PipelineDetail:
        """Raises Invalid, Conflict, and NotFound or NotConnected for the connections."""
        definition = Definition.model_validate(request.definition.model_dump())
        check_definition(request.table, definition)
        await check_connections(
            self.rpc, caller, ameise=request.ameise_connection, zoho=request.zoho_connection
        )
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
        return await self._detail(number, caller)

    async def get(self, request: PipelineRequest, caller: Caller) -> PipelineDetail:
        return await self._detail(request.pipeline, caller)

    async def update(self, request: UpdatePipeline, caller: Caller) -> PipelineDetail:
        """Raises Invalid, and Conflict if somebody changed the definition meanwhile."""
        definition = Definition.model_validate(request.definition.model_dump())
        async with self.database.tenant(caller.tenant) as session:
            before = await _loaded(session, request.pipeline)
            check_definition(before.table, definition)
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
        return await self._detail(request.pipeline, caller)

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

    async def _detail(self, number: PipelineId, caller: Caller) -> PipelineDetail:
        async with self.database.tenant(caller.tenant) as session:
            pipeline = await _loaded(session, number)
            rows = await pipeline_store.summaries(session)
        row = next(row for row in rows if row["id"] == int(number))
        return PipelineDetail(
            pipeline=summary(row), version=pipeline.version, definition=pipeline.definition, drift=told(row)
        )


async def _loaded(session: AsyncSession, number: PipelineId) -> Pipeline:
    found = await pipeline_store.load(session, number)
    if found is None:
        raise NotFound(f"es gibt keine Pipeline {number}")
    return found
