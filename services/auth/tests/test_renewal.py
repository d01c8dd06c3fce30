"""When a token is renewed, and what an answer means."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from auth.providers import Answer, NoAnswer, Refused, Tokens
from auth.renewal import (
    ISSUED_PER_WINDOW,
    LOCKED_PAUSE,
    LONGEST_PAUSE,
    WINDOW,
    Dead,
    Renewed,
    Use,
    Wait,
    issued_lately,
    meaning,
    next_renewal,
    renewal_time,
    use_of,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TOO_MANY = "You have made too many requests continuously. Please try again after some time."


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


@pytest.mark.parametrize(
    ("renew_in", "expires_in", "refused", "use"),
    [
        (100, 300, False, Use.HAND_OUT),
        (0, 120, False, Use.RENEW_OR_HAND_OUT),
        (-100, 4, False, Use.RENEW),
        (-200, -100, False, Use.RENEW),
        (3000, 3200, True, Use.RENEW),
    ],
)
def test_a_stored_token_is_handed_out_until_it_runs_out_or_was_refused(
    renew_in: float, expires_in: float, refused: bool, use: Use
) -> None:
    found = use_of(
        now=NOW, renew_at=NOW + seconds(renew_in), expires_at=NOW + seconds(expires_in), refused=refused
    )
    assert found is use


@pytest.mark.parametrize(("jitter", "early"), [(0, 120), (1, 180)])
def test_an_hours_token_is_renewed_two_to_three_minutes_early(jitter: float, early: float) -> None:
    assert renewal_time(NOW, HOUR, jitter=jitter) == NOW + HOUR - seconds(early)


@given(lifetime=st.floats(1, 86_400), jitter=st.floats(0, 1))
def test_a_token_keeps_at_least_half_of_its_life(lifetime: float, jitter: float) -> None:
    assert renewal_time(NOW, seconds(lifetime), jitter=jitter) >= NOW + seconds(lifetime) * 0.49


def test_the_token_endpoint_is_free_at_once_if_nothing_speaks_against_it() -> None:
    assert next_renewal(now=NOW, not_before=None, issued_at=[]) == NOW


def test_a_pause_after_a_failure_is_kept() -> None:
    assert next_renewal(now=NOW, not_before=NOW + seconds(30), issued_at=[]) == NOW + seconds(30)


def test_never_more_tokens_in_ten_minutes_than_zoho_allows() -> None:
    issued: list[datetime] = []
    now = NOW
    for _ in range(40):
        now = next_renewal(now=now + seconds(1), not_before=None, issued_at=issued)
        issued = issued_lately(issued, now)
        assert sum(moment > now - WINDOW for moment in issued) <= ISSUED_PER_WINDOW
    assert len(issued) <= ISSUED_PER_WINDOW


@pytest.mark.parametrize("error", ["invalid_grant", "invalid_token", "unauthorized_client", "invalid_code"])
def test_words_about_the_refresh_token_end_the_connection(error: str) -> None:
    assert meaning(Refused(error), now=NOW, failures=0, jitter=0.5) == Dead(error)


@pytest.mark.parametrize(
    "answer",
    [
        NoAnswer("HTTP 503"),
        NoAnswer("no answer in time"),
        Refused("invalid_client"),
        Refused("server_error"),
        Refused("Access Denied", TOO_MANY),
    ],
)
@pytest.mark.parametrize("failures", [0, 3, 1000])
def test_anything_else_waits_and_never_ends_it(answer: Answer, failures: int) -> None:
    found = meaning(answer, now=NOW, failures=failures, jitter=1)
    assert isinstance(found, Wait)
    assert NOW < found.until <= NOW + max(LONGEST_PAUSE, LOCKED_PAUSE * 1.1)


def test_pauses_grow() -> None:
    pauses = [meaning(NoAnswer("HTTP 500"), now=NOW, failures=n, jitter=1) for n in range(4)]
    assert [p.until - NOW for p in pauses if isinstance(p, Wait)] == [seconds(s) for s in (2, 4, 8, 16)]


def test_after_too_many_requests_the_whole_window_is_waited_for() -> None:
    found = meaning(Refused("Access Denied", TOO_MANY), now=NOW, failures=0, jitter=0)
    assert found == Wait(NOW + LOCKED_PAUSE, "zu viele Anfragen nach Token")


def test_tokens_are_a_renewal_and_do_not_show_themselves() -> None:
    tokens = Tokens(SecretStr("zugang"), SecretStr("erneuerung"), HOUR)
    found = meaning(tokens, now=NOW, failures=5, jitter=0)
    assert found == Renewed(tokens)
    assert "zugang" not in repr(found)
    assert "erneuerung" not in repr(found)
