"""Where messages and requests come in: each is translated into one call."""

from faststream.nats import NatsBroker

from chassis.parking import Parking
from chassis.rpc import serve
from chassis.subscriber import subscribe
from contracts.rpc.sync import CREATE_DEFAULT_PIPELINES, LIST_PARKED, LIST_PIPELINES, RETRY_PARKED
from contracts.rpc.sync_limits import CONNECTION_LIMITS, SET_CONNECTION_LIMITS
from contracts.streams import SYNC_TO_AMEISE, SYNC_TO_ZOHO
from contracts.work import LookAtZohoRecord, ObjectsChanged
from sync.admin import Admin
from sync.intake import Intake
from sync.limit_admin import LimitAdmin


def register(
    broker: NatsBroker, *, intake: Intake, admin: Admin, limit_admin: LimitAdmin, parking: Parking
) -> None:
    """Attach everything that sync hears."""
    subscribe(broker, SYNC_TO_AMEISE, LookAtZohoRecord, intake.look_at_record, park=parking)
    subscribe(broker, SYNC_TO_ZOHO, ObjectsChanged, intake.objects_changed, park=parking)
    serve(broker, CREATE_DEFAULT_PIPELINES, admin.create_default_pipelines)
    serve(broker, LIST_PIPELINES, admin.list_pipelines)
    serve(broker, LIST_PARKED, admin.list_parked)
    serve(broker, RETRY_PARKED, admin.retry_parked)
    serve(broker, CONNECTION_LIMITS, limit_admin.connection_limits)
    serve(broker, SET_CONNECTION_LIMITS, limit_admin.set_connection_limits)
