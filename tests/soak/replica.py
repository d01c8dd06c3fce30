"""A replica of sync as a process of its own, which can be killed at any await."""

import multiprocessing
import os
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from parts.databases import DatabaseUrls

CALL_TIMEOUT = timedelta(seconds=1)
SETTLING = timedelta(seconds=4)
LEASE = timedelta(seconds=3)

_CONTEXT = multiprocessing.get_context("forkserver")
# A fork of a process that has imported everything is up in a tenth of the time.
_CONTEXT.set_forkserver_preload(["sync.app", "soak.replica"])


def settings_of_replicas(nats_url: str, urls: DatabaseUrls, sandbox_url: str) -> dict[str, Any]:
    """What waits for minutes or for thousands waits for seconds and for a handful."""
    return {
        "nats_url": nats_url,
        "database_url": urls.runtime,
        "database_all_tenants_url": urls.all_tenants,
        "ameise_rest_url": f"{sandbox_url}/ameise/service/bd/employee/1.0/rest",
        "call_timeout": CALL_TIMEOUT,
        "settling_time": SETTLING,
        "kunde_awaited": SETTLING,
        "ameise_changes_vertraege": True,
        "lease": LEASE,
        "stream_check": timedelta(seconds=1),
        "compare_retry": timedelta(seconds=1),
        "bulk_min_rows": 2,
        "bulk_poll": timedelta(seconds=0.3),
        "deletion_limit_percent": 100,  # ten of a handful would be none
        "log_level": "warning",
        "log_format": "console",
    }


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
    from sync import bulk_write
    from sync.app import running
    from sync.settings import SyncSettings

    with open(log, "ab", buffering=0) as file:  # noqa: PTH123 (its descriptor is what is wanted)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    bulk_write.LEASE = LEASE  # no setting: nobody else needs another one than five minutes
    run(SyncSettings(**settings), running)
