"""The objects of Ameise's REST API, as tolerant frozen values.

Ameise writes PascalCase (``Hauptwohnsitz``), our attributes are snake_case (``hauptwohnsitz``). Everything
but an object's own id may be missing. Ids, codes and amounts are text, also where Ameise sends a number: the
Sparte "050" has a leading zero. Fields that we do not name are kept (``model_extra``) and sent back.

Not public, and so assumed: the names of ``Person`` beyond Vorname and Nachname, ``Kontext`` and ``Standard``.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.alias_generators import to_pascal


class AmeiseModel(BaseModel):
    """Base of all objects; built by attribute name or by Ameise's name."""

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        alias_generator=to_pascal,
        populate_by_name=True,
        coerce_numbers_to_str=True,
        # A validation error is never logged with the personal value that caused it.
        hide_input_in_errors=True,
    )

    def wire(self) -> dict[str, Any]:
        """Return the JSON body that sets exactly the fields that were given, by Ameise's names."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class Person(AmeiseModel):
    """Who a Kunde is. If the Anrede is that of a juristische Person, the meaning of some fields shifts:
    ``nachname`` is the company, ``vorname`` the contact person, ``geburtsdatum`` the founding date (all
    dates "YYYY-MM-DD") and ``beruf`` the Branche.
    """

    anrede: str | None = None
    titel: str | None = None
    vorname: str | None = None
    nachname: str | None = None
    geburtsdatum: str | None = None
    beruf: str | None = None
    nationalitaet: str | None = None
    rechtsform: str | None = None
    verstorben: bool | None = None


class Adresse(AmeiseModel):
    """A postal address; ``typ`` "hauptwohnsitz" marks the main one, ``land`` is like "DE"."""

    id: str | None = None
    typ: str | None = None
    strasse: str | None = None
    postleitzahl: str | None = None
    ort: str | None = None
    land: str | None = None


class Kunde(AmeiseModel):
    """A customer; ``id`` is the Kundennummer, ``text`` the display name, ``benutzername`` the simplr user."""

    id: str
    text: str | None = None
    vermittler: str | None = None
    benutzername: str | None = None
    person: Person = Field(default_factory=Person)
    hauptwohnsitz: Adresse | None = None

    @field_validator("person", mode="before")
    @classmethod
    def _null_is_empty(cls, value: object) -> object:
        return {} if value is None else value


class CreatedKunde(AmeiseModel):
    """What Ameise answers to a new Kunde: no more than these two."""

    id: str
    benutzername: str | None = None


class Kontaktdatum(AmeiseModel):
    """One way to reach a Kunde: ``typ`` email, telefon, mobil, website or fax; ``kontext`` private or
    business; one ``standard`` per typ.
    """

    id: str | None = None
    typ: str | None = None
    kontext: str | None = None
    value: str | None = None
    standard: bool | None = None


class Beitrag(AmeiseModel):
    """The premium; amounts as decimal text ("123.45")."""

    brutto: str | None = None
    netto: str | None = None
    steuer: str | None = None
    zahlweise: str | None = None


class Laufzeit(AmeiseModel):
    """The term of a Vertrag, "YYYY-MM-DD"; no ``ablauf`` means open end."""

    beginn: str | None = None
    ablauf: str | None = None


class Vertrag(AmeiseModel):
    """A contract's head data; ``id`` is the Vertragsnummer. The codes' texts are in the lists.

    What Ameise did not send is not in ``model_fields_set``; of a null ``beitrag`` or ``laufzeit`` all fields
    are, each empty.
    """

    id: str
    uri: str | None = None
    public_id: str | None = Field(default=None, alias="PublicID")
    kunde: str | None = None
    vermittler: str | None = None
    gesellschaft: str | None = None
    sparte: str | None = None
    status: str | None = None
    risiko: str | None = None
    antragsnummer: str | None = None
    versicherungsscheinnummer: str | None = None
    beitrag: Beitrag = Field(default_factory=Beitrag)
    laufzeit: Laufzeit = Field(default_factory=Laufzeit)

    @field_validator("beitrag", mode="before")
    @classmethod
    def _no_beitrag(cls, value: object) -> object:
        return dict.fromkeys(Beitrag.model_fields) if value is None else value

    @field_validator("laufzeit", mode="before")
    @classmethod
    def _no_laufzeit(cls, value: object) -> object:
        return dict.fromkeys(Laufzeit.model_fields) if value is None else value


class ListEntry(AmeiseModel):
    """An entry of a list: a code and its text. ``juristische_person`` is there for Anreden only."""

    value: str
    text: str = ""
    juristische_person: bool | None = None


class Vermittler(AmeiseModel):
    """A broker; ``id`` is the Vermittlernummer."""

    id: str
    name: str | None = None


class Mitarbeiter(AmeiseModel):
    """The employee in whose name we work; ``vermittler`` is the Vermittlernummer he belongs to."""

    id: str
    name: str | None = None
    vermittler: str | None = None
