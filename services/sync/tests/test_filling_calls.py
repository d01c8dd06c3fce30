"""A call to Zoho is filled with rows that need one: how many further rows are looked at for it."""

from hypothesis import given
from hypothesis import strategies as st

from contracts.ids import PipelineId, TenantId
from sync.full_calls import FULL_CALL, FULL_ENOUGH, MOST_ROWS, FullCalls, rows_to_add
from sync.work_store import Lane, Turn

LOOKED_THROUGH = st.integers(1, MOST_ROWS)


def test_a_tenth_that_needs_no_call_is_made_good_by_one_look() -> None:
    assert rows_to_add(90, looked_through=100) == 10
    assert rows_to_add(99, looked_through=110) == 0


@given(looked_through=LOOKED_THROUGH, share=st.floats(0, 1))
def test_no_more_is_looked_at_than_is_allowed_and_fits(looked_through: int, share: float) -> None:
    found = min(int(looked_through * share), FULL_CALL)
    wanted = rows_to_add(found, looked_through=looked_through)
    assert wanted >= 0
    assert looked_through + wanted <= MOST_ROWS
    if wanted > 1:
        assert found + wanted * found / looked_through <= FULL_CALL - 1


@given(looked_through=LOOKED_THROUGH)
def test_a_call_that_is_nearly_full_goes(looked_through: int) -> None:
    assert rows_to_add(FULL_ENOUGH, looked_through=looked_through) == 0


@given(looked_through=st.integers(1, MOST_ROWS - 1), found=st.integers(0, FULL_ENOUGH - 1))
def test_a_call_with_room_is_filled(looked_through: int, found: int) -> None:
    assert rows_to_add(found, looked_through=looked_through) > 0


def test_a_batch_takes_what_the_last_one_of_its_pipeline_needed() -> None:
    calls, tenant = FullCalls(), TenantId("berlin")
    some, others = (Turn(tenant, PipelineId(number), Lane.CHUNK) for number in "12")
    assert calls.rows(some) == FULL_CALL
    calls.note(tenant, some.pipeline, found=10, looked_through=100)
    assert (calls.rows(some), calls.rows(others)) == (990, FULL_CALL)
    calls.note(tenant, some.pipeline, found=0, looked_through=MOST_ROWS)
    assert calls.rows(some) == MOST_ROWS
    calls.note(tenant, some.pipeline, found=100, looked_through=100)
    assert calls.rows(some) == FULL_CALL


def test_a_handful_of_rows_says_nothing_about_the_next_batch() -> None:
    calls, turn = FullCalls(), Turn(TenantId("berlin"), PipelineId("1"), Lane.CHUNK)
    calls.note(turn.tenant, turn.pipeline, found=0, looked_through=7)
    assert calls.rows(turn) == FULL_CALL
