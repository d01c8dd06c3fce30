"""What audit can be asked: the Aktivitätslog."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from contracts.actor import Role
from contracts.events import Event
from contracts.ids import AmeiseKey, PipelineId, Uuid, ZohoId
from contracts.names import Direction, Outcome, Service, Table
from contracts.rpc import Rpc, RpcModel


class LogFilter(RpcModel):
    """Which events are meant; None does not restrict. Times are UTC, `until` is exclusive."""

    since: datetime | None = None
    until: datetime | None = None
    services: tuple[Service, ...] = ()
    types: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    direction: Direction | None = None
    table: Table | None = None
    key: AmeiseKey | None = Field(default=None, description="Kundennummer, Vertragsnummer, ...")
    zoho_id: ZohoId | None = None
    pipeline: PipelineId | None = None
    delivery: Uuid | None = None
    correlationid: Uuid | None = None


class SearchLog(RpcModel):
    """Newest first, page by page; `after` is the `next_page` of the page before."""

    filter: LogFilter = LogFilter()
    limit: int = Field(default=50, ge=1, le=200)
    after: str | None = Field(default=None, max_length=200)


class LogPage(RpcModel):
    events: tuple[Event, ...]
    total: int
    total_is_exact: bool
    next_page: str | None = None
    oldest_kept: datetime | None = Field(default=None, description="older events are not in this store")


class InstallationLog(RpcModel):
    """The newest events of no team: who signed in, and what was refused at the door."""

    limit: int = Field(default=20, ge=1, le=200)


CountField = Literal["type", "outcome", "source", "action", "direction"]


class CountLog(RpcModel):
    """How many events there are by one field. `action` counts objects by created, updated, gone, ...."""

    filter: LogFilter = LogFilter()
    by: CountField = "type"


class LogCounts(RpcModel):
    counts: dict[str, int]


SEARCH = Rpc(
    Service.AUDIT, "search", SearchLog, LogPage,
    callers=frozenset({Service.GATEWAY}), silent_because="only looks",
)  # fmt: skip
COUNT = Rpc(
    Service.AUDIT, "count", CountLog, LogCounts,
    callers=frozenset({Service.GATEWAY}), silent_because="only looks",
)  # fmt: skip
INSTALLATION_LOG = Rpc(
    Service.AUDIT, "installation_log", InstallationLog, LogPage,
    callers=frozenset({Service.GATEWAY}), role=Role.SYSTEM, silent_because="only looks",
)  # fmt: skip
RPCS = (SEARCH, COUNT, INSTALLATION_LOG)
