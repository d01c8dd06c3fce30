"""Puts what many callers bring at about the same time into one call, and lets each wait for its own.

While one call is under way, the next batch gathers; so nobody waits for a clock, a lone item goes at once,
and under load many items share one transaction and one fsync.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


@dataclass(slots=True)
class Batcher(Generic[K, T]):
    """Calls `flush(key, items)` with up to `size` items; one call at a time per key.

    Items of one batch share its fate: what `flush` raises is raised to everyone who waits for it.
    """

    flush: Callable[[K, list[T]], Awaitable[None]]
    size: int
    _waiting: dict[K, list[tuple[T, "asyncio.Future[None]"]]] = field(
        default_factory=dict[K, list[tuple[T, "asyncio.Future[None]"]]]
    )
    _running: dict[K, "asyncio.Task[None]"] = field(default_factory=dict[K, "asyncio.Task[None]"])

    async def add(self, key: K, item: T) -> None:
        """Return when `item` has been flushed. Cancelled, the item may be flushed all the same, unless more
        than one batch waits."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append((item, done))
        if key not in self._running:
            self._running[key] = asyncio.create_task(self._run(key), name=f"batch:{key}")
        await done

    async def _run(self, key: K) -> None:
        try:
            while waiting := self._waiting.get(key):
                if len(waiting) > self.size:
                    # Overload: those who still wait go first, and what nobody waits for does not pile up.
                    waiting = [(item, done) for item, done in waiting if not done.done()]
                batch, self._waiting[key] = waiting[: self.size], waiting[self.size :]
                if batch:
                    await self._flush(key, batch)
        finally:
            self._waiting.pop(key, None)
            del self._running[key]

    async def _flush(self, key: K, batch: list[tuple[T, "asyncio.Future[None]"]]) -> None:
        try:
            await self.flush(key, [item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 (whatever it is, it belongs to those who wait)
            for _, done in batch:
                if not done.done():
                    done.set_exception(error)
        else:
            for _, done in batch:
                if not done.done():
                    done.set_result(None)
