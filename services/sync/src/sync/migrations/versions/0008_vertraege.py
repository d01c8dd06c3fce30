"""Verträge are created in Ameise; what a connection can do; conflicts are found by an index."""

from alembic import op

from chassis.migrations import downgrade_is_refused, protect

revision = "0008"
down_revision = "0007"

_STATEMENTS = (
    """
    CREATE TABLE vertrag_intent (
        id uuid PRIMARY KEY,
        tenant text NOT NULL,
        ameise_connection uuid NOT NULL,
        module text NOT NULL,
        zoho_id text NOT NULL,
        kunde text NOT NULL,
        match_key text NOT NULL,
        found_before jsonb NOT NULL,
        outcome text NOT NULL DEFAULT 'open',
        vertragsnummer text,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE UNIQUE INDEX vertrag_intent_open ON vertrag_intent (tenant, ameise_connection, module, zoho_id)
    WHERE outcome = 'open'
    """,
    "CREATE INDEX vertrag_intent_kunde ON vertrag_intent (tenant, kunde)",
    "CREATE INDEX vertrag_intent_match ON vertrag_intent (tenant, match_key)",
    """
    CREATE INDEX vertrag_intent_number ON vertrag_intent (tenant, vertragsnummer)
    WHERE vertragsnummer IS NOT NULL
    """,
    "ALTER TABLE connection_limit ADD COLUMN creates_vertraege boolean",
    "ALTER TABLE connection_limit ADD COLUMN changes_vertraege boolean",
    # A record that a person kept is not planned to be deleted again while its object stays away.
    "ALTER TABLE link ADD COLUMN kept_at timestamptz",
    "CREATE INDEX link_kept ON link (tenant, zoho_connection, module, ameise_key) WHERE kept_at IS NOT NULL",
    "CREATE INDEX link_asked ON link (tenant, id) WHERE asked <> '{}'",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
    protect("vertrag_intent")


downgrade = downgrade_is_refused
