"""PostgreSQL's NOTIFY as a wake-up for a loop that otherwise polls: quick where it works, never needed."""

import asyncio

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
