"""What is wrong with links, seen from Zoho's records."""

from dataclasses import replace
from typing import Any

import pytest

from contracts.ids import PipelineId, TenantId, new_id
from contracts.names import Difference, Table
from sync.comparison_store import KnownLink
from sync.linked_records import doubts, numbers_of
from sync.pipelines import Pipeline
from sync.templates import NATUERLICHE_PERSON

PIPELINE = Pipeline(
    TenantId("berlin"), PipelineId("1"), "Kunde", Table.KUNDE, "Contacts", new_id(), new_id(), True,
    NATUERLICHE_PERSON.version, NATUERLICHE_PERSON,
)  # fmt: skip
LINK = KnownLink("11", "5001", None, gone_in_zoho=False, linked=True, in_hand=False)


def found(numbers: dict[str, str | None], *links: KnownLink) -> dict[str, Difference]:
    by_id = {link.zoho_id: link for link in links if link.zoho_id}
    by_key = {link.ameise_key: link for link in links if link.ameise_key}
    return {id_: doubt.kind for id_, doubt in doubts(PIPELINE, numbers, by_id=by_id, by_key=by_key).items()}


def test_numbers_are_read_as_text_and_empty_ones_are_none() -> None:
    records: list[dict[str, Any]] = [{"id": "1", "Kundennummer": 5001}, {"id": "2", "Kundennummer": " "}]
    assert numbers_of(PIPELINE, records) == {"1": "5001", "2": None}


def test_a_record_with_the_number_of_its_link_is_no_doubt() -> None:
    assert found({"11": "5001"}, LINK) == {}


@pytest.mark.parametrize("number", ["5002", None])
def test_a_linked_record_with_another_number_or_none_is_one(number: str | None) -> None:
    assert found({"11": number}, LINK) == {"11": Difference.NUMBER_DIFFERS}


def test_a_second_record_with_a_linked_number_is_one() -> None:
    assert found({"11": "5001", "12": "5001"}, LINK) == {"12": Difference.NUMBER_TWICE}


def test_a_record_that_was_never_linked_is_none() -> None:
    assert found({"12": "5009", "13": None}, LINK) == {}


@pytest.mark.parametrize("change", [{"in_hand": True}, {"gone_in_zoho": True}, {"linked": False}])
def test_who_is_just_being_linked_or_is_gone_holds_no_number(change: dict[str, bool]) -> None:
    assert found({"12": "5001"}, replace(LINK, **change)) == {}


def test_what_somebody_is_at_work_on_is_left_out() -> None:
    assert found({"11": None}, replace(LINK, in_hand=True)) == {}


def test_what_somebody_typed_is_not_quoted() -> None:
    [doubt] = doubts(PIPELINE, {"11": "anna@example.org"}, by_id={"11": LINK}, by_key={}).values()
    reason = "unklar: verknüpft mit Kunde 5001, in Kundennummer steht aber etwas anderes"
    assert doubt.parked.reason == reason
