"""Where messages and requests come in: each is translated into one call."""

from faststream.nats import NatsBroker

from chassis.parking import Parking
from chassis.rpc import Caller, serve
from chassis.subscriber import subscribe
from contracts.rpc.sync import CREATE_DEFAULT_PIPELINES, LIST_PARKED, LIST_PIPELINES, RETRY_PARKED
from contracts.rpc.sync_reconcile import COMPARE, CompareRequest, Comparison
from contracts.streams import SYNC_TO_AMEISE, SYNC_TO_ZOHO
from contracts.work import LookAtZohoRecord, ObjectsChanged
from sync.admin import Admin
from sync.comparison_schedule import Schedule
from sync.intake import Intake


def register(
    broker: NatsBroker, *, intake: Intake, admin: Admin, schedule: Schedule, parking: Parking
) -> None:
    """Attach everything that sync hears."""

    async def compare(request: CompareRequest, caller: Caller) -> Comparison:
        return await schedule.compare_now(caller.cause, caller.tenant, links=request.links)

    subscribe(broker, SYNC_TO_AMEISE, LookAtZohoRecord, intake.look_at_record, park=parking)
    subscribe(broker, SYNC_TO_ZOHO, ObjectsChanged, intake.objects_changed, park=parking)
    serve(broker, CREATE_DEFAULT_PIPELINES, admin.create_default_pipelines)
    serve(broker, LIST_PIPELINES, admin.list_pipelines)
    serve(broker, LIST_PARKED, admin.list_parked)
    serve(broker, RETRY_PARKED, admin.retry_parked)
    serve(broker, COMPARE, compare)
