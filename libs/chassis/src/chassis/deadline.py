"""An answer in time, even from what is slow to be cancelled."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

T = TypeVar("T")

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


def _ended(task: asyncio.Future[Any]) -> None:
    _ending.discard(task)
    if not task.cancelled():
        task.exception()  # looked at, or asyncio would log it as never retrieved
