"""Asked by `look`, the sample asks itself for work, and keeps and tells what it was asked for."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import structlog

from chassis.cause import Cause
from chassis.database import run_sql
from chassis.process import Foundation, foundation
from chassis.rpc import Caller, serve
from chassis.subscriber import Received, subscribe
from contracts.actor import ActorKind
from contracts.events import WrittenToAmeise
from contracts.ids import PipelineId, ZohoId, new_id
from contracts.names import Service
from contracts.rpc import Rpc, RpcModel
from contracts.streams import SYNC_TO_AMEISE
from contracts.work import LookAtZohoRecord

from .settings import SampleSettings

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Look(RpcModel):
    pipeline: PipelineId
    zoho_id: ZohoId


class Looking(RpcModel):
    tenant: str


LOOK = Rpc(
    Service.SYNC, "look", Look, Looking, callers=frozenset({Service.GATEWAY}), silent_because="only asks"
)


@asynccontextmanager
async def running(settings: SampleSettings) -> AsyncGenerator[Foundation]:
    async with foundation(settings) as base:

        async def look(request: Look, caller: Caller) -> Looking:
            async with base.database.tenant(caller.tenant) as session:
                work = LookAtZohoRecord(
                    id=new_id(),
                    tenant=caller.tenant,
                    correlationid=caller.cause.correlationid,
                    time=datetime.now(UTC),
                    pipeline=request.pipeline,
                    zoho_id=request.zoho_id,
                )
                await base.outbox.ask(session, work)
            return Looking(tenant=caller.tenant)

        async def handle(message: Received[LookAtZohoRecord]) -> None:
            work = message.body
            log.info("sample.handling", zoho_id=work.zoho_id)
            await asyncio.sleep(settings.handling_seconds)
            cause = Cause(work.tenant, ActorKind.ZOHO, "webhook", work.correlationid, work.id)
            async with base.database.tenant(work.tenant) as session:
                await run_sql(
                    session,
                    "INSERT INTO looked (tenant, zoho_id) VALUES (:tenant, :zoho_id)",
                    tenant=work.tenant, zoho_id=work.zoho_id,
                )  # fmt: skip
                told = WrittenToAmeise(pipeline=work.pipeline, module="Contacts", zoho_id=work.zoho_id)
                await base.outbox.tell(session, cause, told)

        serve(base.broker.faststream, LOOK, look)
        subscribe(base.broker.faststream, SYNC_TO_AMEISE, LookAtZohoRecord, handle, park=base.parking)
        await base.start()
        yield base
