"""What sync can be asked about the pipelines themselves: make, look, change, delete, and decide conflicts."""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field, StringConstraints

from contracts.actor import Role
from contracts.events import (
    ConflictDecided,
    PipelineDeleted,
    PipelineDisabled,
    PipelineEnabled,
    PipelinesCreated,
    PipelineUpdated,
)
from contracts.ids import PipelineId, Uuid, ZohoId
from contracts.names import Service, System, Table
from contracts.rpc import Empty, Rpc, RpcModel
from contracts.rpc.pipeline_definition import (
    MOST_FIELDS,
    AmeiseName,
    PipelineDefinition,
    ValueType,
    ZohoName,
)
from contracts.rpc.sync import Pipeline
from contracts.rpc.sync_drift import DriftState

PIPELINE_NAME_LENGTH = 80


class CreatePipeline(RpcModel):
    """A new pipeline. Table, module and connections stay as they are for good: the links hang on them."""

    name: str = Field(min_length=1, max_length=PIPELINE_NAME_LENGTH)
    table: Table
    module: ZohoName
    ameise_connection: Uuid
    zoho_connection: Uuid
    enabled: bool = True
    definition: PipelineDefinition


class PipelineRequest(RpcModel):
    pipeline: PipelineId


class UpdatePipeline(RpcModel):
    """A new definition, and a new name unless it keeps its own; `version` is that of the definition that was
    changed."""

    pipeline: PipelineId
    name: str | None = Field(default=None, min_length=1, max_length=PIPELINE_NAME_LENGTH)
    version: str = Field(max_length=64)
    definition: PipelineDefinition


class DeletePipeline(RpcModel):
    """`links_too`: also if records are linked by it; the records and objects themselves stay."""

    pipeline: PipelineId
    links_too: bool = False


class SwitchPipeline(RpcModel):
    pipeline: PipelineId
    enabled: bool


class PipelineDetail(RpcModel):
    """A pipeline with all that was decided about it; `drift`: what of it no longer fits Zoho. `unchecked`:
    who did not say, as it was made or changed just now, which fields there are."""

    pipeline: Pipeline
    version: str
    definition: PipelineDefinition
    drift: DriftState = DriftState()
    unchecked: tuple[System, ...] = ()


class KnownField(RpcModel):
    """A field that rules and mappings can name. `label`: how users of Zoho know it. `type`: as what its
    values are compared."""

    name: str
    label: str | None = None
    type: ValueType = ValueType.TEXT


class PipelineFields(RpcModel):
    """The fields that there are at both ends of a pipeline; none of an end that does not say."""

    ameise: tuple[KnownField, ...] = ()
    zoho: tuple[KnownField, ...] = ()


class PipelineGone(RpcModel):
    """What went with a deleted pipeline."""

    links: int
    works: int


class PipelineTemplate(RpcModel):
    """A ready pipeline, to be created as it is or changed before."""

    name: str
    table: Table
    module: ZohoName
    definition: PipelineDefinition


class PicklistTemplate(RpcModel):
    """A list of Ameise whose entries (`column`) belong into the picklist of a field."""

    table: Table
    module: ZohoName
    field: ZohoName
    column: AmeiseName


class PipelineTemplates(RpcModel):
    pipelines: tuple[PipelineTemplate, ...]
    picklists: tuple[PicklistTemplate, ...]


ConflictPosition = Annotated[
    str, StringConstraints(max_length=150, pattern=r"^[^~]{1,40}~[0-9]{1,18}~[a-z0-9_]{1,63}$")
]
"""A place in the list of conflicts."""


class ListConflicts(RpcModel):
    """One page, the oldest first; `after` is the `next_page` of the page before."""

    pipeline: PipelineId | None = None
    limit: int = Field(default=100, ge=1, le=1000)
    after: ConflictPosition | None = None


class OpenConflict(RpcModel):
    """A field that both sides changed; the values are those of the moment when it was asked. Where Ameise
    did not show the field at the last look (not `readable`), Zoho's value could not be written there."""

    link: int
    pipeline: PipelineId
    key: str
    zoho_id: ZohoId
    field: AmeiseName
    ameise: str | bool | None = None
    zoho: str | bool | None = None
    since: datetime
    readable: bool = True
    ameise_link: str | None = Field(default=None, description="deep link to the object")


class OpenConflicts(RpcModel):
    """`next_page` is the `after` of the next one, None if this is the last."""

    conflicts: tuple[OpenConflict, ...]
    next_page: ConflictPosition | None = None


class DecideConflict(RpcModel):
    """Which side's value shall hold for one field of one link, and `also` for others of the same link."""

    link: int
    field: AmeiseName
    winner: System
    also: tuple[AmeiseName, ...] = Field(default=(), max_length=MOST_FIELDS)


_GATEWAY = frozenset({Service.GATEWAY})
_ASKS_AROUND = timedelta(seconds=80)
"""Zoho and auth are asked meanwhile, and ingest, which puts a whole table on its way again."""

CREATE_PIPELINE = Rpc(
    Service.SYNC, "create_pipeline", CreatePipeline, PipelineDetail,
    callers=_GATEWAY, role=Role.ADMIN, events=(PipelinesCreated,), timeout=_ASKS_AROUND,
)  # fmt: skip
GET_PIPELINE = Rpc(
    Service.SYNC, "get_pipeline", PipelineRequest, PipelineDetail,
    callers=_GATEWAY, silent_because="only looks",
)  # fmt: skip
PIPELINE_FIELDS = Rpc(
    Service.SYNC, "pipeline_fields", PipelineRequest, PipelineFields,
    callers=_GATEWAY, role=Role.ADMIN, silent_because="only looks", timeout=timedelta(seconds=10),
)  # fmt: skip
UPDATE_PIPELINE = Rpc(
    Service.SYNC, "update_pipeline", UpdatePipeline, PipelineDetail,
    callers=_GATEWAY, role=Role.ADMIN, events=(PipelineUpdated,), timeout=_ASKS_AROUND,
)  # fmt: skip
DELETE_PIPELINE = Rpc(
    Service.SYNC, "delete_pipeline", DeletePipeline, PipelineGone,
    callers=_GATEWAY, role=Role.ADMIN, events=(PipelineDeleted,),
)  # fmt: skip
SWITCH_PIPELINE = Rpc(
    Service.SYNC, "switch_pipeline", SwitchPipeline, PipelineDetail,
    callers=_GATEWAY, role=Role.ADMIN, events=(PipelineEnabled, PipelineDisabled),
    timeout=_ASKS_AROUND,
)  # fmt: skip
LIST_TEMPLATES = Rpc(
    Service.SYNC, "list_pipeline_templates", Empty, PipelineTemplates,
    callers=_GATEWAY, silent_because="only looks",
)  # fmt: skip
LIST_CONFLICTS = Rpc(
    Service.SYNC, "list_conflicts", ListConflicts, OpenConflicts,
    callers=_GATEWAY, silent_because="only looks",
)  # fmt: skip
DECIDE_CONFLICT = Rpc(
    Service.SYNC, "decide_conflict", DecideConflict, Empty,
    callers=_GATEWAY, role=Role.ADMIN, events=(ConflictDecided,),
)  # fmt: skip
RPCS = (
    CREATE_PIPELINE,
    GET_PIPELINE,
    PIPELINE_FIELDS,
    UPDATE_PIPELINE,
    DELETE_PIPELINE,
    SWITCH_PIPELINE,
    LIST_TEMPLATES,
    LIST_CONFLICTS,
    DECIDE_CONFLICT,
)
