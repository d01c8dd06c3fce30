"""Tenants, webhook endpoints and the states of code flows."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from chassis.migrations import create_common_tables, downgrade_is_refused, protect

revision = "0001"
down_revision = None


def created_at() -> sa.Column[Any]:
    return sa.Column(
        "created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")
    )


def upgrade() -> None:
    create_common_tables()
    op.create_table(
        "tenant",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        created_at(),
    )
    op.create_table(
        "webhook_endpoint",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("pipeline", sa.Text, primary_key=True),
        sa.Column("token_hash", sa.Text, nullable=False),
        sa.Column("previous_token_hash", sa.Text),
        created_at(),
    )
    op.create_table(
        "oauth_state",
        sa.Column("state_hash", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        created_at(),
    )
    for table in ("tenant", "webhook_endpoint", "oauth_state"):
        protect(table)


downgrade = downgrade_is_refused
