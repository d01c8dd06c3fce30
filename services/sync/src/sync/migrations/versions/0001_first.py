"""Pipelines, links, work, intents, and what was judged."""

from alembic import op

from chassis.migrations import create_common_tables, downgrade_is_refused, protect

revision = "0001"
down_revision = None

_TABLES = (
    """
    CREATE TABLE pipeline (
        tenant text NOT NULL,
        id integer NOT NULL,
        name text NOT NULL,
        table_name text NOT NULL,
        module text NOT NULL,
        ameise_connection uuid NOT NULL,
        zoho_connection uuid NOT NULL,
        enabled boolean NOT NULL DEFAULT true,
        definition jsonb NOT NULL,
        version text NOT NULL,
        last_success timestamptz,
        last_error text,
        PRIMARY KEY (tenant, id),
        UNIQUE (tenant, zoho_connection, table_name, module)
    )
    """,
    """
    CREATE TABLE link (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        tenant text NOT NULL,
        zoho_connection uuid NOT NULL,
        module text NOT NULL,
        ameise_connection uuid NOT NULL,
        table_name text NOT NULL,
        zoho_id text,
        ameise_key text,
        ameise_base jsonb,
        zoho_base jsonb,
        written jsonb NOT NULL DEFAULT '{}',
        gone_in_zoho boolean NOT NULL DEFAULT false,
        linked_at timestamptz,
        lease_owner text,
        lease_until timestamptz,
        fence bigint NOT NULL DEFAULT 0,
        UNIQUE (tenant, zoho_connection, module, zoho_id),
        UNIQUE (tenant, zoho_connection, module, table_name, ameise_key)
    )
    """,
    "CREATE INDEX link_held ON link (lease_owner) WHERE lease_owner IS NOT NULL",
    """
    CREATE TABLE work (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        tenant text NOT NULL,
        pipeline integer NOT NULL,
        direction text NOT NULL CHECK (direction IN ('to_ameise', 'to_zoho')),
        object text NOT NULL,
        lane smallint NOT NULL,
        asked bigint NOT NULL DEFAULT 1,
        correlationid uuid NOT NULL,
        causationid uuid,
        parked boolean NOT NULL DEFAULT false,
        due_at timestamptz NOT NULL DEFAULT now(),
        created_at timestamptz NOT NULL DEFAULT now(),
        attempts integer NOT NULL DEFAULT 0,
        failing_since timestamptz,
        reason text,
        words text,
        lease_owner text,
        lease_until timestamptz,
        fence bigint NOT NULL DEFAULT 0,
        UNIQUE (tenant, pipeline, direction, object)
    )
    """,
    "CREATE INDEX work_due ON work (direction, tenant, lane, due_at) WHERE NOT parked",
    "CREATE INDEX work_held ON work (lease_owner) WHERE lease_owner IS NOT NULL",
    "CREATE INDEX work_parked ON work (tenant, pipeline) WHERE parked",
    """
    CREATE TABLE intent (
        id uuid PRIMARY KEY,
        tenant text NOT NULL,
        ameise_connection uuid NOT NULL,
        module text NOT NULL,
        zoho_id text NOT NULL,
        match_keys jsonb NOT NULL,
        found_before jsonb NOT NULL,
        outcome text NOT NULL DEFAULT 'open',
        kundennummer text,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE UNIQUE INDEX intent_open ON intent (tenant, ameise_connection, module, zoho_id)
    WHERE outcome = 'open'
    """,
    "CREATE INDEX intent_match ON intent USING gin (match_keys)",
    """
    CREATE TABLE judged (
        tenant text NOT NULL,
        pipeline integer NOT NULL,
        key text NOT NULL,
        version text NOT NULL,
        outcome text NOT NULL,
        pipeline_version text NOT NULL,
        judged_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant, pipeline, key)
    )
    """,
)


def upgrade() -> None:
    create_common_tables()
    for statement in _TABLES:
        op.execute(statement)
    for table in ("pipeline", "link", "work", "intent", "judged"):
        protect(table)


downgrade = downgrade_is_refused
