"""Which record a delivered Kunde was made from."""

from datetime import timedelta

from sync.intent_store import Intent
from sync.meeting import record_of


def met(
    zoho_id: str, *, number: str | None = None, before: set[str] | None = None, kunde: str | None = None
) -> Intent:
    keys, found = frozenset({"name+born"}), frozenset(before or ())
    return Intent("1", zoho_id, kunde, keys, found, timedelta(), number)


def test_the_one_whose_erstanlage_became_him() -> None:
    assert record_of("5001", [], [met("1", number="5001"), met("2", number="5002")]) == "1"


def test_one_whose_outcome_is_unknown_if_he_is_surely_alike_and_was_not_there_before() -> None:
    assert record_of("5001", ["name+born"], [met("1")]) == "1"
    assert record_of("5001", ["name+born"], [met("1", before={"5001"})]) is None
    assert record_of("5001", ["another"], [met("1")]) is None


def test_of_two_that_may_be_it_neither() -> None:
    assert record_of("5001", ["name+born"], [met("1"), met("2")]) is None


def test_what_is_known_goes_before_what_may_be() -> None:
    assert record_of("5001", ["name+born"], [met("1"), met("2", number="5001")]) == "2"


def test_a_vertrag_meets_only_what_was_posted_for_its_own_kunde() -> None:
    open_ = met("1", kunde="5001")
    assert record_of("7", ["name+born"], [open_], kunde="5001") == "1"
    assert record_of("7", ["name+born"], [open_], kunde="5002") is None
    assert record_of("7", ["name+born"], [open_]) is None  # not delivered whose it is
    assert record_of("7", ["name+born"], [open_, met("2", kunde="5002")], kunde="5002") == "2"
