"""Limits of outside systems, shared by replicas; bulk writes; what the next look at a record has to learn."""

from alembic import op

from chassis.migrations import downgrade_is_refused, protect

revision = "0003"
down_revision = "0002"

_TABLES = (
    """
    CREATE TABLE connection_limit (
        tenant text NOT NULL,
        connection uuid NOT NULL,
        system text NOT NULL CHECK (system IN ('ameise', 'zoho')),
        daily_credits integer CHECK (daily_credits > 0),
        share_percent integer CHECK (share_percent BETWEEN 0 AND 100),
        simultaneous_calls integer CHECK (simultaneous_calls > 0),
        bulk_write_allowed boolean NOT NULL DEFAULT false,
        remaining integer,
        remaining_at timestamptz,
        disconnected_until timestamptz,
        failures integer NOT NULL DEFAULT 0,
        opened_at timestamptz,
        open_until timestamptz,
        trips integer NOT NULL DEFAULT 0,
        told_at timestamptz,
        throttled integer NOT NULL DEFAULT 0,
        paused_until timestamptz,
        PRIMARY KEY (tenant, connection)
    )
    """,
    """
    CREATE TABLE credit_spent (
        tenant text NOT NULL,
        connection uuid NOT NULL,
        since timestamptz NOT NULL,
        credits integer NOT NULL,
        PRIMARY KEY (tenant, connection, since)
    )
    """,
    """
    CREATE TABLE call_share (
        tenant text NOT NULL,
        connection uuid NOT NULL,
        owner text NOT NULL,
        calls integer NOT NULL,
        complex_calls integer NOT NULL,
        until timestamptz NOT NULL,
        PRIMARY KEY (tenant, connection, owner)
    )
    """,
    """
    CREATE TABLE bulk_job (
        id uuid PRIMARY KEY,
        tenant text NOT NULL,
        pipeline integer NOT NULL,
        state text NOT NULL CHECK (state IN ('waiting', 'filling', 'creating', 'running', 'ended')),
        zoho_job text,
        author text,
        rows integer NOT NULL DEFAULT 0,
        failed boolean NOT NULL DEFAULT false,
        outcome text,
        created_at timestamptz NOT NULL DEFAULT now(),
        job_created_at timestamptz,
        ended_at timestamptz
    )
    """,
    "CREATE UNIQUE INDEX bulk_job_open ON bulk_job (tenant, pipeline) WHERE state <> 'ended'",
    """
    CREATE TABLE bulk_row (
        tenant text NOT NULL,
        job uuid NOT NULL REFERENCES bulk_job (id) ON DELETE CASCADE,
        work bigint NOT NULL,
        zoho_id text NOT NULL,
        settled jsonb NOT NULL,
        PRIMARY KEY (job, work)
    )
    """,
)


def upgrade() -> None:
    op.execute("ALTER TABLE work ADD COLUMN not_in_bulk boolean NOT NULL DEFAULT false")
    op.execute("DROP INDEX work_due")
    op.execute(
        "CREATE INDEX work_to_take ON work (direction, tenant, pipeline, lane, due_at) WHERE NOT parked"
    )
    op.execute("CREATE INDEX work_due ON work (direction, due_at) WHERE NOT parked")
    op.execute("ALTER TABLE link ADD COLUMN unread jsonb")
    for statement in _TABLES:
        op.execute(statement)
    for table in ("connection_limit", "credit_spent", "call_share", "bulk_job", "bulk_row"):
        protect(table)


downgrade = downgrade_is_refused
