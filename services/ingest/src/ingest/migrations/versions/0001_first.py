"""FTP users, deliveries, the 13 tables of a delivery, and the versions of composed objects."""

from alembic import op

from chassis.migrations import create_common_tables, downgrade_is_refused, protect

revision = "0001"
down_revision = None

_TABLES = {
    "ftp_user": """
        tenant text PRIMARY KEY,
        user_name text NOT NULL UNIQUE,
        salt text NOT NULL,
        password_hash text NOT NULL,
        created_at timestamptz NOT NULL
    """,
    "delivery": """
        id uuid PRIMARY KEY,
        tenant text NOT NULL,
        state text NOT NULL CHECK (state IN
            ('receiving', 'waiting', 'importing', 'imported', 'imported_with_warnings', 'held', 'failed')),
        correlationid uuid NOT NULL,
        received_from timestamptz NOT NULL,
        as_of timestamptz NOT NULL,
        started_at timestamptz,
        finished_at timestamptz,
        attempts integer NOT NULL DEFAULT 0,
        files integer NOT NULL DEFAULT 0,
        bytes bigint NOT NULL DEFAULT 0,
        missing text[] NOT NULL DEFAULT '{}',
        counts jsonb NOT NULL DEFAULT '{}',
        problems jsonb NOT NULL DEFAULT '[]',
        problem_count integer NOT NULL DEFAULT 0,
        reason text
    """,
    "delivered_table": """
        tenant text NOT NULL,
        table_name text NOT NULL,
        columns text[] NOT NULL,
        rows bigint NOT NULL,
        delivery uuid NOT NULL,
        as_of timestamptz NOT NULL,
        PRIMARY KEY (tenant, table_name)
    """,
    "object_version": """
        tenant text NOT NULL,
        table_name text NOT NULL,
        key text NOT NULL,
        version text NOT NULL,
        gone boolean NOT NULL,
        changed_at timestamptz NOT NULL,
        delivery uuid NOT NULL,
        PRIMARY KEY (tenant, table_name, key)
    """,
}

_LIST = "id text, text text"
_DELIVERED = {
    "anrede": f"{_LIST}, juristische_person boolean",
    "rechtsform": _LIST,
    "land": _LIST,
    "sparte": _LIST,
    "gesellschaft": _LIST,
    "status": _LIST,
    "zahlweise": _LIST,
    "vermittler": "vermittler_id text, name text, parent_id text",
    "kundendetailfeld": "id text, bezeichnung text, typ text",
    "kunde": """
        ameise_id text, vermittler_id text, anrede_id text, titel text, vorname text, nachname text,
        strasse text, plz text, ort text, land_id text, geburtsdatum date, beruf text, nationalitaet text,
        rechtsform_id text, benutzername_simplr text, verstorben boolean, last_simplr_login_at timestamp,
        created_at timestamp
    """,
    "kundenkommunikation": """
        id text, kunde_id text, art text, kontext text, wert text, standard boolean
    """,
    "kundendetail": "kunde_id text, feld_id text, wert text",
    "vertrag": """
        ameise_id text, kunde_id text, vermittler_id text, sparte_id text, gesellschaft_id text,
        status_id text, zahlweise_id text, versicherungsscheinnummer text, risiko text,
        beitrag_netto numeric(18, 2), beginn date, ablauf date
    """,
}
_ABOUT_ROW = """
    extra jsonb NOT NULL DEFAULT '{}',
    unknown text[] NOT NULL DEFAULT '{}',
    row_hash text NOT NULL,
    first_seen timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    gone_since timestamptz
"""
_INDEXES = (
    "CREATE INDEX delivery_of_tenant ON delivery (tenant, received_from DESC)",
    "CREATE INDEX delivery_to_do ON delivery (tenant, received_from) WHERE state IN ('waiting', 'importing')",
    "CREATE UNIQUE INDEX delivery_receiving ON delivery (tenant) WHERE state = 'receiving'",
    "CREATE INDEX kundenkommunikation_of_kunde ON kundenkommunikation (tenant, kunde_id)",
    "CREATE INDEX kundendetail_of_kunde ON kundendetail (tenant, kunde_id)",
)


def upgrade() -> None:
    create_common_tables()
    for table, columns in _TABLES.items():
        op.execute(f"CREATE TABLE {table} ({columns})")
        protect(table)
    for table, columns in _DELIVERED.items():
        op.execute(
            f"CREATE TABLE {table} (tenant text NOT NULL, key text NOT NULL, {columns}, {_ABOUT_ROW}, "
            "PRIMARY KEY (tenant, key))"
        )
        protect(table)
    for statement in _INDEXES:
        op.execute(statement)


downgrade = downgrade_is_refused
