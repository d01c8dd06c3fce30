"""What Ameise would refuse of a Vertrag without saying why, found before it is asked. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from sync.checks import LONGEST_TEXT, Fault, Problem, is_date
from sync.values import Known

REQUIRED = {
    "beginn": "Beginn",
    "beitrag_netto": "Beitrag",
    "versicherungsscheinnummer": "Versicherungsscheinnummer",
    "risiko": "Risiko",
}
"""Of a new Vertrag, besides its Kunde."""
CODES = ("sparte_id", "gesellschaft_id", "status_id", "zahlweise_id")
_DATES = ("beginn", "ablauf")


@dataclass(frozen=True, slots=True)
class VertragKnownThere:
    """What Ameise knows. `codes`: of the fields whose list it gives; `vermittler_is_ours` of the one that is
    about to be written, None if there is none."""

    codes: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    vermittler_is_ours: bool | None = None


def problems_of_vertrag(changes: Mapping[str, Known], known: VertragKnownThere) -> tuple[Problem, ...]:
    """What Ameise would not take, field by field; an emptied field is not refused."""
    found = ((name, _fault_of(name, str(v), known)) for name, v in changes.items() if v is not None)
    return tuple(Problem(name, fault) for name, fault in found if fault is not None)


def missing_of_new_vertrag(fields: Mapping[str, Known]) -> list[str]:
    """The titles of what a new Vertrag lacks."""
    return [title for name, title in REQUIRED.items() if fields.get(name) is None]


def _fault_of(name: str, text: str, known: VertragKnownThere) -> Fault | None:
    if name in CODES and name in known.codes and text not in known.codes[name]:
        return Fault.NOT_IN_LIST
    if name == "vermittler_id" and known.vermittler_is_ours is False:
        return Fault.NOT_OURS
    if name in _DATES and not is_date(text):
        return Fault.NO_DATE
    if name == "beitrag_netto" and not _is_amount(text):
        return Fault.NO_AMOUNT
    return Fault.TOO_LONG if len(text) > LONGEST_TEXT else None


def _is_amount(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False
