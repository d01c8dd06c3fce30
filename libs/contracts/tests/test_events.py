"""Every event goes through the wire and back, and belongs to the service that tells it."""

from collections import Counter

import pytest
from pydantic import ValidationError

from contract.examples import example
from contracts.actor import ActorKind
from contracts.events import EVENT_TYPES, Event, EventData, MessageParked, SignedIn, new_event
from contracts.ids import TenantId, new_id
from contracts.names import Service

TENANT = TenantId("berlin")


def subclasses(kind: type[EventData]) -> set[type[EventData]]:
    found = set(kind.__subclasses__())
    return found.union(*(subclasses(k) for k in found))


def told(data: EventData, service: Service) -> Event:
    return new_event(
        data,
        service=service,
        tenant=TENANT,
        actor_kind=ActorKind.USER,
        actor_id="anna",
        correlationid=new_id(),
    )


@pytest.mark.parametrize("kind", EVENT_TYPES, ids=lambda kind: kind.event_name)
def test_an_event_is_read_as_it_was_told(kind: type[EventData]) -> None:
    data = example(kind)
    service = getattr(kind, "service", Service.SYNC)
    event = told(data, service)
    read = Event.model_validate_json(event.model_dump_json(exclude_none=True))
    assert read == event
    assert read.typed() == data
    assert read.subject_ == f"event.berlin.{service}.{kind.event_name}"
    assert read.direction is kind.direction


@pytest.mark.parametrize(
    "kind", [k for k in EVENT_TYPES if hasattr(k, "service")], ids=lambda kind: kind.event_name
)
def test_only_its_owner_tells_an_event(kind: type[EventData]) -> None:
    data = example(kind)
    for service in set(Service) - {kind.service}:
        with pytest.raises(ValueError, match=f"{kind.service} does"):
            told(data, service)


def test_the_list_of_event_types_is_complete_and_its_names_are_unique_and_fit_into_subjects() -> None:
    named = {kind for kind in subclasses(EventData) if hasattr(kind, "event_name")}
    assert named == set(EVENT_TYPES)
    names = Counter(kind.event_name for kind in EVENT_TYPES)
    assert set(names.values()) == {1}
    assert all(name.replace("_", "").isalpha() and name.islower() for name in names)


def test_every_service_may_tell_that_a_message_was_parked() -> None:
    for service in Service:
        assert told(MessageParked(stream="EVENTS", sequence=1), service).source is service


def test_a_type_of_a_newer_release_is_kept_as_it_is() -> None:
    event = told(SignedIn(), Service.GATEWAY).model_copy(update={"type": "of_tomorrow", "data": {"new": 1}})
    read = Event.model_validate_json(event.model_dump_json())
    assert read.typed() is None
    assert read.data == {"new": 1}


def test_a_field_of_a_newer_release_is_ignored() -> None:
    assert SignedIn.model_validate({"outcome": "ok", "field_of_tomorrow": 1}) == SignedIn()


def test_an_envelope_without_a_valid_tenant_is_refused() -> None:
    event = told(SignedIn(), Service.GATEWAY).model_dump(mode="json")
    with pytest.raises(ValidationError):
        Event.model_validate(event | {"tenant": "*"})
