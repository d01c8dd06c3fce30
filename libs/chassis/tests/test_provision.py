"""Databases, roles and rights, from the URLs that the services themselves have."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from chassis.provision import provision_all
from contracts.names import Service

if TYPE_CHECKING:
    from parts.databases import Databases


@pytest.fixture
def secrets_dir(tmp_path: Path, databases: "Databases") -> Iterator[Path]:
    """Secrets of an installation whose databases have names of this test, on the test's server."""
    prefix = f"provision_{uuid.uuid4().hex[:12]}"
    server = conninfo_to_dict(databases.superuser_url)
    for name, value in {
        "host": server["host"],
        "port": server["port"],
        "password": server["password"],
    }.items():
        (tmp_path / f"postgres_{name}").write_text(str(value))
    for service in Service:
        for name, role in (("", "runtime"), ("owner_", "owner"), ("all_tenants_", "all_tenants")):
            url = f"postgresql://{service}_{role}:test@{server['host']}:{server['port']}/{prefix}_{service}"
            (tmp_path / f"{service}_database_{name}url").write_text(url)
    yield tmp_path
    _drop(databases.superuser_url, prefix)


def test_every_service_gets_its_database_and_again_changes_nothing(
    secrets_dir: Path, databases: "Databases", capsys: pytest.CaptureFixture[str]
) -> None:
    server = conninfo_to_dict(databases.superuser_url)
    for _ in range(2):
        provision_all(secrets_dir)
    assert capsys.readouterr().out.count("ready") == 2 * len(Service)
    with psycopg.connect((secrets_dir / "sync_database_url").read_text()) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("sync_runtime",)
        database = str(connection.info.dbname)
    stranger = make_conninfo(
        host=str(server["host"]),
        port=str(server["port"]),
        user="auth_runtime",
        password="test",
        dbname=database,
    )
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(stranger)


def test_a_url_of_another_role_is_refused(secrets_dir: Path) -> None:
    path = secrets_dir / "ingest_database_url"
    path.write_text(path.read_text().replace("ingest_runtime", "postgres"))
    with pytest.raises(ValueError, match="for the role postgres, not ingest_runtime"):
        provision_all(secrets_dir)


def test_urls_of_two_databases_are_refused(secrets_dir: Path) -> None:
    path = secrets_dir / "ingest_database_url"
    path.write_text(path.read_text() + "_other")
    with pytest.raises(ValueError, match="name several databases"):
        provision_all(secrets_dir)


def _drop(superuser_url: str, prefix: str) -> None:
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        for service in Service:
            connection.execute(f'DROP DATABASE IF EXISTS "{prefix}_{service}" WITH (FORCE)')  # pyright: ignore[reportArgumentType]
