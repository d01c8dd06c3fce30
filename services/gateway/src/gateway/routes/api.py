"""The admin's API: HTTP Basic, JSON; each route is one call."""

from typing import Annotated, Any

from fastapi import Depends, Query, Request
from fastapi.responses import StreamingResponse

from contracts.events import TenantCreated, WebhookEndpointCreated
from contracts.ids import PipelineId, TenantId, Uuid
from contracts.names import Table
from contracts.rpc import Empty
from contracts.rpc.audit import COUNT, SEARCH, CountLog, LogCounts, LogPage, SearchLog
from contracts.rpc.auth import (
    LIST_CONNECTIONS,
    START_CONNECTION,
    Connections,
    ConnectionStartedReply,
    StartConnection,
)
from contracts.rpc.ingest import (
    DELIVERY_REPORT,
    DOWNLOAD,
    PREVIEW_DELIVERY,
    REJECT_DELIVERY,
    RELEASE_DELIVERY,
    SET_UP_FTP,
    STATUS,
    DailyUpStatus,
    DeliveryPreview,
    DeliveryReport,
    DeliveryRequest,
    DeliveryStatus,
    FtpAccess,
    SetUpFtp,
)
from contracts.rpc.ingest_format import (
    DRY_RUN,
    GET_FORMAT,
    SET_FORMAT,
    DryRun,
    FormatChanges,
    FormatView,
    SampleRead,
    SetFormat,
)
from contracts.rpc.sync import CREATE_DEFAULT_PIPELINES, LIST_PIPELINES, CreateDefaultPipelines, Pipelines
from contracts.rpc.sync_capabilities import (
    CAPABILITIES,
    SET_CAPABILITIES,
    AmeiseCapabilities,
    AskCapabilities,
    CapabilityChanges,
    SetCapabilities,
)
from contracts.rpc.sync_limits import (
    CONNECTION_LIMITS,
    SET_CONNECTION_LIMITS,
    AskConnectionLimits,
    ConnectionLimits,
    LimitChanges,
    SetConnectionLimits,
)
from gateway import connections, downloads, services, tenants, webhooks
from gateway.asking import ApiAsking
from gateway.models import (
    LogCountQuery,
    LogQuery,
    NewTenant,
    RotateWebhook,
    Status,
    Tenants,
    TenantView,
    WebhookAccess,
)
from gateway.parts import PartsOf
from gateway.routes import admin_router, silent, tells
from gateway.signing_in import require_basic

router = admin_router("Verwaltung")
_admin_only = [Depends(require_basic)]


@router.post("/tenants", status_code=201, dependencies=_admin_only, openapi_extra=tells(TenantCreated))
async def create_tenant(new: NewTenant, request: Request, parts: PartsOf) -> TenantView:
    """Create a team."""
    made = await tenants.create(parts.base, new.id, new.name, Uuid(request.state.correlationid))
    return TenantView(id=TenantId(made.tenant), name=made.name, created_at=made.created_at)


@router.get("/tenants", dependencies=_admin_only)
async def list_tenants(parts: PartsOf) -> Tenants:
    """All teams, by name."""
    return Tenants(
        tenants=tuple(
            TenantView(id=TenantId(t.tenant), name=t.name, created_at=t.created_at)
            for t in await tenants.listed(parts.base)
        )
    )


@router.get("/status", dependencies=_admin_only)
async def status(parts: PartsOf) -> Status:
    """Which services answer now."""
    return await services.status(parts)


@router.post("/{tenant}/connections", status_code=201, openapi_extra=tells(START_CONNECTION))
async def start_connection(asking: ApiAsking, start: StartConnection) -> ConnectionStartedReply:
    """Begin to connect to Ameise or Zoho: a person's browser must go to `authorize_url`."""
    return await connections.start(asking, start)


@router.get("/{tenant}/connections")
async def list_connections(asking: ApiAsking) -> Connections:
    """The team's connections."""
    return await asking.call(LIST_CONNECTIONS, Empty())


@router.post("/{tenant}/dailyup/ftp", openapi_extra=tells(SET_UP_FTP))
async def set_up_ftp(asking: ApiAsking, wanted: SetUpFtp | None = None) -> FtpAccess:
    """Make blau direkt's way in, or give it a new password: it is answered this once."""
    return await asking.call(SET_UP_FTP, wanted or SetUpFtp())


@router.get("/{tenant}/dailyup")
async def dailyup(asking: ApiAsking) -> DailyUpStatus:
    """The newest deliveries and what is stored."""
    return await asking.call(STATUS, Empty())


@router.get("/{tenant}/deliveries/{delivery}/preview")
async def preview_delivery(asking: ApiAsking, delivery: Uuid) -> DeliveryPreview:
    """Why a delivery is held, and what would change if it were released."""
    return await asking.call(PREVIEW_DELIVERY, DeliveryRequest(delivery=delivery))


@router.post("/{tenant}/deliveries/{delivery}/release", openapi_extra=tells(RELEASE_DELIVERY))
async def release_delivery(asking: ApiAsking, delivery: Uuid) -> DeliveryStatus:
    """Have a held delivery imported with the guards off."""
    return await asking.call(RELEASE_DELIVERY, DeliveryRequest(delivery=delivery))


@router.post("/{tenant}/deliveries/{delivery}/reject", openapi_extra=tells(REJECT_DELIVERY))
async def reject_delivery(asking: ApiAsking, delivery: Uuid) -> DeliveryStatus:
    """Let a held delivery have no effect, now and later."""
    return await asking.call(REJECT_DELIVERY, DeliveryRequest(delivery=delivery))


@router.get("/{tenant}/dailyup/format")
async def get_format(asking: ApiAsking) -> FormatView:
    """What is expected of the team's files."""
    return await asking.call(GET_FORMAT, Empty())


@router.put("/{tenant}/dailyup/format", openapi_extra=tells(SET_FORMAT))
async def set_format(asking: ApiAsking, changes: FormatChanges) -> FormatView:
    """Say how the team's files differ from the built-in format, in place of what was said before."""
    return await asking.call(SET_FORMAT, SetFormat(changes=changes))


@router.post("/{tenant}/dailyup/format/try", openapi_extra=silent("reads a sample and keeps nothing of it"))
async def try_sample(asking: ApiAsking, sample: DryRun) -> SampleRead:
    """What a sample file would give. Nothing of it is kept."""
    return await asking.call(DRY_RUN, sample)


_CSV: dict[str, Any] = {
    "response_class": StreamingResponse,
    "responses": {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
}


@router.get("/{tenant}/tables/{table}.csv", openapi_extra=tells(DOWNLOAD), **_CSV)
async def download_table(asking: ApiAsking, table: Table) -> StreamingResponse:
    """A table's stored rows as CSV for a German Excel."""
    return await downloads.table(asking, table)


@router.get("/{tenant}/deliveries/{delivery}")
async def delivery_report(asking: ApiAsking, delivery: Uuid) -> DeliveryReport:
    """One delivery with its first 1,000 problems."""
    return await asking.call(DELIVERY_REPORT, DeliveryRequest(delivery=delivery))


@router.get("/{tenant}/deliveries/{delivery}/problems.csv", **_CSV)
async def download_problems(asking: ApiAsking, delivery: Uuid) -> StreamingResponse:
    """All problems of a delivery as CSV."""
    return await downloads.problems(asking, delivery)


@router.post("/{tenant}/pipelines/defaults", openapi_extra=tells(CREATE_DEFAULT_PIPELINES))
async def create_default_pipelines(asking: ApiAsking, defaults: CreateDefaultPipelines) -> Pipelines:
    """Make the built-in pipelines between two connections; those that exist stay as they are."""
    return await asking.call(CREATE_DEFAULT_PIPELINES, defaults)


@router.get("/{tenant}/pipelines")
async def list_pipelines(asking: ApiAsking) -> Pipelines:
    """The team's pipelines with their counters."""
    return await asking.call(LIST_PIPELINES, Empty())


@router.post("/{tenant}/pipelines/{pipeline}/webhook", openapi_extra=tells(WebhookEndpointCreated))
async def rotate_webhook(
    asking: ApiAsking, pipeline: PipelineId, rotate: RotateWebhook | None = None
) -> WebhookAccess:
    """Open a pipeline's webhook, or give it a new token."""
    keep_previous = (rotate or RotateWebhook()).keep_previous
    opened = await webhooks.pipeline_of(asking, pipeline)
    return await webhooks.open_to_zoho(asking, opened, keep_previous=keep_previous)


@router.get("/{tenant}/connections/{connection}/limits")
async def connection_limits(asking: ApiAsking, connection: Uuid) -> ConnectionLimits:
    """How much of the outside system the connector may use, and what is left."""
    return await asking.call(CONNECTION_LIMITS, AskConnectionLimits(connection=connection))


@router.put("/{tenant}/connections/{connection}/limits", openapi_extra=tells(SET_CONNECTION_LIMITS))
async def set_connection_limits(
    asking: ApiAsking, connection: Uuid, limits: LimitChanges
) -> ConnectionLimits:
    """Change the limits of a connection; what is left out stays as it is."""
    changes = SetConnectionLimits(connection=connection, **limits.model_dump())
    return await asking.call(SET_CONNECTION_LIMITS, changes)


@router.get("/{tenant}/connections/{connection}/capabilities")
async def capabilities(asking: ApiAsking, connection: Uuid) -> AmeiseCapabilities:
    """What may be done with Verträge over an Ameise connection."""
    return await asking.call(CAPABILITIES, AskCapabilities(connection=connection))


@router.put("/{tenant}/connections/{connection}/capabilities", openapi_extra=tells(SET_CAPABILITIES))
async def set_capabilities(
    asking: ApiAsking, connection: Uuid, changes: CapabilityChanges
) -> AmeiseCapabilities:
    """Allow or forbid to create and to change Verträge; what is left out stays as it is."""
    return await asking.call(SET_CAPABILITIES, SetCapabilities(connection=connection, **changes.model_dump()))


@router.get("/{tenant}/log")
async def search_log(asking: ApiAsking, query: Annotated[LogQuery, Query()]) -> LogPage:
    """The Aktivitätslog, newest first."""
    search = SearchLog(filter=query.as_filter(), limit=query.limit, after=query.after)
    return await asking.call(SEARCH, search)


@router.get("/{tenant}/log/counts")
async def count_log(asking: ApiAsking, query: Annotated[LogCountQuery, Query()]) -> LogCounts:
    """How many events there are by one field."""
    return await asking.call(COUNT, CountLog(filter=query.as_filter(), by=query.by))
