"""When a comparison is due, and when its silence is an alarm."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.ids import TenantId
from contracts.names import Flow
from sync.flows import BERLIN, FlowState, Plan, due_at, next_night, overdue_since

NOON = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
NEW = FlowState(TenantId("berlin"), Flow.RECONCILIATION, "", NOON, NOON, None, None, None)
OFTEN = Plan(overdue_after=timedelta(hours=1), retry=timedelta(minutes=5), every=timedelta(minutes=15))
NIGHTLY = Plan(overdue_after=timedelta(hours=26), retry=timedelta(minutes=5), night_hour=5)


def minutes(count: float) -> datetime:
    return NOON + timedelta(minutes=count)


def test_a_new_flow_waits_for_its_first_turn() -> None:
    assert due_at(NEW, OFTEN) == minutes(15)
    # The clocks go forward in this night.
    assert due_at(NEW, NIGHTLY) == datetime(2026, 3, 29, 3, 0, tzinfo=UTC)


def test_after_a_success_the_next_turn_is_one_interval_later() -> None:
    state = replace(NEW, tried_at=minutes(15), last_success=minutes(16))
    assert due_at(state, OFTEN) == minutes(31)


def test_what_failed_is_tried_again_soon() -> None:
    assert due_at(replace(NEW, tried_at=minutes(15)), OFTEN) == minutes(20)
    tonight = datetime(2026, 3, 29, 3, 0, tzinfo=UTC)
    assert due_at(replace(NEW, tried_at=tonight), NIGHTLY) == tonight + timedelta(minutes=5)


@given(st.integers(min_value=0, max_value=20 * 365 * 24 * 3600))
def test_the_next_night_is_ahead_and_at_its_hour(seconds: int) -> None:
    moment = NOON + timedelta(seconds=seconds)
    found = next_night(moment, 5)
    assert timedelta(0) < found - moment <= timedelta(hours=25)
    assert found.astimezone(BERLIN).hour == 5


@pytest.mark.parametrize(
    ("tried", "now", "overdue"),
    [
        (None, 90, False),  # nobody was there to try: a paused pipeline, or all processes down
        (15, 59, False),
        (15, 61, True),
    ],
)
def test_silence_is_an_alarm_once_somebody_has_tried(tried: int | None, now: int, overdue: bool) -> None:
    state = replace(NEW, tried_at=minutes(tried) if tried is not None else None)
    assert overdue_since(state, OFTEN, minutes(now)) == (minutes(60) if overdue else None)
