"""What follows from an error of an outside system: later, or a person. Pure, but for the jitter.

`NotConnected` burns no attempts: the clock of giving up stands still while a person must reconnect.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from vendor.errors import NotConnected, Rejected, Stale, Unavailable, VendorError

FIRST_DELAY = timedelta(seconds=1)
LONGEST_DELAY = timedelta(minutes=5)
NOT_CONNECTED_DELAY = timedelta(seconds=30)
STALE_DELAY = timedelta(milliseconds=200)


class ParkedReason(StrEnum):
    """Stable prefixes of `reason`, for grouping; the words after the colon are for people."""

    REJECTED = "abgelehnt"
    UNSURE = "unklar"
    POSSIBLY_CREATED = "vielleicht angelegt"
    TOO_LONG = "zu lange nicht erreichbar"
    INCOMPLETE = "unvollständig"


RULE_IS_UNSURE = f"{ParkedReason.UNSURE}: die Auswahlregel der Pipeline braucht ein Feld, das unbekannt ist"


@dataclass(frozen=True, slots=True)
class Postpone:
    """Try again after `delay`; `counts` says whether it was a failed attempt."""

    delay: timedelta
    reason: str
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Park:
    """A person must look. `reason` is ours, without personal values; `words` the outside system's."""

    reason: str
    words: str | None = None


Decision = Postpone | Park


def decide(
    error: VendorError,
    *,
    attempts: int,
    failing_since: datetime | None,
    now: datetime,
    give_up_after: timedelta,
) -> Decision:
    """What to do with work whose `attempts + 1`-th try ended with `error`."""
    match error:
        case NotConnected():
            return Postpone(NOT_CONNECTED_DELAY, f"{error.system} ist nicht verbunden", counts=False)
        case Stale():
            return Postpone(STALE_DELAY, "der Datensatz wurde gleichzeitig geändert")
        case Unavailable():
            if failing_since is not None and now - failing_since > give_up_after:
                hours = give_up_after.total_seconds() / 3600
                return Park(f"{ParkedReason.TOO_LONG}: {error.system} seit über {hours:.0f} h", error.words)
            return Postpone(backoff(attempts), f"{error.system} antwortet nicht: {error}")
        case Rejected():
            return Park(f"{ParkedReason.REJECTED}: {error}", error.words)
        case _:
            return Postpone(backoff(attempts), str(error))


def backoff(attempts: int) -> timedelta:
    """1, 2, 4, ... up to 300 s after `attempts` failed ones, each up to a quarter longer by chance."""
    seconds = min(FIRST_DELAY * 2 ** min(attempts, 20), LONGEST_DELAY).total_seconds()
    return timedelta(seconds=seconds * random.uniform(1, 1.25))  # noqa: S311 (jitter)
