"""A row keeps the hash of the line that it came by, and the version of its object that was told.

The versions had a table of their own; in the rows themselves they cost next to nothing at a first import.
Keys compare byte by byte: a language's order is of no use for them, and takes half of the time of an import.
"""

from alembic import op

from chassis.migrations import downgrade_is_refused, protect

revision = "0008"
down_revision = "0007"

_OBJECTS = (
    *("anrede", "rechtsform", "land", "sparte", "gesellschaft", "status", "zahlweise", "vermittler"),
    *("kundendetailfeld", "kunde", "vertrag"),
)
_PARTS = ("kundenkommunikation", "kundendetail")


def upgrade() -> None:
    # Row-level security holds the owner too, who is of no tenant.
    op.execute("ALTER TABLE object_version NO FORCE ROW LEVEL SECURITY")
    for table in (*_OBJECTS, *_PARTS):
        # No column of a policy can be changed; `protect` makes both anew.
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"DROP POLICY own_tenant ON {table}")
        op.execute(f"DROP POLICY all_tenants ON {table}")
        op.execute(
            f'ALTER TABLE {table} ALTER COLUMN tenant TYPE text COLLATE "C", '
            'ALTER COLUMN key TYPE text COLLATE "C", '
            # The hashes so far were of cells. Without one, a row is read again at the next delivery.
            "ALTER COLUMN row_hash DROP NOT NULL, ALTER COLUMN row_hash TYPE uuid USING NULL"
        )
    for table in _OBJECTS:
        op.execute(
            f"ALTER TABLE {table} ADD COLUMN version text, ADD COLUMN versioned_at timestamptz, "
            "ADD COLUMN versioned_by uuid"
        )
        op.execute(
            f"UPDATE {table} t "  # noqa: S608 (an enum)
            "SET version = v.version, versioned_at = v.changed_at, versioned_by = v.delivery "
            f"FROM object_version v WHERE v.tenant = t.tenant AND v.table_name = '{table}' AND v.key = t.key"
        )
    for table in (*_OBJECTS, *_PARTS):
        protect(table)
    op.execute("DROP TABLE object_version")
    # Only an owner may renew the statistics of a table, which PostgreSQL itself does a minute later.
    op.execute(
        "CREATE FUNCTION renew_statistics(of regclass) RETURNS void LANGUAGE plpgsql SECURITY DEFINER "
        "SET search_path = pg_catalog AS $$ BEGIN EXECUTE format('ANALYZE %s', of); END $$"
    )
    # What an import tells is hashes for the most part: packing them takes long and gains little.
    op.execute("ALTER TABLE outbox ALTER COLUMN body SET STORAGE EXTERNAL")


downgrade = downgrade_is_refused
