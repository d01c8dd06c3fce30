"""Parked work has a cause of its own; throughput; the size of the stop list."""

from alembic import op

from chassis.migrations import downgrade_is_refused, protect

revision = "0002"
down_revision = "0001"

_STATEMENTS = (
    "ALTER TABLE work ADD COLUMN cause text",
    "ALTER TABLE work ADD COLUMN details jsonb NOT NULL DEFAULT '{}'",
    "ALTER TABLE work ADD COLUMN candidates jsonb NOT NULL DEFAULT '[]'",
    # What was parked without a cause is tried once more: it is done, or parked again with its cause.
    "ALTER TABLE work NO FORCE ROW LEVEL SECURITY",  # the owner sees no row otherwise
    "UPDATE work SET parked = false, due_at = now() WHERE parked",
    "ALTER TABLE work FORCE ROW LEVEL SECURITY",
    "ALTER TABLE work ADD CONSTRAINT work_parked_for_a_cause CHECK (NOT parked OR cause IS NOT NULL)",
    "DROP INDEX work_parked",
    "CREATE INDEX work_parked ON work (tenant, id) INCLUDE (pipeline, cause) WHERE parked",
    "CREATE INDEX intent_kunde ON intent (tenant, kundennummer) WHERE kundennummer IS NOT NULL",
    """
    CREATE TABLE throughput (
        tenant text NOT NULL,
        pipeline integer NOT NULL,
        slot smallint NOT NULL CHECK (slot BETWEEN 0 AND 59),
        last_at timestamptz NOT NULL,
        written integer NOT NULL,
        PRIMARY KEY (tenant, pipeline, slot)
    )
    """,
    "CREATE TABLE stop_list_size (tenant text PRIMARY KEY, entries integer NOT NULL CHECK (entries > 0))",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
    for table in ("throughput", "stop_list_size"):
        protect(table)


downgrade = downgrade_is_refused
