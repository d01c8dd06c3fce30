"""History of stored rows, overdue deliveries, progress of an import, and all problems of a delivery."""

from alembic import op

from chassis.migrations import downgrade_is_refused, protect

revision = "0004"
down_revision = "0003"

_TABLES = {
    "history": """
        tenant text NOT NULL,
        table_name text NOT NULL,
        key text NOT NULL,
        changed_at timestamptz NOT NULL,
        held_from timestamptz NOT NULL,
        delivery uuid NOT NULL,
        action text NOT NULL CHECK (action IN ('changed', 'gone', 'back')),
        before jsonb NOT NULL,
        after jsonb NOT NULL,
        unknown_before text[] NOT NULL,
        gone_before timestamptz,
        PRIMARY KEY (tenant, table_name, key, changed_at)
    """,
    "overdue": """
        tenant text PRIMARY KEY,
        since timestamptz NOT NULL
    """,
    "delivery_problem": """
        tenant text NOT NULL,
        delivery uuid NOT NULL REFERENCES delivery ON DELETE CASCADE,
        position integer NOT NULL,
        problem jsonb NOT NULL,
        PRIMARY KEY (tenant, delivery, position)
    """,
}
_INDEXES = (
    # Rows come in the order of time: all that housekeeping needs, and next to nothing at each import.
    "CREATE INDEX history_by_time ON history USING brin (changed_at)",
)


def upgrade() -> None:
    for table, columns in _TABLES.items():
        op.execute(f"CREATE TABLE {table} ({columns})")
        protect(table)
    op.execute("ALTER TABLE delivery ADD COLUMN progress jsonb NOT NULL DEFAULT '{}'")
    for statement in _INDEXES:
        op.execute(statement)


downgrade = downgrade_is_refused
