"""Who of this process may call an outside system next: urgent calls first, within this replica's share."""

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import NamedTuple

UNLIMITED = 1_000_000


class Need(NamedTuple):
    """What a call takes up."""

    urgent: bool
    is_complex: bool


@dataclass(slots=True)
class Turnstile:
    """`calls` and `complex_calls` are this replica's share; `kept_for_urgent` of the calls are for those."""

    kept_for_urgent: int
    calls: int = 0
    complex_calls: int = 0
    in_flight: int = 0
    complex_in_flight: int = 0
    _waiting: list[tuple[bool, int, Need, asyncio.Future[None]]] = field(
        default_factory=list[tuple[bool, int, Need, "asyncio.Future[None]"]]
    )
    _serial: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def is_idle(self) -> bool:
        """Nobody is inside, and nobody waits."""
        return not self.in_flight and not self._waiting

    def resize(self, *, calls: int, complex_calls: int) -> None:
        """This replica's share is another one now."""
        self.calls, self.complex_calls = calls, complex_calls
        self._let_in()

    async def enter(self, need: Need, *, patience_seconds: float) -> None:
        """Wait for a place and take it. Raises TimeoutError."""
        place = asyncio.get_running_loop().create_future()
        self._waiting.append((not need.urgent, next(self._serial), need, place))
        self._waiting.sort(key=lambda waiter: waiter[:2])
        self._let_in()
        try:
            async with asyncio.timeout(patience_seconds):
                await asyncio.shield(place)
        except BaseException:
            if place.done() and not place.cancelled():
                self.leave(need)  # let in at the very moment in which we stopped waiting
            else:
                place.cancel()
                self._waiting = [waiter for waiter in self._waiting if waiter[3] is not place]
            raise

    def leave(self, need: Need) -> None:
        """Free the place."""
        self.in_flight -= 1
        self.complex_in_flight -= need.is_complex
        self._let_in()

    def _let_in(self) -> None:
        """Whoever fits goes in, in order; a call that must wait for a complex place holds up no other."""
        still: list[tuple[bool, int, Need, asyncio.Future[None]]] = []
        for waiter in self._waiting:
            _, _, need, place = waiter
            if not self._fits(need):
                still.append(waiter)
                continue
            self.in_flight += 1
            self.complex_in_flight += need.is_complex
            place.set_result(None)
        self._waiting = still

    def _fits(self, need: Need) -> bool:
        # The last place of a share is nobody's privilege: else a share of one would do no batches.
        kept = 0 if need.urgent else max(0, min(self.kept_for_urgent, self.calls - 1))
        fits = self.in_flight < self.calls - kept
        return fits and not (need.is_complex and self.complex_in_flight >= self.complex_calls)
