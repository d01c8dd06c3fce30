"""Pipelines that were made before there were rules, kinds of person and blank rules go on as they were."""

import importlib
import json
from typing import Any

import psycopg
from pydantic import SecretStr

from chassis.migrations import migrate
from contracts.names import Service, Table
from sync.definition_check import check_definition
from sync.pipelines import Definition
from sync.templates import NATUERLICHE_PERSON, VERTRAG

migration = importlib.import_module("sync.migrations.versions.0005_definitions")


def field(ameise: str, zoho: str, **more: Any) -> dict[str, Any]:
    plain = {"way": "to_zoho", "converter": "text", "values": {}, "erase": False, "max_length": None}
    return {"ameise": ameise, "zoho": zoho, "module": None, **plain, **more}


def renewed(*fields: dict[str, Any], **more: Any) -> Definition:
    old = {
        "only_if": {}, "new_kunde": {}, "takes_webhooks": False, "policy": "ameise", "fields": list(fields)
    }  # fmt: skip
    return Definition.model_validate(migration._renewed(old | more))


def test_a_pipeline_of_natural_persons() -> None:
    new = renewed(
        field("ameise_id", "Kundennummer"),
        field("deep_link", "Ameise_Link", converter="kunde_link"),
        field("anrede_id", "Salutation", way="both", converter="values", values={"1": "Herr"}),
        only_if={"juristische_person": False}, unique_field="Kundennummer", takes_webhooks=True,
        new_kunde={"land_id": "DE"}, simplr={"user_name": True}, matching={"sure": 120},
    )  # fmt: skip
    check_definition(Table.KUNDE, new)
    wanted = NATUERLICHE_PERSON
    assert (new.person, new.direction, new.new_kunde) == (wanted.person, wanted.direction, wanted.new_kunde)
    assert (new.simplr.user_name, new.matching.sure, new.matching.possible) == (True, 120, 40)
    number, link, anrede = new.fields
    assert (number, link) == (wanted.fields[0], wanted.fields[3])
    assert (anrede.converter, anrede.values) == ("picklist", {"1": "Herr"})


def test_a_pipeline_of_vertraege() -> None:
    new = renewed(
        field("ameise_id", "Vertragsnummer"),
        field("name", "Name"),
        field("kunde_id_firma", "Firma", converter="lookup", module="Accounts"),
        field("beitrag_netto", "Beitrag_netto", converter="amount", erase=True),
        unique_field="Vertragsnummer",
    )
    check_definition(Table.VERTRAG, new)
    same = {mapping.ameise: mapping for mapping in VERTRAG.fields}
    assert [same[mapping.ameise] for mapping in new.fields] == list(new.fields)
    assert new.direction is VERTRAG.direction


CONNECTION = "01a211ca-0c68-7551-bef1-4dd7f548d77c"


def test_stored_pipelines_are_renewed_and_go_on_as_they_were(new_database: Any) -> None:
    urls = new_database(Service.SYNC, revision="0004")
    old = {
        "only_if": {"juristische_person": True}, "new_kunde": {}, "takes_webhooks": True, "policy": "zoho",
        "unique_field": "Kundennummer", "fields": [field("ameise_id", "Kundennummer")],
    }  # fmt: skip
    with psycopg.connect(urls.superuser, autocommit=True) as connection:
        for tenant, number in (("berlin", 1), ("berlin", 4), ("hamburg", 2)):
            connection.execute(
                "INSERT INTO pipeline (tenant, id, name, table_name, module, ameise_connection, "
                "zoho_connection, definition, version) "
                "VALUES (%s, %s, 'Firmen', 'kunde', %s, %s, %s, %s, 'v')",
                [tenant, number, f"Modul{number}", CONNECTION, CONNECTION, json.dumps(old)],
            )

        assert migrate(Service.SYNC, SecretStr(urls.owner), revision="0005") == "0005"

        rows = connection.execute(
            "SELECT definition, version <> 'v', made_at < '2001-01-01' FROM pipeline"
        ).fetchall()
        assert len(rows) == 3
        for definition, judged_anew, old_enough in rows:
            new = Definition.model_validate(definition)
            check_definition(Table.KUNDE, new)
            assert (new.person, new.direction, new.policy) == ("legal", "both", "zoho")
            assert (judged_anew, old_enough) == (True, True)
        numbers = connection.execute("SELECT tenant, last FROM pipeline_number ORDER BY tenant").fetchall()
        assert numbers == [("berlin", 4), ("hamburg", 2)]
        protected = connection.execute(
            "SELECT relname FROM pg_class WHERE relforcerowsecurity AND relname LIKE 'pipeline%' "
            "AND relkind = 'r' ORDER BY relname"
        ).fetchall()
        assert protected == [("pipeline",), ("pipeline_number",)]
