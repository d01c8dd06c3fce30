"""From a rule to the rows and groups of a form, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.rpc.pipeline_definition import AllOf, AnyOf, Compare, Comparison, Not, ValueType
from gateway.rule_form import (
    MOST_LEVELS,
    Group,
    Row,
    as_group,
    read,
    rows_of,
    tree_of,
    values_of,
    with_group,
    with_row,
    without,
)

TYPES = {"plz": ValueType.TEXT, "beitrag": ValueType.NUMBER, "beginn": ValueType.DATE,
         "verstorben": ValueType.BOOLEAN, "email": ValueType.EMAIL}  # fmt: skip
"""Of the fields that there are."""
WITHOUT_VALUE = (Comparison.IS_EMPTY, Comparison.IS_KNOWN)
words = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=5).filter(
    lambda text: ";" not in text
)
numbers = st.decimals(-999, 999, places=2).map(lambda number: format(number.normalize() + 0, "f"))
plain = {
    ValueType.TEXT: words, ValueType.PHONE: words, ValueType.EMAIL: words, ValueType.NUMBER: numbers,
    ValueType.DATE: st.dates().map(str), ValueType.BOOLEAN: st.booleans(),
}  # fmt: skip


@st.composite
def sound_comparisons(draw):
    """What sync takes, of fields that there are, and of others."""
    field = draw(st.sampled_from([*TYPES, "gibt_es_nicht"]))
    compare = draw(st.sampled_from(Comparison))
    if compare in WITHOUT_VALUE:
        return Compare(field=field, compare=compare)
    match compare:
        case Comparison.CONTAINS | Comparison.BEGINS_WITH:
            type_ = ValueType.TEXT
        case Comparison.LESS | Comparison.GREATER:
            type_ = draw(st.sampled_from([ValueType.NUMBER, ValueType.DATE]))
        case _:
            type_ = draw(st.sampled_from(ValueType))
    if compare is Comparison.IN:
        values = st.sampled_from(["ja", "nein"]) if type_ is ValueType.BOOLEAN else plain[type_]
        some = draw(st.lists(values, min_size=1, max_size=3))
        return Compare(field=field, compare=compare, values=tuple(some), type=type_)
    return Compare(field=field, compare=compare, value=draw(plain[type_]), type=type_)


any_comparisons = st.builds(
    Compare,
    field=st.sampled_from(["plz", "Last_Name"]), compare=st.sampled_from(Comparison),
    value=st.none() | st.booleans() | st.text(max_size=5),
    values=st.lists(st.text(max_size=5), max_size=3).map(tuple), type=st.sampled_from(ValueType),
)  # fmt: skip


def rules_of(comparisons, levels):
    """Groups within each other, at most so many."""
    rows = comparisons | comparisons.map(lambda row: Not(negate=row))
    inner = rows if levels == 1 else rows | rules_of(comparisons, levels - 1)
    parts = st.lists(inner, min_size=1, max_size=3).map(tuple)
    groups = parts.map(lambda some: AllOf(all_of=some)) | parts.map(lambda some: AnyOf(any_of=some))
    return groups | groups.map(lambda group: Not(negate=group))


types_known = st.sampled_from([TYPES, {}])


@given(st.none() | sound_comparisons() | rules_of(sound_comparisons(), MOST_LEVELS), types_known)
def test_a_sound_rule_is_shown_and_read_as_it_is(rule, types):
    values = values_of(rule, "ameise_rule", types)
    assert values is not None
    assert read(values, "ameise_rule", types) == (rule and as_group(rule), {})


@given(rules_of(any_comparisons, MOST_LEVELS + 1), types_known)
def test_a_rule_that_the_form_could_not_say_exactly_is_not_shown_in_it(rule, types):
    values = values_of(rule, "zoho_rule", types)
    assert values is None or read(values, "zoho_rule", types) == (as_group(rule), {})


@pytest.mark.parametrize(
    "rule",
    [
        Not(negate=Not(negate=Compare(field="plz", compare=Comparison.IS_KNOWN))),
        Compare(field="plz", compare=Comparison.IN, values=("a;b",)),
        Compare(field="plz", compare=Comparison.IN, values=()),
        Compare(field="plz", compare=Comparison.IN, values=("a\rb",)),
        Compare(field="plz", compare=Comparison.EQUALS, value=" 1"),
        Compare(field="plz", compare=Comparison.EQUALS, value="1\n2"),
        Compare(field="plz", compare=Comparison.CONTAINS, value="1\r2"),
        Compare(field="plz", compare=Comparison.IS_EMPTY, value="1"),
        Compare(field="verstorben", compare=Comparison.EQUALS, value="ja", type=ValueType.BOOLEAN),
    ],
)
def test_what_the_form_has_no_words_for_is_left_to_json(rule):
    assert values_of(rule, "zoho_rule", TYPES) is None


def test_what_is_nested_too_deep_is_left_to_json():
    rule = AllOf(all_of=(Compare(field="plz", compare=Comparison.IS_KNOWN),))
    for _ in range(MOST_LEVELS):
        rule = AnyOf(any_of=(rule,))
    assert values_of(rule, "zoho_rule", TYPES) is None


def one(**typed):
    """The form with one row."""
    row = {"field": "plz", "compare": "equals", "value": "1", "type": ""} | typed
    return {"r.kind": "all"} | {f"r.1.{key}": value for key, value in row.items()}


@pytest.mark.parametrize(
    ("typed", "value", "type_"),
    [
        ({"field": "beitrag", "value": "1234,50"}, "1234.50", ValueType.NUMBER),
        ({"field": "beitrag", "value": " 12.5 "}, "12.5", ValueType.NUMBER),
        ({"field": "beginn", "compare": "less", "value": "1.2.2024"}, "2024-02-01", ValueType.DATE),
        ({"field": "beginn", "value": "2024-02-01"}, "2024-02-01", ValueType.DATE),
        ({"field": "verstorben", "value": "Ja"}, True, ValueType.BOOLEAN),
        ({"field": "verstorben", "value": "nein"}, False, ValueType.BOOLEAN),
        ({"field": "email", "compare": "contains", "value": "@x.de"}, "@x.de", ValueType.TEXT),
        ({"field": "beitrag", "value": "0815", "type": "text"}, "0815", ValueType.TEXT),
        ({"field": "neu", "value": "x"}, "x", ValueType.TEXT),
    ],
)
def test_a_value_is_read_as_its_field_or_as_it_is_said(typed, value, type_):
    rule, faults = read(one(**typed), "r", TYPES)
    assert faults == {}
    assert isinstance(rule, AllOf)
    [compare] = rule.all_of
    assert isinstance(compare, Compare)
    assert (compare.value, compare.type) == (value, type_)


def test_several_values_stand_in_lines_or_between_semicolons():
    rule, _ = read(one(compare="not:in", value="1; 2\n 3 \n"), "r", TYPES)
    compare = Compare(field="plz", compare=Comparison.IN, values=("1", "2", "3"))
    assert rule == AllOf(all_of=(Not(negate=compare),))


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"field": ""}, "bitte ein Feld wählen"),
        ({"field": "", "value": "", "compare": "is_empty"}, "bitte ein Feld wählen"),
        ({"field": "", "value": "", "compare": "not:is_known"}, "bitte ein Feld wählen"),
        ({"field": "", "value": "", "compare": "contains"}, "bitte ein Feld wählen"),
        ({"field": "a b"}, "so heißt nichts"),
        ({"value": ""}, "der Wert fehlt"),
        ({"compare": "in", "value": " ; "}, "der Wert fehlt"),
        ({"value": "1\r\n2"}, "nur ein Wert; mehrere: „ist eines von“"),
        ({"compare": "contains", "value": "1\n2"}, "nur ein Wert"),
        ({"compare": "not_equals", "value": "1\r2"}, "nur ein Wert"),
        ({"compare": "is_empty"}, "hier kein Wert"),
        ({"compare": "not:is_known"}, "hier kein Wert"),
        ({"compare": "wie"}, "wie verglichen wird"),
        ({"type": "wie"}, "wie verglichen wird"),
        ({"field": "beitrag", "value": "viel"}, "„viel“ ist keine Zahl"),
        ({"field": "beitrag", "value": "1.000"}, "ohne Punkte zwischen den Tausendern"),
        ({"field": "beitrag", "compare": "in", "value": "1;x"}, "„x“ ist keine Zahl"),
        ({"field": "beginn", "value": "31.2.2024"}, "„31.2.2024“ ist kein Tag"),
        ({"field": "verstorben", "value": "vielleicht"}, "bitte ja oder nein"),
        ({"compare": "less"}, "nur für Zahlen und Tage"),
        ({"compare": "contains", "type": "number"}, "nur für Text"),
        ({"value": "x" * 256}, "ist zu lang"),
    ],
)
def test_what_is_wrong_is_said_at_its_row(typed, words):
    rule, faults = read(one(**typed), "r", TYPES)
    assert rule is None
    assert list(faults) == ["r.1"]
    assert words in faults["r.1"][0]


def test_where_nobody_knows_the_fields_their_type_must_be_said():
    assert "bitte wählen" in read(one(), "r", {})[1]["r.1"][0]
    assert read(one(type="text"), "r", {})[1] == {}
    values = with_row({"r.kind": "all"}, "r", {})
    assert read({**values, "r.1.field": "plz", "r.1.value": "1"}, "r", {})[1] == {}


def test_rows_and_groups_are_added_and_taken_away():
    plz = Compare(field="plz", compare=Comparison.EQUALS, value="1")
    values = with_group(with_row(one(), "r", TYPES), "r", TYPES)
    assert rows_of(values, "r") == [("r.1", "plz"), ("r.2", ""), ("r.3.1", "")]
    assert read(values, "r", TYPES) == (AllOf(all_of=(plz,)), {}), "what was left empty is none"
    filled = {**values, "r.3.1.field": "email", "r.3.1.compare": "is_empty"}
    email = Compare(field="email", compare=Comparison.IS_EMPTY)
    assert read(filled, "r", TYPES) == (AllOf(all_of=(plz, AnyOf(any_of=(email,)))), {})
    assert read(without(filled, "r.1"), "r", TYPES)[0] == AllOf(all_of=(AnyOf(any_of=(email,)),))
    assert read(without(filled, "r.3"), "r", TYPES)[0] == AllOf(all_of=(plz,))
    assert read({"r.kind": "all"}, "r", TYPES) == (None, {})


def test_the_page_shows_a_value_by_the_type_of_its_field():
    dead = Compare(field="verstorben", compare=Comparison.EQUALS, value=True, type=ValueType.BOOLEAN)
    since = Compare(field="beginn", compare=Comparison.LESS, value="2024-02-01", type=ValueType.DATE)
    sums = Compare(field="plz", compare=Comparison.IN, values=("1.5", "2"), type=ValueType.NUMBER)
    values = values_of(AnyOf(any_of=(dead, Not(negate=AllOf(all_of=(since, sums))))), "r", TYPES)
    assert values is not None
    shown = {"is_boolean": False, "has_lines": False}
    assert tree_of(values, "r", TYPES) == Group("r", "any", True, (
        Row("r.1", "verstorben", "equals", "ja", "", **(shown | {"is_boolean": True})),
        Group("r.2", "not_all", True, (
            Row("r.2.1", "beginn", "less", "01.02.2024", "", **shown),
            Row("r.2.2", "plz", "in", "1,5\n2", "number", **(shown | {"has_lines": True})),
        ), "r.2.3"),
    ), "r.3")  # fmt: skip


@pytest.mark.parametrize("value", ["1\n2", "1\r\n2", "1\r2"])
def test_several_lines_are_shown_as_several_whatever_they_are_compared_by(value):
    [row] = tree_of(one(value=value), "r", TYPES).parts
    assert isinstance(row, Row)
    assert (row.value, row.has_lines) == (value, True)


@pytest.mark.parametrize(
    ("typed", "shown"),
    [("wahr", "ja"), ("true", "ja"), (" 1", "ja"), ("JA", "ja"), ("Falsch", "nein"), ("0", "nein")],
)
def test_what_means_yes_or_no_is_shown_as_the_word_to_choose(typed, shown):
    [row] = tree_of(one(field="verstorben", value=typed), "r", TYPES).parts
    assert isinstance(row, Row)
    assert (row.value, row.is_boolean) == (shown, True)


@pytest.mark.parametrize(
    "typed", [{"value": "vielleicht"}, {"value": "1", "compare": "contains"}, {"value": "1", "type": "text"}]
)
def test_what_is_no_yes_or_no_stays_as_it_was_typed(typed):
    [row] = tree_of(one(field="verstorben", **typed), "r", TYPES).parts
    assert isinstance(row, Row)
    assert (row.value, row.is_boolean) == (typed["value"], False)


def test_a_form_that_nests_too_deep_or_says_no_kind_is_told_so():
    deep = "r" + ".1" * MOST_LEVELS
    values = {f"{place}.kind": "all" for place in ("r", "r.1", "r.1.1", "r.1.1.1", deep)}
    assert f"{MOST_LEVELS} Gruppen" in read({**values, f"{deep}.1.field": "plz"}, "r", TYPES)[1][deep][0]
    assert "verbunden" in read({**one(), "r.kind": "x"}, "r", TYPES)[1]["r"][0]
    many = {f"r.{n}.{key}": "plz" for n in range(1, 52) for key in ("field", "value")}
    many |= {f"r.{n}.compare": "equals" for n in range(1, 52)}
    assert "höchstens 50" in read({"r.kind": "all", **many}, "r", TYPES)[1]["r"][0]
