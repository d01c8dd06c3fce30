"""Where messages and requests come in: each is translated into one call."""

from faststream.nats import NatsBroker

from chassis.parking import Parking
from chassis.rpc import Caller, serve
from chassis.subscriber import subscribe
from contracts.rpc.sync import CREATE_DEFAULT_PIPELINES, LIST_PIPELINES
from contracts.rpc.sync_capabilities import CAPABILITIES, SET_CAPABILITIES
from contracts.rpc.sync_dry_run import DRY_RUN, GET_DRY_RUN
from contracts.rpc.sync_limits import CONNECTION_LIMITS, SET_CONNECTION_LIMITS
from contracts.rpc.sync_parked import (
    ADOPT_CANDIDATE,
    DISCARD_PARKED,
    GROUP_PARKED,
    LIST_PARKED,
    RETRY_ALL_PARKED,
    RETRY_PARKED,
)
from contracts.rpc.sync_people import SYNC_FORGET, SYNC_INFORM, SYNC_LIFT_STOP
from contracts.rpc.sync_pipelines import (
    CREATE_PIPELINE,
    DECIDE_CONFLICT,
    DELETE_PIPELINE,
    GET_PIPELINE,
    LIST_CONFLICTS,
    LIST_TEMPLATES,
    PIPELINE_FIELDS,
    SWITCH_PIPELINE,
    UPDATE_PIPELINE,
)
from contracts.rpc.sync_preview import PREVIEW
from contracts.rpc.sync_reconcile import COMPARE, CompareRequest, Comparison
from contracts.rpc.sync_state import LINK_STATE, SYNC_STATE
from contracts.rpc.sync_values import SUGGEST_VALUES
from contracts.rpc.sync_waiting import DELETE_NOW, KEEP_RECORDS, LIST_DELETIONS
from contracts.streams import SYNC_TO_AMEISE, SYNC_TO_ZOHO
from contracts.work import LookAtZohoRecord, ObjectsChanged
from sync.admin import Admin
from sync.adopting import Adopting
from sync.capability_admin import CapabilityAdmin
from sync.comparison_schedule import Schedule
from sync.conflict_admin import ConflictAdmin
from sync.dry_run import DryRunning
from sync.intake import Intake
from sync.limit_admin import LimitAdmin
from sync.parked import Parked
from sync.people import People
from sync.pipeline_admin import PipelineAdmin
from sync.preview import Previewing
from sync.state import State
from sync.value_admin import ValueAdmin
from sync.waiting_deletions import DeletionAdmin


def register(
    broker: NatsBroker,
    *,
    intake: Intake,
    admin: Admin,
    pipelines: PipelineAdmin,
    conflicts: ConflictAdmin,
    previewing: Previewing,
    dry_running: DryRunning,
    limit_admin: LimitAdmin,
    capability_admin: CapabilityAdmin,
    parked: Parked,
    adopting: Adopting,
    deletions: DeletionAdmin,
    people: People,
    state: State,
    values: ValueAdmin,
    schedule: Schedule,
    parking: Parking,
) -> None:
    """Attach everything that sync hears."""

    async def compare(request: CompareRequest, caller: Caller) -> Comparison:
        return await schedule.compare_now(caller.cause, caller.tenant, request)

    subscribe(broker, SYNC_TO_AMEISE, LookAtZohoRecord, intake.look_at_record, park=parking)
    subscribe(broker, SYNC_TO_ZOHO, ObjectsChanged, intake.objects_changed, park=parking)
    serve(broker, CREATE_DEFAULT_PIPELINES, admin.create_default_pipelines)
    serve(broker, LIST_PIPELINES, admin.list_pipelines)
    serve(broker, CREATE_PIPELINE, pipelines.create)
    serve(broker, GET_PIPELINE, pipelines.get)
    serve(broker, PIPELINE_FIELDS, pipelines.fields)
    serve(broker, UPDATE_PIPELINE, pipelines.update)
    serve(broker, DELETE_PIPELINE, pipelines.delete)
    serve(broker, SWITCH_PIPELINE, pipelines.switch)
    serve(broker, LIST_TEMPLATES, pipelines.templates)
    serve(broker, LIST_CONFLICTS, conflicts.list_open)
    serve(broker, DECIDE_CONFLICT, conflicts.decide)
    serve(broker, PREVIEW, previewing)
    serve(broker, DRY_RUN, dry_running.start)
    serve(broker, GET_DRY_RUN, dry_running.get)
    serve(broker, CONNECTION_LIMITS, limit_admin.connection_limits)
    serve(broker, SET_CONNECTION_LIMITS, limit_admin.set_connection_limits)
    serve(broker, CAPABILITIES, capability_admin.capabilities)
    serve(broker, SET_CAPABILITIES, capability_admin.set_capabilities)
    serve(broker, LIST_PARKED, parked.list_parked)
    serve(broker, GROUP_PARKED, parked.group_parked)
    serve(broker, RETRY_PARKED, parked.retry_parked)
    serve(broker, RETRY_ALL_PARKED, parked.retry_all_parked)
    serve(broker, DISCARD_PARKED, parked.discard_parked)
    serve(broker, ADOPT_CANDIDATE, adopting)
    serve(broker, LIST_DELETIONS, deletions.list_deletions)
    serve(broker, KEEP_RECORDS, deletions.keep_records)
    serve(broker, DELETE_NOW, deletions.delete_now)
    serve(broker, SYNC_FORGET, people.forget)
    serve(broker, SYNC_INFORM, people.inform)
    serve(broker, SYNC_LIFT_STOP, people.lift_stop)
    serve(broker, SYNC_STATE, state.state)
    serve(broker, LINK_STATE, state.link_state)
    serve(broker, SUGGEST_VALUES, values.suggest_values)
    serve(broker, COMPARE, compare)
