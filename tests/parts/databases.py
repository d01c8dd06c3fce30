"""A fresh, migrated database per test: migrated once per worker and service, then copied."""

import os
import uuid
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from chassis.migrations import migrate
from chassis.provision import Passwords, all_tenants_role, let_in, owner_role, provision, runtime_role
from contracts.names import Service

_PASSWORD = "test"
# Roles belong to the whole server: two workers on one server must not alter them at the same time.
_ROLES_LOCK = 8_114_302


@dataclass(frozen=True, slots=True)
class DatabaseUrls:
    """One database, as each of its roles and as superuser: `postgresql://` URLs."""

    owner: str
    runtime: str
    all_tenants: str
    superuser: str


NewDatabase = Callable[..., DatabaseUrls]
"""`new_database(service, package=None, revision="head")`; `package` holds the migrations, the service's own
by default."""


@dataclass
class Databases:
    """Makes databases on one server. A test session has one of these."""

    superuser_url: str
    templates: dict[tuple[Service, str | None, str], str] = field(default_factory=dict)

    @contextmanager
    def of_one_test(self) -> Generator[NewDatabase]:
        """A factory whose databases are dropped at the end."""
        with ExitStack() as stack:

            def new_database(
                service: Service | str, package: str | None = None, revision: str = "head"
            ) -> DatabaseUrls:
                return stack.enter_context(self._copy(Service(service), package, revision))

            yield new_database

    @contextmanager
    def backup_of(self, urls: DatabaseUrls) -> Generator[str]:
        """A copy of a database as it is now, for `restore`; whoever is connected is cut off."""
        name, copy = _database_in(urls), _unique_name("backup")
        opened, closed = (
            sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(sql.Identifier(name), sql.Literal(allow))
            for allow in (True, False)
        )
        self._execute(closed)
        try:
            self._cut_off(name)
            self._execute(_copied(name, copy))
        finally:
            self._execute(opened)
        try:
            yield copy
        finally:
            self._drop(copy)

    def url_of_backup(self, urls: DatabaseUrls, backup: str) -> str:
        """Superuser URL of a copy, to look into it or to change it."""
        return make_conninfo(urls.superuser, dbname=backup)

    def restore(self, service: Service, urls: DatabaseUrls, backup: str) -> None:
        """Set a database back to a backup, under the same URLs."""
        name = _database_in(urls)
        self._drop(name)
        self._execute(_copied(backup, name, owner=owner_role(service)))
        let_in(self._superuser, service, name)

    def _cut_off(self, name: str) -> None:
        self._superuser.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name]
        )

    def close(self) -> None:
        """Drop the templates."""
        for name in self.templates.values():
            self._drop(name)
        self._superuser.close()

    @contextmanager
    def _copy(self, service: Service, package: str | None, revision: str) -> Generator[DatabaseUrls]:
        key = (service, package, revision)
        if key not in self.templates:
            self.templates[key] = self._migrated_template(*key)
        name = _unique_name(service)
        self._execute(_copied(self.templates[key], name, owner=owner_role(service)))
        try:
            let_in(self._superuser, service, name)
            yield self._urls(service, name)
        finally:
            self._drop(name)

    def _migrated_template(self, service: Service, package: str | None, revision: str) -> str:
        name = _unique_name(f"{service}_template")
        self._provision(service, name)
        migrate(service, SecretStr(self._urls(service, name).owner), package=package, revision=revision)
        return name

    def _provision(self, service: Service, database: str) -> None:
        with psycopg.connect(self.superuser_url, autocommit=True) as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", [_ROLES_LOCK])
            provision(
                self.superuser_url,
                service,
                Passwords(owner=_PASSWORD, runtime=_PASSWORD, all_tenants=_PASSWORD),
                database=database,
            )

    def _urls(self, service: Service, database: str) -> DatabaseUrls:
        server = conninfo_to_dict(self.superuser_url)
        address = f"{server.get('host', '127.0.0.1')}:{server.get('port', 5432)}"

        def url(role: str, password: object) -> str:
            return f"postgresql://{role}:{password}@{address}/{database}"

        return DatabaseUrls(
            owner=url(owner_role(service), _PASSWORD),
            runtime=url(runtime_role(service), _PASSWORD),
            all_tenants=url(all_tenants_role(service), _PASSWORD),
            superuser=url(str(server.get("user", "postgres")), server.get("password", "")),
        )

    def _drop(self, name: str) -> None:
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _execute(self, statement: sql.Composed) -> None:
        self._superuser.execute(statement)

    @cached_property
    def _superuser(self) -> psycopg.Connection:
        """One session for all: opening one for each statement takes longer than the statement."""
        return psycopg.connect(self.superuser_url, autocommit=True)


def _copied(template: str, name: str, *, owner: str | None = None) -> sql.Composed:
    """`CREATE DATABASE`, by copying files: by the write-ahead log, the default, takes five times as long."""
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
        sql.Identifier(name), sql.Identifier(template)
    )
    return statement + sql.SQL(" OWNER {}").format(sql.Identifier(owner)) if owner else statement


def _database_in(urls: DatabaseUrls) -> str:
    return str(conninfo_to_dict(urls.superuser)["dbname"])


def _unique_name(prefix: str) -> str:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    return f"{prefix}_{worker}_{uuid.uuid4().hex[:12]}"
