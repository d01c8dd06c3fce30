"""Which Vertrag of a Kunde is the one that was typed, and what of it Ameise would not take."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ameise.models import Vertrag
from contracts.rpc.sync_parked import ParkedCause
from sync.mapping import CannotConvert
from sync.matching import Candidate, Match
from sync.retry import Park
from sync.vertraege import whose
from sync.vertrag import BEITRAG, FLAT, LAUFZEIT, WRITABLE, VertragInAmeise, body_of, new_vertrag_body
from sync.vertrag_checks import VertragKnownThere, missing_of_new_vertrag, problems_of_vertrag
from sync.vertrag_matching import choose_vertrag, match_key, only_new_vertrag, twin_key

WANTED = {"versicherungsscheinnummer": "HR 47/11", "beginn": "2026-01-01", "sparte_id": "050",
          "gesellschaft_id": "10330"}  # fmt: skip


def there(key: str, **fields: Any) -> Candidate:
    return Candidate(key, VertragInAmeise(Vertrag.model_validate({"Id": key, **fields})).fields)


def numbered(key: str, number: str = "hr4711", **fields: Any) -> Candidate:
    return there(key, Versicherungsscheinnummer=number, **fields)


UNNUMBERED = there("3", Sparte="050", Laufzeit={"Beginn": "2026-01-01"})


@pytest.mark.parametrize(
    ("candidates", "adopt", "ask_about"),
    [
        ([], None, ()),
        ([numbered("1")], "1", ()),
        ([numbered("1", Gesellschaft="10330")], "1", ()),
        ([numbered("1"), numbered("2", "XY 1")], "1", ()),
        ([numbered("1"), UNNUMBERED], "1", ()),
        ([numbered("1", Gesellschaft="10999")], None, ("1",)),
        ([numbered("1", Sparte="050", Gesellschaft="10330")], "1", ()),
        ([numbered("1", Sparte="060", Gesellschaft="10330")], None, ("1",)),
        ([numbered("2"), numbered("1", "HR-4711")], None, ("1", "2")),
        ([numbered("1", "HR 47/12")], None, ()),
        ([UNNUMBERED], None, ("3",)),
        ([there("3", Sparte="060", Laufzeit={"Beginn": "2026-01-01"})], None, ()),
        ([there("3", Sparte="050", Laufzeit={"Beginn": "2026-02-01"})], None, ()),
    ],
)
def test_the_number_decides_and_doubt_is_a_question(
    candidates: list[Candidate], adopt: str | None, ask_about: tuple[str, ...]
) -> None:
    match = choose_vertrag(WANTED, candidates)
    assert (match.adopt, match.ask_about) == (adopt, ask_about)


ANTRAG = {"sparte_id": "050", "beginn": "2026-01-01"}


@pytest.mark.parametrize("typed", [ANTRAG, {**ANTRAG, "versicherungsscheinnummer": "Beantragt"}])
def test_a_number_that_is_the_default_is_none(typed: dict[str, str]) -> None:
    of_day = {"Laufzeit": {"Beginn": "2026-01-01"}}
    other = numbered("1", "beantragt", Sparte="060", **of_day)
    alike = numbered("2", "beantragt", Sparte="050", **of_day)
    assert choose_vertrag(typed, [other], usual="beantragt") == Match()
    assert choose_vertrag(typed, [other, alike], usual="beantragt") == Match(ask_about=("2",))
    assert choose_vertrag(WANTED, [alike, numbered("1")], usual="beantragt") == Match(adopt="1")

    def twins(**fields: str) -> bool:
        one, another = (
            twin_key(some, usual="beantragt", tenant="berlin") for some in (typed, typed | fields)
        )
        return one == another

    assert twins(risiko="Wohnung")
    assert not twins(sparte_id="060")
    assert not twins(beginn="2026-02-01")
    assert not twins(versicherungsscheinnummer="HR 47/11")


@given(st.lists(st.sampled_from(["HR4711", "HR4712", ""]), max_size=5))
def test_whatever_a_kunde_has_a_vertrag_of_the_same_number_is_never_made_again(numbers: list[str]) -> None:
    candidates = [numbered(str(n), number) for n, number in enumerate(numbers)]
    match = choose_vertrag(WANTED, candidates)
    if "HR4711" in numbers:
        assert match.adopt or match.ask_about
    assert match.adopt is None or numbers[int(match.adopt)] == "HR4711"


def test_what_our_own_post_made_is_told_by_its_number_alone() -> None:
    posted = match_key("HR 47/11", tenant="berlin")
    assert posted is not None
    assert only_new_vertrag([posted], [numbered("1"), UNNUMBERED], tenant="berlin") == "1"
    assert only_new_vertrag([posted], [UNNUMBERED, numbered("1", "HR 47/12")], tenant="berlin") is None
    assert only_new_vertrag([posted], [numbered("1"), numbered("2")], tenant="berlin") is None


@given(st.text(alphabet="aBß1 -/.", min_size=1))
def test_a_key_does_not_depend_on_how_a_number_is_typed(number: str) -> None:
    key = match_key(number, tenant="berlin")
    assert (key is None) == (not number.strip())
    if any(letter.isalnum() for letter in number):
        assert key == match_key(f" {number}-", tenant="berlin")
        assert key != match_key(number, tenant="hamburg")


def test_only_what_is_given_is_sent() -> None:
    assert body_of({"risiko": None, "beitrag_netto": "12.5"}) == {
        "Risiko": None,
        "Beitrag": {"Netto": "12.5"},
    }
    body = new_vertrag_body("5001", {"beginn": "2026-01-01", "ablauf": None})
    assert body == {"Kunde": "5001", "Laufzeit": {"Beginn": "2026-01-01"}}


def test_what_an_answer_does_not_contain_is_unknown_and_null_is_empty() -> None:
    assert there("1").fields == {"ameise_id": "1"}
    assert there("1", Risiko=None, Beitrag={"Netto": "12.50"}, Laufzeit=None).fields == {
        "ameise_id": "1", "risiko": None, "beitrag_netto": "12.50", "beginn": None, "ablauf": None,
    }  # fmt: skip


def test_all_that_can_be_written_is_read() -> None:
    whole = there(
        "1", Kunde="5001", **dict.fromkeys(FLAT.values(), "x"),
        Beitrag=dict.fromkeys(BEITRAG.values(), "x"), Laufzeit=dict.fromkeys(LAUFZEIT.values(), "x"),
    )  # fmt: skip
    assert set(whole.fields) == {"ameise_id", "kunde_id", *WRITABLE}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sparte_id": "999"}, ["Sparte gibt es in Ameise nicht"]),
        ({"status_id": "F"}, []),  # its list is not known
        ({"beginn": "morgen"}, ["Beginn ist kein Datum"]),
        ({"beitrag_netto": "viel"}, ["Beitrag ist kein Betrag"]),
        ({"beitrag_netto": "-12.50", "ablauf": None}, []),
        ({"risiko": "x" * 256}, ["Risiko ist zu lang für Ameise"]),
        ({"vermittler_id": "X"}, ["Vermittler gehört nicht zu den Vermittlern der Ameise-Verbindung"]),
    ],
)
def test_what_ameise_would_not_take(changes: dict[str, Any], words: list[str]) -> None:
    known = VertragKnownThere({"sparte_id": frozenset({"050"})}, vermittler_is_ours=False)
    assert [str(problem) for problem in problems_of_vertrag(changes, known)] == words


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2))
def test_every_amount_is_one(amount: Decimal) -> None:
    assert problems_of_vertrag({"beitrag_netto": str(amount)}, VertragKnownThere()) == ()


def test_a_new_one_needs_what_the_vendor_demands() -> None:
    assert missing_of_new_vertrag({"beginn": "2026-01-01", "risiko": "x"}) == [
        "Beitrag", "Versicherungsscheinnummer",
    ]  # fmt: skip


def test_whose_it_is_must_be_sure() -> None:
    assert whose({"Kunde": "1"}) == "1"
    assert whose({"Kunde": "1", "Firma": "1"}) == "1"
    for named, cause in (
        ({}, ParkedCause.FIELDS_MISSING),
        ({"Kunde": None}, ParkedCause.KUNDE_NOT_LINKED),
        ({"Kunde": "1", "Firma": None}, ParkedCause.KUNDE_NOT_LINKED),
    ):
        found = whose(named)
        assert isinstance(found, Park)
        assert found.cause is cause
    with pytest.raises(CannotConvert, match="Firma und Kunde nennen verschiedene"):
        whose({"Kunde": "1", "Firma": "2"})
