"""The composition root of sync: settings → parts → a running process."""

import os
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import httpx

from ameise.links import DeepLinks
from chassis.process import Foundation, foundation
from chassis.stop_list import StopList
from contracts.ids import new_id
from contracts.names import Flow, Table
from sync import subscribers
from sync.admin import Admin
from sync.adopting import Adopting
from sync.batch_store import BatchStore
from sync.bulk_write import BulkWriter
from sync.capability_admin import CapabilityAdmin
from sync.comparing import Comparing
from sync.comparing_links import ComparingLinks
from sync.comparison_schedule import Schedule
from sync.conflict_admin import ConflictAdmin
from sync.create_once import CreateOnce
from sync.deleting import Deleting
from sync.deletion import DayLimit
from sync.drift_watch import DriftWatch
from sync.dry_run import DryRunning
from sync.flows import Plan, Plans
from sync.full_calls import FullCalls
from sync.gates import Gates
from sync.intake import Intake
from sync.known_there import AmeiseKnowledge
from sync.kunden import Kunden
from sync.limit_admin import LimitAdmin
from sync.limit_settings import default_capabilities, default_terms, gate_settings
from sync.parked import Parked
from sync.people import People
from sync.pipeline_admin import PipelineAdmin
from sync.preview import Previewing
from sync.reconciling import Reconciling
from sync.record_store import RecordStore
from sync.settings import SyncSettings
from sync.state import State
from sync.stopping import Do, NotStopped, Stopping
from sync.systems import Systems
from sync.throughput import Throughput
from sync.to_ameise import ToAmeise
from sync.to_zoho import ToZoho
from sync.value_admin import ValueAdmin
from sync.vertraege import Vertraege
from sync.waiting_deletions import DeletionAdmin
from sync.work_store import Turn, Work, WorkDirection
from sync.workers import Dispatcher, More

DELETED_AT_ONCE = 100
"""As many as one call takes."""


@asynccontextmanager
async def running(settings: SyncSettings) -> AsyncGenerator[Foundation]:
    """sync, up and at work inside the block."""
    owner = f"{socket.gethostname()}:{os.getpid()}:{new_id()}"
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=32)
    stop_list = StopList(settings.stop_list_dir, settings.stop_list_key)
    stop_list.check()
    # The HTTP client is opened first, so that it outlives the work in hand at the end.
    async with httpx.AsyncClient(limits=limits) as http, foundation(settings) as base:
        gates = Gates(base.database, base.outbox, gate_settings(settings), owner)
        systems = Systems(settings, base.rpc, http, gates)
        links = DeepLinks(settings.ameise_link_base)
        stopping = Stopping(stop_list, base.database, base.outbox)
        throughput = Throughput(base.database)
        people = People(base.database, base.outbox, stop_list)
        to_ameise = to_ameise_of(settings, base, systems, throughput)
        drift = DriftWatch(base.database, base.outbox, base.rpc, systems, kept=settings.zoho_metadata_kept)
        to_zoho = ToZoho(
            database=base.database,
            store=BatchStore(base.database, base.outbox, throughput),
            rpc=base.rpc,
            systems=systems,
            drift=drift,
            full_calls=FullCalls(),
            link_base=settings.ameise_link_base,
            lease=settings.lease,
            give_up_after=settings.give_up_after,
        )

        deleting = Deleting(
            database=base.database,
            store=to_zoho.store,
            rpc=base.rpc,
            systems=systems,
            limit=DayLimit(settings.deletion_limit, settings.deletion_limit_percent),
            lease=settings.lease,
            give_up_after=settings.give_up_after,
        )

        async def one_to_ameise(works: list[Work], _more: More) -> None:
            [work] = works
            await to_ameise(work)

        workers = {
            "to_ameise": settings.to_ameise_workers, "to_zoho": settings.to_zoho_workers, "deletion": 1,
        }  # fmt: skip

        of_direction: dict[WorkDirection, tuple[Do, Callable[[Turn], int]]] = {
            "to_ameise": (one_to_ameise, lambda _: 1),
            "to_zoho": (to_zoho, to_zoho.full_calls.rows),
            "deletion": (deleting, lambda _: DELETED_AT_ONCE),
        }

        def dispatcher(direction: WorkDirection) -> Dispatcher:
            do, batch = of_direction[direction]
            return Dispatcher(
                direction=direction,
                do=NotStopped(direction, stopping, base.database).before(do),
                database=base.database,
                all_tenants=base.all_tenants,
                listen_url=settings.database_all_tenants_url,
                owner=owner,
                lease=settings.lease,
                workers=workers[direction],
                batch=batch,
            )

        bulk_writer = bulk_writer_of(settings, base, to_zoho, stopping, owner)
        dry_running = dry_running_of(settings, base, to_zoho, owner)
        schedule = schedule_of(settings, base, systems, stopping, drift, owner)
        subscribers.register(
            base.broker.faststream,
            intake=Intake(base.database, stopping, bulk_min_rows=settings.bulk_min_rows),
            admin=Admin(base.database, base.outbox, base.rpc),
            pipelines=PipelineAdmin(base.database, base.outbox, base.rpc, drift),
            conflicts=ConflictAdmin(base.database, base.outbox, links),
            previewing=Previewing(base.database, base.rpc, systems, to_zoho, to_ameise),
            dry_running=dry_running,
            schedule=schedule,
            capability_admin=CapabilityAdmin(
                base.database, base.outbox, base.rpc, default_capabilities(settings)
            ),
            limit_admin=LimitAdmin(base.database, base.outbox, base.rpc, default_terms(settings)),
            parked=Parked(base.database, base.outbox, base.rpc, links),
            deletions=DeletionAdmin(base.database, base.outbox, links),
            adopting=Adopting(base.database, base.outbox, to_ameise, settings.settling_time),
            people=people,
            state=State(base.database, base.rpc, systems, links, default_terms(settings)),
            values=ValueAdmin(base.database, base.rpc, systems),
            parking=base.parking,
        )
        base.in_background("gates", gates.run(settings.database_all_tenants_url))
        base.in_background("throughput", throughput.run())
        base.in_background("forgetting", people.forget_returned())
        base.in_background("to-ameise", dispatcher("to_ameise").run())
        base.in_background("to-zoho", dispatcher("to_zoho").run())
        base.in_background("deleting", dispatcher("deletion").run())
        base.in_background("comparing", schedule.run())
        base.in_background("dry-run", dry_running.run())
        base.in_background("bulk-write", bulk_writer.run())
        await base.start()
        try:
            yield base
        finally:
            await gates.close()


def to_ameise_of(
    settings: SyncSettings, base: Foundation, systems: Systems, throughput: Throughput
) -> ToAmeise:
    """What brings a record to Ameise, wired."""
    knowledge = AmeiseKnowledge(kept=settings.ameise_lists_kept)
    create_once = CreateOnce(
        database=base.database,
        lease=settings.lease,
        settling_time=settings.settling_time,
        fresh_link=settings.fresh_link,
    )
    return ToAmeise(
        database=base.database,
        store=RecordStore(base.database, base.outbox, throughput),
        systems=systems,
        objects={
            Table.KUNDE: Kunden(create_once, knowledge, settings.ameise_detail_property),
            Table.VERTRAG: Vertraege(
                create_once, knowledge, default_capabilities(settings), settings.kunde_awaited
            ),
        },
        link_base=settings.ameise_link_base,
        lease=settings.lease,
        give_up_after=settings.give_up_after,
    )


def bulk_writer_of(
    settings: SyncSettings, base: Foundation, to_zoho: ToZoho, stopping: Stopping, owner: str
) -> BulkWriter:
    """Bulk writes, wired."""
    return BulkWriter(
        database=base.database,
        all_tenants=base.all_tenants,
        outbox=base.outbox,
        to_zoho=to_zoho,
        systems=to_zoho.systems,
        store=to_zoho.store,
        not_stopped=NotStopped("to_zoho", stopping, base.database),
        owner=owner,
        min_rows=settings.bulk_min_rows,
        max_rows=settings.bulk_max_rows,
        poll=settings.bulk_poll,
    )


def dry_running_of(settings: SyncSettings, base: Foundation, to_zoho: ToZoho, owner: str) -> DryRunning:
    """Dry runs, wired."""
    return DryRunning(
        database=base.database,
        all_tenants=base.all_tenants,
        rpc=base.rpc,
        to_zoho=to_zoho,
        owner=owner,
        lease=settings.lease,
        bulk_min_rows=settings.bulk_min_rows,
        bulk_max_rows=settings.bulk_max_rows,
    )


def schedule_of(
    settings: SyncSettings,
    base: Foundation,
    systems: Systems,
    stopping: Stopping,
    drift: DriftWatch,
    owner: str,
) -> Schedule:
    """The comparisons, wired."""
    return Schedule(
        database=base.database,
        all_tenants=base.all_tenants,
        outbox=base.outbox,
        plans=plans_of(settings),
        reconciling=Reconciling(base.database, base.outbox, systems, stopping, settings),
        comparing=Comparing(base.database, base.outbox, base.rpc, settings),
        comparing_links=ComparingLinks(base.database, base.outbox, systems, settings),
        drift=drift,
        owner=owner,
        lease=settings.lease,
    )


def plans_of(settings: SyncSettings) -> Plans:
    """When each comparison runs."""
    nightly = Plan(
        overdue_after=settings.compare_overdue_after,
        retry=settings.compare_retry,
        night_hour=settings.compare_hour,
    )
    return {
        Flow.RECONCILIATION: Plan(
            overdue_after=settings.reconcile_overdue_after,
            retry=settings.compare_retry,
            every=settings.reconcile_every,
        ),
        Flow.COMPARISON: nightly,
        Flow.LINKS: nightly,
    }
