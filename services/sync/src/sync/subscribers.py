"""Where messages and requests come in: each is translated into one call."""

from faststream.nats import NatsBroker

from chassis.parking import Parking
from chassis.rpc import serve
from chassis.subscriber import subscribe
from contracts.rpc.sync import CREATE_DEFAULT_PIPELINES, LIST_PARKED, LIST_PIPELINES, RETRY_PARKED
from contracts.rpc.sync_pipelines import (
    CREATE_PIPELINE,
    DECIDE_CONFLICT,
    DELETE_PIPELINE,
    GET_PIPELINE,
    LIST_CONFLICTS,
    LIST_TEMPLATES,
    SWITCH_PIPELINE,
    UPDATE_PIPELINE,
)
from contracts.streams import SYNC_TO_AMEISE, SYNC_TO_ZOHO
from contracts.work import LookAtZohoRecord, ObjectsChanged
from sync.admin import Admin
from sync.conflict_admin import ConflictAdmin
from sync.intake import Intake
from sync.pipeline_admin import PipelineAdmin


def register(
    broker: NatsBroker,
    *,
    intake: Intake,
    admin: Admin,
    pipelines: PipelineAdmin,
    conflicts: ConflictAdmin,
    parking: Parking,
) -> None:
    """Attach everything that sync hears."""
    subscribe(broker, SYNC_TO_AMEISE, LookAtZohoRecord, intake.look_at_record, park=parking)
    subscribe(broker, SYNC_TO_ZOHO, ObjectsChanged, intake.objects_changed, park=parking)
    serve(broker, CREATE_DEFAULT_PIPELINES, admin.create_default_pipelines)
    serve(broker, LIST_PIPELINES, admin.list_pipelines)
    serve(broker, LIST_PARKED, admin.list_parked)
    serve(broker, RETRY_PARKED, admin.retry_parked)
    serve(broker, CREATE_PIPELINE, pipelines.create)
    serve(broker, GET_PIPELINE, pipelines.get)
    serve(broker, UPDATE_PIPELINE, pipelines.update)
    serve(broker, DELETE_PIPELINE, pipelines.delete)
    serve(broker, SWITCH_PIPELINE, pipelines.switch)
    serve(broker, LIST_TEMPLATES, pipelines.templates)
    serve(broker, LIST_CONFLICTS, conflicts.list_open)
    serve(broker, DECIDE_CONFLICT, conflicts.decide)
