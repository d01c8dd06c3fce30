"""What the stand-ins of Ameise and Zoho have in their books: as it is now, and all that it ever was."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.state import Store
from sandbox.zoho.orgs import org_named
from soak.judging import Seen, number_of


@dataclass(frozen=True)
class Books:
    """Of one Hauptvermittler and one organisation."""

    store: Store
    haupt: str
    org: str

    @property
    def ameise(self) -> str:
        return f"ameise:{self.haupt}"

    @property
    def zoho(self) -> str:
        return org_named(self.store, self.org).world

    def kunden_named(self, nachname: str) -> list[str]:
        return self.store.find(self.ameise, "kunde", "nachname", nachname)

    def kunden(self) -> list[str]:
        return self.store.ids(self.ameise, "kunde")

    def kunde(self, number: str) -> dict[str, Any]:
        return self._there("kunde", number)

    def vertraege(self) -> list[str]:
        return self.store.ids(self.ameise, "vertrag")

    def vertrag(self, number: str) -> dict[str, Any]:
        return self._there("vertrag", number)

    def vertraege_with(self, scheinnummer: str) -> list[str]:
        """The Verträge of a Versicherungsscheinnummer."""
        every = self.store.all(self.ameise, "vertrag")
        return [v.id for v in every if v.data["Versicherungsscheinnummer"] == scheinnummer]

    def records(self, module: str) -> list[dict[str, Any]]:
        return [stored.data | {"id": stored.id} for stored in self.store.all(self.zoho, module)]

    def records_with(self, module: str, field: str, value: str) -> list[str]:
        """The ids of the records that have this value in a unique field."""
        return self.store.find(self.zoho, module, field, value)

    def has_record(self, module: str, id_: str) -> bool:
        return self.store.get(self.zoho, module, id_) is not None

    def number_of_record(self, module: str, id_: str) -> str | None:
        """The Kundennummer that a record has, or had when it was deleted."""
        versions = self.versions(self.zoho, module, id_)
        return versions[-1][1].get("Kundennummer") if versions else None

    def versions(self, world: str, kind: str, id_: str) -> list[tuple[float, dict[str, Any]]]:
        """All that one object ever was."""
        rows = self.store.connection.execute(
            "SELECT at, data FROM versions WHERE world = ? AND kind = ? AND id = ? AND data IS NOT NULL "
            "ORDER BY at",
            (world, kind, id_),
        )
        return [(at, json.loads(text)) for at, text in rows]

    def ends(self, world: str, kind: str, id_: str) -> list[float]:
        """When one object was deleted."""
        found = self.store.connection.execute(
            "SELECT at FROM versions WHERE world = ? AND kind = ? AND id = ? AND data IS NULL",
            (world, kind, id_),
        )
        return [at for (at,) in found]

    def moments(self, world: str, kind: str) -> list[float]:
        """When anything of a kind was changed."""
        found = self.store.connection.execute(
            "SELECT at FROM versions WHERE world = ? AND kind = ?", (world, kind)
        )
        return [at for (at,) in found]

    def _there(self, kind: str, number: str) -> dict[str, Any]:
        found = self.store.get(self.ameise, kind, number)
        assert found is not None
        return found.data


def seen_values(versions: Sequence[tuple[float, str | None]]) -> list[Seen]:
    """The numbers that a field had, each once as long as it stayed."""
    seen: list[Seen] = []
    for at, value in versions:
        number = number_of(value)
        if not seen or seen[-1].number != number:
            seen.append(Seen(at, number))
    return seen
