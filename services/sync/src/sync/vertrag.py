"""A Vertrag of Ameise as flat fields, and the calls that make and change it.

The flat names are those of the DailyUp objects. Of the codes (Sparte, Gesellschaft, Status, Zahlweise) the
API gives no texts: fields of a delivery that hold them are unknown here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ameise.client import AmeiseClient
from ameise.models import Vertrag
from sync.values import Known

FLAT = {
    "vermittler_id": "Vermittler",
    "sparte_id": "Sparte",
    "gesellschaft_id": "Gesellschaft",
    "status_id": "Status",
    "risiko": "Risiko",
    "versicherungsscheinnummer": "Versicherungsscheinnummer",
}
BEITRAG = {"beitrag_netto": "Netto", "zahlweise_id": "Zahlweise"}
LAUFZEIT = {"beginn": "Beginn", "ablauf": "Ablauf"}
WRITABLE = frozenset([*FLAT, *BEITRAG, *LAUFZEIT])
"""The fields that can be given to Ameise; whose a Vertrag is, is said once, when it is made."""


@dataclass(frozen=True, slots=True)
class VertragInAmeise:
    """A Vertrag as read; a `sync.in_ameise.InAmeise`."""

    vertrag: Vertrag

    @property
    def key(self) -> str:
        return self.vertrag.id

    @property
    def fields(self) -> dict[str, Any]:
        """Flat fields; what Ameise's answer does not contain is absent, so unknown."""
        given = self.vertrag.wire()
        return {
            **_flat(given, {"ameise_id": "Id", "kunde_id": "Kunde", **FLAT}),
            **_flat(given.get("Beitrag", {}), BEITRAG),
            **_flat(given.get("Laufzeit", {}), LAUFZEIT),
        }

    async def changed(self, ameise: AmeiseClient, changes: Mapping[str, Known]) -> "VertragInAmeise":
        await ameise.update_vertrag(self.key, body_of(changes))
        return VertragInAmeise(await ameise.get_vertrag(self.key))


def new_vertrag_body(kunde: str, fields: Mapping[str, Known]) -> dict[str, Any]:
    """What a Vertrag of this Kunde is made from; what is empty is left out."""
    return {"Kunde": kunde, **body_of({name: value for name, value in fields.items() if value is not None})}


def body_of(fields: Mapping[str, Known]) -> dict[str, Any]:
    """The given fields as Ameise nests them."""
    body: dict[str, Any] = _part(fields, FLAT)
    for place, names in (("Beitrag", BEITRAG), ("Laufzeit", LAUFZEIT)):
        if part := _part(fields, names):
            body[place] = part
    return body


def _flat(given: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {ours: given[theirs] for ours, theirs in names.items() if theirs in given}


def _part(fields: Mapping[str, Known], names: Mapping[str, str]) -> dict[str, Known]:
    return {theirs: fields[ours] for ours, theirs in names.items() if ours in fields}
