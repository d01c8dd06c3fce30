"""Wake-ups for loops that otherwise poll, by PostgreSQL's NOTIFY: quick where they work, never needed."""

import asyncio
from contextlib import suppress

import psycopg
import structlog
from pydantic import SecretStr

from chassis.database import open_connection

log: structlog.stdlib.BoundLogger = structlog.get_logger()

RECONNECT_SECONDS = 0.5


async def listen(url: SecretStr, channel: str, wake: asyncio.Event) -> None:
    """Set `wake` whenever somebody notifies `channel`, and after every (re)connect. Runs until cancelled.

    `channel` is a constant of ours: it becomes part of the statement.
    """
    while True:
        try:
            async with await open_connection(url, autocommit=True) as connection:
                await connection.execute(f"LISTEN {channel}".encode())
                wake.set()
                async for _ in connection.notifies():
                    wake.set()
        except (psycopg.Error, OSError) as error:
            log.warning("wakeups.waiting", channel=channel, error=type(error).__name__)
            await asyncio.sleep(RECONNECT_SECONDS)


async def pause(wake: asyncio.Event, seconds: float) -> None:
    """Sleep until `wake` is set, `seconds` at most.

    Not `asyncio.wait_for`: on Python 3.11 it swallows a cancellation that comes along with the wake-up, and
    a process that was told to stop would go on.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wake.wait()
