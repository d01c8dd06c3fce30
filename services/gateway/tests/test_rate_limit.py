"""Token buckets."""

import pytest

from gateway.rate_limit import MOST_BUCKETS, RateLimit


def test_a_burst_passes_and_then_one_per_interval():
    limit = RateLimit(per_second=2, burst=3)
    assert [limit.wait_seconds("a", 0.0) for _ in range(3)] == [0, 0, 0]
    assert limit.wait_seconds("a", 0.0) == pytest.approx(0.5)
    assert limit.wait_seconds("a", 0.5) == 0
    assert limit.wait_seconds("b", 0.5) == 0


def test_a_charge_goes_below_nothing_by_one_burst_at_most():
    limit = RateLimit(per_second=1, burst=10)
    limit.charge("a", 0.0, 1000)
    assert limit.wait_seconds("a", 0.0) == pytest.approx(11)
    assert limit.wait_seconds("a", 11.0) == 0


def test_it_never_holds_more_than_one_burst():
    limit = RateLimit(per_second=100, burst=2)
    limit.wait_seconds("a", 0.0)
    assert [limit.wait_seconds("a", 1000.0) == 0 for _ in range(3)] == [True, True, False]


def test_invented_keys_do_not_fill_the_memory():
    limit = RateLimit(per_second=1, burst=1)
    for n in range(MOST_BUCKETS + 10):
        limit.wait_seconds(str(n), 0.0)
    assert limit.wait_seconds("0", 0.0) == 0  # forgotten, so it begins anew
