"""When a comparison is due, and when its silence is an alarm. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from contracts.ids import TenantId
from contracts.names import Flow

BERLIN = ZoneInfo("Europe/Berlin")


@dataclass(frozen=True, slots=True)
class FlowState:
    """A flow of one tenant: `thing` is its Zoho connection, or empty. All moments are UTC."""

    tenant: TenantId
    flow: Flow
    thing: str
    made_at: datetime
    clock_from: datetime
    tried_at: datetime | None
    last_success: datetime | None
    overdue_since: datetime | None

    @property
    def key(self) -> tuple[TenantId, Flow, str]:
        return self.tenant, self.flow, self.thing


@dataclass(frozen=True, slots=True)
class Plan:
    """`every` for what runs by the clock, `night_hour` (Europe/Berlin) for what runs once a night."""

    overdue_after: timedelta
    retry: timedelta
    every: timedelta | None = None
    night_hour: int | None = None


Plans = Mapping[Flow, Plan]


def due_at(state: FlowState, plan: Plan) -> datetime:
    """When the flow should run next. A new one waits for its first turn: there is nothing lost yet."""
    last = state.last_success or state.made_at
    due = last + plan.every if plan.every is not None else next_night(last, plan.night_hour or 0)
    failed = state.tried_at is not None and state.tried_at > last
    return max(due, state.tried_at + plan.retry) if failed and state.tried_at else due


def next_night(moment: datetime, hour: int) -> datetime:
    """The first `hour` o'clock of Berlin after `moment`."""
    local = moment.astimezone(BERLIN)
    candidate = local.replace(hour=hour, minute=0, second=0, microsecond=0)
    if candidate <= local:
        candidate = (candidate.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=BERLIN)
    return candidate.astimezone(moment.tzinfo)


def overdue_since(state: FlowState, plan: Plan, now: datetime) -> datetime | None:
    """Since when a success is missing; None while there is time, or while nobody has tried yet."""
    tried = state.tried_at is not None and state.tried_at > state.clock_from
    due = state.clock_from + plan.overdue_after
    return due if tried and now > due else None
