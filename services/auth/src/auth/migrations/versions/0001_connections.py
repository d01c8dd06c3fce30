"""Connections and sign-ins."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

from chassis.migrations import create_common_tables, downgrade_is_refused, protect

revision = "0001"
down_revision = None
downgrade = downgrade_is_refused

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Tables with row-level security; one connection per account of a system and tenant."""
    create_common_tables()
    op.create_table(
        "connection",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("system", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("account", sa.Text),
        sa.Column("account_name", sa.Text),
        sa.Column("api_url", sa.Text),
        sa.Column("accounts_url", sa.Text),
        sa.Column("access_token", sa.LargeBinary),
        sa.Column("refresh_token", sa.LargeBinary),
        sa.Column("generation", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("token_expires_at", _MOMENT),
        sa.Column("renew_at", _MOMENT),
        sa.Column("not_before", _MOMENT),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("issued_at", ARRAY(_MOMENT), nullable=False, server_default="{}"),
        sa.Column("connected_at", _MOMENT),
        sa.Column("last_error", sa.Text),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.CheckConstraint("state IN ('connecting', 'active', 'reconnect_needed')", "known_state"),
        sa.CheckConstraint(
            "state <> 'active' OR (account IS NOT NULL AND access_token IS NOT NULL "
            "AND refresh_token IS NOT NULL AND token_expires_at IS NOT NULL AND renew_at IS NOT NULL)",
            "active_has_tokens",
        ),
        sa.UniqueConstraint("tenant", "system", "account", name="one_connection_per_account"),
    )
    op.create_index(
        "connection_to_renew", "connection", ["renew_at"], postgresql_where=sa.text("state = 'active'")
    )
    op.create_table(
        "sign_in",
        sa.Column("state_hash", sa.LargeBinary, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("actor_kind", sa.Text, nullable=False),
        sa.Column("actor_id", sa.Text, nullable=False),
        sa.Column("connection", sa.Uuid, nullable=False),
        sa.Column("system", sa.Text, nullable=False),
        sa.Column("code_verifier", sa.LargeBinary),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("used_at", _MOMENT),
    )
    protect("connection")
    protect("sign_in")
