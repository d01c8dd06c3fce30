"""What sync can be asked: its pipelines."""

from datetime import datetime

from pydantic import Field

from contracts.actor import Role
from contracts.events import PipelinesCreated
from contracts.ids import PipelineId, Uuid
from contracts.names import Service, Table
from contracts.rpc import Empty, Rpc, RpcModel


class Pipeline(RpcModel):
    """One mapping between an Ameise object type and a Zoho module, with its counters."""

    id: PipelineId
    name: str
    table: Table
    module: str
    ameise_connection: Uuid
    zoho_connection: Uuid
    enabled: bool
    takes_webhooks: bool = Field(description="whether changes in Zoho travel to Ameise")
    linked: int = 0
    waiting: int = 0
    parked: int = 0
    last_success: datetime | None = None
    last_error: str | None = None


class CreateDefaultPipelines(RpcModel):
    """Make the built-in pipelines between two connections; those that exist already stay as they are."""

    ameise_connection: Uuid
    zoho_connection: Uuid


class Pipelines(RpcModel):
    pipelines: tuple[Pipeline, ...]


_GATEWAY = frozenset({Service.GATEWAY})

CREATE_DEFAULT_PIPELINES = Rpc(
    Service.SYNC, "create_default_pipelines", CreateDefaultPipelines, Pipelines,
    callers=_GATEWAY, role=Role.ADMIN, events=(PipelinesCreated,),
)  # fmt: skip
LIST_PIPELINES = Rpc(
    Service.SYNC, "list_pipelines", Empty, Pipelines, callers=_GATEWAY, silent_because="only looks",
)  # fmt: skip
RPCS = (CREATE_DEFAULT_PIPELINES, LIST_PIPELINES)
