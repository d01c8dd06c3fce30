"""Migrations: one runner at a time, once, forwards only."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from chassis import migrations
from chassis.provision import Passwords, provision
from contracts.names import Service
from parts.databases import DatabaseUrls

PASSWORDS = Passwords(owner="test", runtime="test", all_tenants="test")
MIGRATE = """
import sys
from pydantic import SecretStr
from chassis.migrations import migrate
print(migrate("sync", SecretStr(sys.argv[1]), package="sample_service"))
"""


@pytest.fixture
def empty_database(postgres: str) -> Iterator[str]:
    """The owner's URL of a database with roles and without tables."""
    name = f"empty_{uuid.uuid4().hex}"
    provision(postgres, Service.SYNC, PASSWORDS, database=name)
    server = conninfo_to_dict(postgres)
    yield f"postgresql://sync_owner:test@{server['host']}:{server['port']}/{name}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_of_processes_that_migrate_at_once_one_does_it_and_the_others_wait(empty_database: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATE, empty_database],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    ended = [process.communicate(timeout=60) for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], ended
    assert [output for output, _ in ended] == ["0001\n"] * 3


def test_migrating_again_changes_nothing(urls: DatabaseUrls) -> None:
    for _ in range(2):
        assert migrations.migrate(Service.SYNC, SecretStr(urls.owner), package="sample_service") == "0001"


def test_provisioning_again_changes_nothing(empty_database: str, postgres: str) -> None:
    name = str(conninfo_to_dict(empty_database)["dbname"])
    migrations.migrate(Service.SYNC, SecretStr(empty_database), package="sample_service")
    with psycopg.connect(empty_database.replace("sync_owner", "sync_all_tenants")) as connection:
        connection.execute("INSERT INTO looked (tenant, zoho_id) VALUES ('berlin', '1')")
    provision(postgres, Service.SYNC, PASSWORDS, database=name)
    with psycopg.connect(empty_database.replace("sync_owner", "sync_all_tenants")) as connection:
        assert connection.execute("SELECT count(*) FROM looked").fetchone() == (1,)


def test_a_table_made_after_provisioning_is_open_to_the_runtime_role(empty_database: str) -> None:
    with psycopg.connect(empty_database) as owner:
        owner.execute("CREATE TABLE later (id int GENERATED ALWAYS AS IDENTITY, tenant text)")
    with psycopg.connect(empty_database.replace("sync_owner", "sync_runtime")) as runtime:
        runtime.execute("INSERT INTO later (tenant) VALUES ('berlin')")


def test_nobody_else_may_connect_to_the_database(empty_database: str, postgres: str) -> None:
    provision(postgres, Service.AUTH, PASSWORDS, database=f"other_{uuid.uuid4().hex}")
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(empty_database.replace("sync_owner", "auth_owner"))


def test_there_is_no_way_back() -> None:
    with pytest.raises(NotImplementedError, match="restore a backup"):
        migrations.downgrade_is_refused()


@pytest.mark.parametrize("table", ["looked", "outbox", "outbox_counter", "lease", "parked_message"])
def test_every_table_with_a_tenant_is_protected_and_forced(urls: DatabaseUrls, table: str) -> None:
    with psycopg.connect(urls.owner) as connection:
        row = connection.execute(
            "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE relname = %s", [table]
        ).fetchone()
        policies = connection.execute(
            "SELECT policyname, roles::text FROM pg_policies WHERE tablename = %s ORDER BY 1", [table]
        ).fetchall()
    assert row == (True, True)
    assert policies == [("all_tenants", "{sync_all_tenants}"), ("own_tenant", "{sync_runtime}")]
