"""The parts that every suite gets: they answer, and each test has its own names."""

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nats
import psycopg
import pytest
from nats.js.errors import NotFoundError

from contracts.names import Service
from parts.databases import NewDatabase
from parts.servers import environment_url


@pytest.mark.xdist_group("smoke")
def test_workers_see_which_tests_are_one_group(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("loadgroup", default=False):
        pytest.skip("only with --dist loadgroup, and in a worker")
    assert request.node.nodeid.endswith("@smoke")


async def test_nats_has_jetstream(nats_url: str) -> None:
    client = await nats.connect(nats_url)
    assert (await client.jetstream().account_info()).streams >= 0
    await client.close()


@pytest.mark.skipif(environment_url("TEST_NATS_URL") is not None, reason="one account for all tests there")
async def test_no_test_sees_anothers_subjects_and_streams(nats_urls: Iterator[str]) -> None:
    one, other = [await nats.connect(next(nats_urls)) for _ in range(2)]
    heard = await other.subscribe("event.>")
    await other.flush()
    await one.jetstream().add_stream(name="EVENTS", subjects=["event.>"])
    await one.jetstream().publish("event.a", b"1")
    with pytest.raises(NotFoundError):
        await other.jetstream().stream_info("EVENTS")
    await other.publish("event.b", b"2")
    assert (await heard.next_msg()).subject == "event.b"
    await one.close()
    await other.close()


def test_postgres_is_given_with_superuser_rights(postgres: str) -> None:
    with psycopg.connect(postgres) as connection:
        row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    assert row == (True,)


def test_the_search_store_is_an_opensearch(opensearch_url: str, index_prefix: str) -> None:
    request = urllib.request.Request(f"{opensearch_url}/{index_prefix}-a", method="PUT")
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200


@pytest.fixture
def migrations_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package whose only migration makes the common tables."""
    versions = tmp_path / "smoke_service" / "migrations" / "versions"
    versions.mkdir(parents=True)
    (tmp_path / "smoke_service" / "__init__.py").touch()
    (versions.parent / "env.py").write_text("from chassis.migrations import run_in_env\nrun_in_env()\n")
    (versions / "0001_start.py").write_text(
        "from chassis.migrations import create_common_tables\n"
        "revision = '0001'\ndown_revision = None\n"
        "def upgrade():\n    create_common_tables()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return "smoke_service"


def test_each_new_database_is_migrated_and_held_by_its_roles(
    new_database: NewDatabase, migrations_package: str
) -> None:
    one = new_database(Service.INGEST, migrations_package)
    other = new_database(Service.INGEST, migrations_package)
    assert one.runtime != other.runtime
    with psycopg.connect(one.runtime) as connection:
        connection.execute("SELECT set_config('app.tenant', 'berlin', true)")
        assert connection.execute("SELECT count(*) FROM outbox").fetchone() == (0,)
    with psycopg.connect(one.runtime) as connection, pytest.raises(psycopg.errors.RaiseException):
        connection.execute("INSERT INTO lease VALUES ('berlin', 'a', 'me', now(), 1)")
    with psycopg.connect(one.all_tenants) as connection:
        connection.execute("INSERT INTO lease VALUES ('berlin', 'a', 'me', now(), 1)")
    with psycopg.connect(other.superuser) as connection:
        assert connection.execute("SELECT count(*) FROM lease").fetchone() == (0,)
