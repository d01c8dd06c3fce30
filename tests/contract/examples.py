"""One full example of any message, made from its type: every field filled, the same at every run."""

import enum
import types
import typing
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar, Union

from pydantic import AwareDatetime, BaseModel, SecretStr

from contracts import ids, problems, work
from contracts.actor import Actor, ActorKind, Role
from contracts.events import EVENT_TYPES, Event, EventData, new_event
from contracts.names import Service
from contracts.rpc import RpcCall, RpcReply
from contracts.rpc.catalog import ALL
from contracts.rpc.ingest import Bucket, SendAgainRequest
from contracts.rpc.sync_parked import AdoptCandidate, CandidateAdopted
from contracts.rpc.sync_pipelines import ConflictPosition
from contracts.rpc.sync_waiting import DeletionPosition

T = TypeVar("T", bound=BaseModel)

UUID = ids.Uuid("01957a3c-5c00-7000-8000-000000000001")
TENANT = ids.TenantId("berlin")
NOON = datetime(2025, 3, 9, 12, 0, tzinfo=UTC)

_VALUES: dict[Any, Any] = {
    ids.TenantId: TENANT,
    ids.PipelineId: ids.PipelineId("1"),
    ids.ZohoId: ids.ZohoId("398612000000457001"),
    ids.AmeiseKey: ids.AmeiseKey("5000000001"),
    ids.Kundennummer: ids.Kundennummer("5000000001"),
    ids.Uuid: UUID,
    str: "text",
    int: 1,
    float: 1.5,
    bool: True,
    datetime: NOON,
    AwareDatetime: NOON,
    SecretStr: SecretStr("a-token"),
    Any: "value",
    Bucket: "0a3",
    DeletionPosition: "2025-03-09T12:00:00+00:00~1",
    ConflictPosition: "2025-03-09T12:00:00+00:00~1~text",
}
_BY_NAME: dict[str, Any] = {
    "version": "d41d8cd98f00b204e9800998ecf8427e",
    "bucket": "0a3",
    "other_birth_date": -1,
}


_ONE_OF_MANY: dict[type[BaseModel], tuple[str, ...]] = {
    SendAgainRequest: ("tables",),
    AdoptCandidate: ("id", "kunde"),
    CandidateAdopted: ("zoho_id", "kunde"),
}
"""Models that take only one of several fields: these are filled."""


def example(model: type[T]) -> T:
    """An instance of `model` with every field filled."""
    names = _ONE_OF_MANY.get(model, tuple(model.model_fields))
    return model(**{name: _field(name, model.model_fields[name].annotation) for name in names})


def every_message() -> Iterator[tuple[str, BaseModel]]:
    """(name, example) of everything that goes over NATS in today's form."""
    for kind in EVENT_TYPES:
        yield f"event.{kind.event_name}", event_of(example(kind))
    yield "work.to_ameise", example(work.LookAtZohoRecord)
    yield "work.to_zoho", example(work.ObjectsChanged)
    actor = Actor(kind=ActorKind.USER, id="anna", tenant=TENANT, role=Role.ADMIN)
    for rpc in ALL:
        request, reply = example(rpc.request), example(rpc.reply)
        asked = RpcCall(
            actor=actor, correlationid=UUID, causationid=UUID, body=request.model_dump(mode="json")
        )
        yield f"{rpc.subject}.request", asked
        yield f"{rpc.subject}.reply", RpcReply(body=on_the_wire(reply))
    yield "problem", RpcReply(problem=problems.NotFound("text", remedy="text").details(UUID))


def event_of(data: EventData) -> Event:
    """The event that carries `data`, told at noon."""
    event = new_event(
        data,
        service=getattr(data, "service", Service.SYNC),
        tenant=TENANT,
        actor_kind=ActorKind.USER,
        actor_id="anna",
        correlationid=UUID,
        causationid=UUID,
    )
    return event.model_copy(update={"id": UUID, "time": NOON})


def on_the_wire(message: BaseModel) -> dict[str, Any]:
    """A message as JSON, its secrets in clear where the contract says so."""
    revealed = getattr(message, "revealed", None)
    return revealed() if revealed else message.model_dump(mode="json")


def _field(name: str, annotation: Any) -> Any:
    return _BY_NAME[name] if name in _BY_NAME else _value(annotation)


def _value(annotation: Any) -> Any:
    arguments = typing.get_args(annotation)
    match typing.get_origin(annotation):
        case None:
            return _VALUES[annotation] if annotation in _VALUES else _plain(annotation)
        case origin if origin in (Union, types.UnionType):
            return _value(next(a for a in arguments if a is not types.NoneType))
        case origin if origin is Annotated:
            return _VALUES[annotation] if annotation in _VALUES else _value(arguments[0])
        case origin if origin is Literal:
            return arguments[0]
        case origin if origin is tuple:
            return (_value(arguments[0]),)
        case origin if origin is dict:
            return {_value(arguments[0]): _value(arguments[1])}
        case _:
            raise TypeError(f"no example for {annotation}")


def _plain(kind: type[Any]) -> Any:
    if issubclass(kind, enum.Enum):
        return next(iter(kind))
    if issubclass(kind, BaseModel):
        return example(kind)
    raise TypeError(f"no example for {kind}")
