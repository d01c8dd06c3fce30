"""A growing delay after failed sign-ins, per address block. Pure, the clock is an argument.

The delay is answered, not slept: a guess made before it is over is refused without a look at it.
"""

from collections import OrderedDict
from dataclasses import dataclass

FREE_ATTEMPTS = 3
LONGEST_DELAY_SECONDS = 300.0
FORGOTTEN_AFTER_SECONDS = 3600.0
MOST_BLOCKS = 10_000


@dataclass(slots=True)
class _Failures:
    number: int
    last: float


class Attempts:
    """Who failed to sign in how often, of late."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def wait_seconds(self, block: str, now: float) -> float:
        """0 if a password may be tried now, else the seconds until one may."""
        failures = self._failures.get(block)
        if failures is None:
            return 0.0
        return max(0.0, failures.last + delay_after(failures.number) - now)

    def failed(self, block: str, now: float) -> None:
        failures = self._failures.setdefault(block, _Failures(0, now))
        if now - failures.last > FORGOTTEN_AFTER_SECONDS:
            failures.number = 0
        failures.number += 1
        failures.last = now
        self._failures.move_to_end(block)
        if len(self._failures) > MOST_BLOCKS:
            self._failures.popitem(last=False)

    def succeeded(self, block: str) -> None:
        self._failures.pop(block, None)


def delay_after(failures: int) -> float:
    """Seconds to wait after so many failures in a row: none for the first three, then 1, 2, 4, ... 300."""
    if failures < FREE_ATTEMPTS:
        return 0.0
    return min(2.0 ** min(failures - FREE_ATTEMPTS, 20), LONGEST_DELAY_SECONDS)
