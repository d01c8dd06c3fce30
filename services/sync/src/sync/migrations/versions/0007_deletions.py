"""Records of what is gone in Ameise are deleted in Zoho; what a person overruled or dismissed stays so."""

from alembic import op

from chassis.migrations import downgrade_is_refused, protect

revision = "0007"
down_revision = "0006"

_STATEMENTS = (
    "ALTER TABLE work DROP CONSTRAINT work_direction_check",
    "ALTER TABLE work ADD CONSTRAINT work_direction_check "
    "CHECK (direction IN ('to_ameise', 'to_zoho', 'deletion'))",
    "ALTER TABLE work ADD COLUMN released jsonb NOT NULL DEFAULT '{}'",
    "ALTER TABLE link ADD COLUMN own_write jsonb",
    "ALTER TABLE link ADD COLUMN deleted_at timestamptz",
    "CREATE INDEX link_deleted ON link (tenant, zoho_connection, module, deleted_at) "
    "WHERE deleted_at IS NOT NULL",
    # Row-level security holds the owner too, who is of no tenant. What is not known here counts as edited.
    "ALTER TABLE link NO FORCE ROW LEVEL SECURITY",
    "UPDATE link SET own_write = jsonb_build_object('at', unread -> 'until', 'author', unread -> 'author') "
    "WHERE unread IS NOT NULL",
    "ALTER TABLE link FORCE ROW LEVEL SECURITY",
    # `doubt`: the hash of what did not fit, so that anything else asks anew.
    """
    CREATE TABLE dismissed (
        tenant text NOT NULL,
        pipeline integer NOT NULL,
        zoho_id text NOT NULL,
        doubt text NOT NULL,
        dismissed_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant, pipeline, zoho_id)
    )
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
    protect("dismissed")


downgrade = downgrade_is_refused
