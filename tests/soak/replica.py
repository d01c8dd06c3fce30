"""A replica of sync as a process of its own, which can be killed at any await."""

import multiprocessing
import os
import sys
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
# A fork of a process that has imported everything is up in a tenth of the time.
_CONTEXT.set_forkserver_preload(["sync.app", "soak.replica"])


@dataclass
class Replica:
    """`settings` are those of `SyncSettings`; secrets as plain text."""

    number: int
    settings: dict[str, Any]
    folder: Path
    _process: BaseProcess | None = field(default=None, init=False)

    @property
    def is_up(self) -> bool:
        return self._process is not None and self._process.is_alive()

    @property
    def log(self) -> Path:
        return self.folder / f"sync-{self.number}.log"

    def start(self) -> None:
        process = _CONTEXT.Process(target=_serve, args=(self.settings, str(self.log)), daemon=True)
        process.start()
        self._process = process

    def kill(self) -> None:
        """SIGKILL: whatever it has in hand stays as it is."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None


def _serve(settings: dict[str, Any], log: str) -> None:
    from chassis.process import run
    from sync.app import running
    from sync.settings import SyncSettings

    with open(log, "ab", buffering=0) as file:  # noqa: PTH123 (its descriptor is what is wanted)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    run(SyncSettings(**settings), running)
