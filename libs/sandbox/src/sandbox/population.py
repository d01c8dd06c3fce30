"""Fills a Hauptvermittler's Ameise with invented Kunden, and lives a day in it."""

import asyncio
import time
from dataclasses import dataclass, field
from itertools import islice
from random import Random
from typing import Any

from sandbox.ameise.book import kunde_index, next_ids
from sandbox.ameise.hierarchy import Vermittler, found_hierarchy, hierarchy
from sandbox.generator import Generator, Numbers
from sandbox.state import Store

CHUNK = 250
"""Objects written between two looks at the network."""


@dataclass(slots=True)
class Day:
    """What a day changed. Field names are those of DailyUp."""

    new: list[str] = field(default_factory=list)
    changed: list[dict[str, Any]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    gone_vertraege: list[str] = field(default_factory=list)


def _numbers(store: Store, kunden: int, vertraege: int) -> Numbers:
    per_kunde = Numbers.KONTAKTDATEN_PER_KUNDE
    return Numbers(
        kunden=next_ids(store, "kunde", kunden),
        adressen=next_ids(store, "adresse", kunden),
        kontaktdaten=next_ids(store, "kontaktdatum", kunden * per_kunde),
        vertraege=next_ids(store, "vertrag", vertraege),
    )


async def _write_kunden(store: Store, world: str, kunden: list[dict[str, Any]], at: float) -> None:
    rest = iter(kunden)
    while chunk := list(islice(rest, CHUNK)):
        with store.transaction():
            for kunde in chunk:
                store.put(world, "kunde", kunde["Id"], kunde, index=kunde_index(kunde), at=at)
        await asyncio.sleep(0)


async def seed(
    store: Store, hauptvermittler: str, *, kunden: int, vertraege: int, seed_: int, at: float
) -> dict[str, Any]:
    """Add Kunden and Verträge as of the moment `at`. Raises ValueError for an impossible Vermittlernummer."""
    haupt = found_hierarchy(store, hauptvermittler)
    numbers = _numbers(store, kunden, vertraege if kunden else 0)
    below = [own.id for own in hierarchy(store, haupt.id) if own.id != haupt.id]

    def generate() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        generator = Generator(seed_, [haupt.id, *below])
        people = list(generator.kunden(numbers))
        owners = [(kunde["Id"], kunde["Vermittler"]) for kunde in people]
        return people, list(generator.vertraege(numbers, owners))

    people, contracts = await asyncio.to_thread(generate)
    await _write_kunden(store, haupt.world, people, at)
    rest = iter(contracts)
    while chunk := list(islice(rest, CHUNK)):
        with store.transaction():
            for vertrag in chunk:
                store.put(haupt.world, "vertrag", vertrag["Id"], vertrag, parent=vertrag["Kunde"], at=at)
        await asyncio.sleep(0)
    return {"kunden": len(people), "vertraege": len(contracts), "vermittler": [haupt.id, *below]}


async def live_a_day(
    store: Store, haupt: Vermittler, *, new: int, changed: int, gone: int, seed_: int
) -> Day:
    """Kunden come, change visibly in the delivery, and go with their Verträge."""
    draw = Random(seed_)  # noqa: S311  # invented people, not keys
    day, at = Day(), time.time()
    ids = store.ids(haupt.world, "kunde")
    chosen = draw.sample(ids, min(len(ids), changed + gone))
    numbers = _numbers(store, new, 0)
    below = [own.id for own in hierarchy(store, haupt.id) if own.id != haupt.id]
    generator = await asyncio.to_thread(Generator, seed_, [haupt.id, *below])
    people = list(generator.kunden(numbers))
    await _write_kunden(store, haupt.world, people, at)
    day.new = [kunde["Id"] for kunde in people]
    with store.transaction():
        for id_ in chosen[gone:]:
            stored = store.get(haupt.world, "kunde", id_)
            if stored is not None:
                fields = _change(stored.data, draw, generator)
                store.put(haupt.world, "kunde", id_, stored.data, index=kunde_index(stored.data), at=at)
                day.changed.append({"id": id_, "fields": fields})
        for id_ in chosen[:gone]:
            for vertrag in store.children(haupt.world, "vertrag", id_):
                store.remove(haupt.world, "vertrag", vertrag.id, at=at)
                day.gone_vertraege.append(vertrag.id)
            store.remove(haupt.world, "kunde", id_, at=at)
            day.gone.append(id_)
    return day


def _change(kunde: dict[str, Any], draw: Random, generator: Generator) -> list[str]:
    """Change one thing of a Kunde; the names of the DailyUp columns that differ now."""
    person, kontaktdaten = kunde["Person"], kunde["Kontaktdaten"]
    kind = draw.choice(("name", "beruf", "umzug", "kontakt"))
    if kind == "umzug" and kunde["Adressen"]:
        return _move(kunde["Adressen"][0], generator.adresse())
    if kind == "kontakt" and kontaktdaten:
        item = draw.choice(kontaktdaten)
        old = item["Value"]
        if item["Typ"] == "email":
            item["Value"] = f"neu.{old}"
        elif item["Typ"] == "website":
            item["Value"] = f"{old}/neu"
        else:
            item["Value"] = f"{old}{draw.randrange(10)}"
        return ["kundenkommunikation.wert"]
    if kind == "name" and person["Anrede"] not in ("3",):
        person["Nachname"] = f"{person['Nachname']}-{draw.choice(('Schäfer', 'Groß', 'Lindner', 'Öztürk'))}"
        return ["nachname"]
    beruf = draw.choice(
        [job for job in ("Ärztin", "Tischler", "Steuerberater", "Rentner") if job != person["Beruf"]]
    )
    person["Beruf"] = beruf
    return ["beruf"]


def _move(adresse: dict[str, Any], new: dict[str, Any]) -> list[str]:
    columns = {"Strasse": "strasse", "Postleitzahl": "plz", "Ort": "ort"}
    if new["Strasse"] == adresse["Strasse"]:
        new["Strasse"] += "a"
    fields = [column for name, column in columns.items() if adresse[name] != new[name]]
    adresse.update({name: new[name] for name in columns})
    return fields
