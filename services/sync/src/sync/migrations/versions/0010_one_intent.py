"""Kunden and Verträge are created by the same rules: their intents are one table. A conflict is told once."""

from alembic import op

from chassis.migrations import downgrade_is_refused

revision = "0010"
down_revision = "0009"

_STATEMENTS = (
    # First, as workers lock: work, then link, then intent; in another order the two wait for each other.
    "ALTER TABLE work ADD COLUMN conflict_told text",
    "ALTER TABLE intent RENAME COLUMN kundennummer TO ameise_key",
    "ALTER TABLE intent ADD COLUMN kunde text, ADD COLUMN table_name text NOT NULL DEFAULT 'kunde'",
    "ALTER TABLE intent ALTER COLUMN table_name DROP DEFAULT",
    # Row-level security holds the owner too, who is of no tenant.
    "ALTER TABLE intent NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE vertrag_intent NO FORCE ROW LEVEL SECURITY",
    """
    INSERT INTO intent (id, tenant, ameise_connection, module, table_name, zoho_id, kunde, match_keys,
                        found_before, outcome, ameise_key, created_at)
    SELECT id, tenant, ameise_connection, module, 'vertrag', zoho_id, kunde, jsonb_build_array(match_key),
           found_before, outcome, vertragsnummer, created_at
    FROM vertrag_intent
    """,
    "ALTER TABLE intent FORCE ROW LEVEL SECURITY",
    "DROP TABLE vertrag_intent",
    "ALTER INDEX intent_kunde RENAME TO intent_key",
    "CREATE INDEX intent_kunde ON intent (tenant, coalesce(kunde, ameise_key))",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


downgrade = downgrade_is_refused
