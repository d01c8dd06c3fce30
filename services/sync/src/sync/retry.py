"""What follows from an error of an outside system: later, or a person. Pure, but for the jitter.

`NotConnected` burns no attempts: the clock of giving up stands still while a person must reconnect.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from contracts.names import System
from contracts.rpc.sync_parked import ParkedCause
from sync.outside_words import named, why_refused, why_unavailable
from sync.parked_words import german
from vendor.errors import NotConnected, NotNow, Rejected, Stale, Unavailable, VendorError

FIRST_DELAY = timedelta(seconds=1)
LONGEST_DELAY = timedelta(minutes=5)
NOT_CONNECTED_DELAY = timedelta(seconds=30)
OTHER_HALF_DELAY = timedelta(milliseconds=400)
LOOKS_AFTER_UNKNOWN = 3
"""How often a record is read again that Zoho shows, but does not know when it is to be written."""
STALE_DELAY = timedelta(milliseconds=200)


@dataclass(frozen=True, slots=True)
class Postpone:
    """Try again after `delay`; `counts` says whether it was a failed attempt."""

    delay: timedelta
    reason: str
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Park:
    """A person must look. `details` fill the sentences of `parked_words`: ids and names of fields, never
    personal values. `words` are the outside system's; `candidates` are the objects that may be meant."""

    cause: ParkedCause
    details: Mapping[str, str] = field(default_factory=dict[str, str])
    words: str | None = None
    candidates: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """Why, in German, for events and the pipeline's last error."""
        return german(self.cause, self.details)


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
            return Postpone(NOT_CONNECTED_DELAY, f"{named(error.system)} ist nicht verbunden", counts=False)
        case NotNow():
            return Postpone(error.after, str(error), counts=False)
        case Stale():
            return Postpone(STALE_DELAY, "der Datensatz wurde gleichzeitig geändert")
        case Unavailable():
            # Of own attempts: the clock alone also ran while nobody worked, or is that of a restored backup.
            tried_long = attempts > give_up_after / LONGEST_DELAY / 2
            if tried_long and failing_since is not None and now - failing_since > give_up_after:
                details = {
                    "system": named(error.system),
                    "hours": f"{give_up_after.total_seconds() / 3600:.0f}",
                }
                return Park(ParkedCause.UNREACHABLE, details, error.words)
            return Postpone(backoff(attempts), why_unavailable(error))
        case Rejected() if is_unknown_record(error) and attempts < LOOKS_AFTER_UNKNOWN:
            return Postpone(STALE_DELAY, "Zoho kennt den Datensatz nicht mehr; er wird noch einmal gelesen")
        case Rejected():
            by_zoho = error.system == System.ZOHO
            cause = ParkedCause.REFUSED_BY_ZOHO if by_zoho else ParkedCause.REFUSED_BY_AMEISE
            return Park(cause, refused(error), error.words)
        case _:
            return Postpone(backoff(attempts), str(error))


def refused(error: Rejected) -> dict[str, str]:
    """The details of work that was refused: what it means, and which answer to which call it was."""
    return {"meaning": why_refused(error), "answer": str(error)}


def is_unknown_record(error: Rejected) -> bool:
    """Whether Zoho refused to change a record since its id leads nowhere: it was deleted after we read it.

    A lookup's id that leads nowhere carries the name of its field.
    """
    return error.system == System.ZOHO and error.code == "INVALID_DATA" and error.api_name == "id"


def other_half_is_busy() -> Postpone:
    """A record and its object were met at the same time, each by somebody who did not know of the other: the
    one who comes back first finds both. By chance, so that they do not meet again."""
    delay = OTHER_HALF_DELAY * random.uniform(0.5, 2)  # noqa: S311 (jitter)
    return Postpone(delay, "in Arbeit", counts=False)


def backoff(attempts: int) -> timedelta:
    """1, 2, 4, ... up to 300 s after `attempts` failed ones, each up to a quarter longer by chance."""
    seconds = min(FIRST_DELAY * 2 ** min(attempts, 20), LONGEST_DELAY).total_seconds()
    return timedelta(seconds=seconds * random.uniform(1, 1.25))  # noqa: S311 (jitter)
