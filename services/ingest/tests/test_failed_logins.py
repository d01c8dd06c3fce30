"""What becomes of an address whose logins fail."""

from datetime import timedelta

import pytest

from ingest.failed_logins import FailedLogins

ADDRESS = "192.0.2.7"


def guarding(*, block_after: int = 5) -> FailedLogins:
    return FailedLogins(first_delay=1.0, block_after=block_after, block_for=timedelta(minutes=15))


def test_each_answer_waits_twice_as_long_as_the_one_before_up_to_a_minute() -> None:
    failed = guarding(block_after=100)
    delays = [failed.delay_after_failure(ADDRESS, now=float(n)) for n in range(9)]
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_so_many_failures_block_the_address_for_a_time() -> None:
    failed = guarding()
    for second in range(4):
        failed.delay_after_failure(ADDRESS, now=second)
    assert not failed.is_blocked(ADDRESS, now=4)
    failed.delay_after_failure(ADDRESS, now=4)
    assert failed.is_blocked(ADDRESS, now=4)
    assert failed.is_blocked(ADDRESS, now=4 + 900)
    assert not failed.is_blocked(ADDRESS, now=5 + 900)
    assert failed.delay_after_failure(ADDRESS, now=5 + 900) == 1, "it begins anew"


def test_a_login_that_succeeds_ends_the_count_and_others_never_suffer() -> None:
    failed = guarding(block_after=2)
    failed.delay_after_failure(ADDRESS, now=0)
    failed.forget(ADDRESS)
    failed.delay_after_failure(ADDRESS, now=1)
    assert not failed.is_blocked(ADDRESS, now=1)
    failed.delay_after_failure(ADDRESS, now=2)
    assert failed.is_blocked(ADDRESS, now=2)
    assert not failed.is_blocked("192.0.2.8", now=2)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.8", False),
    ],
)
def test_of_ipv6_the_network_of_one_customer_counts(one: str, other: str, same: bool) -> None:
    failed = guarding(block_after=1)
    failed.delay_after_failure(one, now=0)
    assert failed.is_blocked(other, now=0) is same
