"""A Kunde of Ameise as flat fields, and the calls that change it.

Ameise keeps base data, address, each way of contact and each individual field (Kundendetail) apart, so a
Kunde is read by two calls and one per individual field, and written by one call per part that changed. The
flat names are those of the DailyUp objects, so that both ways of reading a Kunde speak of the same fields.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ameise.client import AmeiseClient
from ameise.models import Kontaktdatum, Kunde
from sync.mapping import DETAILS
from sync.values import UNKNOWN, Known
from vendor.errors import Rejected

PERSON = {
    "anrede_id": "Anrede",
    "titel": "Titel",
    "vorname": "Vorname",
    "nachname": "Nachname",
    "geburtsdatum": "Geburtsdatum",
    "beruf": "Beruf",
}
ADDRESS = {"strasse": "Strasse", "plz": "Postleitzahl", "ort": "Ort", "land_id": "Land"}
CONTACT = ("email", "telefon", "mobil", "website", "fax")
ONLY_READ = frozenset({
    "ameise_id", "key", "anrede", "juristische_person", "land", "nationalitaet", "rechtsform_id",
    "rechtsform", "vermittler", "benutzername_simplr", "verstorben", "last_simplr_login_at", "created_at",
    "kommunikationen", DETAILS,
})  # fmt: skip
"""Fields of a Kunde that deliveries bring and Ameise's API does not take."""


@dataclass(frozen=True, slots=True)
class WantedDetail:
    """An individual field that a pipeline maps: its `name` in the mapping, and where it is in Ameise.
    `property_`: what holds its value in Ameise's JSON, which is not public."""

    name: str
    field: str
    bezeichnung: str
    property_: str


@dataclass(frozen=True, slots=True)
class KundeInAmeise:
    """A Kunde as read (a `sync.in_ameise.InAmeise`): the parts, and all as flat fields.

    `kontaktdaten` are None if they were not read. `details` are those that were asked for; one that Ameise
    does not give is unknown.
    """

    kunde: Kunde
    kontaktdaten: tuple[Kontaktdatum, ...] | None
    details: Mapping[WantedDetail, Any] = field(default_factory=dict[WantedDetail, Any])

    @property
    def key(self) -> str:
        return self.kunde.id

    async def changed(self, ameise: AmeiseClient, changes: Mapping[str, Known]) -> "KundeInAmeise":
        """Write `changes`; the Kunde as read again."""
        await write_kunde(ameise, self, changes)
        return await read_again(ameise, self, changes)

    @property
    def fields(self) -> dict[str, Any]:
        """Flat fields; those that Ameise's API does not give (list texts) are absent, so unknown."""
        person, address = self.kunde.person, self.kunde.hauptwohnsitz
        flat: dict[str, Any] = {
            "ameise_id": self.kunde.id,
            "vermittler_id": self.kunde.vermittler,
            "benutzername_simplr": self.kunde.benutzername,
            "anrede_id": person.anrede,
            "titel": person.titel,
            "vorname": person.vorname,
            "nachname": person.nachname,
            "geburtsdatum": person.geburtsdatum,
            "beruf": person.beruf,
            "strasse": address.strasse if address else None,
            "plz": address.postleitzahl if address else None,
            "ort": address.ort if address else None,
            "land_id": address.land if address else None,
        }
        for typ in CONTACT if self.kontaktdaten is not None else ():
            standard = standard_of(self.kontaktdaten or (), typ)
            flat[typ] = standard.value if standard else None
        if self.details:
            flat[DETAILS] = {detail.bezeichnung: value for detail, value in self.details.items()}
        return flat


def standard_of(kontaktdaten: tuple[Kontaktdatum, ...], typ: str) -> Kontaktdatum | None:
    """The standard one of a kind, else the first."""
    of_kind = [k for k in kontaktdaten if k.typ == typ]
    return next((k for k in of_kind if k.standard), of_kind[0] if of_kind else None)


async def read_kunde(
    ameise: AmeiseClient,
    kundennummer: str,
    *,
    contacts: bool = True,
    details: Sequence[WantedDetail] = (),
) -> KundeInAmeise:
    """Read a Kunde, and of his parts those that are of interest. Raises the client's errors; Rejected with
    404 if there is none."""
    kunde, kontaktdaten, values = await asyncio.gather(
        ameise.get_kunde(kundennummer),
        _kontaktdaten(ameise, kundennummer) if contacts else _no_kontaktdaten(),
        asyncio.gather(*(_detail(ameise, kundennummer, detail) for detail in details)),
    )
    return KundeInAmeise(kunde, kontaktdaten, dict(zip(details, values, strict=True)))


async def _kontaktdaten(ameise: AmeiseClient, kundennummer: str) -> tuple[Kontaktdatum, ...]:
    return tuple(await ameise.list_kontaktdaten(kundennummer))


async def _no_kontaktdaten() -> None:
    """They are not read."""


async def _detail(ameise: AmeiseClient, kundennummer: str, detail: WantedDetail) -> Any:
    """Unknown where Ameise says 404: the field may be gone, or never filled, or this Kunde may be."""
    try:
        found = await ameise.get_detail(kundennummer, detail.field)
    except Rejected as error:
        if error.status != 404:
            raise
        return UNKNOWN
    return found.get(detail.property_, UNKNOWN)


async def read_again(
    ameise: AmeiseClient, before: KundeInAmeise, changes: Mapping[str, Known]
) -> KundeInAmeise:
    """The Kunde after `changes` were written: only the parts that they are in are read anew."""
    kunde, kontaktdaten, details = before.kunde, before.kontaktdaten, dict(before.details)
    of_details = [detail for detail in details if detail.name in changes]
    elsewhere = {*CONTACT, *(detail.name for detail in of_details)}
    if any(name not in elsewhere for name in changes):
        kunde = await ameise.get_kunde(kunde.id)
    if any(name in CONTACT for name in changes):
        kontaktdaten = tuple(await ameise.list_kontaktdaten(kunde.id))
    for detail in of_details:
        details[detail] = await _detail(ameise, kunde.id, detail)
    return KundeInAmeise(kunde, kontaktdaten, details)


async def write_kunde(ameise: AmeiseClient, current: KundeInAmeise, changes: Mapping[str, Known]) -> None:
    """Bring a Kunde to `changes`, part by part; a part without a change is not called.

    May be cut off between two parts: the next try reads the Kunde anew and finds the rest still to do.
    """
    number = current.kunde.id
    if base := _base_data(changes):
        await ameise.update_kunde(number, base)
    if address := _part(changes, ADDRESS):
        present = current.kunde.hauptwohnsitz
        if present is not None and present.id:
            await ameise.update_adresse(number, present.id, address)
        else:
            await ameise.create_adresse(number, {"Typ": "hauptwohnsitz", **address})
    for typ in CONTACT:
        if typ in changes:
            await _write_contact(ameise, current, typ, changes[typ])
    for detail in current.details:
        if detail.name in changes:
            await ameise.put_detail(number, detail.field, {detail.property_: changes[detail.name]})


async def _write_contact(ameise: AmeiseClient, current: KundeInAmeise, typ: str, value: Known) -> None:
    number, present = current.kunde.id, standard_of(current.kontaktdaten or (), typ)
    if present is not None and present.id:
        if value is None:
            await ameise.delete_kontaktdatum(number, present.id)
        else:
            await ameise.update_kontaktdatum(number, present.id, {"Value": value})
    elif value is not None:
        body = {"Typ": typ, "Kontext": "private", "Value": value, "Standard": True}
        await ameise.create_kontaktdatum(number, body)


def new_kunde_body(fields: Mapping[str, Known]) -> dict[str, Any]:
    """The body of an Erstanlage: person and main address. Kontaktdaten follow as changes."""
    body = _base_data({name: value for name, value in fields.items() if value is not None})
    if address := {k: v for k, v in _part(fields, ADDRESS).items() if v is not None}:
        body["Hauptwohnsitz"] = {"Typ": "hauptwohnsitz", **address}
    return body


def _base_data(fields: Mapping[str, Known]) -> dict[str, Any]:
    """What Ameise keeps with the Kunde himself."""
    body: dict[str, Any] = {}
    if person := _part(fields, PERSON):
        body["Person"] = person
    if fields.get("vermittler_id"):
        body["Vermittler"] = fields["vermittler_id"]
    return body


def _part(fields: Mapping[str, Known], names: Mapping[str, str]) -> dict[str, Known]:
    return {theirs: fields[ours] for ours, theirs in names.items() if ours in fields}
