"""What Ameise would refuse without saying why, found before it is asked. Pure.

Ameise answers some faults with an HTML page that names no field (a Vermittler of somebody else, a missing
Anrede), and others only half way through a Kunde. So what is about to be written is looked at as a whole.
Problems name fields, never values: they end in the log.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from sync.mapping import CannotConvert
from sync.values import Known

REQUIRED = {"anrede_id": "Anrede", "vorname": "Vorname", "nachname": "Nachname", "land_id": "Land"}
"""Of a new Kunde."""
NEVER_EMPTY = ("anrede_id", "nachname")
"""Of an existing one: a Kunde of a company may have no contact person."""

LONGEST_TEXT = 255
LONGEST = {"plz": 10}

_TITLES = REQUIRED | {
    "titel": "Titel", "geburtsdatum": "Geburtsdatum", "beruf": "Beruf", "strasse": "Straße", "plz": "PLZ",
    "ort": "Ort", "email": "E-Mail", "telefon": "Telefon", "mobil": "Mobil", "fax": "Fax",
    "website": "Website", "vermittler_id": "Vermittler", "sparte_id": "Sparte",
    "gesellschaft_id": "Gesellschaft", "status_id": "Status", "zahlweise_id": "Zahlweise", "risiko": "Risiko",
    "beitrag_netto": "Beitrag", "beginn": "Beginn", "ablauf": "Ablauf",
    "versicherungsscheinnummer": "Versicherungsscheinnummer",
}  # fmt: skip
_EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s.,;<>]{2,}")


class Fault(StrEnum):
    """What is wrong, in words that follow a field's name."""

    MISSING = "darf nicht leer sein"
    NOT_IN_LIST = "gibt es in Ameise nicht"
    OTHER_KIND = "macht aus einer Person eine Firma oder umgekehrt; bitte in Ameise ändern"
    NOT_OURS = "gehört nicht zu den Vermittlern der Ameise-Verbindung"
    NO_EMAIL = "ist keine E-Mail-Adresse"
    NO_DATE = "ist kein Datum"
    NO_AMOUNT = "ist kein Betrag"
    IN_FUTURE = "liegt in der Zukunft"
    TOO_LONG = "ist zu lang für Ameise"


@dataclass(frozen=True, slots=True)
class Problem:
    """One field that Ameise would not take; `field` is its name in Ameise's objects."""

    field: str
    fault: Fault

    def __str__(self) -> str:
        return f"{_TITLES.get(self.field, self.field)} {self.fault}"


class Unfit(CannotConvert):
    """Values that Ameise would not take; the message is German and names fields only."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class KnownThere:
    """What Ameise knows. None: it does not tell, so nothing is held against it.

    `anreden`: code → whether it makes a Kunde a juristische Person. `vermittler_is_ours`: about the one that
    is about to be written.
    """

    anreden: Mapping[str, bool | None] | None = None
    laender: frozenset[str] | None = None
    vermittler_is_ours: bool | None = None


def problems_of(
    changes: Mapping[str, Known], *, known: KnownThere, today: date, anrede_before: str | None = None
) -> tuple[Problem, ...]:
    """What Ameise would not take of `changes`, field by field; `anrede_before`: of a Kunde who exists."""
    found: list[Problem] = []
    for name, value in changes.items():
        fault = _fault_of(name, value, known, today, anrede_before)
        if fault is not None:
            found.append(Problem(name, fault))
    return tuple(found)


def today_in_germany() -> date:
    """The day that it is for Ameise's users."""
    return datetime.now(ZoneInfo("Europe/Berlin")).date()


def missing_of_new(fields: Mapping[str, Known]) -> list[str]:
    """The titles of what a new Kunde lacks."""
    return [title for name, title in REQUIRED.items() if not fields.get(name)]


def _fault_of(
    name: str, value: Known, known: KnownThere, today: date, anrede_before: str | None
) -> Fault | None:
    if value is None:
        return Fault.MISSING if name in NEVER_EMPTY else None
    text = str(value)
    match name:
        case "anrede_id":
            return _fault_of_anrede(text, known, anrede_before)
        case "land_id" if known.laender is not None and text not in known.laender:
            return Fault.NOT_IN_LIST
        case "vermittler_id" if known.vermittler_is_ours is False:
            return Fault.NOT_OURS
        case "email" if not _EMAIL.fullmatch(text):
            return Fault.NO_EMAIL
        case "geburtsdatum":
            return _fault_of_date(text, today)
        case _:
            return Fault.TOO_LONG if len(text) > LONGEST.get(name, LONGEST_TEXT) else None


def _fault_of_anrede(code: str, known: KnownThere, before: str | None) -> Fault | None:
    if known.anreden is None:
        return None
    if code not in known.anreden:
        return Fault.NOT_IN_LIST
    kind, kind_before = known.anreden[code], known.anreden.get(before or "")
    # Another kind of person belongs to another module of Zoho: his record would have to move.
    if kind is not None and kind_before is not None and kind != kind_before:
        return Fault.OTHER_KIND
    return None


def _fault_of_date(text: str, today: date) -> Fault | None:
    if not is_date(text):
        return Fault.NO_DATE
    return Fault.IN_FUTURE if date.fromisoformat(text) > today else None


def is_date(text: str) -> bool:
    """Whether it is a day as YYYY-MM-DD."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
