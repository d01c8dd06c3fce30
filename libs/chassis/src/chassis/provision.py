"""Makes a service's database and its three roles. Needs a superuser once; running again changes nothing.

Roles: `<service>_owner` migrates; `<service>_runtime` does the work and is held by row-level security;
`<service>_all_tenants` is for the outbox relay and retention, which serve all tenants at once.
"""

from dataclasses import dataclass
from typing import LiteralString, cast

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from contracts.names import Service


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
        _privileges(connection, service, name)


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


def _privileges(connection: psycopg.Connection, service: Service, database: str) -> None:
    owner, *others = (sql.Identifier(role(service)) for role in (owner_role, runtime_role, all_tenants_role))
    name = sql.Identifier(database)
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    connection.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(owner))
    for role in others:
        # TEMPORARY: COPY does not work into tables with row-level security, so it goes into temporary ones.
        connection.execute(sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(name, role))
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
