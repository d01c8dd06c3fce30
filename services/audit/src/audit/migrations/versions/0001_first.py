"""The common tables, and which numbered events were seen."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE

from chassis.migrations import create_common_tables, downgrade_is_refused, protect

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_common_tables()
    op.create_table(
        "seen_number",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("service", sa.Text, primary_key=True),
        sa.Column("epoch", sa.Integer, primary_key=True),
        sa.Column("seen", INT8MULTIRANGE, nullable=False),
    )
    protect("seen_number")


downgrade = downgrade_is_refused
