"""Shared by the chassis's tests: the sample service on a database and a NATS server of its own."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nats
import pytest
from nats.aio.client import Client

if TYPE_CHECKING:
    from sample_service.settings import SampleSettings

    from parts.databases import DatabaseUrls, NewDatabase

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))


@pytest.fixture
def urls(new_database: "NewDatabase") -> "DatabaseUrls":
    """The sample service's migrated database."""
    return new_database("sync", "sample_service")


@pytest.fixture
def settings(nats_url: str, urls: "DatabaseUrls") -> "SampleSettings":
    """The sample's settings."""
    from sample_service.settings import SampleSettings

    values: dict[str, Any] = {
        "nats_url": nats_url,
        "database_url": urls.runtime,
        "database_all_tenants_url": urls.all_tenants,
    }
    return SampleSettings(**values)


@pytest.fixture
async def client(nats_url: str) -> AsyncIterator[Client]:
    """A plain connection to the test's NATS server."""
    connection = await nats.connect(nats_url)
    yield connection
    await connection.close()
