"""What sync can be asked about the limits of a connection: how much of Zoho we may use, and what is left."""

from datetime import datetime

from pydantic import Field

from contracts.actor import Role
from contracts.events import LimitsChanged
from contracts.ids import Uuid
from contracts.names import Service, System
from contracts.rpc import Rpc, RpcModel


class AskConnectionLimits(RpcModel):
    connection: Uuid


class LimitChanges(RpcModel):
    """What an admin decides; what is left out stays as it is."""

    daily_credits: int | None = Field(
        default=None, ge=1, le=10_000_000, description="API credits of the organisation in 24 hours"
    )
    share_percent: int | None = Field(
        default=None, ge=0, le=100, description="of these, what the connector may use at all"
    )
    simultaneous_calls: int | None = Field(
        default=None, ge=1, le=100, description="calls in flight, by the edition: 5 to 25"
    )
    bulk_write_allowed: bool | None = Field(
        default=None,
        description="write many changes as one job, for down to a fifth of the credits. Whether Zoho starts "
        "the organisation's workflow rules for it is not documented, and an edit made in Zoho while the job "
        "runs is overwritten where the job changes the same field",
    )


class SetConnectionLimits(LimitChanges):
    """The changes for one connection."""

    connection: Uuid


class ConnectionLimits(RpcModel):
    """What holds for a connection, and how the system stands now."""

    connection: Uuid
    system: System
    daily_credits: int
    share_percent: int
    simultaneous_calls: int
    bulk_write_allowed: bool
    credits_spent: int = Field(description="in 24 hours, by our own count")
    credits_left: int = Field(description="what we may still spend")
    credits_remaining: int | None = Field(
        default=None, description="of the organisation, in Zoho's words; Zoho is silent in the first half"
    )
    paused_until: datetime | None = Field(default=None, description="Zoho asked for a pause")
    unreachable_since: datetime | None = Field(default=None, description="no answer; the work waits")


_GATEWAY = frozenset({Service.GATEWAY})

CONNECTION_LIMITS = Rpc(
    Service.SYNC, "connection_limits", AskConnectionLimits, ConnectionLimits,
    callers=_GATEWAY, silent_because="only looks",
)  # fmt: skip
SET_CONNECTION_LIMITS = Rpc(
    Service.SYNC, "set_connection_limits", SetConnectionLimits, ConnectionLimits,
    callers=_GATEWAY, role=Role.ADMIN, events=(LimitsChanged,),
)  # fmt: skip
RPCS = (CONNECTION_LIMITS, SET_CONNECTION_LIMITS)
