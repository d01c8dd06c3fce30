"""From an event to a document."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from audit.documents import Place, document_of, place_of
from contracts.events import (
    EPOCH_HEADER,
    NUMBER_HEADER,
    Event,
    KundeForgotten,
    ObjectChange,
    ObjectsCompared,
    PipelinesCreated,
    WrittenRecord,
    WrittenToZoho,
)
from contracts.ids import Kundennummer, ZohoId, new_id

KUNDE = {"table": "kunde", "key": "500001234", "action": "updated", "fields": ("nachname", "plz")}
VERTRAG = {"table": "vertrag", "key": "77001", "action": "created"}
DETAIL = {"table": "kundendetail", "key": "500001234:12", "action": "gone", "fields": ("wert", "plz")}


def body_of(event: Event) -> dict[str, Any]:
    return document_of(event, Place(7, epoch=1, number=3)).body


def test_a_kunde_written_to_zoho_is_found_by_what_it_is_about(event_of: Callable[..., Event]) -> None:
    event = event_of(
        WrittenToZoho(pipeline="4", module="Contacts", zoho_id="99", object=ObjectChange(**KUNDE))
    )
    body = body_of(event)
    assert body["pipeline"] == ["4"]
    assert (body["module"], body["zoho_id"], body["outcome"]) == ("Contacts", "99", "ok")
    assert body["kundennummer"] == ["500001234"]
    assert body["fields"] == ["nachname", "plz"]
    assert (body["sequence"], body["epoch"], body["number"]) == (7, 1, 3)


def test_each_record_of_a_batch_is_found_by_its_id(event_of: Callable[..., Event]) -> None:
    objects = tuple(WrittenRecord(**KUNDE | {"key": f"50{n}"}, zoho_id=ZohoId(f"70{n}")) for n in range(2))
    body = body_of(event_of(WrittenToZoho(pipeline="4", module="Contacts", objects=objects)))
    assert (body["zoho_id"], body["key"]) == (["700", "701"], ["500", "501"])


def test_a_forgotten_kunde_is_found_by_his_number(event_of: Callable[..., Event]) -> None:
    body = body_of(event_of(KundeForgotten(kunde=Kundennummer("500001234"), counts={"kunde": 1})))
    assert (body["kundennummer"], body["key"]) == (["500001234"], ["500001234"])


def test_the_objects_of_a_chunk_become_arrays_without_repeats(event_of: Callable[..., Event]) -> None:
    objects = tuple(ObjectChange(**o) for o in (KUNDE, VERTRAG, DETAIL))
    body = body_of(event_of(ObjectsCompared(delivery=new_id(), objects=objects)))
    assert body["table"] == ["kunde", "vertrag", "kundendetail"]
    assert body["key"] == ["500001234", "77001", "500001234:12"]
    assert body["action"] == ["updated", "created", "gone"]
    assert body["fields"] == ["nachname", "plz", "wert"]
    assert body["vertragsnummer"] == ["77001"]
    assert body["objects"][1] == {"table": "vertrag", "key": "77001", "action": "created"}


def test_a_kundendetail_is_found_by_its_kunde(event_of: Callable[..., Event]) -> None:
    event = event_of(ObjectsCompared(delivery=new_id(), objects=(ObjectChange(**DETAIL),)))
    assert body_of(event)["kundennummer"] == ["500001234"]


def test_several_pipelines_are_one_array(event_of: Callable[..., Event]) -> None:
    assert body_of(event_of(PipelinesCreated(pipelines=("1", "2"))))["pipeline"] == ["1", "2"]


def test_what_is_not_said_is_no_field(event_of: Callable[..., Event]) -> None:
    body = body_of(event_of(PipelinesCreated(pipelines=("1",))))
    assert not {"objects", "key", "reason", "zoho_id", "causationid"} & body.keys()


def test_the_event_can_be_given_back_as_it_was(event_of: Callable[..., Event]) -> None:
    event = event_of(WrittenToZoho(pipeline="4", module="Contacts", object=ObjectChange(**KUNDE)))
    assert Event.model_validate(body_of(event)["event"]) == event


def test_what_a_newer_release_adds_is_kept_and_is_no_field(event_of: Callable[..., Event]) -> None:
    event = event_of(PipelinesCreated(pipelines=("1",)), data={"pipelines": ["1"], "colour": {"a": 1}})
    body = body_of(event)
    assert "colour" not in body
    assert body["event"]["data"]["colour"] == {"a": 1}


def test_the_month_is_the_month_in_utc(event_of: Callable[..., Event]) -> None:
    new_year_in_berlin = datetime(2027, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=1)))
    event = event_of(PipelinesCreated(pipelines=("1",)), time=new_year_in_berlin)
    assert document_of(event, Place(1)).month == "2026.12"
    naive = event.model_copy(update={"time": datetime(2027, 2, 1)})  # noqa: DTZ001
    assert document_of(naive, Place(1)).body["time"] == datetime(2027, 2, 1, tzinfo=UTC).isoformat()


@pytest.mark.parametrize(
    ("headers", "place"),
    [
        ({EPOCH_HEADER: "2", NUMBER_HEADER: "15"}, Place(9, 2, 15)),
        ({}, Place(9)),
        ({EPOCH_HEADER: "2"}, Place(9)),
        ({EPOCH_HEADER: "2", NUMBER_HEADER: "-1"}, Place(9)),
        ({EPOCH_HEADER: "x", NUMBER_HEADER: "15"}, Place(9)),
    ],
)
def test_the_place_is_what_the_headers_say(headers: dict[str, str], place: Place) -> None:
    assert place_of(headers, 9) == place
