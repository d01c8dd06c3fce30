"""Which of Zoho's records need a look, by their listing alone."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.ids import PipelineId, TenantId, new_id
from contracts.names import Difference, Table
from sync.comparison_store import KnownLink, OnTable
from sync.pipelines import Pipeline
from sync.templates import NATUERLICHE_PERSON
from sync.zoho_changes import as_seen, is_asked, why_look

BASE = {"Last_Name": "Groß", "Email": None, "Kundennummer": "5001"}
RECORD: dict[str, Any] = {"id": "1", "Last_Name": "Groß ", "Email": "", "Kundennummer": "5001"}


def linked(**changes: Any) -> KnownLink:
    values: dict[str, Any] = {
        "zoho_id": "1", "ameise_key": "5001", "zoho_base": BASE, "gone_in_zoho": False, "linked": True,
        "in_hand": False,
    }  # fmt: skip
    return KnownLink(**(values | changes))


def why(link: KnownLink | None, **values: Any) -> Difference | None:
    return why_look(NATUERLICHE_PERSON, RECORD | values, link)


def test_what_is_as_we_read_it_needs_no_look() -> None:
    assert why(linked()) is None


@pytest.mark.parametrize(
    "values", [{"Last_Name": "Groß-Ost"}, {"Email": "neu@example.org"}, {"Last_Name": None}]
)
def test_a_field_that_travels_and_differs_needs_one(values: dict[str, Any]) -> None:
    assert why(linked(), **values) is Difference.CHANGED


def test_a_field_that_only_we_write_needs_none() -> None:
    assert why(linked(), Vermittlernummer="von Hand") is None


def test_a_field_without_a_base_counts_once_it_is_filled() -> None:
    assert why(linked(), Titel=None) is None
    assert why(linked(), Titel="Dr.") is Difference.CHANGED


def test_what_nobody_told_us_of_is_new() -> None:
    assert why(None) is Difference.NEW
    assert why(linked(linked=False, zoho_base=None)) is Difference.NEW


def test_what_the_rule_leaves_out_needs_no_look() -> None:
    rule = {"field": "Last_Name", "compare": "not_equals", "value": "Groß"}
    choosy = NATUERLICHE_PERSON.model_copy(update={"zoho_rule": rule})
    assert why_look(choosy, RECORD, None) is None
    assert why_look(choosy, RECORD | {"Last_Name": "Klein"}, None) is Difference.NEW


def test_a_record_that_is_back_or_was_never_read_needs_a_look() -> None:
    assert why(linked(gone_in_zoho=True)) is Difference.CHANGED
    assert why(linked(zoho_base=None)) is Difference.CHANGED


FIELDS = [m.zoho for m in NATUERLICHE_PERSON.fields]


@given(st.dictionaries(st.sampled_from(FIELDS), st.none() | st.text("aß ,", max_size=5)))
def test_our_own_writes_as_read_back_need_no_look(values: dict[str, Any]) -> None:
    base = {name: (value or "").strip() or None for name, value in values.items()}
    assert why_look(NATUERLICHE_PERSON, {"id": "1", **values}, linked(zoho_base=base)) is None


LAST = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BEFORE, AFTER = {"Modified_Time": "2026-03-01T12:55:00+01:00"}, {"Modified_Time": "2026-03-01T13:05:00+01:00"}


CONTACTS = Pipeline(
    tenant=TenantId("berlin"), id=PipelineId("1"), name="Kunden", table=Table.KUNDE, module="Contacts",
    ameise_connection=new_id(), zoho_connection=new_id(), enabled=True, version="v",
    definition=NATUERLICHE_PERSON,
)  # fmt: skip


def asked(row: OnTable | None, record: dict[str, Any]) -> bool:
    return is_asked(CONTACTS, row, record, last_look=LAST)


def test_work_that_waits_is_not_asked_for_again_but_what_is_in_hand_may_have_read_too_early() -> None:
    assert asked(None, BEFORE)
    assert not asked(OnTable(parked=False, in_hand=False), AFTER)
    assert asked(OnTable(parked=False, in_hand=True), BEFORE)


def test_parked_work_is_tried_again_only_if_its_record_holds_something_else() -> None:
    parked = OnTable(parked=True, in_hand=False, seen=as_seen(CONTACTS, RECORD | BEFORE))
    assert not asked(parked, RECORD | AFTER | {"Unmapped": "x"})
    assert asked(parked, RECORD | BEFORE | {"Last_Name": "Klein"})


def test_what_was_parked_untried_is_tried_for_a_change_since_the_last_look() -> None:
    parked = OnTable(parked=True, in_hand=False)
    assert not asked(parked, BEFORE)
    assert asked(parked, AFTER)
    assert asked(parked, {})


def test_a_lookup_is_seen_by_its_id_whatever_zoho_shows_beside_it() -> None:
    assert as_seen(CONTACTS, {"Beruf": {"id": "7", "name": "Groß"}}) == as_seen(
        CONTACTS, {"Beruf": {"id": "7"}}
    )
    assert as_seen(CONTACTS, {"Beruf": {"id": "8"}}) != as_seen(CONTACTS, {"Beruf": {"id": "7"}})
