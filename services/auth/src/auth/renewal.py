"""When a token is renewed, and what the answer of the token endpoint means. Pure: values in, decision out.

A renewal is early, so that nobody meets an expired token; and rare, since Zoho gives one refresh token at
most 10 access tokens in 10 minutes, and prolongs the lock of whoever keeps trying.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias, assert_never

from pydantic import SecretStr

from auth.providers import Answer, NoAnswer, Refused, Tokens

EARLY = timedelta(seconds=120)
JITTER = timedelta(seconds=60)
"""Tokens that were issued together are renewed up to this much apart."""
LEAST_LEFT = timedelta(seconds=5)
"""A token with less life than this is not handed out: it would die on its way."""
WINDOW = timedelta(minutes=10)
ISSUED_PER_WINDOW = 9
"""One below Zoho's limit of 10: somebody else's clock may differ from ours."""
FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=5)
LOCKED_PAUSE = timedelta(minutes=10)
"""After Zoho's "too many requests"."""

DEAD_ERRORS = frozenset({"invalid_grant", "invalid_token", "unauthorized_client", "invalid_code"})
"""`invalid_code` is Zoho's word for a dead refresh token, with HTTP 200."""


class Use(StrEnum):
    """What to do with a stored access token that somebody asks for."""

    HAND_OUT = "hand_out"
    RENEW_OR_HAND_OUT = "renew_or_hand_out"
    """It runs out soon: a new one is better, this one still does."""
    RENEW = "renew"


def use_of(*, now: datetime, renew_at: datetime, expires_at: datetime, refused: bool) -> Use:
    """`refused`: the outside system just answered 401 to this very token."""
    if refused or expires_at - now < LEAST_LEFT:
        return Use.RENEW
    return Use.RENEW_OR_HAND_OUT if now >= renew_at else Use.HAND_OUT


def renewal_time(issued_at: datetime, lifetime: timedelta, *, jitter: float) -> datetime:
    """When to renew. `jitter` is from 0 to 1. A short-lived token keeps at least half of its life."""
    early = min(EARLY, lifetime / 4) + min(JITTER, lifetime / 4) * jitter
    return issued_at + lifetime - early


def next_renewal(*, now: datetime, not_before: datetime | None, issued_at: Sequence[datetime]) -> datetime:
    """The first moment, `now` or later, at which the token endpoint may be asked."""
    recent = sorted(moment for moment in issued_at if moment > now - WINDOW)
    free = recent[-ISSUED_PER_WINDOW] + WINDOW if len(recent) >= ISSUED_PER_WINDOW else now
    return max(now, free, not_before or now)


def issued_lately(issued_at: Sequence[datetime], now: datetime) -> list[datetime]:
    """What to remember for `next_renewal` when a token is issued now."""
    return [*(moment for moment in issued_at if moment > now - WINDOW), now]


@dataclass(frozen=True, slots=True)
class Renewed:
    tokens: Tokens


@dataclass(frozen=True, slots=True)
class Dead:
    """The refresh token is no longer good: a person must connect again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is known about the refresh token: try again, not before `until`."""

    until: datetime
    reason: str


Meaning: TypeAlias = Renewed | Dead | Wait


def meaning(answer: Answer, *, now: datetime, failures: int, jitter: float) -> Meaning:
    """What an answer to a refresh means after `failures` failed ones in a row; `jitter` is from 0 to 1.

    Only words that speak of this refresh token end a connection. A refusal that speaks of us (wrong
    client secret) or of anything else waits: a person mends that without connecting again.
    """
    match answer:
        case Tokens():
            return Renewed(answer)
        case Refused(error) if error in DEAD_ERRORS:
            return Dead(error)
        case Refused() if is_too_many_requests(answer):
            return Wait(now + LOCKED_PAUSE * (1 + jitter / 10), "zu viele Anfragen nach Token")
        case Refused(error):
            return Wait(now + _pause(failures, jitter), f"abgelehnt: {error}")
        case NoAnswer(reason):
            return Wait(now + _pause(failures, jitter), reason)
        case _:
            assert_never(answer)


def is_too_many_requests(refused: Refused) -> bool:
    """Zoho's limit, with status 200 or 400: `{"error": "Access Denied", "error_description": "You have made
    too many requests continuously. ..."}`."""
    return "too many requests" in f"{refused.error} {refused.description}".lower()


def _pause(failures: int, jitter: float) -> timedelta:
    longest = min(FIRST_PAUSE * 2 ** min(failures, 10), LONGEST_PAUSE)
    return longest * (0.5 + jitter / 2)


def token_hash(token: SecretStr) -> str:
    """As callers name a refused token: SHA-256 in hex."""
    return hashlib.sha256(token.get_secret_value().encode()).hexdigest()
