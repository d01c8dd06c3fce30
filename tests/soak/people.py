"""The people of an example, and where each of them is to be found on both sides."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from soak.stage import Stage

FIELDS = {
    "beruf": {"Contacts": "Beruf", "Accounts": "Branche"},
    "titel": {"Contacts": "Titel"},
    "ort": {"Contacts": "Mailing_City", "Accounts": "Billing_City"},
    "telefon": {"Contacts": "Phone", "Accounts": "Phone"},
}
IN_AMEISE = {"beruf": "Beruf", "titel": "Titel"}
"""What Ameise's own screens change here."""
MODULES = ("Contacts", "Accounts")


@dataclass
class Person:
    """Somebody whom one of the two sides knew first.

    `twin`: the record that the same form made, when it was submitted twice. `record`: (module, id) in Zoho,
    from the moment on that somebody deletes or merges it, since it cannot be found by its number then.
    """

    number: int
    zoho_id: str | None = None
    kundennummer: str | None = None
    twin: str | None = None
    record: tuple[str, str] | None = None
    deleted: bool = False
    renumbered: bool = False

    @property
    def nachname(self) -> str:
        return f"Nachname{self.number}x"


@dataclass
class People:
    """All of them; the stage says where they are."""

    stage: Stage
    all: list[Person] = field(default_factory=list[Person])

    def __iter__(self) -> Iterator[Person]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    def new(self, **known: Any) -> Person:
        person = Person(len(self.all) + 1, **known)
        self.all.append(person)
        return person

    def one_of(self, who: int) -> Person:
        return self.all[who % len(self.all)]

    def numbered(self, number: int) -> Person:
        return self.all[number - 1]

    def kundennummer(self, person: Person) -> str | None:
        """None as long as he is no Kunde."""
        if person.kundennummer is not None:
            return person.kundennummer
        return next(iter(self.stage.kunden_named(person.nachname)), None)

    def is_firma(self, kundennummer: str) -> bool:
        return self.stage.kunde(kundennummer)["Person"]["Anrede"] == "3"

    def place(self, person: Person) -> tuple[str, str] | None:
        """(module, id) of the person's record; of a form submitted twice, the one that became the Kunde."""
        if person.record is not None:
            return person.record
        if person.kundennummer is None:
            assert person.zoho_id is not None
            if person.twin is not None:
                record = self.stage.run(self.stage.world.record(person.twin))
                if record.get("Kundennummer"):
                    return "Contacts", person.twin
            return "Contacts", person.zoho_id
        for module in MODULES:
            contact = self.stage.run(self.stage.world.contact_of(person.kundennummer, module))
            if contact is not None:
                return module, contact["id"]
        return None

    def came_by_form(self, kundennummer: str) -> bool:
        return self.stage.kunde(kundennummer)["Person"]["Nachname"].startswith("Nachname")


def of_kunde(kunde: dict[str, Any], name: str) -> str | None:
    """The value of a field, by Ameise's name, in the stand-in's state of a Kunde."""
    if name in IN_AMEISE:
        return kunde["Person"][IN_AMEISE[name]]
    if name == "ort":
        return next((a["Ort"] for a in kunde["Adressen"] if a["Typ"] == "hauptwohnsitz"), None)
    return next((k["Value"] for k in kunde["Kontaktdaten"] if k["Typ"] == name and k["Standard"]), None)
