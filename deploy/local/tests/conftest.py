"""What the runner's tests share: a folder that PostgreSQL may enter, and small children to supervise."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from mvp_connector.process import HttpReady, Launch, Tier

CHILD = """
import signal, sys, time
def stop(*_):
    print("stopped", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print("started", flush=True)
while True:
    time.sleep(60)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not tmp_path: PostgreSQL started by root runs as another user and must get there."""
    path = Path(tempfile.mkdtemp(prefix="mvp-local-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def python_child() -> Callable[..., Launch]:
    """A launch of a little Python program, by default one that waits for SIGTERM."""

    def launch(name: str = "child", code: str = CHILD, tier: Tier = Tier.SERVICE, grace: float = 5) -> Launch:
        return Launch(
            name=name,
            tier=tier,
            command=(sys.executable, "-S", "-c", code),
            ready=HttpReady("http://127.0.0.1:1/"),
            grace=timedelta(seconds=grace),
        )

    return launch
