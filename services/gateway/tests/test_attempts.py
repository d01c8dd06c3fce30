"""The growing delay after failed sign-ins."""

from gateway.attempts import Attempts, delay_after


def test_the_delay_grows_to_five_minutes():
    delays = [delay_after(n) for n in (0, 2, 3, 4, 5, 11, 12, 500)]
    assert delays == [0, 0, 1, 2, 4, 256, 300, 300]


def test_only_the_block_that_failed_waits_and_success_ends_it():
    attempts = Attempts()
    for _ in range(5):
        attempts.failed("a", 10.0)
    assert attempts.wait_seconds("a", 11.0) == 3
    assert attempts.wait_seconds("a", 14.0) == 0
    assert attempts.wait_seconds("b", 11.0) == 0
    attempts.succeeded("a")
    assert attempts.wait_seconds("a", 10.0) == 0


def test_failures_are_forgotten_after_an_hour():
    attempts = Attempts()
    for _ in range(10):
        attempts.failed("a", 0.0)
    attempts.failed("a", 4000.0)
    assert attempts.wait_seconds("a", 4000.0) == 0
