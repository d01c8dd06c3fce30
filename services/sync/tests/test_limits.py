"""What may be asked of an outside system now."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.limits import (
    FIRST_OPEN,
    FIRST_THROTTLE,
    LONGEST_OPEN,
    LONGEST_THROTTLE,
    Health,
    Terms,
    concerns_others,
    credits_left,
    health_after,
    may_spend,
    share_of,
)
from vendor import Standing

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
TERMS = Terms(daily_credits=50_000, share_percent=80, simultaneous_calls=10)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("spent", "remaining", "left"),
    [
        (0, None, 40_000),
        (39_990, None, 10),
        (41_000, None, 0),
        (10_000, 24_000, 24_000),  # others spent a lot
        (39_000, 11_000, 1_000),  # the rest is theirs
    ],
)
def test_we_spend_our_share_and_never_more_than_zoho_has(
    spent: int, remaining: int | None, left: int
) -> None:
    assert credits_left(TERMS, spent=spent, remaining=remaining) == left


def test_a_batch_leaves_the_reserve_to_webhooks() -> None:
    assert may_spend(1, 2_000, urgent=True, reserve=2_000)
    assert not may_spend(1, 2_000, urgent=False, reserve=2_000)
    assert may_spend(10, 2_010, urgent=False, reserve=2_000)
    assert not may_spend(1, 0, urgent=True, reserve=2_000)


@given(
    total=st.integers(1, 30),
    replicas=st.integers(1, 8),
    turns=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 30)), max_size=60),
)
def test_all_shares_together_never_exceed_the_total(
    total: int, replicas: int, turns: list[tuple[int, int]]
) -> None:
    """Replicas renew in any order, with anything up to their share in flight."""
    shares: dict[int, int] = {}
    for turn, busy in turns:
        replica = turn % replicas
        others = [share for other, share in shares.items() if other != replica]
        in_flight = min(busy, shares.get(replica, 0))
        shares[replica] = share_of(total, others=others, in_flight=in_flight)
        assert sum(shares.values()) <= total
        assert shares[replica] >= in_flight


@given(total=st.integers(2, 30), replicas=st.integers(1, 8))
def test_after_two_rounds_everybody_has_a_fair_share(total: int, replicas: int) -> None:
    shares = dict.fromkeys(range(replicas), 0)
    shares[0] = total  # was alone before
    for _ in range(2):
        for replica in shares:
            others = [share for other, share in shares.items() if other != replica]
            shares[replica] = share_of(total, others=others, in_flight=0)
    assert max(shares.values()) - min(shares.values()) <= 1
    assert sum(shares.values()) == total


@pytest.mark.parametrize(
    ("share", "before", "concerns"),
    [
        (0, None, True),  # new, and somebody has them all
        (4, None, False),
        (0, 0, False),  # said already: who gives places up says so
        (5, 10, True),
        (4, 4, False),
        (4, 2, False),
    ],
)
def test_the_others_hear_of_a_newcomer_in_need_and_of_places_given_up(
    share: int, before: int | None, concerns: bool
) -> None:
    assert concerns_others(share, before=before, fair=4) is concerns


def after_all(*standings: Standing, threshold: int = 3) -> Health:
    """One call a second, each begun and ended before the next."""
    health = Health()
    for number, standing in enumerate(standings):
        moment = NOW + number * SECOND
        health = health_after(health, standing, begun=moment, now=moment, threshold=threshold)
    return health


def test_failures_in_a_row_open_the_breaker_and_an_answer_closes_it() -> None:
    failed, answered = Standing.FAILED, Standing.ANSWERED
    assert after_all(failed, failed).opened_at is None
    assert after_all(failed, failed, answered, failed, failed).opened_at is None
    opened = after_all(failed, failed, failed)
    assert opened.opened_at is not None
    assert opened.open_until is not None
    assert FIRST_OPEN <= opened.open_until - opened.opened_at <= 1.25 * FIRST_OPEN
    assert after_all(failed, failed, failed, answered).is_spotless


def test_a_probe_that_fails_keeps_it_open_for_longer_since_the_same_moment() -> None:
    opened = after_all(*[Standing.FAILED] * 3)
    probed = NOW + timedelta(seconds=20)
    still = health_after(opened, Standing.FAILED, begun=probed, now=probed, threshold=3)
    assert still.opened_at == opened.opened_at
    assert still.open_until is not None
    assert still.open_until - probed >= 2 * FIRST_OPEN
    for _ in range(30):
        probed += timedelta(hours=1)
        still = health_after(still, Standing.FAILED, begun=probed, now=probed, threshold=3)
    assert still.open_until is not None
    assert still.open_until - probed <= 1.25 * LONGEST_OPEN


def test_calls_from_before_the_opening_neither_close_nor_prolong_it() -> None:
    opened = after_all(*[Standing.FAILED] * 3)
    for standing in (Standing.ANSWERED, Standing.FAILED):
        late = health_after(opened, standing, begun=NOW, now=NOW + 5 * SECOND, threshold=3)
        assert (late.opened_at, late.open_until) == (opened.opened_at, opened.open_until)


def test_ten_calls_refused_together_are_one_pause() -> None:
    health = Health()
    for _ in range(10):
        health = health_after(health, Standing.THROTTLED, begun=NOW, now=NOW + SECOND, threshold=3)
    assert health.throttled == 1
    assert health.paused_until is not None
    assert FIRST_THROTTLE <= health.paused_until - NOW - SECOND <= 1.25 * FIRST_THROTTLE


def test_pauses_double_up_to_a_limit_until_an_answer_comes() -> None:
    health, moment = Health(), NOW
    pauses: list[timedelta] = []
    for _ in range(12):
        health = health_after(health, Standing.THROTTLED, begun=moment, now=moment, threshold=3)
        assert health.paused_until is not None
        pauses.append(health.paused_until - moment)
        moment = health.paused_until
    assert pauses[1] > 1.5 * pauses[0]
    assert LONGEST_THROTTLE <= pauses[-1] <= 1.25 * LONGEST_THROTTLE
    assert health_after(health, Standing.ANSWERED, begun=moment, now=moment, threshold=3) == Health()


def test_an_answer_from_before_the_pause_does_not_end_it() -> None:
    paused = health_after(Health(), Standing.THROTTLED, begun=NOW, now=NOW, threshold=3)
    late = health_after(paused, Standing.ANSWERED, begun=NOW, now=NOW + SECOND, threshold=3)
    assert late.paused_until == paused.paused_until


def test_a_call_that_we_cut_off_says_nothing() -> None:
    health = after_all(Standing.FAILED)
    assert health_after(health, Standing.CUT_OFF, begun=NOW, now=NOW, threshold=1) == health
