"""What may be deleted, and how much of it in a day."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.deletion import DayLimit, edited_since, is_as_made, is_nothing_new
from sync.mapping import FieldMapping

US, OTHER = "100", "200"
WRITTEN = datetime(2026, 11, 1, 10, 0, 0, tzinfo=UTC)
OURS = {"at": WRITTEN.isoformat(), "author": US}


def record(at: datetime, by: str) -> dict[str, object]:
    return {"id": "1", "Modified_Time": at.isoformat(), "Modified_By": {"id": by, "name": "X"}}


@pytest.mark.parametrize(
    ("seconds", "by", "edited"), [(0, US, False), (0, OTHER, True), (1, US, True), (1, OTHER, True)]
)
def test_what_changed_after_our_write_or_by_somebody_else_is_edited(
    seconds: int, by: str, edited: bool
) -> None:
    changed = record(WRITTEN + timedelta(seconds=seconds), by)
    assert edited_since(OURS, changed, overruled_at=None) is edited


def test_what_we_do_not_know_counts_as_edited() -> None:
    assert edited_since(None, record(WRITTEN, US), overruled_at=None)
    assert edited_since(OURS, {"id": "1"}, overruled_at=WRITTEN + timedelta(days=1))


@given(
    minutes=st.integers(-100, 100), overruled=st.integers(-100, 100), by=st.sampled_from([US, OTHER]),
    known=st.booleans(),
)  # fmt: skip
def test_an_edit_is_overruled_up_to_the_moment_of_the_decision_and_no_further(
    minutes: int, overruled: int, by: str, known: bool
) -> None:
    own = OURS if known else None
    changed = record(WRITTEN + timedelta(minutes=minutes), by)
    decided = edited_since(own, changed, overruled_at=WRITTEN + timedelta(minutes=overruled))
    assert decided is (minutes > overruled and edited_since(own, changed, overruled_at=None))


@given(limit=st.builds(DayLimit, st.integers(1, 1000), st.floats(0.1, 100)), linked=st.integers(0, 1_000_000))
def test_a_day_has_the_smaller_limit_and_always_one(limit: DayLimit, linked: int) -> None:
    most = limit.of(linked)
    assert 1 <= most <= limit.records
    assert most == 1 or most <= linked * limit.percent / 100


def test_of_a_thousand_fifty_are_too_few_for_the_share_to_matter() -> None:
    assert [DayLimit(50, 10).of(linked) for linked in (5, 100, 500, 1000)] == [1, 10, 50, 50]


@pytest.mark.parametrize(("by", "as_made"), [(US, True), (OTHER, False)])
def test_in_the_second_of_our_write_somebody_else_may_have_made_the_record(by: str, as_made: bool) -> None:
    made = record(WRITTEN, US) | {"Created_Time": WRITTEN.isoformat(), "Created_By": {"id": by}}
    assert is_as_made(OURS, made) is as_made


SPARTE = {"ameise": "sparte_id", "zoho": "Sparte", "converter": "picklist", "values": {"050": "Hausrat"}}


@pytest.mark.parametrize(
    ("converter", "value", "in_ameise", "nothing_new"),
    [
        ({}, "Bonn", "Bonn", True),
        ({}, "Bonn", "Ulm", False),
        ({}, "Bonn", None, False),
        ({"converter": "phone"}, "030 123", "+49 30 123", True),
        ({"converter": "boolean"}, False, None, True),
        ({"converter": "boolean"}, True, None, False),
        ({"converter": "boolean"}, False, True, False),
        (SPARTE, "Hausrat", "050", True),
        (SPARTE, "Hausrat", "010", False),
    ],
)
def test_what_ameise_has_and_a_box_that_nobody_ticked_tell_it_nothing(
    converter: dict[str, object], value: str | bool, in_ameise: str | bool | None, nothing_new: bool
) -> None:
    mapping = FieldMapping.model_validate({"ameise": "a", "zoho": "A"} | converter)
    assert is_nothing_new(mapping, value, in_ameise) is nothing_new
