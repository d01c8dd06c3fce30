"""A rule as people read and edit it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.rpc.pipeline_definition import AllOf, AnyOf, Compare, Comparison, Not, ValueType
from gateway.rule_text import MOST_DEPTH, Branch, as_text, branch_of, from_text

compares = st.builds(
    Compare,
    field=st.sampled_from(["plz", "ort", "Last_Name"]),
    compare=st.sampled_from(list(Comparison)),
    value=st.none() | st.booleans() | st.text(max_size=5),
    values=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    type=st.sampled_from(list(ValueType)),
)
rules = st.recursive(
    compares,
    lambda inner: (
        st.builds(AllOf, all_of=st.lists(inner, min_size=1, max_size=3).map(tuple))
        | st.builds(AnyOf, any_of=st.lists(inner, min_size=1, max_size=3).map(tuple))
        | st.builds(Not, negate=inner)
    ),
    max_leaves=6,
)


@given(st.none() | rules)
def test_a_rule_survives_its_text(rule):
    assert from_text(as_text(rule)) == rule


def test_a_rule_reads_like_a_sentence():
    plz = Compare(field="plz", compare=Comparison.BEGINS_WITH, value="1")
    dead = Compare(field="verstorben", compare=Comparison.EQUALS, value=True, type=ValueType.BOOLEAN)
    one_of = Compare(field="ort", compare=Comparison.IN, values=("Berlin", "Bonn"))
    assert branch_of(AllOf(all_of=(plz, Not(negate=dead), Not(negate=AnyOf(any_of=(one_of,)))))) == Branch(
        "alles davon:",
        (
            Branch("plz beginnt mit „1“"),
            Branch("nicht: verstorben ist ja (Ja/Nein)"),
            Branch("nicht: mindestens eines davon:", (Branch("ort ist eines von „Berlin“, „Bonn“"),)),
        ),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Zeile 1, Spalte 2: das ist kein gültiges JSON"),
        ("[" * 100_000, "zu tief geschachtelt"),
        ("[]", "muss ein Objekt sein"),
        ("{}", "braucht genau eines von"),
        ('{"all_of": []}', "all_of: muss eine Liste"),
        ('{"all_of": [{"field": "plz", "compare": "is_known"}, 1]}', r"all_of\[2\]: muss ein Objekt"),
        ('{"all_of": [], "any_of": []}', "braucht genau eines von"),
        ('{"negate": {"field": "plz", "compare": "is_known"}, "x": 1}', "neben negate .* x"),
        ('{"negate": {"field": "plz"}}', "negate.compare: fehlt"),
        ('{"field": "plz", "compare": "wie"}', "compare: erlaubt ist 'equals'"),
        ('{"field": "a b", "compare": "equals"}', "field: so heißt nichts"),
        ('{"field": "plz", "compare": "equals", "wert": 1}', "wert: diesen Eintrag gibt es nicht"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text, words):
    with pytest.raises(ValueError, match=words):
        from_text(text)


def test_a_tree_has_a_deepest_level():
    rule: object = {"field": "plz", "compare": "is_known"}
    for _ in range(MOST_DEPTH):
        rule = {"negate": rule}
    with pytest.raises(ValueError, match="Ebenen tief"):
        from_text(json.dumps(rule))
