"""What ingest says by a name, the pages say in German."""

from gateway import wording
from ingest.problems import Rule, ValueClass


def test_every_rule_has_its_words() -> None:
    assert [rule for rule in Rule if wording.rule_words(rule) == rule] == []


def test_every_kind_of_value_has_its_words() -> None:
    assert [kind for kind in ValueClass if wording.value_words(kind) == kind] == []


def test_what_is_new_keeps_its_name() -> None:
    assert wording.rule_words("brand_new") == wording.value_words("brand_new") == "brand_new"
    assert wording.erased_words("brand_new") == "brand_new"
