"""What may be asked of an outside system now: credits, shares of simultaneous calls, pauses, the breaker.

Pure. Moments are PostgreSQL's, so that all replicas mean the same.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from vendor import Standing

FIRST_THROTTLE = timedelta(seconds=2)
LONGEST_THROTTLE = timedelta(minutes=5)
FIRST_OPEN = timedelta(seconds=5)
LONGEST_OPEN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for one connection. Credits are per rolling 24 h and organisation.

    `share_percent` of `daily_credits` is all that we use: other apps live from them too.
    """

    daily_credits: int
    share_percent: int
    simultaneous_calls: int
    bulk_write_allowed: bool = False

    @property
    def ceiling(self) -> int:
        """Our own credits of 24 h."""
        return self.daily_credits * self.share_percent // 100


def credits_left(terms: Terms, *, spent: int, remaining: int | None) -> int:
    """Credits that we may still spend: what our own ceiling leaves, and never more than Zoho says is left.

    `remaining` is Zoho's own word, None while it says nothing: it does so only in the second half.
    """
    own = terms.ceiling - spent
    return max(0, own if remaining is None else min(own, remaining))


def may_spend(cost: int, left: int, *, urgent: bool, reserve: int) -> bool:
    """Whether a call may cost that much; `reserve` is for webhooks alone."""
    return cost <= left if urgent else cost <= left - reserve


def share_of(total: int, *, others: Sequence[int], in_flight: int) -> int:
    """How many of `total` simultaneous calls one replica may have, beside what the `others` hold now.

    All shares together never exceed the total, and once all have renewed they differ by one at most: a
    replica takes as much work as any other, and should have as many places for it. One that has more in
    flight than its fair share keeps those places until they are free.
    """
    fair = fair_share(total, len(others))
    odd_places = total - fair * (len(others) + 1)
    taken = sum(max(0, other - fair) for other in others)
    return max(min(fair + (taken < odd_places), total - sum(others)), in_flight, 0)


def fair_share(total: int, others: int) -> int:
    """What each has at least once all have renewed."""
    return total // (others + 1)


def concerns_others(share: int, *, before: int | None, fair: int) -> bool:
    """Whether the other replicas should renew at once: a new one came (`before` is None) and has too little,
    or places were given up. Who has long had too little says nothing again: they would wake each other for
    ever."""
    return share < fair if before is None else share < before


@dataclass(frozen=True, slots=True)
class Health:
    """How an outside system stands, shared by all replicas.

    `failures` in a row open the breaker at `opened_at`; until `open_until` nobody asks, then one does.
    `throttled` pauses in a row, the last one until `paused_until`. `told_at`: a person was told.
    """

    failures: int = 0
    opened_at: datetime | None = None
    open_until: datetime | None = None
    trips: int = 0
    told_at: datetime | None = None
    throttled: int = 0
    paused_until: datetime | None = None

    @property
    def is_spotless(self) -> bool:
        """Whether an answer changes nothing."""
        return not self.failures and self.opened_at is None and not self.throttled


def health_after(
    health: Health, standing: Standing, *, begun: datetime, now: datetime, threshold: int
) -> Health:
    """The health after a call that began at `begun` ended with `standing`.

    A call from before the breaker opened, or before the pause ended, says nothing new: ten that fail
    together are one sign.
    """
    match standing:
        case Standing.CUT_OFF:
            return health
        case Standing.FAILED:
            return _after_failure(health, begun=begun, now=now, threshold=threshold)
        case Standing.THROTTLED:
            if health.paused_until is not None and begun < health.paused_until:
                return health
            pause = _doubled(FIRST_THROTTLE, health.throttled, LONGEST_THROTTLE)
            return replace(_closed(health, begun), throttled=health.throttled + 1, paused_until=now + pause)
        case Standing.ANSWERED | Standing.TOKEN_REFUSED:
            if health.paused_until is not None and begun < health.paused_until:
                return _closed(health, begun)
            return replace(_closed(health, begun), throttled=0, paused_until=None)


def _after_failure(health: Health, *, begun: datetime, now: datetime, threshold: int) -> Health:
    failures = health.failures + 1
    if health.opened_at is None:
        if failures < threshold:
            return replace(health, failures=failures)
        return replace(
            health, failures=failures, opened_at=now, open_until=now + _jittered(FIRST_OPEN), trips=1
        )
    if begun < health.opened_at:
        return health
    pause = _doubled(FIRST_OPEN, health.trips, LONGEST_OPEN)
    return replace(health, failures=failures, open_until=now + pause, trips=health.trips + 1)


def _closed(health: Health, begun: datetime) -> Health:
    """The breaker closed by an answer, unless the call is older than its opening."""
    if health.opened_at is not None and begun < health.opened_at:
        return health
    return replace(health, failures=0, opened_at=None, open_until=None, trips=0, told_at=None)


def _doubled(first: timedelta, times: int, longest: timedelta) -> timedelta:
    return _jittered(min(first * 2 ** min(times, 20), longest))


def _jittered(pause: timedelta) -> timedelta:
    return pause * random.uniform(1, 1.25)  # noqa: S311 (jitter)
