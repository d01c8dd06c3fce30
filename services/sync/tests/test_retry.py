"""What follows from an error of an outside system."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts.rpc.sync_parked import ParkedCause
from sync.retry import FIRST_DELAY, LONGEST_DELAY, Decision, Park, Postpone, backoff, decide
from vendor.errors import NotConnected, Rejected, Stale, Unavailable, VendorError

NOW = datetime(2025, 3, 9, 12, tzinfo=UTC)


def decision_on(error: VendorError, *, failing_for: timedelta | None = None, attempts: int = 250) -> Decision:
    since = None if failing_for is None else NOW - failing_for
    return decide(
        error, attempts=attempts, failing_since=since, now=NOW, give_up_after=timedelta(hours=24)
    )  # fmt: skip


def test_unavailable_is_tried_again_and_parked_after_a_day() -> None:
    error = Unavailable("zoho", "zoho answered 503", words="busy")
    assert isinstance(decision_on(error), Postpone)
    assert isinstance(decision_on(error, failing_for=timedelta(hours=23)), Postpone)
    assert decision_on(error, failing_for=timedelta(hours=25)) == Park(
        ParkedCause.UNREACHABLE, {"system": "Zoho", "hours": "24"}, "busy"
    )


def test_a_day_in_which_nobody_tried_is_no_reason_to_give_up() -> None:
    """All processes were down, or the database is yesterday's."""
    error = Unavailable("zoho", "zoho answered 503")
    assert isinstance(decision_on(error, failing_for=timedelta(hours=25), attempts=7), Postpone)


def test_rejected_is_parked_at_once_with_the_systems_words() -> None:
    refusal = Rejected("zoho", "zoho answered 400 X to GET /y", status=400, code="X", words="invalid data")
    decision = decision_on(refusal)
    details = {"meaning": "Zoho hat die Anfrage abgelehnt (400 X)", "answer": "zoho answered 400 X to GET /y"}
    assert decision == Park(ParkedCause.REFUSED_BY_ZOHO, details, "invalid data")
    assert decision.reason == "abgelehnt: Zoho hat die Anfrage abgelehnt (400 X)"


def test_not_connected_is_no_attempt() -> None:
    decision = decision_on(NotConnected("ameise", "dead"), failing_for=timedelta(days=3))
    assert isinstance(decision, Postpone)
    assert not decision.counts


def test_stale_is_read_again_soon() -> None:
    decision = decision_on(Stale("zoho", "changed"))
    assert isinstance(decision, Postpone)
    assert decision.delay < timedelta(seconds=1)


@pytest.mark.parametrize(("attempts", "seconds"), [(0, 1), (1, 2), (5, 32), (9, 300), (100_000, 300)])
def test_the_pause_doubles_up_to_five_minutes_with_jitter(attempts: int, seconds: int) -> None:
    pauses = {backoff(attempts) for _ in range(20)}
    assert len(pauses) > 1
    assert min(pauses) >= FIRST_DELAY
    assert timedelta(seconds=seconds) <= min(pauses)
    assert max(pauses) <= 1.25 * min(timedelta(seconds=seconds), LONGEST_DELAY)
