"""Is somebody who was typed into Zoho already a Kunde?"""

from collections.abc import Mapping

import pytest

from sync.matching import Candidate, Likeness, choose_match, likeness, match_keys, only_new_one, twin_keys
from sync.values import Known

ANNA: dict[str, Known] = {
    "vorname": "Anna", "nachname": "Groß", "geburtsdatum": "1980-01-02", "email": "familie@example.org",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "how"),
    [
        ({}, Likeness.SAME),
        ({"nachname": "GROSS ", "vorname": "anna"}, Likeness.SAME),
        ({"email": "anders@example.org"}, Likeness.SAME),
        # a family shares the e-mail; a twin the birth date too
        ({"vorname": "Bernd", "geburtsdatum": "1979-05-06"}, Likeness.DIFFERENT),
        ({"vorname": "Anne"}, Likeness.DIFFERENT),
        # father and son of one name
        ({"geburtsdatum": "1950-01-02"}, Likeness.DIFFERENT),
        # little is known
        ({"geburtsdatum": None}, Likeness.SAME),
        ({"geburtsdatum": None, "email": None}, Likeness.POSSIBLE),
        ({"geburtsdatum": None, "email": "anders@example.org"}, Likeness.POSSIBLE),
    ],
)
def test_how_alike_two_are(change: dict[str, Known], how: Likeness) -> None:
    assert likeness(ANNA, ANNA | change) is how
    assert likeness(ANNA | change, ANNA) is how


def may_be_twins(one: Mapping[str, Known], other: Mapping[str, Known]) -> bool:
    return not set(twin_keys(one, tenant="t")).isdisjoint(match_keys(other, tenant="t"))


@pytest.mark.parametrize(
    ("change", "alike"),
    [
        ({"email": None}, True),
        ({"geburtsdatum": None}, True),
        ({"geburtsdatum": None, "email": None}, True),
        ({"geburtsdatum": None, "email": "anders@example.org"}, True),
        # father and son of one name share the e-mail, or do not
        ({"geburtsdatum": "1950-01-02"}, True),
        ({"geburtsdatum": "1950-01-02", "email": None}, False),
        ({"vorname": "Bernd", "geburtsdatum": None}, False),
    ],
)
def test_which_erstanlagen_may_be_of_one_person(change: dict[str, Known], *, alike: bool) -> None:
    assert may_be_twins(ANNA, ANNA | change) is alike
    assert may_be_twins(ANNA | change, ANNA) is alike


def test_two_of_whom_only_the_name_is_known_may_be_one_person() -> None:
    named = ANNA | {"geburtsdatum": None, "email": None}
    assert may_be_twins(named, named)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("Müller", "Mueller", True),
        ("Müller", "Muller", True),
        ("Öztürk", "OEZTUERK", True),
        ("Weiß", "Weiss", True),
        ("von der Heide", "Von Der Heide", True),
        ("Bauer", "Baur", False),
        ("Müller", "Möller", False),
        ("Meier", "Meyer", False),
    ],
)
def test_ways_to_type_a_name(one: str, other: str, *, alike: bool) -> None:
    typed, known = ANNA | {"nachname": one}, ANNA | {"nachname": other}
    assert (likeness(typed, known) is Likeness.SAME) is alike
    assert may_be_twins(typed, known) is alike


def of(number: str, **change: Known) -> Candidate:
    return Candidate(number, ANNA | change)


def test_one_who_is_surely_the_same_is_adopted() -> None:
    assert choose_match(ANNA, [of("1"), of("2", geburtsdatum=None, email=None)]).adopt == "1"
    assert choose_match(ANNA, [of("1"), of("1")]).adopt == "1"


def test_several_or_unsure_ones_are_a_question() -> None:
    assert choose_match(ANNA, [of("2"), of("1")]).ask_about == ("1", "2")
    assert choose_match(ANNA, [of("1", geburtsdatum=None, email=None)]).ask_about == ("1",)


def test_nobody_alike_is_nobody() -> None:
    match = choose_match(ANNA, [of("1", vorname="Bernd")])
    assert (match.adopt, match.ask_about) == (None, ())


def test_of_those_who_are_new_the_only_one_of_the_name_is_ours() -> None:
    mailless = of("1", geburtsdatum=None, email=None)
    assert only_new_one(ANNA, [mailless, of("2", vorname="Bernd")]) == "1"
    assert only_new_one(ANNA, [mailless, of("3")]) is None
    assert only_new_one(ANNA, []) is None


def test_match_keys_are_hashes_that_only_one_tenant_can_compare() -> None:
    keys = match_keys(ANNA, tenant="berlin")
    assert set(keys) == set(match_keys(ANNA | {"nachname": "GROSS"}, tenant="berlin"))
    assert not set(keys) & set(match_keys(ANNA, tenant="wien"))
    assert "anna" not in str(keys)
