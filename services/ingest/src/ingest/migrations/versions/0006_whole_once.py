"""Whether a table ever came whole: before, what it does not hold of a Kunde is not known to be empty."""

from alembic import op

from chassis.migrations import downgrade_is_refused

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    # Of what was delivered before this it is not known; it goes on counting as whole.
    op.execute("ALTER TABLE delivered_table ADD COLUMN whole_once boolean NOT NULL DEFAULT true")
    op.execute("ALTER TABLE delivered_table ALTER COLUMN whole_once DROP DEFAULT")


downgrade = downgrade_is_refused
