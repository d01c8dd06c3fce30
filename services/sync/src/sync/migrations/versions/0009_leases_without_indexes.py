"""Taking and giving back leases costs no index of its own.

What is held is found by its number; a row that is in hand is due when its lease ends. A page of links has
room for the new versions that leasing and saving make of them (HOT).
"""

from alembic import op

from chassis.migrations import downgrade_is_refused

revision = "0009"
down_revision = "0008"

_STATEMENTS = (
    "DROP INDEX work_held",
    "DROP INDEX work_due",
    "DROP INDEX link_held",
    "ALTER TABLE link SET (fillfactor = 60)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


downgrade = downgrade_is_refused
