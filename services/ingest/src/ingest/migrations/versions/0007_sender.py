"""Who sent a delivery: an upload's events name the person, not blau direkt."""

from alembic import op

from chassis.migrations import downgrade_is_refused

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    # All before this count as blau direkt's, as their events did.
    op.execute(
        "ALTER TABLE delivery "
        "ADD COLUMN actor_kind text NOT NULL DEFAULT 'blaudirekt', "
        "ADD COLUMN actor_id text NOT NULL DEFAULT 'dailyup'"
    )
    op.execute(
        "ALTER TABLE delivery ALTER COLUMN actor_kind DROP DEFAULT, ALTER COLUMN actor_id DROP DEFAULT"
    )


downgrade = downgrade_is_refused
