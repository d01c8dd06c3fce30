"""What a person must decide is kept on the link; pipelines have rules, kinds of person and blank rules.

And they are made at any time: what was in Zoho before that is nothing that somebody forgot to tell us."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from chassis.migrations import downgrade_is_refused, protect

revision = "0005"
down_revision = "0004"

_CONVERTERS = {"amount": "number", "values": "picklist", "kunde_link": "link", "vertrag_link": "link"}
_TEMPLATES = {
    "kunde_link": "{base}?show=kunde&kunde={value}",
    "vertrag_link": "{base}?show=vertrag&vertrag={value}",
}
_PARTS = {"deep_link": ["key"], "kunde_id_firma": ["kunde_id"]}


def upgrade() -> None:
    op.execute("ALTER TABLE link ADD COLUMN asked jsonb NOT NULL DEFAULT '{}'")
    op.execute("CREATE TABLE pipeline_number (tenant text PRIMARY KEY, last integer NOT NULL)")
    # Those that are there were made along with their connection: its first look is what counts for them.
    op.execute("ALTER TABLE pipeline ADD COLUMN made_at timestamptz NOT NULL DEFAULT '2000-01-01 00:00Z'")
    op.execute("ALTER TABLE pipeline ALTER COLUMN made_at SET DEFAULT now()")
    # Row-level security holds the owner too, who is of no tenant.
    op.execute("ALTER TABLE pipeline NO FORCE ROW LEVEL SECURITY")
    connection = op.get_bind()
    for row in connection.execute(sa.text("SELECT tenant, id, definition FROM pipeline")).mappings().all():
        definition = json.dumps(_renewed(row["definition"]))
        # The version becomes another one too, so that everything is judged by the new form once.
        connection.execute(
            sa.text(
                "UPDATE pipeline SET definition = CAST(:definition AS jsonb), "
                "version = md5(CAST(:definition AS text)) WHERE tenant = :tenant AND id = :id"
            ),
            {"definition": definition, "tenant": row["tenant"], "id": row["id"]},
        )
    op.execute("INSERT INTO pipeline_number SELECT tenant, max(id) FROM pipeline GROUP BY tenant")
    op.execute("ALTER TABLE pipeline FORCE ROW LEVEL SECURITY")
    protect("pipeline_number")


def _renewed(old: dict[str, Any]) -> dict[str, Any]:
    new = {name: old[name] for name in ("unique_field", "new_kunde", "policy")}
    new |= {name: old[name] for name in ("simplr", "matching") if name in old}
    new["direction"] = "both" if old["takes_webhooks"] else "to_zoho"
    if "juristische_person" in old["only_if"]:
        new["person"] = "legal" if old["only_if"]["juristische_person"] else "natural"
    new["fields"] = [_renewed_field(field) for field in old["fields"]]
    return new


def _renewed_field(old: dict[str, Any]) -> dict[str, Any]:
    new = {name: old[name] for name in ("ameise", "zoho", "way", "values", "max_length", "module")}
    new["converter"] = _CONVERTERS.get(old["converter"], old["converter"])
    new["blank"] = "erase" if old["erase"] else "keep"
    new["template"] = _TEMPLATES.get(old["converter"])
    new["parts"] = _PARTS.get(old["ameise"], [])
    if old["ameise"] == "name" and old["zoho"] == "Name":
        new["converter"], new["parts"] = "join", ["sparte", "key"]
    return new


downgrade = downgrade_is_refused
