"""When each comparison last succeeded, and how far Zoho's changes were read."""

from alembic import op

from chassis.migrations import downgrade_is_refused, protect

revision = "0004"
down_revision = "0003"

_STATEMENTS = (
    # Per tenant and flow, `thing` being the Zoho connection, or empty. The clock that an alarm goes by
    # begins with each success, and stands still while a connection waits for a person.
    """
    CREATE TABLE flow (
        tenant text NOT NULL,
        name text NOT NULL CHECK (name IN ('reconciliation', 'comparison', 'links')),
        thing text NOT NULL DEFAULT '',
        made_at timestamptz NOT NULL DEFAULT now(),
        clock_from timestamptz NOT NULL DEFAULT now(),
        tried_at timestamptz,
        last_success timestamptz,
        overdue_since timestamptz,
        PRIMARY KEY (tenant, name, thing)
    )
    """,
    # `links_after`: the record up to which the links were compared; empty is the beginning.
    """
    CREATE TABLE zoho_position (
        tenant text NOT NULL,
        zoho_connection uuid NOT NULL,
        module text NOT NULL,
        changed_since timestamptz NOT NULL,
        links_after text NOT NULL DEFAULT '',
        PRIMARY KEY (tenant, zoho_connection, module)
    )
    """,
    "CREATE INDEX judged_void ON judged (tenant, pipeline) WHERE outcome = 'void'",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
    for table in ("flow", "zoho_position"):
        protect(table)


downgrade = downgrade_is_refused
