"""What Ameise would refuse is found before it is asked, and said by the field's name alone."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.checks import Fault, KnownThere, Unfit, missing_of_new, problems_of

TODAY = date(2026, 11, 25)
KNOWN = KnownThere(
    anreden={"1": False, "2": False, "3": True}, laender=frozenset({"DE", "AT"}), vermittler_is_ours=True
)


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("nachname", None, Fault.MISSING),
        ("vorname", None, None),
        ("anrede_id", "9", Fault.NOT_IN_LIST),
        ("anrede_id", "Firma", Fault.NOT_IN_LIST),
        ("anrede_id", "2", None),
        ("land_id", "Atlantis", Fault.NOT_IN_LIST),
        ("land_id", "AT", None),
        ("email", "anna@example.org", None),
        ("email", "anna", Fault.NO_EMAIL),
        ("email", "anna@example", Fault.NO_EMAIL),
        ("email", "anna@example.org, otto@example.org", Fault.NO_EMAIL),
        ("email", None, None),
        ("geburtsdatum", "2026-11-25", None),
        ("geburtsdatum", "2026-11-26", Fault.IN_FUTURE),
        ("geburtsdatum", "26.11.1980", Fault.NO_DATE),
        ("beruf", "x" * 255, None),
        ("beruf", "x" * 256, Fault.TOO_LONG),
        ("plz", "12345678901", Fault.TOO_LONG),
        ("vermittler_id", "DEMO01", None),
    ],
)
def test_one_field(field: str, value: str | None, fault: Fault | None) -> None:
    found = problems_of({field: value}, known=KNOWN, today=TODAY)
    assert [problem.fault for problem in found] == ([] if fault is None else [fault])


def test_a_person_does_not_become_a_company() -> None:
    [problem] = problems_of({"anrede_id": "3"}, known=KNOWN, today=TODAY, anrede_before="2")
    assert problem.fault is Fault.OTHER_KIND
    assert problems_of({"anrede_id": "1"}, known=KNOWN, today=TODAY, anrede_before="2") == ()


def test_a_vermittler_of_somebody_else() -> None:
    foreign = KnownThere(vermittler_is_ours=False)
    [problem] = problems_of({"vermittler_id": "OTHER1"}, known=foreign, today=TODAY)
    assert problem.fault is Fault.NOT_OURS


def test_what_ameise_does_not_tell_is_held_against_nobody() -> None:
    odd = {"anrede_id": "77", "land_id": "XX", "vermittler_id": "DEMO01"}
    assert problems_of(odd, known=KnownThere(), today=TODAY) == ()


def test_what_a_new_kunde_lacks() -> None:
    assert missing_of_new({"nachname": "Groß", "land_id": "DE"}) == ["Anrede", "Vorname"]


@given(
    st.dictionaries(
        st.sampled_from(["nachname", "email", "geburtsdatum", "beruf", "anrede_id", "land_id", "telefon"]),
        st.none() | st.text(alphabet="geheim@.0-", min_size=1, max_size=300),
    )
)
def test_words_name_fields_and_never_quote_a_value(changes: dict[str, str | None]) -> None:
    problems = problems_of(changes, known=KNOWN, today=TODAY)
    assert {problem.field for problem in problems} <= set(changes)
    assert len(problems) <= len(changes)
    words = str(Unfit(problems))
    assert not any(value in words for value in changes.values() if value and len(value) > 20)


@given(st.integers(1, 40_000))
def test_no_day_up_to_today_is_in_the_future(days: int) -> None:
    born = {"geburtsdatum": (TODAY - timedelta(days=days)).isoformat()}
    assert problems_of(born, known=KNOWN, today=TODAY) == ()
