"""Whether a tenant's FTP user may come without TLS."""

from alembic import op

from chassis.migrations import downgrade_is_refused

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # Users made before there was TLS go on: their sender knows nothing else. The status says so.
    op.execute("ALTER TABLE ftp_user ADD COLUMN plain_allowed boolean NOT NULL DEFAULT true")
    op.execute("ALTER TABLE ftp_user ALTER COLUMN plain_allowed DROP DEFAULT")


downgrade = downgrade_is_refused
