"""What the soak stands on: the plugin's parts, and stand-ins of its own, since it breaks them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from parts import servers
from parts.databases import Databases

# auth and ingest are played as in sync's own tests.
sys.path.insert(0, str(Path(__file__).parents[2] / "services" / "sync" / "tests"))

from soak.stage import Parts


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest test first: at the end, a worker would wait for the one that runs it."""
    here = Path(__file__).parent
    items.sort(key=lambda item: here not in item.path.parents)


@pytest.fixture
def parts(nats_url: str, databases: Databases, tmp_path: Path) -> Iterator[Parts]:
    folder = tmp_path / "stand-ins"
    folder.mkdir()
    with servers.sandbox(folder) as url:
        yield Parts(nats_url, databases, url, folder / "sandbox" / "sandbox.sqlite", tmp_path)
