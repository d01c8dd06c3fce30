"""What sync can be asked: pipelines, their state, and parked work."""

from datetime import datetime

from pydantic import Field

from contracts.actor import Role
from contracts.events import PipelinesCreated, WorkRetried
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


class ParkedWork(RpcModel):
    """Work that needs a person: what happened, in whose words, and since when."""

    id: int
    pipeline: PipelineId
    object: str = Field(description="Kundennummer, Vertragsnummer or Zoho id")
    zoho_id: str | None = None
    reason: str
    words: str | None = Field(default=None, description="the outside system's own words, shortened")
    attempts: int
    since: datetime


class ListParked(RpcModel):
    pipeline: PipelineId | None = None
    limit: int = Field(default=100, ge=1, le=1000)


class ParkedWorks(RpcModel):
    total: int
    works: tuple[ParkedWork, ...]


class RetryParked(RpcModel):
    ids: tuple[int, ...] = Field(min_length=1, max_length=1000)


class Retried(RpcModel):
    retried: int


_GATEWAY = frozenset({Service.GATEWAY})

CREATE_DEFAULT_PIPELINES = Rpc(
    Service.SYNC, "create_default_pipelines", CreateDefaultPipelines, Pipelines,
    callers=_GATEWAY, role=Role.ADMIN, events=(PipelinesCreated,),
)  # fmt: skip
LIST_PIPELINES = Rpc(
    Service.SYNC, "list_pipelines", Empty, Pipelines, callers=_GATEWAY, silent_because="only looks",
)  # fmt: skip
LIST_PARKED = Rpc(
    Service.SYNC, "list_parked", ListParked, ParkedWorks, callers=_GATEWAY, silent_because="only looks",
)  # fmt: skip
RETRY_PARKED = Rpc(
    Service.SYNC, "retry_parked", RetryParked, Retried,
    callers=_GATEWAY, role=Role.ADMIN, events=(WorkRetried,),
)  # fmt: skip
RPCS = (CREATE_DEFAULT_PIPELINES, LIST_PIPELINES, LIST_PARKED, RETRY_PARKED)
