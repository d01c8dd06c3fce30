"""What sync can be asked about its state: how each pipeline is doing, and how one link stands."""

from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import Field

from contracts.actor import Role
from contracts.ids import AmeiseKey, PipelineId, Uuid, ZohoId
from contracts.names import Service, System
from contracts.rpc import Empty, Rpc, RpcModel
from contracts.rpc.sync_drift import DriftState


class PipelineState(RpcModel):
    """One pipeline now. `written_last_hour`: objects written to either side. `zoho_credits_left`: of
    its connection, what the connector may still spend in 24 hours; None from an older release."""

    id: PipelineId
    name: str
    enabled: bool
    zoho_connection: Uuid
    linked: int
    waiting: int
    parked: int
    oldest_waiting: datetime | None = None
    last_run: datetime | None = Field(default=None, description="when work was last done, however it ended")
    last_success: datetime | None = None
    last_error: str | None = None
    written_last_hour: int = 0
    zoho_credits_left: int | None = None
    drift: DriftState = DriftState()


class SyncState(RpcModel):
    pipelines: tuple[PipelineState, ...]


class LinkStateRequest(RpcModel):
    """The link of an object of Ameise by its key, or of a Zoho record by its id."""

    pipeline: PipelineId
    side: System
    id: AmeiseKey


class SeenValue(RpcModel):
    """`known` with value None is empty; not `known` is never the same as empty."""

    known: bool
    value: Any = None


class FieldState(RpcModel):
    """One mapped field: each side's base (as last read) and its value now."""

    ameise: str
    zoho: str
    ameise_base: SeenValue
    ameise_now: SeenValue
    zoho_base: SeenValue
    zoho_now: SeenValue


class LinkState(RpcModel):
    """`ameise_from`: who said how Ameise's side is now, None if nobody could. `written`: Ameise field → when
    we last wrote it, or saw it new there."""

    pipeline: PipelineId
    key: AmeiseKey | None
    zoho_id: ZohoId | None
    module: str
    linked_at: datetime | None = None
    gone_in_zoho: bool = False
    ameise_link: str | None = None
    ameise_from: Literal["ameise", "ingest"] | None = None
    zoho_reached: bool = False
    fields: tuple[FieldState, ...] = ()
    written: dict[str, datetime] = Field(default_factory=dict)


_GATEWAY = frozenset({Service.GATEWAY})

SYNC_STATE = Rpc(
    Service.SYNC, "state", Empty, SyncState, callers=_GATEWAY, silent_because="only looks",
    timeout=timedelta(seconds=15),
)  # fmt: skip
LINK_STATE = Rpc(
    Service.SYNC, "link_state", LinkStateRequest, LinkState,
    callers=_GATEWAY, role=Role.ADMIN, silent_because="only looks", timeout=timedelta(minutes=1),
)  # fmt: skip
RPCS = (SYNC_STATE, LINK_STATE)
