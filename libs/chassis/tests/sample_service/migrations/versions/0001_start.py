"""The common tables, and one of the sample's own."""

import sqlalchemy as sa
from alembic import op

from chassis.migrations import create_common_tables, downgrade_is_refused, protect

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_common_tables()
    op.create_table(
        "looked",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("zoho_id", sa.Text(), nullable=False),
    )
    protect("looked")


downgrade = downgrade_is_refused
