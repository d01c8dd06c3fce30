"""An answer in time, and an end for sure, even from what is slow to be cancelled."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

T = TypeVar("T")

CANCELLED_AGAIN_AFTER_SECONDS = 0.5

_ending = set[asyncio.Future[Any]]()
"""Held until they have ended: the event loop itself keeps no task alive."""


async def within(seconds: float, work: Awaitable[T]) -> T:
    """What `work` returns or raises; TimeoutError after `seconds`, when it is cancelled but not waited for.

    `asyncio.timeout` waits for the end of what it cancels. psycopg first tries for ten seconds to cancel its
    query on the server: with a PostgreSQL that has stopped answering, four seconds would be fourteen.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if task.done():
            return task.result()
        raise TimeoutError
    finally:
        if not task.done():
            _ending.add(task)
            task.add_done_callback(_ended)
            task.cancel()


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel `task` until it has ended. What it raises is left in it.

    Once is not enough on Python 3.11: `asyncio.wait_for`, by which nats-py waits for an answer, swallows a
    cancellation that comes along with the answer, and a task that runs for ever would go on. Not for tasks
    that finish work when they are cancelled: that would be cut off too.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=CANCELLED_AGAIN_AFTER_SECONDS)


def _ended(task: asyncio.Future[Any]) -> None:
    _ending.discard(task)
    if not task.cancelled():
        task.exception()  # looked at, or asyncio would log it as never retrieved
