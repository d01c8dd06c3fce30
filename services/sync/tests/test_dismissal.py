"""Which doubts about a record are the same."""

from hypothesis import given
from hypothesis import strategies as st

from contracts.rpc.sync_parked import ParkedCause
from sync.dismissal import SEEN, doubt_of, seen

NUMBERS = st.text("0123456789x", min_size=1, max_size=25)


@given(typed=NUMBERS, key=NUMBERS)
def test_a_webhook_and_the_comparison_have_the_same_doubt(typed: str, key: str) -> None:
    by_webhook = doubt_of(ParkedCause.OTHER_NUMBER, {"typed": typed[:20], "kunde": key})
    by_night = doubt_of(ParkedCause.NUMBER_DIFFERS, {"table": "kunde", "key": key, SEEN: seen(typed)})
    assert by_webhook == by_night is not None


@given(one=st.tuples(NUMBERS, NUMBERS), other=st.tuples(NUMBERS, NUMBERS))
def test_either_side_makes_it_another_one(one: tuple[str, str], other: tuple[str, str]) -> None:
    def doubt(sides: tuple[str, str]) -> str | None:
        return doubt_of(ParkedCause.NUMBER_TAKEN, {"key": sides[0], "zoho_id": sides[1]})

    assert (doubt(one) == doubt(other)) is (one == other)


def test_an_empty_number_is_a_doubt_of_its_own_and_no_number_is_readable() -> None:
    empty, typed = (
        doubt_of(ParkedCause.NUMBER_DIFFERS, {"key": "5001", SEEN: seen(number)}) for number in (None, "5002")
    )
    assert empty not in {None, typed}
    assert "5002" not in (typed or "")


def test_what_is_no_doubt_about_a_link_or_was_parked_without_its_sides_is_not_remembered() -> None:
    assert doubt_of(ParkedCause.SIMILAR_KUNDEN, {"kunden": "1"}) is None
    assert doubt_of(ParkedCause.NUMBER_DIFFERS, {"key": "5001"}) is None
    assert doubt_of(None, {}) is None
