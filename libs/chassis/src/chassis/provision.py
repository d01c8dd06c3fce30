"""Makes a service's database and its three roles. Needs a superuser once; running again changes nothing.

Roles: `<service>_owner` migrates; `<service>_runtime` does the work and is held by row-level security;
`<service>_all_tenants` is for the outbox relay and retention, which serve all tenants at once.

`python -m chassis.provision` does it for all five services, from the settings that the services have.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString, cast

import psycopg
import typer
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis.settings import SECRETS_DIR
from contracts.names import Service


class Server(BaseSettings):
    """The superuser's login: `POSTGRES_HOST`, ..., or files of these names, in lower case, as secrets."""

    model_config = SettingsConfigDict(env_prefix="POSTGRES_", hide_input_in_errors=True)

    host: str
    port: int = 5432
    user: str = "postgres"
    password: SecretStr

    def conninfo(self) -> str:
        """How psycopg connects."""
        return make_conninfo(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password.get_secret_value(),
            dbname="postgres",
        )


class DatabaseUrls(BaseSettings):
    """One service's three database URLs, by the names under which it reads them itself."""

    model_config = SettingsConfigDict(hide_input_in_errors=True)

    database_owner_url: SecretStr
    database_url: SecretStr
    database_all_tenants_url: SecretStr


@dataclass(frozen=True, slots=True)
class Passwords:
    """The passwords of a service's three roles."""

    owner: str
    runtime: str
    all_tenants: str


def owner_role(service: Service) -> str:
    return f"{service}_owner"


def runtime_role(service: Service) -> str:
    return f"{service}_runtime"


def all_tenants_role(service: Service) -> str:
    return f"{service}_all_tenants"


def provision(
    superuser_url: str, service: Service, passwords: Passwords, *, database: str | None = None
) -> None:
    """Create roles and database (named like the service unless `database` says otherwise) where missing."""
    name = database or service.value
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        _roles(connection, service, passwords)
        exists = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if not exists:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(
                    sql.Identifier(name), sql.Identifier(owner_role(service))
                )
            )
    inside = make_conninfo(**cast("dict[str, str]", conninfo_to_dict(superuser_url) | {"dbname": name}))
    with psycopg.connect(inside, autocommit=True) as connection:
        let_in(connection, service, name)
        _privileges(connection, service)


def let_in(connection: psycopg.Connection, service: Service, database: str) -> None:
    """Only the service's roles may connect to a database: a right that a copy of it does not inherit."""
    name = sql.Identifier(database)
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    for role in (runtime_role(service), all_tenants_role(service)):
        # TEMPORARY: COPY does not work into tables with row-level security, so it goes into temporary ones.
        connection.execute(
            sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(name, sql.Identifier(role))
        )


def _roles(connection: psycopg.Connection, service: Service, passwords: Passwords) -> None:
    for role, password in (
        (owner_role(service), passwords.owner),
        (runtime_role(service), passwords.runtime),
        (all_tenants_role(service), passwords.all_tenants),
    ):
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
            connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
        connection.execute(
            sql.SQL("ALTER ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD {}").format(
                sql.Identifier(role), sql.Literal(password)
            )
        )


def _privileges(connection: psycopg.Connection, service: Service) -> None:
    owner, *others = (sql.Identifier(role(service)) for role in (owner_role, runtime_role, all_tenants_role))
    connection.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(owner))
    for role in others:
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(role))
        privileges: tuple[tuple[LiteralString, LiteralString], ...] = (
            ("TABLES", "SELECT, INSERT, UPDATE, DELETE"),
            ("SEQUENCES", "USAGE, SELECT"),
            ("FUNCTIONS", "EXECUTE"),
        )
        for what, rights in privileges:
            connection.execute(
                sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA public GRANT {} ON {} TO {}").format(
                    owner, sql.SQL(rights), sql.SQL(what), role
                )
            )


def provision_all(secrets_dir: Path | None = None) -> None:
    """Provision every service's database as its URLs name it, by `POSTGRES_...` as superuser.

    Raises:
        ValueError: a URL names another role than the service's own, or two databases.
        pydantic.ValidationError: a setting is missing.
    """
    server = Server(_secrets_dir=secrets_dir)  # pyright: ignore[reportCallIssue] (from the environment)
    for service in Service:
        urls = DatabaseUrls(_env_prefix=f"{service.upper()}_", _secrets_dir=secrets_dir)  # pyright: ignore[reportCallIssue]
        database, passwords = _named_by(service, urls)
        provision(server.conninfo(), service, passwords, database=database)
        typer.echo(f"database {database}: ready")


def _named_by(service: Service, urls: DatabaseUrls) -> tuple[str, Passwords]:
    databases: set[str] = set()

    def password(url: SecretStr, role: str) -> str:
        parts = conninfo_to_dict(url.get_secret_value())
        if parts.get("user") != role:
            raise ValueError(f"{service}: a database URL is for the role {parts.get('user')}, not {role}")
        databases.add(str(parts.get("dbname")))
        return str(parts.get("password", ""))

    passwords = Passwords(
        owner=password(urls.database_owner_url, owner_role(service)),
        runtime=password(urls.database_url, runtime_role(service)),
        all_tenants=password(urls.database_all_tenants_url, all_tenants_role(service)),
    )
    if len(databases) != 1:
        raise ValueError(f"{service}: its three database URLs name several databases: {sorted(databases)}")
    return databases.pop(), passwords


if __name__ == "__main__":
    provision_all(SECRETS_DIR if SECRETS_DIR.is_dir() else None)
