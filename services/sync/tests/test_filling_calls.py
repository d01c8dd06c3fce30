"""A call to Zoho is filled with rows that need one: how many further rows are looked at for it."""

from hypothesis import given
from hypothesis import strategies as st

from contracts.work import CHUNK_SIZE
from sync.to_zoho import FULL_CALL, FULL_ENOUGH, MOST_ROWS, rows_to_add

LOOKED_THROUGH = st.integers(1, MOST_ROWS)


def test_a_tenth_that_needs_no_call_is_made_good_by_one_look() -> None:
    assert rows_to_add(90, looked_through=100) == 10
    assert rows_to_add(99, looked_through=110) == 0


@given(looked_through=LOOKED_THROUGH, share=st.floats(0, 1))
def test_no_more_is_looked_at_than_is_allowed_and_fits(looked_through: int, share: float) -> None:
    found = min(int(looked_through * share), FULL_CALL)
    wanted = rows_to_add(found, looked_through=looked_through)
    assert 0 <= wanted <= CHUNK_SIZE
    assert looked_through + wanted <= MOST_ROWS
    if wanted > 1:
        assert found + wanted * found / looked_through <= FULL_CALL - 1


@given(looked_through=LOOKED_THROUGH)
def test_a_call_that_is_nearly_full_goes(looked_through: int) -> None:
    assert rows_to_add(FULL_ENOUGH, looked_through=looked_through) == 0


@given(looked_through=st.integers(1, MOST_ROWS - 1), found=st.integers(0, FULL_ENOUGH - 1))
def test_a_call_with_room_is_filled(looked_through: int, found: int) -> None:
    assert rows_to_add(found, looked_through=looked_through) > 0
