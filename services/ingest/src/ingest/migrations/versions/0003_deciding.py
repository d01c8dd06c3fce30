"""A person decides on held deliveries; how full columns were; what is different about a tenant's files."""

from alembic import op

from chassis.migrations import downgrade_is_refused, protect

revision = "0003"
down_revision = "0002"

_STATEMENTS = (
    "ALTER TABLE delivery DROP CONSTRAINT delivery_state_check",
    """
    ALTER TABLE delivery
        ADD CONSTRAINT delivery_state_check CHECK (state IN
            ('receiving', 'waiting', 'importing', 'imported', 'imported_with_warnings', 'held', 'rejected',
             'failed')),
        ADD COLUMN preview jsonb NOT NULL DEFAULT '{}',
        ADD COLUMN released_at timestamptz,
        ADD COLUMN released_by text
    """,
    "ALTER TABLE delivered_table ADD COLUMN filled jsonb NOT NULL DEFAULT '{}'",
    """
    CREATE TABLE format_override (
        tenant text PRIMARY KEY,
        changes jsonb NOT NULL,
        changed_at timestamptz NOT NULL,
        changed_by text NOT NULL
    )
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
    protect("format_override")


downgrade = downgrade_is_refused
