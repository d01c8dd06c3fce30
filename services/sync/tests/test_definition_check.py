"""Definitions that cannot work are refused in words."""

from typing import Any

import pytest

from contracts.names import Table
from contracts.problems import Invalid
from sync.definition_check import check_definition
from sync.names_check import FieldsThere
from sync.pipelines import Definition
from sync.templates import BUILT_IN, Template

KEY = {"ameise": "ameise_id", "zoho": "Kundennummer", "way": "to_zoho"}
NAME = {"ameise": "nachname", "zoho": "Last_Name"}


def definition(*fields: dict[str, Any], **more: Any) -> Definition:
    return Definition.model_validate({"unique_field": "Kundennummer", "fields": [KEY, NAME, *fields], **more})


@pytest.mark.parametrize("template", BUILT_IN, ids=lambda template: template.module)
def test_the_templates_work(template: Template) -> None:
    check_definition(template.table, template.definition)


@pytest.mark.parametrize(
    "table", [t for t in Table if t not in {Table.KUNDE, Table.KUNDENKOMMUNIKATION, Table.KUNDENDETAIL}]
)
def test_every_table_but_the_parts_of_a_kunde_can_go_to_zoho(table: Table) -> None:
    owner = [{"ameise": "kunde_id", "zoho": "Kunde", "way": "to_zoho"}] if table is Table.VERTRAG else []
    one_way = Definition.model_validate(
        {"unique_field": "Schluessel", "direction": "to_zoho",
         "fields": [{"ameise": "key", "zoho": "Schluessel", "way": "to_zoho"}, *owner]}
    )  # fmt: skip
    check_definition(table, one_way)
    refused = "nimmt Ameise nicht an" if table is Table.VERTRAG else "Ameise nimmt nur Kunden und Verträge an"
    with pytest.raises(Invalid, match=refused):
        check_definition(table, definition())


def test_whose_a_vertrag_is_must_be_known() -> None:
    joined = {
        "ameise": "wer",
        "zoho": "Wer",
        "way": "to_zoho",
        "converter": "join",
        "parts": ["kunde_id", "b"],
    }
    with pytest.raises(Invalid, match="wessen Vertrag"):
        check_definition(Table.VERTRAG, definition(joined, direction="to_zoho"))


def test_erstanlage_and_its_points_are_for_kunden_and_in_order() -> None:
    with pytest.raises(Invalid, match="Mitteilungen an neue Kunden"):
        check_definition(Table.SPARTE, definition(simplr={"user_name": True}))
    with pytest.raises(Invalid, match="mindestens so viele Punkte"):
        check_definition(Table.KUNDE, definition(matching={"possible": 90, "sure": 80}))


@pytest.mark.parametrize("table", [Table.KUNDENKOMMUNIKATION, Table.KUNDENDETAIL])
def test_parts_of_a_kunde_are_no_pipelines(table: Table) -> None:
    with pytest.raises(Invalid, match="Teil des Kunden"):
        check_definition(table, definition())


LINK = {"ameise": "link", "zoho": "Link", "way": "to_zoho", "converter": "link", "parts": ["key"]}
B = {"ameise": "b", "zoho": "B", "way": "to_zoho"}
RULE = {"field": "plz", "compare": "equals", "value": "10115"}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (definition({"ameise": "nachname", "zoho": "Anders"}), "zweimal zugeordnet .Ameise.: nachname"),
        (definition({"ameise": "anders", "zoho": "Last_Name"}), "zweimal zugeordnet .Zoho.: Last_Name"),
        (definition(unique_field="Fehlt"), "Fehlt trägt den Schlüssel"),
        (definition(unique_field="Last_Name"), "Last_Name trägt den Schlüssel"),
        (definition(direction="to_zoho"), "nachname: die Pipeline geht nur nach Zoho"),
        (definition({**LINK, "template": "{base}{value}", "way": "both"}), "link .* geht nur nach Zoho"),
        (definition({**LINK, "template": "{base}"}), "Vorlage des Links"),
        (definition({**LINK, "template": "{value.__class__}"}), "Vorlage des Links"),
        (definition({**LINK, "template": "{value"}), "Vorlage des Links"),
        (definition({**LINK, "template": "{value:>1000000000}"}), "Vorlage des Links"),
        (definition({**B, "converter": "lookup"}), "braucht ein Modul"),
        (definition({**B, "converter": "join"}), "braucht Teile"),
        (definition({**B, "converter": "constant"}), "feste Wert fehlt"),
        (definition({"ameise": "b", "zoho": "B", "converter": "picklist"}), "braucht Werte"),
        (definition({**B, "converter": "user", "default": "Anna"}), "durch seine Id in Zoho"),
        (definition({**B, "converter": "user", "way": "both"}), "b: ein Benutzer geht nur nach Zoho"),
        (definition({**B, "converter": "user", "way": "to_ameise"}), "b: ein Benutzer geht nur nach Zoho"),
        (definition(new_kunde={"hobby": "x"}), "Vorgabe hobby für neue Kunden nimmt Ameise nicht an"),
        (definition(new_kunde={"email": "info@example.org"}), "an email wird ein Kunde erkannt"),
        (definition(new_kunde={"geburtsdatum": "1900-01-01", "vorname": "X"}), "an vorname, geburtsdatum"),
        (definition(new_vertrag={"risiko": "x"}), "Vorgaben für neue Verträge gibt es nur für Verträge"),
        (definition({"ameise": "b", "zoho": "B", "values": {"1": "x"}}), "nur eine Auswahlliste"),
        (definition({**B, "parts": ["c", "d"]}), "nur eine Verbindung"),
        (definition(vanished={"field": "Last_Name", "gone": "weg"}), "nicht zugleich markiert"),
        (definition(ameise_rule={**RULE, "value": None}), "plz: dem Vergleich fehlt der Wert"),
        (definition(ameise_rule={**RULE, "compare": "in"}), "plz: dem Vergleich fehlt der Wert"),
        (definition(ameise_rule={**RULE, "compare": "less"}), "kleiner und größer"),
        (definition(ameise_rule={**RULE, "type": "date"}), "plz: der Wert passt nicht zu „Tag“"),
        (definition(zoho_rule={**RULE, "compare": "contains", "type": "number"}), "enthält und beginnt"),
        (definition(ameise_rule={"any_of": [{"all_of": [RULE] * 50}] * 3}), "150 Vergleiche"),
        (definition(*({"ameise": f"f{n}", "zoho": f"F{n}"} for n in range(43)),
                    zoho_rule={"all_of": [{**RULE, "field": f"R{n}"} for n in range(5)]}), "Zoho-Felder"),
    ],
)  # fmt: skip
def test_what_is_refused(wrong: Definition, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        check_definition(Table.KUNDE, wrong)


@pytest.mark.parametrize("name", ["website", "titel", "ort", "vermittler_id", "land", "details"])
def test_a_kundendetail_is_not_named_like_a_field_of_the_kunde(name: str) -> None:
    detail = {"field": "1", "name": "Webseite"}
    with pytest.raises(Invalid, match=f"{name}: so heißt ein Feld des Kunden"):
        check_definition(Table.KUNDE, definition({"ameise": name, "zoho": "B", "detail": detail}))


def test_all_that_is_wrong_is_said_at_once() -> None:
    wrong = definition({"ameise": "beruf", "zoho": "B", "converter": "picklist"}, unique_field="Fehlt")
    with pytest.raises(Invalid) as caught:
        check_definition(Table.KUNDE, wrong)
    assert caught.value.detail.count(";") == 1


THERE = FieldsThere(
    ameise=frozenset({"ameise_id", "nachname", "plz", "ort", "vermittler_id", "details"}),
    zoho=frozenset({"Kundennummer", "Last_Name", "Mailing_Zip"}),
)
PLZ = {"ameise": "plz", "zoho": "Mailing_Zip"}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (definition({**PLZ, "ameise": "plzz"}), "plzz: ein Feld plzz gibt es in Ameise nicht, ähnlich: plz"),
        (
            definition({**LINK, "zoho": "Mailing_Zip", "template": "{value}", "parts": ["ameiseid"]}),
            "link: ein Feld ameiseid gibt es in Ameise nicht, ähnlich: ameise_id",
        ),
        (
            definition({**PLZ, "zoho": "mailing_zipp"}),
            "plz: ein Feld mailing_zipp gibt es in Zoho nicht, ähnlich: Mailing_Zip",
        ),
        (
            definition(ameise_rule={"negate": {**RULE, "field": "orrt"}}),
            "Regel für Objekte aus Ameise: ein Feld orrt gibt es in Ameise nicht, ähnlich: ort",
        ),
        (
            definition(ameise_rule={**RULE, "field": "key"}),
            "Regel für Objekte aus Ameise: ein Feld key gibt es in Ameise nicht",
        ),
        (
            definition(zoho_rule={"any_of": [{**RULE, "field": "LastName"}]}),
            "Regel für Zoho-Datensätze: ein Feld LastName gibt es in Zoho nicht, ähnlich: Last_Name",
        ),
        (
            definition(vanished={"field": "Entfallen", "gone": "ja"}),
            "Markierung des Entfallenen: ein Feld Entfallen gibt es in Zoho nicht",
        ),
        (
            definition(new_kunde={"anrde_id": "1"}),
            "die Vorgabe anrde_id für neue Kunden nimmt Ameise nicht an, ähnlich: anrede_id, land_id",
        ),
    ],
)
def test_a_mistyped_field_is_named_with_its_place_and_what_may_be_meant(
    wrong: Definition, words: str
) -> None:
    with pytest.raises(Invalid) as caught:
        check_definition(Table.KUNDE, wrong, THERE)
    assert caught.value.detail == words


def test_names_that_are_there_or_stand_for_no_field_are_taken() -> None:
    detail = {**PLZ, "ameise": "hobby", "zoho": "Hobby", "detail": {"field": "1", "name": "Hobby"}}
    constant = {**B, "converter": "constant", "constant": "x"}
    link = {**LINK, "template": "{value}"}
    good = definition(detail, constant, link, ameise_rule=RULE)
    accepted = FieldsThere(THERE.ameise, THERE.zoho, frozenset({"Hobby", "B", "Link"}))
    check_definition(Table.KUNDE, good, accepted)


def test_where_nobody_says_which_fields_there_are_nothing_is_held_against_a_name() -> None:
    check_definition(Table.KUNDE, definition(ameise_rule={**RULE, "field": "plzz"}))
