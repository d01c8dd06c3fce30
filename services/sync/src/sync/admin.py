"""What an admin can ask of sync about its pipelines."""

from dataclasses import dataclass
from typing import Any

from chassis.database import Database
from chassis.outbox import Outbox
from chassis.rpc import Caller, RpcClient
from contracts.events import PipelinesCreated
from contracts.ids import PipelineId, Uuid
from contracts.names import Table
from contracts.rpc import Empty
from contracts.rpc.ingest import SEND_AGAIN, SendAgainRequest
from contracts.rpc.pipeline_definition import Way
from contracts.rpc.sync import (
    CreateDefaultPipelines,
    Pipeline,
    Pipelines,
)
from sync import pipeline_store
from sync.connections import check_connections


@dataclass(frozen=True, slots=True)
class Admin:
    """One method per RPC."""

    database: Database
    outbox: Outbox
    rpc: RpcClient

    async def create_default_pipelines(self, request: CreateDefaultPipelines, caller: Caller) -> Pipelines:
        """Raises NotFound, NotConnected for connections that are not this tenant's, or not active.

        Pipelines that have judged nothing yet get what ingest has stored already. Should that fail
        (Unavailable), asking again does it.
        """
        await check_connections(
            self.rpc, caller, ameise=request.ameise_connection, zoho=request.zoho_connection
        )
        async with self.database.tenant(caller.tenant) as session:
            created = await pipeline_store.create_built_in(
                session,
                caller.tenant,
                ameise_connection=request.ameise_connection,
                zoho_connection=request.zoho_connection,
            )
            if created:
                await self.outbox.tell(session, caller.cause, PipelinesCreated(pipelines=tuple(created)))
            tables = await pipeline_store.tables_not_judged(session)
        if tables:
            wanted = SendAgainRequest(tables=tuple(tables))
            await self.rpc.call(
                SEND_AGAIN, wanted, actor=caller.actor, correlationid=caller.cause.correlationid
            )
        return await self.list_pipelines(Empty(), caller)

    async def list_pipelines(self, request: Empty, caller: Caller) -> Pipelines:  # noqa: ARG002
        async with self.database.tenant(caller.tenant) as session:
            rows = await pipeline_store.summaries(session)
        return Pipelines(pipelines=tuple(summary(row) for row in rows))


def summary(row: dict[str, Any]) -> Pipeline:
    """A row of `pipeline_store.summaries` as it is told."""
    return Pipeline(
        id=PipelineId(str(row["id"])),
        name=row["name"],
        table=Table(row["table_name"]),
        module=row["module"],
        ameise_connection=Uuid(row["ameise_connection"]),
        zoho_connection=Uuid(row["zoho_connection"]),
        enabled=row["enabled"],
        takes_webhooks=row["definition"]["direction"] != Way.TO_ZOHO,
        linked=row["linked"],
        waiting=row["waiting"],
        parked=row["parked"],
        last_success=row["last_success"],
        last_error=row["last_error"],
    )
