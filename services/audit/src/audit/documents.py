"""From an event to the document that is indexed. Pure.

What a filter asks for stands flat at the top; what a newer release adds to `data` is no field of ours and
travels in `event` only. A value of an unfitting type is passed on as it is: the index refuses that
document, and it is parked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final, cast

from contracts.events import EPOCH_HEADER, NUMBER_HEADER, Event
from contracts.ids import Uuid
from contracts.names import Table

_SAME_NAME: Final = (
    "outcome", "reason", "duration_ms", "module", "delivery", "connection", "system",
)  # fmt: skip
_OF_OBJECT: Final = ("table", "key", "action")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event stands: its number in (service, tenant, epoch), and its sequence in EVENTS."""

    sequence: int
    epoch: int | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """`month` (YYYY.MM, UTC) says into which index `body` goes."""

    id: Uuid
    month: str
    body: dict[str, Any]


def place_of(headers: Mapping[str, str], sequence: int) -> Place:
    """The place that the relay's headers tell; without readable numbers there is only the sequence."""
    epoch, number = headers.get(EPOCH_HEADER, ""), headers.get(NUMBER_HEADER, "")
    if not (epoch.isdecimal() and number.isdecimal()):
        return Place(sequence)
    return Place(sequence, int(epoch), int(number))


def document_of(event: Event, place: Place) -> Document:
    """The document of one event; the same event gives the same document whenever it comes."""
    time = event.time if event.time.tzinfo else event.time.replace(tzinfo=UTC)
    body = {
        "id": event.id,
        "type": event.type,
        "source": event.source.value,
        "tenant": event.tenant,
        "time": time.isoformat(),
        "direction": event.direction.value,
        "actor_kind": event.actor_kind.value,
        "actor_id": event.actor_id,
        "correlationid": event.correlationid,
        "causationid": event.causationid,
        "epoch": place.epoch,
        "number": place.number,
        "sequence": place.sequence,
        **{name: event.data.get(name) for name in _SAME_NAME},
        "zoho_id": event.data.get("zoho_id") or _records(_listed(event.data.get("objects"))),
        "pipeline": _listed(event.data.get("pipeline")) + _listed(event.data.get("pipelines")),
        **_objects([*_listed(event.data.get("object")), *_listed(event.data.get("objects")), *_kunde(event)]),
        "event": event.model_dump(mode="json", exclude_none=True),
    }
    known = {name: value for name, value in body.items() if value is not None and value != []}
    return Document(event.id, f"{time.astimezone(UTC):%Y.%m}", known)


def _kunde(event: Event) -> list[dict[str, Any]]:
    """The Kunde whom an event is about as a whole: found by his number like what changed in him."""
    kunde = event.data.get("kunde")
    return [{"table": Table.KUNDE.value, "key": kunde}] if isinstance(kunde, str) else []


def _records(objects: list[Any]) -> list[Any]:
    """The records that the objects of a batch were written to."""
    changes = (cast("dict[str, Any]", o) for o in objects if isinstance(o, dict))
    return _distinct([o["zoho_id"] for o in changes if "zoho_id" in o])


def _objects(objects: list[Any]) -> dict[str, list[Any]]:
    """The arrays that a filter asks, and each object with its action."""
    changes = [cast("dict[str, Any]", o) for o in objects if isinstance(o, dict)]
    return {
        **{name: _distinct([o[name] for o in changes if name in o]) for name in _OF_OBJECT},
        "fields": _distinct([field for o in changes for field in _listed(o.get("fields"))]),
        "kundennummer": _distinct([n for o in changes if (n := _kundennummer(o)) is not None]),
        "vertragsnummer": _distinct([o.get("key") for o in changes if o.get("table") == Table.VERTRAG]),
        "objects": [
            {name: o[name] for name in _OF_OBJECT if name in o} if isinstance(o, dict) else o for o in objects
        ],
    }


def _kundennummer(change: dict[str, Any]) -> Any:
    """The Kunde that an object is, or hangs on: the key of a Kundendetail is `kunde_id:feld_id`."""
    match change.get("table"), change.get("key"):
        case Table.KUNDE.value, key:
            return key
        case Table.KUNDENDETAIL.value, str(key):
            return key.partition(":")[0]
        case _:
            return None


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def _distinct(values: list[Any]) -> list[Any]:
    """Each once, in the order in which they came; values that cannot be compared stay as they are."""
    try:
        return list(dict.fromkeys(values))
    except TypeError:
        return values
