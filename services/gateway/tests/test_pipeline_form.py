"""From a definition to the fields of a form, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.names import Table
from contracts.rpc.pipeline_definition import (
    AllOf,
    Blank,
    Compare,
    Comparison,
    Converter,
    Deletion,
    FieldMapping,
    Kundendetail,
    Mark,
    Person,
    PipelineDefinition,
    Policy,
    ValueType,
    Way,
)
from contracts.rpc.pipeline_switches import MatchWeights, SimplrMessages
from contracts.rpc.sync_pipelines import KnownField, PipelineFields
from gateway import pipeline_form
from gateway.pipeline_form import FormError, rows_of, turned, with_new_row

ameise_names = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)
zoho_names = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,5}", fullmatch=True)
short = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=5)
mappings = st.builds(
    FieldMapping,
    ameise=ameise_names, zoho=zoho_names, way=st.sampled_from(Way), converter=st.sampled_from(Converter),
    values=st.dictionaries(short, short, max_size=3), default=st.none() | short,
    blank=st.sampled_from(Blank), required=st.booleans(), max_length=st.none() | st.integers(1, 999),
    policy=st.none() | st.sampled_from(Policy), module=st.none() | zoho_names,
    points_to=st.sampled_from(Table), parts=st.lists(ameise_names, max_size=3).map(tuple), separator=short,
    constant=st.none() | short, template=st.none() | short,
    detail=st.none() | st.builds(
        Kundendetail, field=st.from_regex(r"[0-9]{1,3}", fullmatch=True), name=st.text("aß-", min_size=1)
    ),
)  # fmt: skip
definitions = st.builds(
    PipelineDefinition,
    unique_field=zoho_names, direction=st.sampled_from(Way), person=st.none() | st.sampled_from(Person),
    layout=st.none() | st.just("123"), new_kunde=st.dictionaries(ameise_names, short, max_size=2),
    new_vertrag=st.dictionaries(ameise_names, short, max_size=2),
    simplr=st.builds(SimplrMessages), matching=st.builds(MatchWeights), policy=st.sampled_from(Policy),
    ameise_rule=st.none() | st.just(Compare(field="plz", compare=Comparison.IS_KNOWN)),
    zoho_rule=st.none() | st.just(Compare(field="City", compare=Comparison.EQUALS, value=" nur JSON ")),
    vanished=st.none() | st.just(Mark(field="Status", gone="weg")), recreate=st.booleans(),
    deletion=st.none() | st.builds(Deletion, after_days=st.integers(1, 3650)),
    fields=st.lists(mappings, min_size=1, max_size=3).map(tuple),
)  # fmt: skip

THERE = PipelineFields(
    ameise=(KnownField(name="plz"), KnownField(name="verstorben", type=ValueType.BOOLEAN)),
    zoho=(KnownField(name="City", label="Ort"),),
)
NAME = FieldMapping(ameise="nachname", zoho="Last_Name", max_length=80)
KEY = FieldMapping(ameise="ameise_id", zoho="Kundennummer", way=Way.TO_ZOHO)
STORED = PipelineDefinition(unique_field="Kundennummer", fields=(KEY, NAME))


def values_of(definition, there=THERE):
    return pipeline_form.values_of(definition, there)


def definition_of(values, stored, there=THERE):
    return pipeline_form.definition_of(values, stored, there)


@given(definitions)
def test_what_nobody_touched_stays_as_it_is(definition):
    assert definition_of(values_of(definition), definition) == definition


def test_rows_are_changed_added_and_taken_away():
    values = with_new_row(values_of(STORED)) | {
        "f2.remove": "ja", "f3.ameise": "titel", "f3.zoho": "Titel", "f1.required": "ja", "policy": "ask",
    }  # fmt: skip
    changed = definition_of(values, STORED)
    assert [(m.ameise, m.required) for m in changed.fields] == [("ameise_id", True), ("titel", False)]
    assert changed.policy is Policy.ASK


def test_a_new_row_that_nobody_filled_in_is_none():
    values = with_new_row(values_of(STORED))
    assert rows_of(values) == [1, 2, 3]
    assert definition_of(values, STORED) == STORED


def test_what_the_form_does_not_show_stays():
    stored = STORED.model_copy(update={"matching": MatchWeights(sure=95), "vanished": None})
    values = {k: v for k, v in values_of(stored).items() if not k.startswith(("matching.", "simplr."))}
    assert definition_of(values, stored) == stored


@pytest.mark.parametrize(
    ("typed", "place", "words"),
    [
        ({"unique_field": ""}, "unique_field", "fehlt"),
        ({"f2.ameise": "Nach Name"}, "f2.ameise", "so heißt kein Feld in Ameise"),
        ({"f2.zoho": "Last Name"}, "f2.zoho", "so heißt nichts in der API von Zoho"),
        ({"f2.max_length": "viele"}, "f2.max_length", "ganze Zahl"),
        ({"f2.max_length": "0"}, "f2.max_length", "mindestens 1"),
        ({"f2.converter": "zauber"}, "f2.converter", "erlaubt ist"),
        ({"f2.values": "Herr"}, "f2.values", "Zeile 1"),
        ({"f2.detail_field": "7"}, "f2", "ist leer"),
        ({"f2.parts": "a, B"}, "f2.parts", "so heißt kein Feld in Ameise"),
        ({"f1.remove": "ja", "f2.zoho": "?"}, "f2.zoho", "so heißt nichts"),
        ({"f1.remove": "ja", "f2.remove": "ja"}, "fields", "ist leer"),
        ({"matching.sure": "999"}, "matching.sure", "höchstens 300"),
        ({"layout": "x"}, "layout", "nicht nur Ziffern"),
        ({"vanished.gone": "weg"}, "vanished.field", "fehlt"),
        ({"deletion.after_days": "0"}, "deletion.after_days", ""),
        ({"ameise_rule": "{"}, "ameise_rule", "kein gültiges JSON"),
        ({"ameise_rule.1.field": "plz", "ameise_rule.1.compare": "in"}, "ameise_rule.1", "der Wert fehlt"),
        ({"new_kunde": "Land = DE"}, "new_kunde", "so heißt kein Feld in Ameise"),
        ({"new_vertrag": "Risiko = Haus"}, "new_vertrag", "so heißt kein Feld in Ameise"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(typed, place, words):
    with pytest.raises(FormError) as caught:
        definition_of(values_of(STORED) | typed, STORED)
    assert list(caught.value.faults) == [place]
    assert words in caught.value.faults[place][0]


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(FormError) as caught:
        definition_of(values_of(STORED) | {"zoho_rule": "[]", "f2.zoho": "", "person": "x"}, STORED)
    assert set(caught.value.faults) == {"zoho_rule", "f2.zoho", "person"}


RULED = STORED.model_copy(
    update={"ameise_rule": Compare(field="plz", compare=Comparison.BEGINS_WITH, value="1")}
)


def test_a_rule_that_nobody_touched_stays_a_single_comparison_and_grows_into_a_group():
    values = pressed(values_of(RULED), "row:ameise_rule")
    assert definition_of(values, RULED) == RULED
    values |= {"ameise_rule.2.field": "verstorben", "ameise_rule.2.value": "nein"}
    alive = Compare(field="verstorben", compare=Comparison.EQUALS, value=False, type=ValueType.BOOLEAN)
    assert definition_of(values, RULED).ameise_rule == AllOf(all_of=(RULED.ameise_rule, alive))
    values = pressed(pressed(values, "remove:ameise_rule.1"), "remove:ameise_rule.2")
    assert definition_of(values, RULED).ameise_rule is None


def test_a_rule_turns_into_json_and_back():
    values = pressed(values_of(RULED), "json:ameise_rule")
    assert '"begins_with"' in values["ameise_rule"]
    assert definition_of(values, RULED) == RULED
    as_form = pressed(values, "form:ameise_rule")
    assert "ameise_rule" not in as_form
    assert definition_of(as_form, RULED) == RULED


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("{", "kein gültiges JSON"),
        ('{"negate": {"negate": {"field": "plz", "compare": "is_known"}}}', "JSON"),
    ],
)
def test_json_that_the_form_cannot_show_stays(rule, words):
    values = {"ameise_rule": rule}
    turned_values, faults = turned(values, "form:ameise_rule", THERE)
    assert turned_values == values
    assert words in faults["ameise_rule"][0]


def test_rows_that_are_not_right_yet_do_not_turn_into_json():
    values = values_of(RULED) | {"ameise_rule.1.value": ""}
    assert turned(values, "json:ameise_rule", THERE) == (values, {"ameise_rule.1": ["der Wert fehlt"]})


@pytest.mark.parametrize("wanted", ["", "row:policy", "dance:ameise_rule"])
def test_a_button_that_is_not_there_changes_nothing(wanted):
    assert turned(values_of(RULED), wanted, THERE) == (values_of(RULED), {})


def pressed(values, wanted):
    values, faults = turned(values, wanted, THERE)
    assert faults == {}
    return values
