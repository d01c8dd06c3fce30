"""How long each tenant's stop list was at least: a list that lost entries must not pass for a short one."""

from alembic import op

from chassis.migrations import downgrade_is_refused, protect

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute(
        "CREATE TABLE stop_list_size (tenant text PRIMARY KEY, entries integer NOT NULL CHECK (entries > 0))"
    )
    protect("stop_list_size")


downgrade = downgrade_is_refused
