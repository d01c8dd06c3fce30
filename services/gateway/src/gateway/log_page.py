"""The page of the Aktivitätslog: from its form to a filter, and from events to lines. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

from pydantic import ValidationError

from contracts.actor import ActorKind
from contracts.events import Event, ObjectAction, RequestsRefused, SignedIn
from contracts.names import Direction, Outcome, System, Table
from contracts.rpc.audit import LogFilter
from gateway.rendering import BERLIN
from gateway.wording import block_words, event_label, label, reason_words, refusal_words

E = TypeVar("E", bound=StrEnum)

_NAMED = frozenset({ActorKind.USER, ActorKind.API_TOKEN})
"""Of the others one knows who it was by their kind."""
OF_NO_TEAM = frozenset({SignedIn.event_name, RequestsRefused.event_name})
"""Events that no team's log has: they are told for the installation."""
FIELDS = ("von", "bis", "richtung", "ereignis", "ergebnis", "nummer", "zoho_id", "vorgang")


@dataclass(frozen=True, slots=True)
class LogForm:
    """What stands in the form's fields, as typed; empty ones are left out."""

    values: dict[str, str]

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> "LogForm":
        """Of a page's query parameters; anything that is no field of the form is left out."""
        typed = {name: parameters.get(name, "").strip()[:100] for name in FIELDS}
        return cls({name: value for name, value in typed.items() if value})

    def query(self, **changed: str) -> str:
        """The query string that shows this page again, with other values for some fields."""
        return urlencode(self.values | changed)


def filter_of(form: LogForm) -> LogFilter:
    """The filter; days are days in Berlin, the last one included. Raises ValueError in words for people."""
    values = form.values
    since = start_of_day(values.get("von"), "Von")
    until = start_of_day(values.get("bis"), "Bis", plus=timedelta(days=1))
    if since and until and since >= until:
        raise ValueError("Das kann nicht stimmen: Von liegt nach Bis.")
    found: dict[str, Any] = {
        "since": since,
        "until": until,
        "types": (values["ereignis"],) if "ereignis" in values else (),
        "outcomes": (values["ergebnis"],) if "ergebnis" in values else (),
        "direction": values.get("richtung"),
        "key": values.get("nummer"),
        "zoho_id": values.get("zoho_id"),
        "correlationid": values.get("vorgang"),
    }
    try:
        return LogFilter.model_validate(found)
    except ValidationError as error:
        wrong = sorted({_FIELD_NAMES.get(str(e["loc"][0]), str(e["loc"][0])) for e in error.errors()})
        raise ValueError(f"Das kann nicht stimmen: {', '.join(wrong)}.") from error


_FIELD_NAMES = {
    "outcomes": "Ergebnis",
    "direction": "Richtung",
    "key": "Kunden- oder Vertragsnummer",
    "zoho_id": "Zoho-Id",
    "correlationid": "Vorgang",
}


def start_of_day(typed: str | None, field: str, *, plus: timedelta = timedelta()) -> datetime | None:
    """When a day begins in Berlin, `plus` days later. Raises ValueError in words that name the field."""
    if typed is None:
        return None
    try:
        return datetime.combine(date.fromisoformat(typed) + plus, time(), BERLIN)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"Das kann nicht stimmen: {field}.") from error


@dataclass(frozen=True, slots=True)
class LogLine:
    """One event as a person reads it."""

    time: datetime
    event: str
    direction: Direction
    outcome: Outcome
    actor: str
    object: str
    key: str | None
    zoho_id: str | None
    details: str
    correlationid: str


def line_of(
    event: Event, about: LogFilter | None = None, pipelines: Mapping[str, str] | None = None
) -> LogLine:
    """`event` in words; what a newer release added to its data is left out. Of one that tells of many
    objects, the one that is looked for (`about`).

    `pipelines`: names by id; one that is not there, since it was deleted, keeps its number.
    """
    data = event.data
    changed = mapping_of(data.get("object")) or _looked_for(data, about)
    return LogLine(
        time=event.time,
        event=event_label(event.type),
        direction=event.direction,
        outcome=_member(Outcome, data.get("outcome")) or Outcome.OK,
        actor=f"{label(event.actor_kind)} {event.actor_id}"
        if event.actor_kind in _NAMED
        else label(event.actor_kind),
        object=_object_words(changed),
        key=changed.get("key") or data.get("kunde"),
        zoho_id=data.get("zoho_id") or changed.get("zoho_id"),
        details="; ".join(
            _refused(mapping_of(data.get("counts")))
            if event.type == RequestsRefused.event_name
            else _details(data, changed, pipelines or {})
        ),
        correlationid=event.correlationid,
    )


def _looked_for(data: dict[str, Any], about: LogFilter | None) -> dict[str, Any]:
    if about is not None:
        for one in map(mapping_of, data.get("objects") or ()):
            if one.get("key", "") == about.key or one.get("zoho_id", "") == about.zoho_id:
                return one
    return {}


def _details(data: dict[str, Any], changed: dict[str, Any], pipelines: Mapping[str, str]) -> list[str]:
    words: list[str] = []
    if system := _member(System, data.get("system")):
        words.append(label(system))
    if reason := data.get("reason"):
        words.append(reason_words(str(reason)))
    if fields := changed.get("fields"):
        words.append("Felder: " + ", ".join(fields))
    if (objects := data.get("objects")) and not changed:
        words.append(_objects_words(objects))
    if counts := _counts_words(mapping_of(data.get("counts"))):
        words.append(counts)
    if table := _member(Table, data.get("table")):
        words.append(f"{label(table)}: {data.get('rows')} Zeilen")
    if tables := [label(table) for name in data.get("tables") or () if (table := _member(Table, name))]:
        words.append(", ".join(tables))
    if files := data.get("files"):
        words.append(f"{files} Datei{'en' if files != 1 else ''}")
    if pipeline := data.get("pipeline"):
        words.append(f"Pipeline „{pipelines[pipeline]}“" if pipeline in pipelines else f"Pipeline {pipeline}")
    return words


def _refused(counts: dict[str, Any]) -> list[str]:
    """By reason how often, and from where: `Anmeldung oder Token falsch: 3 (192.0.2.0/24)`."""
    words: list[str] = []
    for reason, of_blocks in counts.items():
        blocks = dict(_flat(of_blocks))
        words.append(
            f"{refusal_words(reason)}: {sum(blocks.values())} ({', '.join(map(block_words, blocks))})"
        )
    return words


def _flat(counts: object, name: str = "") -> Iterator[tuple[str, int]]:
    """A number by its dotted name: the store that is embedded takes a name with dots for a path."""
    if isinstance(counts, int):
        yield name, counts
    for step, inner in mapping_of(counts).items():
        yield from _flat(inner, f"{name}.{step}" if name else step)


_COUNTED = {
    "new": "neu",
    "changed": "geändert",
    "gone": "entfallen",
    "rejected": "unlesbar",
    "stopped": "gesperrt",
}


def _object_words(changed: dict[str, Any]) -> str:
    action = _member(ObjectAction, changed.get("action"))
    return label(action) if action else ""


def _objects_words(objects: list[dict[str, Any]]) -> str:
    """`Kunden: 3 neu, 2 geändert`"""
    counts = Counter((o.get("table"), o.get("action")) for o in objects)
    words: list[str] = []
    for table in Table:
        done = [f"{counts[table, a]} {label(a)}" for a in ObjectAction if counts[table, a]]
        if done:
            words.append(f"{label(table)}: {', '.join(done)}")
    return "; ".join(words)


def _counts_words(counts: dict[str, Any]) -> str:
    """Of a delivery `Kunden: 3 neu, 2 geändert`, of what was sent again `Kunden: 1000`."""
    words: list[str] = []
    for table in Table:
        match counts.get(table):
            case int(number):
                words.append(f"{label(table)}: {number}")
            case of_table:
                done = [
                    f"{n} {word}" for name, word in _COUNTED.items() if (n := mapping_of(of_table).get(name))
                ]
                words += [f"{label(table)}: {', '.join(done)}"] if done else []
    return "; ".join(words)


def _member(kind: type[E], value: object) -> E | None:
    """None for a value of a newer release."""
    return kind(value) if isinstance(value, str) and value in set(kind) else None


def mapping_of(value: object) -> dict[str, Any]:
    """A part of an event's data; nothing where it is none."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
