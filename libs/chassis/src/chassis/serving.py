"""Serves an ASGI application inside the event loop of a process."""

import asyncio
import os
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext, suppress

import structlog
import uvicorn
from starlette.types import ASGIApp

log: structlog.stdlib.BoundLogger = structlog.get_logger()

_TICK_SECONDS = 0.1


class _Server(uvicorn.Server):
    """uvicorn's server, which ends at once when nobody is connected: by itself it looks ten times a second
    whether it is to end, and then waits for a tenth of a second more."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told_to_end = asyncio.Event()

    def end(self) -> None:
        """Take no more connections; requests in hand are answered."""
        self.should_exit = True
        self._told_to_end.set()

    async def main_loop(self) -> None:
        tick = 0
        while not await self.on_tick(tick):
            tick += 1
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS):
                    await self._told_to_end.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
            return
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()


@asynccontextmanager
async def serving(app: ASGIApp, host: str, port: int) -> AsyncGenerator[None]:
    """Serve an ASGI application inside this event loop while the block runs.

    Raises SystemExit(1) after one line in the log if the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        log.error("http.cannot_listen", host=host, port=port, error=os.strerror(error.errno or 0))  # noqa: TRY400
        raise SystemExit(1) from error
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,
            lifespan="off",
        )
    )
    server.capture_signals = nullcontext  # pyright: ignore[reportAttributeAccessIssue] (the process handles them)
    task = asyncio.create_task(server.serve(sockets=[listening]), name="http")
    while not server.started and not task.done():  # noqa: ASYNC110 (uvicorn offers no event for it)
        await asyncio.sleep(0.005)
    if task.done():
        task.result()
    try:
        yield
    finally:
        server.end()
        await task
