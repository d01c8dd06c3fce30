"""Keeps the children running: their output, their restarts, and the order in which they stop."""

import asyncio
import contextlib
import logging
import logging.handlers
import os
import signal
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path

import psutil

from .console import Console
from .instance import StartedChild, started_child
from .process import Launch, Tier, popen_options
from .readiness import POLL_INTERVAL, is_ready

FIRST_PAUSE = timedelta(milliseconds=250)
LONGEST_PAUSE = timedelta(seconds=30)
STEADY_AFTER = timedelta(seconds=60)
"""A child that ran this long had no start problem: its next end counts as the first."""

_LOG_FILE_BYTES = 10_000_000
_LOG_FILES_KEPT = 3
_LONGEST_LINE_BYTES = 1_000_000


def pause_before_restart(quick_ends: int) -> timedelta:
    """How long to wait after the `quick_ends`-th end in a row: doubling, with a ceiling."""
    return min(FIRST_PAUSE * 2 ** min(quick_ends - 1, 20), LONGEST_PAUSE)


class Supervisor:
    """Runs a set of children until they are stopped.

    `on_change` gets the children that run now whenever that changes. Output goes to one file per
    child in `logs` and, but for the parts, to the console.
    """

    def __init__(
        self, *, logs: Path, console: Console, on_change: Callable[[Iterable[StartedChild]], None]
    ) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self.logs = logs
        self._console = console
        self._on_change = on_change
        self._children: list[_Child] = []

    async def start(self, launch: Launch) -> None:
        """Start a child and keep it running from now on.

        Raises:
            OSError: it cannot be executed at all.
        """
        child = _Child(launch, logs=self.logs, console=self._console, on_change=self._changed)
        self._children.append(child)
        await child.start()

    async def wait_until_ready(self, launch: Launch, *, within: timedelta) -> bool:
        """Wait for a child to get ready, over restarts if need be."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within.total_seconds()):
                while not await asyncio.to_thread(is_ready, launch.ready):  # noqa: ASYNC110
                    await asyncio.sleep(POLL_INTERVAL.total_seconds())
                return True
        return False

    async def stop(self) -> None:
        """Stop all, the highest tier first; each has its grace and is then killed."""
        for tier in sorted(Tier, reverse=True):
            of_tier = [child for child in self._children if child.launch.tier is tier]
            await asyncio.gather(*(child.stop() for child in of_tier))

    def kill(self) -> None:
        """End all at once."""
        for child in self._children:
            child.kill()

    def _changed(self) -> None:
        self._on_change([child.started for child in self._children if child.started is not None])


class _Child:
    """One child and the task that watches it."""

    def __init__(
        self, launch: Launch, *, logs: Path, console: Console, on_change: Callable[[], None]
    ) -> None:
        self.launch = launch
        self.started: StartedChild | None = None
        self._console = console
        self._on_change = on_change
        self._process: asyncio.subprocess.Process | None = None
        self._watching: asyncio.Task[None] | None = None
        self._stopping = False
        self._log = logging.handlers.RotatingFileHandler(
            logs / f"{launch.name}.log",
            maxBytes=_LOG_FILE_BYTES,
            backupCount=_LOG_FILES_KEPT,
            encoding="utf-8",
        )

    async def start(self) -> None:
        await self._spawn()
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        self._stopping = True
        process, watching = self._process, self._watching
        if watching is None:
            return
        if process is None or process.returncode is not None:
            watching.cancel()  # it waits for the next restart
        else:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(self.launch.stop_signal)
            _, late = await asyncio.wait([watching], timeout=self.launch.grace.total_seconds())
            if late:
                self._write(f"did not stop within {self.launch.grace.total_seconds():.0f} s: killed")
                self.kill()
        await asyncio.wait([watching])
        self._log.close()

    def kill(self) -> None:
        self._stopping = True
        if self._process is not None and self._process.returncode is None:
            # The whole session that it leads, should it have children of its own.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _spawn(self) -> None:
        process = await asyncio.create_subprocess_exec(
            *self.launch.command, **popen_options(self.launch), limit=_LONGEST_LINE_BYTES
        )
        self._process = process
        with contextlib.suppress(psutil.NoSuchProcess):
            self.started = started_child(
                self.launch.name, self.launch.tier, self.launch.stop_signal, process.pid
            )
        self._on_change()

    async def _watch(self) -> None:
        """Copy the output until the child ends; start it again unless it was to stop."""
        loop = asyncio.get_running_loop()
        quick_ends = 0
        while True:
            began = loop.time()
            code = await self._run_out()
            if self._stopping:
                return
            quick_ends = 1 if loop.time() - began > STEADY_AFTER.total_seconds() else quick_ends + 1
            pause = pause_before_restart(quick_ends)
            self._write(f"ended with status {code}, starts again in {pause.total_seconds():g} s")
            await asyncio.sleep(pause.total_seconds())
            try:
                await self._spawn()
            except OSError as error:
                self._write(f"cannot be started: {error}")

    async def _run_out(self) -> int:
        """The child's output until it ends; its exit status, minus the signal's number if killed."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:
                continue  # longer than _LONGEST_LINE_BYTES; readline has thrown it away
            if not line:
                break
            self._write(line.decode(errors="replace").rstrip())
        code = await process.wait()
        self.started = None
        self._on_change()
        return code

    def _write(self, line: str) -> None:
        self._log.emit(logging.makeLogRecord({"msg": line}))
        if self.launch.tier is not Tier.PART:
            self._console.child_line(self.launch.name, line)
