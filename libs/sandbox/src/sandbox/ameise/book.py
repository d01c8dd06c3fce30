"""The Kunden and Verträge of one hierarchy.

A Kunde is kept as one object with its Adressen, Kontaktdaten and Details: one version says all that was
true at a moment, which is what a DailyUp delivery is made of.
"""

import time
import unicodedata
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from sandbox.ameise import validation, vertraege
from sandbox.ameise.hierarchy import Vermittler, hierarchy
from sandbox.ameise.lists import DETAILFELDER
from sandbox.ameise.problems import AmeiseError, UserError
from sandbox.knobs import Knobs
from sandbox.shapes import object_of
from sandbox.state import Store

FIRST_KUNDENNUMMER = 5_001_000_001
FIRST_VERTRAGSNUMMER = 1_110_001
HAUPTWOHNSITZ = "hauptwohnsitz"
CANDIDATES = 500
"""Most hits that a search looks at."""


def next_ids(store: Store, kind: str, count: int = 1) -> range:
    """Numbers of `kind` (kunde, vertrag, adresse, kontaktdatum) that are new in the whole sandbox."""
    starts = {"kunde": FIRST_KUNDENNUMMER, "vertrag": FIRST_VERTRAGSNUMMER}
    first = store.next_number(f"ameise-{kind}", start=starts.get(kind, 70_001), count=count)
    return range(first, first + count)


def benutzername(person: dict[str, Any], kundennummer: str) -> str:
    """The simplr user name: ASCII, unique by its end."""
    umlauts = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
    whole = f"{person.get('Vorname') or ''}.{person.get('Nachname') or ''}".casefold().translate(umlauts)
    plain = unicodedata.normalize("NFKD", whole).encode("ascii", "ignore").decode()
    kept = "".join(character for character in plain if character.isalnum() or character == ".").strip(".")
    return f"{kept[:24]}{kundennummer[-4:]}"


def kunde_index(kunde: dict[str, Any]) -> dict[str, Iterable[str]]:
    """The values by which a Kunde is found."""
    person = kunde["Person"]
    mails = [item["Value"] for item in kunde["Kontaktdaten"] if item["Typ"] == "email"]
    return {
        "mail": mails,
        "nachname": [person["Nachname"]],
        "vorname": [person["Vorname"]] if person["Vorname"] else [],
    }


def hauptwohnsitz(kunde: dict[str, Any]) -> dict[str, Any] | None:
    """The Adresse where a Kunde lives, None if he has none."""
    return next((item for item in kunde["Adressen"] if item["Typ"] == HAUPTWOHNSITZ), None)


def shown(kunde: dict[str, Any]) -> dict[str, Any]:
    """A Kunde as REST shows it."""
    person = kunde["Person"]
    return {
        "Id": kunde["Id"],
        "Text": ", ".join(filter(None, [person["Nachname"], person["Vorname"]])),
        "Vermittler": kunde["Vermittler"],
        "Benutzername": kunde["Benutzername"],
        "Person": person,
        "Hauptwohnsitz": hauptwohnsitz(kunde),
    }


class KundenBook:
    """Kunden and Verträge as a Mitarbeiter of the hierarchy sees and changes them."""

    def __init__(self, store: Store, vermittler: Vermittler, knobs: Knobs) -> None:
        self._store = store
        self._vermittler = vermittler
        self._world = vermittler.world
        self._knobs = knobs

    def kunde(self, id_: str) -> dict[str, Any]:
        """The Kunde. Raises AmeiseError 404."""
        stored = self._store.get(self._world, "kunde", id_)
        if stored is None:
            raise AmeiseError(404)
        return stored.data

    def _save(self, kunde: dict[str, Any]) -> None:
        self._store.put(self._world, "kunde", kunde["Id"], kunde, index=kunde_index(kunde))

    def _own(self, vermittler: str | None) -> str:
        """The Vermittler to write to. Ameise answers 400 as HTML for one outside the hierarchy."""
        if vermittler is None:
            return self._vermittler.id
        if vermittler not in {own.id for own in hierarchy(self._store, self._vermittler.hauptvermittler)}:
            raise AmeiseError(400)
        return vermittler

    def add_kunde(self, given: dict[str, Any]) -> dict[str, Any]:
        """A new Kunde."""
        person = validation.complete_person(validation.person(object_of(given.get("Person"))))
        given_wohnsitz = object_of(given.get("Hauptwohnsitz"))
        wohnsitz = validation.adresse(given_wohnsitz) if given_wohnsitz else None
        vermittler = self._own(validation.text(given.get("Vermittler"), "Vermittler"))
        with self._store.transaction():
            id_ = str(next_ids(self._store, "kunde")[0])
            kunde: dict[str, Any] = {
                "Id": id_,
                "Vermittler": vermittler,
                "Benutzername": benutzername(person, id_),
                "Person": person,
                "Adressen": [],
                "Kontaktdaten": [],
                "Details": {},
                "CreatedAt": datetime.now(UTC).date().isoformat(),
                "LastLogin": None,
            }
            if wohnsitz is not None:
                kunde["Adressen"].append(self._new_adresse({**wohnsitz, "Typ": HAUPTWOHNSITZ}))
            self._save(kunde)
        return kunde

    def change_kunde(self, id_: str, given: dict[str, Any]) -> dict[str, Any]:
        """Change the given keys of Person and the Vermittler; the address is changed through its own path."""
        kunde = self.kunde(id_)
        if "Person" in given:
            kunde["Person"] = validation.complete_person(
                {**kunde["Person"], **validation.person(object_of(given["Person"]))}
            )
        if given.get("Vermittler"):
            kunde["Vermittler"] = self._own(validation.text(given["Vermittler"], "Vermittler"))
        self._save(kunde)
        return kunde

    def _new_adresse(self, given: dict[str, Any]) -> dict[str, Any]:
        id_ = str(next_ids(self._store, "adresse")[0])
        empty = dict.fromkeys(validation.ADRESSE)
        return {"Id": id_, **empty, "Typ": "weitere", "Land": "DE", **given}

    def add_adresse(self, id_: str, given: dict[str, Any]) -> dict[str, Any]:
        """A further Adresse, or the Hauptwohnsitz of a Kunde who has none."""
        kunde, adresse = self.kunde(id_), self._new_adresse(validation.adresse(given))
        if adresse["Typ"] == HAUPTWOHNSITZ and hauptwohnsitz(kunde) is not None:
            raise UserError("Der Kunde hat bereits einen Hauptwohnsitz.")
        kunde["Adressen"].append(adresse)
        self._save(kunde)
        return adresse

    def move(self, id_: str, given: dict[str, Any]) -> None:
        """Change the Hauptwohnsitz, or give a Kunde his first."""
        present = hauptwohnsitz(self.kunde(id_))
        if present is None:
            self.add_adresse(id_, {**given, "Typ": HAUPTWOHNSITZ})
        else:
            self.change_adresse(id_, present["Id"], given)

    def add_kontaktdatum(self, id_: str, given: dict[str, Any]) -> dict[str, Any]:
        """A further Kontaktdatum; the first of its Typ is the standard."""
        kunde, fields = self.kunde(id_), self._kontaktdatum(given)
        if "Typ" not in fields or "Value" not in fields:
            raise UserError("Typ und Wert sind Pflichtfelder.")
        first = all(item["Typ"] != fields["Typ"] for item in kunde["Kontaktdaten"])
        number = str(next_ids(self._store, "kontaktdatum")[0])
        kontaktdatum = {"Id": number, "Kontext": "private", "Standard": first, **fields}
        kunde["Kontaktdaten"].append(kontaktdatum)
        _keep_one_standard(kunde["Kontaktdaten"], kontaktdatum)
        self._save(kunde)
        return kontaktdatum

    def _kontaktdatum(self, given: dict[str, Any]) -> dict[str, Any]:
        return validation.kontaktdatum(given, normalise_phones=self._knobs.ameise_normalise_phones)

    def change_adresse(self, id_: str, part: str, given: dict[str, Any]) -> dict[str, Any]:
        """Change the given keys of an Adresse."""
        return self._change_part(id_, "Adressen", part, lambda _: validation.adresse(given))

    def change_kontaktdatum(self, id_: str, part: str, given: dict[str, Any]) -> dict[str, Any]:
        """Change the given keys of a Kontaktdatum."""
        return self._change_part(
            id_, "Kontaktdaten", part, lambda old: self._kontaktdatum({"Typ": old["Typ"], **given})
        )

    def _change_part(
        self, id_: str, list_name: str, part: str, fields: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> dict[str, Any]:
        kunde = self.kunde(id_)
        item = _part(kunde, list_name, part)
        item.update(fields(item))
        if list_name == "Kontaktdaten":
            _keep_one_standard(kunde[list_name], item)
        self._save(kunde)
        return item

    def remove_part(self, id_: str, list_name: str, part: str) -> None:
        """Remove an Adresse or a Kontaktdatum. The Hauptwohnsitz stays."""
        kunde = self.kunde(id_)
        item = _part(kunde, list_name, part)
        if item["Typ"] == HAUPTWOHNSITZ:
            raise UserError("Der Hauptwohnsitz kann nicht gelöscht werden.")
        kunde[list_name].remove(item)
        self._save(kunde)

    def detail(self, id_: str, feld: str) -> dict[str, Any]:
        """An individual field of a Kunde; its Value is None when it was never filled."""
        kunde = self.kunde(id_)
        if feld not in DETAILFELDER:
            raise AmeiseError(404)
        return {"Id": feld, "Text": DETAILFELDER[feld][0], "Value": kunde["Details"].get(feld)}

    def set_detail(self, id_: str, feld: str, given: dict[str, Any]) -> dict[str, Any]:
        """Fill or empty an individual field."""
        self.detail(id_, feld)
        kunde = self.kunde(id_)
        value = validation.text(given.get("Value"), "Wert")
        if value is None:
            kunde["Details"].pop(feld, None)
        else:
            kunde["Details"][feld] = value
        self._save(kunde)
        return self.detail(id_, feld)

    def search(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        """Kunden that meet every key of the query: `q`, `mail`, `vorname`, `nachname`, `geburtsdatum`."""
        texts = {key: str(value).strip() for key, value in query.items() if value not in (None, "")}
        newest = time.time() - self._knobs.ameise_search_lag_seconds
        found: list[dict[str, Any]] = []
        for id_ in self._candidates(texts):
            stored = self._store.get(self._world, "kunde", id_)
            if stored is not None and stored.created_at <= newest and _meets(stored.data, texts):
                found.append(stored.data)
        return found

    def _candidates(self, texts: dict[str, str]) -> list[str]:
        """Ids that may meet the query, found along one index."""
        for key in ("mail", "nachname", "vorname"):
            if key in texts:
                return self._store.find(self._world, "kunde", key, texts[key])
        words = texts.get("q", "").replace(",", " ").split()
        if not words:
            return []
        first = words[0]
        if first.isdigit():
            return [first]
        if "@" in first:
            return self._store.find(self._world, "kunde", "mail", first)
        ids = [
            id_
            for field in ("nachname", "vorname")
            for id_ in self._store.find_prefix(self._world, "kunde", field, first, limit=CANDIDATES)
        ]
        return list(dict.fromkeys(ids))

    def add_vertrag(self, given: dict[str, Any]) -> dict[str, Any]:
        """A new Vertrag of a Kunde of the hierarchy."""
        kunde = validation.text(given.get("Kunde"), "Kunde")
        if kunde is None or self._store.get(self._world, "kunde", kunde) is None:
            raise UserError("Der Kunde ist nicht bekannt.")
        vertrag: dict[str, Any] = {
            "Id": "",
            "Uri": "",
            "Kunde": kunde,
            "Vermittler": self._own(validation.text(given.get("Vermittler"), "Vermittler")),
            **vertraege.filled(vertraege.empty(), given),
        }
        with self._store.transaction():
            vertrag["Id"] = str(next_ids(self._store, "vertrag")[0])
            vertrag["Uri"] = f"vertraege/{vertrag['Id']}"
            self._store.put(self._world, "vertrag", vertrag["Id"], vertrag, parent=kunde)
        return vertrag

    def vertrag(self, id_: str) -> dict[str, Any]:
        """The Vertrag. Raises AmeiseError 404."""
        stored = self._store.get(self._world, "vertrag", id_)
        if stored is None:
            raise AmeiseError(404)
        return stored.data

    def change_vertrag(self, id_: str, given: dict[str, Any]) -> dict[str, Any]:
        """Change the given keys of a Vertrag. Raises UserError."""
        vertrag = vertraege.filled(self.vertrag(id_), given)
        if given.get("Vermittler"):
            vertrag["Vermittler"] = self._own(validation.text(given["Vermittler"], "Vermittler"))
        self._store.put(self._world, "vertrag", id_, vertrag, parent=vertrag["Kunde"])
        return vertrag

    def vertraege(self) -> list[dict[str, Any]]:
        """All Verträge of the hierarchy."""
        return [stored.data for stored in self._store.all(self._world, "vertrag")]

    def vertraege_of(self, kunde: str) -> list[dict[str, Any]]:
        """The Verträge of one Kunde."""
        self.kunde(kunde)
        return [stored.data for stored in self._store.children(self._world, "vertrag", kunde)]


def _part(kunde: dict[str, Any], list_name: str, part: str) -> dict[str, Any]:
    for item in kunde[list_name]:
        if item["Id"] == part:
            return item
    raise AmeiseError(404)


def _keep_one_standard(items: list[dict[str, Any]], changed: dict[str, Any]) -> None:
    """One standard per Typ: a new one takes it from the old."""
    if changed["Standard"]:
        for item in items:
            if item is not changed and item["Typ"] == changed["Typ"]:
                item["Standard"] = False


def _meets(kunde: dict[str, Any], texts: dict[str, str]) -> bool:
    person = kunde["Person"]
    mails = [item["Value"] for item in kunde["Kontaktdaten"] if item["Typ"] == "email"]
    for key, wanted in texts.items():
        folded = wanted.casefold()
        if key == "mail" and folded not in [mail.casefold() for mail in mails]:
            return False
        if key in ("vorname", "nachname", "geburtsdatum"):
            if (person[key.capitalize()] or "").casefold() != folded:
                return False
        elif key == "q":
            whole = " ".join([kunde["Id"], person["Nachname"], person["Vorname"] or "", *mails]).casefold()
            if not all(word in whole for word in folded.replace(",", " ").split()):
                return False
    return True
