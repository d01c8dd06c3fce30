"""Selection rules: typed comparisons in a tree, judged in three-valued logic."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.rpc.pipeline_definition import AllOf, AnyOf, Compare, Not, Rule
from sync.rules import fields_of, judge_rule


def compare(compare: str, value: Any = None, *, type: str = "text", values: tuple[str, ...] = ()) -> Compare:  # noqa: A002
    return Compare.model_validate(
        {"field": "f", "compare": compare, "value": value, "type": type, "values": values}
    )


@pytest.mark.parametrize(
    ("rule", "value", "judgement"),
    [
        (compare("equals", "DE"), "DE", True),
        (compare("equals", "DE"), " DE ", True),
        (compare("equals", "DE"), "AT", False),
        (compare("equals", "DE"), None, False),
        (compare("equals", False, type="boolean"), False, True),
        (compare("equals", True, type="boolean"), "ja", True),
        (compare("equals", True, type="boolean"), "vielleicht", None),
        (compare("equals", "12.50", type="number"), "12.5", True),
        (compare("equals", "030 12345", type="phone"), "+49 30 12345", True),
        (compare("equals", "A@b.de", type="email"), "a@B.de", True),
        (compare("not_equals", "DE"), "AT", True),
        (compare("not_equals", "DE"), None, True),
        (compare("in", values=("DE", "AT")), "AT", True),
        (compare("in", values=("DE", "AT")), "CH", False),
        (compare("contains", "kranken"), "Private Krankenversicherung", True),
        (compare("contains", "leben"), "Private Krankenversicherung", False),
        (compare("begins_with", "05"), "050", True),
        (compare("begins_with", "05"), "105", False),
        (compare("less", "100", type="number"), "99.9", True),
        (compare("less", "100", type="number"), "100", False),
        (compare("greater", "9", type="number"), "10", True),
        (compare("greater", "9", type="number"), "viel", None),
        (compare("greater", "9", type="number"), None, False),
        (compare("less", "2000-01-01", type="date"), "31.12.1999", True),
        (compare("greater", "2000-01-01", type="date"), "1999-12-31", False),
        (compare("is_empty"), "  ", True),
        (compare("is_empty"), "v", False),
        (compare("is_known"), None, True),
    ],
)
def test_comparisons(rule: Compare, value: Any, judgement: bool | None) -> None:
    assert judge_rule(rule, {"f": value}) is judgement


@pytest.mark.parametrize(
    ("rule", "judgement"),
    [
        (compare("equals", "v"), None),
        (compare("not_equals", "v"), None),
        (compare("is_empty"), None),
        (compare("is_known"), False),
    ],
)
def test_a_missing_field_is_unknown_and_not_false(rule: Compare, judgement: bool | None) -> None:
    assert judge_rule(rule, {}) is judgement


YES, NO, UNSURE = (
    compare("is_known"),
    Not(negate=compare("is_known")),
    compare("equals", True, type="boolean"),
)


@pytest.mark.parametrize(
    ("rule", "judgement"),
    [
        (AllOf(all_of=(YES, UNSURE)), None),
        (AllOf(all_of=(UNSURE, NO)), False),
        (AllOf(all_of=(YES, YES)), True),
        (AnyOf(any_of=(NO, UNSURE)), None),
        (AnyOf(any_of=(UNSURE, YES)), True),
        (AnyOf(any_of=(NO, NO)), False),
        (Not(negate=UNSURE), None),
        (Not(negate=NO), True),
    ],
)
def test_unknown_decides_nothing_that_it_does_not_have_to(rule: Rule, judgement: bool | None) -> None:
    assert judge_rule(rule, {"f": "weder noch"}) is judgement


def rules() -> st.SearchStrategy[Rule]:
    leaf: st.SearchStrategy[Rule] = st.builds(
        Compare,
        field=st.sampled_from(["a", "b", "c"]),
        compare=st.sampled_from(["equals", "not_equals", "is_empty"]),
        value=st.sampled_from(["x", "y"]),
    )
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.builds(AllOf, all_of=st.lists(inner, min_size=1, max_size=3)),
            st.builds(AnyOf, any_of=st.lists(inner, min_size=1, max_size=3)),
            st.builds(Not, negate=inner),
        ),
        max_leaves=8,
    )


FIELDS = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.sampled_from(["x", "y", "", None]))


@given(rules(), FIELDS, FIELDS)
def test_what_is_decided_stays_so_whatever_becomes_known(
    rule: Rule, known: dict[str, Any], more: dict[str, Any]
) -> None:
    judgement = judge_rule(rule, known)
    if judgement is not None:
        assert judge_rule(rule, {**more, **known}) is judgement


@given(rules(), st.fixed_dictionaries({name: st.sampled_from(["x", "y", "", None]) for name in "abc"}))
def test_with_all_known_everything_is_decided(rule: Rule, fields: dict[str, Any]) -> None:
    assert judge_rule(rule, fields) is not None
    assert judge_rule(Not(negate=rule), fields) is not judge_rule(rule, fields)


@given(rules())
def test_a_rule_is_the_same_after_it_was_stored(rule: Rule) -> None:
    stored = Not(negate=rule).model_dump_json()
    assert Not.model_validate_json(stored) == Not(negate=rule)
    assert set(fields_of(rule)) <= {"a", "b", "c"}
