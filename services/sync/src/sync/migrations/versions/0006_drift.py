"""What of a pipeline no longer fits Zoho; a dry run of a pipeline, and how far it is."""

from alembic import op

from chassis.migrations import downgrade_is_refused, protect

revision = "0006"
down_revision = "0005"

_STATEMENTS = (
    # `drift` holds contracts.rpc.sync_drift.DriftFinding, found for the definition `drift_version` by
    # metadata that were read then; `held_back` counts the values that were not written for it.
    """
    ALTER TABLE pipeline
        ADD COLUMN drift jsonb NOT NULL DEFAULT '[]',
        ADD COLUMN drift_since timestamptz,
        ADD COLUMN drift_read_at timestamptz,
        ADD COLUMN drift_version text,
        ADD COLUMN held_back bigint NOT NULL DEFAULT 0
    """,
    # One per pipeline. `after` is the last object counted, empty before the first and when it is over.
    """
    CREATE TABLE dry_run (
        tenant text NOT NULL,
        pipeline integer NOT NULL,
        id uuid NOT NULL,
        version text NOT NULL,
        state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed')),
        started_at timestamptz NOT NULL DEFAULT now(),
        due_at timestamptz NOT NULL DEFAULT now(),
        ended_at timestamptz,
        total bigint NOT NULL DEFAULT 0,
        done bigint NOT NULL DEFAULT 0,
        after text NOT NULL DEFAULT '',
        reason text,
        counts jsonb NOT NULL DEFAULT '{}',
        PRIMARY KEY (tenant, pipeline)
    )
    """,
    "CREATE INDEX judged_held_back ON judged (tenant, pipeline) WHERE outcome = 'held_back'",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
    protect("dry_run")


downgrade = downgrade_is_refused
