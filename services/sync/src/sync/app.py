"""The composition root of sync: settings → parts → a running process."""

import os
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx

from chassis.process import Foundation, foundation
from contracts.ids import new_id
from sync import subscribers
from sync.admin import Admin
from sync.batch_store import BatchStore
from sync.conflict_admin import ConflictAdmin
from sync.create_once import CreateOnce
from sync.intake import Intake
from sync.pipeline_admin import PipelineAdmin
from sync.record_store import RecordStore
from sync.settings import SyncSettings
from sync.systems import Systems
from sync.to_ameise import ToAmeise
from sync.to_zoho import ToZoho
from sync.work_store import Work, WorkDirection
from sync.workers import Dispatcher

BATCH = 100
"""Objects per batch to Zoho: as many as one upsert takes."""


@asynccontextmanager
async def running(settings: SyncSettings) -> AsyncGenerator[Foundation]:
    """sync, up and at work inside the block."""
    owner = f"{socket.gethostname()}:{os.getpid()}:{new_id()}"
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=32)
    # The HTTP client is opened first, so that it outlives the work in hand at the end.
    async with httpx.AsyncClient(limits=limits) as http, foundation(settings) as base:
        systems = Systems(settings, base.rpc, http)
        create_once = CreateOnce(
            database=base.database,
            lease=settings.lease,
            settling_time=settings.settling_time,
            fresh_link=settings.fresh_link,
        )
        to_ameise = ToAmeise(
            database=base.database,
            store=RecordStore(base.database, base.outbox),
            systems=systems,
            create_once=create_once,
            link_base=settings.ameise_link_base,
            lease=settings.lease,
            give_up_after=settings.give_up_after,
        )
        to_zoho = ToZoho(
            database=base.database,
            store=BatchStore(base.database, base.outbox),
            rpc=base.rpc,
            systems=systems,
            link_base=settings.ameise_link_base,
            lease=settings.lease,
            give_up_after=settings.give_up_after,
        )

        async def one_to_ameise(works: list[Work]) -> None:
            [work] = works
            await to_ameise(work)

        def dispatcher(direction: WorkDirection) -> Dispatcher:
            to_ameise_side = direction == "to_ameise"
            return Dispatcher(
                direction=direction,
                do=one_to_ameise if to_ameise_side else to_zoho,
                database=base.database,
                all_tenants=base.all_tenants,
                listen_url=settings.database_all_tenants_url,
                owner=owner,
                lease=settings.lease,
                workers=settings.to_ameise_workers if to_ameise_side else settings.to_zoho_workers,
                batch=1 if to_ameise_side else BATCH,
            )

        subscribers.register(
            base.broker.faststream,
            intake=Intake(base.database),
            admin=Admin(base.database, base.outbox, base.rpc),
            pipelines=PipelineAdmin(base.database, base.outbox, base.rpc),
            conflicts=ConflictAdmin(base.database, base.outbox),
            parking=base.parking,
        )
        base.in_background("to-ameise", dispatcher("to_ameise").run())
        base.in_background("to-zoho", dispatcher("to_zoho").run())
        await base.start()
        yield base
