"""Vermittler and Mitarbeiter: who belongs to which Hauptvermittler, and so sees which Kunden."""

import re
from dataclasses import dataclass
from typing import Any

from sandbox.state import Store

VERMITTLERNUMMER = re.compile(r"[A-Z0-9]{6}")
MITARBEITER_ID = re.compile(r"([A-Z0-9]{6})_\w{1,20}")
WORLD = "ameise"
CITIES = ("Hamburg", "Lübeck", "Dresden", "Köln", "Würzburg", "Kiel", "Görlitz", "Jena")


@dataclass(frozen=True, slots=True)
class Vermittler:
    """One broker number within the hierarchy of its Hauptvermittler."""

    id: str
    name: str
    hauptvermittler: str
    parent: str | None

    @property
    def world(self) -> str:
        """Where the hierarchy's Kunden and Verträge live in the store."""
        return f"ameise:{self.hauptvermittler}"

    def as_json(self) -> dict[str, Any]:
        """As REST shows it."""
        return {"Id": self.id, "Name": self.name, "Uebergeordnet": self.parent}


def vermittler(store: Store, id_: str) -> Vermittler | None:
    """The Vermittler of that number."""
    stored = store.get(WORLD, "vermittler", id_)
    return None if stored is None else Vermittler(id=id_, **stored.data)


def hierarchy(store: Store, hauptvermittler: str) -> list[Vermittler]:
    """The Hauptvermittler and the Untervermittler below it, by number."""
    return [
        found
        for id_ in store.find(WORLD, "vermittler", "hauptvermittler", hauptvermittler)
        if (found := vermittler(store, id_)) is not None
    ]


def found_hierarchy(store: Store, hauptvermittler: str) -> Vermittler:
    """The Hauptvermittler, founded now with two Untervermittler if it is new. Raises ValueError."""
    known = vermittler(store, hauptvermittler)
    if known is not None:
        return known
    if not VERMITTLERNUMMER.fullmatch(hauptvermittler):
        raise ValueError(f"a Vermittlernummer is 6 capital letters or digits, not {hauptvermittler!r}")
    with store.transaction():
        _found(store, hauptvermittler, f"Maklerhaus {hauptvermittler}", hauptvermittler, None)
        suffixes = [
            letter
            for letter in "ABCDEFGHJKLMNPQRSTUVWXYZ"
            if not vermittler(store, hauptvermittler[1:] + letter)
        ]
        for letter, city in zip(suffixes[:2], CITIES, strict=False):
            name = f"Maklerbüro {city}"
            _found(store, hauptvermittler[1:] + letter, name, hauptvermittler, hauptvermittler)
    founded = vermittler(store, hauptvermittler)
    assert founded is not None
    return founded


def _found(store: Store, id_: str, name: str, hauptvermittler: str, parent: str | None) -> None:
    data = {"name": name, "hauptvermittler": hauptvermittler, "parent": parent}
    store.put(WORLD, "vermittler", id_, data, index={"hauptvermittler": [hauptvermittler]})


def vermittler_of_mitarbeiter(store: Store, mitarbeiter: str) -> Vermittler:
    """The Vermittler that a Mitarbeiter (`DEMO01_1`) belongs to, founded if new. Raises ValueError."""
    match = MITARBEITER_ID.fullmatch(mitarbeiter)
    if match is None:
        raise ValueError(f"a Mitarbeiter-ID is a Vermittlernummer, _ and a suffix, not {mitarbeiter!r}")
    return vermittler(store, match[1]) or found_hierarchy(store, match[1])
