"""What sync refuses about a definition is shown by the gateway at the field that it is about."""

from typing import Any

import pytest

from contracts.names import Table
from contracts.problems import Invalid
from gateway.pipeline_faults import placed
from sync.definition_check import check_definition
from sync.names_check import FieldsThere
from sync.pipelines import Definition

KEY = {"ameise": "ameise_id", "zoho": "Kundennummer", "way": "to_zoho"}
NAME = {"ameise": "plz", "zoho": "Last_Name"}
LINK = {"ameise": "b", "zoho": "B", "way": "to_zoho", "converter": "link", "template": "{base}"}
RULE = {"field": "plz", "compare": "equals", "value": "10115"}
MANY_RULES = {"any_of": [{"all_of": [RULE] * 50}] * 3}
MANY_FIELDS = [{"ameise": f"f{n}", "zoho": f"F{n}", "way": "to_zoho"} for n in range(43)]
RULED = {"plz", *(f"R{n}" for n in range(5))}
FIVE_MORE = {"all_of": [{**RULE, "field": f"R{n}"} for n in range(5)]}


def definition(*more: dict[str, Any], **changed: Any) -> Definition:
    return Definition.model_validate(
        {"unique_field": "Kundennummer", "fields": [KEY, NAME, *more], **changed}
    )


@pytest.mark.parametrize(
    ("table", "wrong", "places"),
    [
        (Table.KUNDE, definition({"ameise": "plz", "zoho": "X"}), {"f2.ameise", "f3.ameise"}),
        (Table.KUNDE, definition({"ameise": "ort", "zoho": "Last_Name"}), {"f2.zoho", "f3.zoho"}),
        (Table.KUNDE, definition(unique_field="Fehlt"), {"unique_field"}),
        (Table.KUNDE, definition(direction="to_zoho"), {"f2"}),
        (Table.KUNDE, definition(LINK), {"f3"}),
        (Table.KUNDE, definition({"ameise": "nationalitaet", "zoho": "B"}), {"f3"}),
        (Table.KUNDE, definition({"ameise": "b", "zoho": "B", "converter": "picklist"}), {"f3"}),
        (Table.KUNDE, definition({**KEY, "ameise": "b", "zoho": "B", "converter": "lookup"}), {"f3"}),
        (Table.KUNDE, definition(vanished={"field": "Last_Name", "gone": "weg"}), {"vanished.field"}),
        (Table.KUNDE, definition(deletion={}, direction="to_ameise"), {"direction"}),
        (Table.KUNDE, definition(ameise_rule={**RULE, "value": None}), {"ameise_rule"}),
        (Table.KUNDE, definition(zoho_rule={**RULE, "compare": "less"}), {"zoho_rule"}),
        (Table.KUNDE, definition(ameise_rule={**RULE, "type": "date"}), {"ameise_rule"}),
        (Table.KUNDE, definition(zoho_rule={**RULE, "compare": "contains", "type": "email"}), {"zoho_rule"}),
        (Table.KUNDE, definition(zoho_rule=MANY_RULES), {"zoho_rule"}),
        (Table.KUNDE, definition(*MANY_FIELDS, zoho_rule=FIVE_MORE), {"fields"}),
        (Table.KUNDE, definition(matching={"possible": 90, "sure": 80}), {"matching.sure"}),
        (Table.KUNDE, definition(direction="to_zoho", zoho_rule=RULE), {"f2", "zoho_rule"}),
        (
            Table.KUNDE,
            definition({"ameise": "b", "zoho": "Owner", "converter": "user", "default": "x"}),
            {"f3"},
        ),
        (Table.KUNDE, definition(new_kunde={"plz": "1", "hobby": "x"}), {"new_kunde"}),
        (Table.KUNDE, definition(new_vertrag={"plz": "1"}), {"new_vertrag"}),
        (Table.SPARTE, definition(person="legal"), {"direction", "person"}),
        (Table.SPARTE, definition(simplr={"user_name": True}), {"direction", "simplr.user_name"}),
        (Table.VERTRAG, definition(direction="to_zoho"), {"f2", "fields"}),
        (Table.KUNDE, definition({"ameise": "ort", "zoho": "Ortt"}), {"f3"}),
        (Table.KUNDE, definition(ameise_rule={**RULE, "field": "orrt"}), {"ameise_rule"}),
        (Table.KUNDE, definition(zoho_rule={**RULE, "field": "Ortt"}), {"zoho_rule"}),
        (Table.KUNDE, definition(vanished={"field": "Weg", "gone": "ja"}), {"vanished.field"}),
        (Table.KUNDENDETAIL, definition(), {"", "direction"}),
    ],
)
def test_a_refusal_is_placed(table: Table, wrong: Definition, places: set[str]) -> None:
    names = {name for m in wrong.fields for name in (m.ameise, m.zoho)}
    there = FieldsThere(frozenset(names | {"plz"}), frozenset((names | RULED) - {"Ortt"}))
    with pytest.raises(Invalid) as caught:
        check_definition(table, wrong, there)
    rows = list(range(1, len(wrong.fields) + 1))
    found = placed(caught.value.detail, wrong, rows)
    assert set(found) == places
    assert all(words for words in found.values())


def test_what_is_not_known_yet_is_shown_above_the_form() -> None:
    assert placed("etwas Neues", definition(), [1, 2]) == {"": ["etwas Neues"]}
