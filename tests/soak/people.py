"""The people of an example and their Verträge, and where each of them is to be found on both sides."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from soak.stage import Stage

FIELDS = {
    "beruf": {"Contacts": "Beruf", "Accounts": "Branche"},
    "titel": {"Contacts": "Titel"},
    "ort": {"Contacts": "Mailing_City", "Accounts": "Billing_City"},
    "telefon": {"Contacts": "Phone", "Accounts": "Phone"},
}
"""Of people, by Ameise's names."""
OF_PERSON = {"beruf": "Beruf", "titel": "Titel"}
IN_AMEISE = (*OF_PERSON, "ort")
"""What Ameise's own screens change here."""
RISIKO = "risiko"
"""What changes of a Vertrag, on both sides."""
OF_VERTRAG = {RISIKO: {"Vertraege": "Risiko"}}
MODULES = ("Contacts", "Accounts")
Record = tuple[str, str]
"""Module and id."""


@dataclass
class Person:
    """Somebody whom one of the two sides knew first.

    `twin`: the record that the same form made, when it was submitted twice. `record`: in Zoho, from the
    moment on that somebody deletes or merges it, since it cannot be found by its number then.
    """

    number: int
    zoho_id: str | None = None
    kundennummer: str | None = None
    twin: str | None = None
    record: Record | None = None
    deleted: bool = False
    renumbered: bool = False

    @property
    def name(self) -> str:
        return f"person {self.number}"

    @property
    def nachname(self) -> str:
        return f"Nachname{self.number}x"


@dataclass
class Vertrag:
    """A Vertrag that one of the two sides knew first: it is known by its number there."""

    number: int
    owner: Person
    zoho_id: str | None = None
    vertragsnummer: str | None = None

    @property
    def name(self) -> str:
        return f"Vertrag {self.number}"

    @property
    def scheinnummer(self) -> str:
        return f"VS-{self.number}x"


@dataclass(frozen=True)
class Sides:
    """Where something is: in Ameise (`key`, None if it is not there), and its `record` in Zoho."""

    kind: Literal["kunde", "vertrag"]
    key: str | None
    record: Record | None

    def field_in_zoho(self, name: str, module: str) -> str:
        return (FIELDS if self.kind == "kunde" else OF_VERTRAG)[name][module]

    def in_ameise(self, data: dict[str, Any], name: str) -> str | None:
        """The value of a field, by Ameise's name, in the stand-in's state of the object."""
        return data["Risiko"] if self.kind == "vertrag" else of_kunde(data, name)


@dataclass
class People:
    """All of them; the stage says where they are."""

    stage: Stage
    all: list[Person] = field(default_factory=list[Person])
    vertraege: list[Vertrag] = field(default_factory=list[Vertrag])

    def __iter__(self) -> Iterator[Person]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    def new(self, **known: Any) -> Person:
        person = Person(len(self.all) + 1, **known)
        self.all.append(person)
        return person

    def new_vertrag(self, owner: Person) -> Vertrag:
        vertrag = Vertrag(len(self.vertraege) + 1, owner)
        self.vertraege.append(vertrag)
        return vertrag

    def one_of(self, who: int) -> Person:
        return self.all[who % len(self.all)]

    def sides_of(self, name: str) -> tuple[Person, Sides]:
        """Whom the thing of that name belongs to, and where it is."""
        for person in self.all:
            if person.name == name:
                return person, Sides("kunde", self.kundennummer(person), self.place(person))
        [vertrag] = [vertrag for vertrag in self.vertraege if vertrag.name == name]
        record = self.record_of(vertrag)
        return vertrag.owner, Sides("vertrag", self.vertragsnummer(vertrag), record)

    def kundennummer(self, person: Person) -> str | None:
        """None as long as he is no Kunde."""
        if person.kundennummer is not None:
            return person.kundennummer
        return next(iter(self.stage.books.kunden_named(person.nachname)), None)

    def is_firma(self, kundennummer: str) -> bool:
        return self.stage.books.kunde(kundennummer)["Person"]["Anrede"] == "3"

    def place(self, person: Person) -> Record | None:
        """The person's record; of a form submitted twice, the one that became the Kunde. If that was deleted
        in Zoho, and there is another one by now, that."""
        if person.record is not None:
            return person.record
        made = self._made_by_form(person)
        if made is not None and self.stage.books.has_record(*made):
            return made
        kundennummer = self.kundennummer(person)
        for module in MODULES if kundennummer else ():
            for id_ in self.stage.books.records_with(module, "Kundennummer", kundennummer or ""):
                return module, id_
        return made

    def _made_by_form(self, person: Person) -> Record | None:
        if person.zoho_id is None:
            return None
        both = (person.zoho_id, person.twin) if person.twin else (person.zoho_id,)
        numbered = [id_ for id_ in both if self.stage.books.number_of_record("Contacts", id_)]
        return "Contacts", numbered[0] if numbered else person.zoho_id

    def vertragsnummer(self, vertrag: Vertrag) -> str | None:
        """None as long as Ameise has no such Vertrag."""
        if vertrag.vertragsnummer is not None:
            return vertrag.vertragsnummer
        return next(iter(self.stage.books.vertraege_with(vertrag.scheinnummer)), None)

    def record_of(self, vertrag: Vertrag) -> Record | None:
        if vertrag.zoho_id is not None:
            return "Vertraege", vertrag.zoho_id
        assert vertrag.vertragsnummer is not None
        found = self.stage.books.records_with("Vertraege", "Vertragsnummer", vertrag.vertragsnummer)
        return ("Vertraege", found[0]) if found else None

    def came_by_form(self, kundennummer: str) -> bool:
        return self.stage.books.kunde(kundennummer)["Person"]["Nachname"].startswith("Nachname")


def of_kunde(kunde: dict[str, Any], name: str) -> str | None:
    """The value of a field, by Ameise's name, in the stand-in's state of a Kunde."""
    if name in OF_PERSON:
        return kunde["Person"][OF_PERSON[name]]
    if name == "ort":
        return next((a["Ort"] for a in kunde["Adressen"] if a["Typ"] == "hauptwohnsitz"), None)
    return next((k["Value"] for k in kunde["Kontaktdaten"] if k["Typ"] == name and k["Standard"]), None)
