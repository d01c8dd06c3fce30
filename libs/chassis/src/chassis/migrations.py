"""Alembic migrations: run by `<service> migrate` and when a service starts, one runner at a time.

A service's migrations live in its package (`<package>/migrations`, so that a wheel carries them); their
`env.py` is one call of `run_in_env()`. Tables are made by ordinary Alembic operations, then handed to
`protect(table)`, which puts row-level security on them.
"""

import importlib.resources
from typing import Any

import psycopg
import structlog
from alembic import command, context, op
from alembic.config import Config
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr
from sqlalchemy import create_engine, pool, text

from chassis.provision import all_tenants_role, runtime_role
from contracts.names import Service

log: structlog.stdlib.BoundLogger = structlog.get_logger()

CONNECT_TIMEOUT_SECONDS = 5

_LOCK = 4_210_771
"""Advisory lock key of migrations, the same in every database."""


def migrate(
    service: Service, owner_url: SecretStr, *, package: str | None = None, revision: str = "head"
) -> str | None:
    """Bring the database to a revision, the newest by default; returns it. Waits while another process
    migrates.

    Raises sqlalchemy and psycopg errors as they are: a process cannot do without its tables.
    """
    scripts = importlib.resources.files(package or service.value) / "migrations"
    config = Config()
    config.set_main_option("script_location", str(scripts))
    config.attributes["service"] = service
    engine = create_engine(
        sqlalchemy_url(owner_url),
        poolclass=pool.NullPool,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_SECONDS},
    )
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.commit()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()
        reached = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
        connection.commit()
    engine.dispose()
    return reached


def run_in_env() -> None:
    """The whole of a service's `migrations/env.py`."""
    context.configure(connection=context.config.attributes["connection"], transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


def sqlalchemy_url(url: SecretStr) -> str:
    """A plain `postgresql://` URL with the driver that SQLAlchemy shall use."""
    return url.get_secret_value().replace("postgresql://", "postgresql+psycopg://", 1)


def protect(table: str) -> None:
    """Row-level security on a table with a `tenant` column: the runtime role sees its tenant only.

    `(SELECT app_tenant())` is evaluated once per statement, not per row. FORCE holds the owner too.
    """
    service: Service = _service()
    tenant_is_ours = "tenant = (SELECT app_tenant())"
    for statement in (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY own_tenant ON {table} TO {runtime_role(service)} "
        f"USING ({tenant_is_ours}) WITH CHECK ({tenant_is_ours})",
        f"CREATE POLICY all_tenants ON {table} TO {all_tenants_role(service)} USING (true) WITH CHECK (true)",
    ):
        op.execute(statement)


def create_common_tables() -> None:
    """What every service has: the outbox with its counters, leases, parked messages. First migration only."""
    for statement in _COMMON:
        op.execute(statement)
    for table in ("outbox", "outbox_counter", "lease", "parked_message"):
        protect(table)


_COMMON = (
    # `current_setting` of a setting that ended with its transaction is '' and not null: both are an error.
    """
    CREATE FUNCTION app_tenant() RETURNS text LANGUAGE plpgsql STABLE AS $$
    DECLARE tenant text := current_setting('app.tenant', true);
    BEGIN
        IF tenant IS NULL OR tenant = '' THEN
            RAISE EXCEPTION 'no tenant is set for this transaction';
        END IF;
        RETURN tenant;
    END $$
    """,
    """
    CREATE TABLE outbox (
        position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        id uuid NOT NULL UNIQUE,
        tenant text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('event', 'work')),
        subject text NOT NULL,
        body bytea NOT NULL,
        epoch integer,
        number bigint,
        created_at timestamptz NOT NULL DEFAULT now(),
        published_at timestamptz,
        refused text,
        refused_body bytea
    )
    """,
    "CREATE INDEX outbox_to_number ON outbox (position) WHERE kind = 'event' AND number IS NULL",
    """
    CREATE INDEX outbox_to_publish ON outbox (position)
    WHERE published_at IS NULL AND (kind = 'work' OR number IS NOT NULL)
    """,
    "CREATE UNIQUE INDEX outbox_numbered ON outbox (tenant, epoch, number) WHERE number IS NOT NULL",
    "CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL",
    """
    CREATE TABLE outbox_counter (
        tenant text PRIMARY KEY,
        epoch integer NOT NULL,
        last_number bigint NOT NULL
    )
    """,
    """
    CREATE TABLE lease (
        tenant text NOT NULL,
        name text NOT NULL,
        owner text NOT NULL,
        until timestamptz NOT NULL,
        fence bigint NOT NULL,
        PRIMARY KEY (tenant, name)
    )
    """,
    """
    CREATE TABLE parked_message (
        id uuid PRIMARY KEY,
        tenant text NOT NULL,
        stream text NOT NULL,
        sequence bigint NOT NULL,
        subject text NOT NULL,
        body bytea NOT NULL,
        reason text NOT NULL,
        parked_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (stream, sequence)
    )
    """,
)


def _service() -> Service:
    return context.config.attributes["service"]


def wait_until_reachable(url: SecretStr) -> None:
    """Raise psycopg.OperationalError unless the database answers within CONNECT_TIMEOUT_SECONDS."""
    conninfo = make_conninfo(url.get_secret_value(), connect_timeout=CONNECT_TIMEOUT_SECONDS)
    with psycopg.connect(conninfo) as connection:
        connection.execute("SELECT 1")


def downgrade_is_refused(*_: Any) -> None:
    """Migrations only go forward: a backup is the way back."""
    raise NotImplementedError("migrations only go forward; restore a backup to go back")
