"""What sync leaves behind on both sides and in its own tables, so that two plays of the same work compare.

Ids and numbers that the outside systems give differ from play to play: each is replaced by what it names.
Moments are left out, and so is who held what.
"""

import json
import re
from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import psycopg
from outside import World
from psycopg.rows import dict_row

from sandbox.ameise.hierarchy import hierarchy
from sandbox.state import Store
from sandbox.zoho.orgs import org_named

MODULES = ("Contacts", "Accounts", "Vertraege")
_TOKEN = re.compile(r"[\w.]+")
_OWN = {"id", "Id", "Created_Time", "Modified_Time", "Created_By", "Modified_By", "Owner"}
"""Of one play only: ids by which nothing is referred to, moments, and users."""


@dataclass(frozen=True)
class EndState:
    """Sorted, one line for each thing. `created`: how often a Kunde was posted with success."""

    zoho: tuple[str, ...]
    ameise: tuple[str, ...]
    links: tuple[str, ...]
    parked: tuple[str, ...]
    created: int

    def difference(self, other: "EndState") -> list[str]:
        """In words; none if all is alike."""
        found: list[str] = []
        for part in ("zoho", "ameise", "links", "parked"):
            mine, theirs = Tally[str](getattr(self, part)), Tally[str](getattr(other, part))
            found += [f"{part}, only here: {line}" for line in (mine - theirs).elements()]
            found += [f"{part}, only there: {line}" for line in (theirs - mine).elements()]
        if self.created != other.created:
            found.append(f"{self.created} Kunden created here, {other.created} there")
        return found


async def end_state(store: Store, world: World, database: str) -> EndState:
    """`store` is where the stand-ins keep their state, `database` sync's as superuser."""
    ameise, org = f"ameise:{world.haupt}", org_named(store, world.org).world
    kunden, vertraege = ([o.data for o in store.all(ameise, kind)] for kind in ("kunde", "vertrag"))
    records = [(module, o.data | {"id": o.id}) for module in MODULES for o in store.all(org, module)]
    with psycopg.connect(database, row_factory=dict_row) as connection:
        links = connection.execute(
            "SELECT module, zoho_id, ameise_key, ameise_base, zoho_base, gone_in_zoho, asked, "
            "linked_at IS NOT NULL AS linked FROM link"
        ).fetchall()
        parked = connection.execute("SELECT direction, object, reason FROM work WHERE parked").fetchall()
    posted = await world.calls("POST", "/kunden")
    below = (own.id for own in hierarchy(store, world.haupt) if own.id != world.haupt)
    names = {id_: f"<Vermittler {n}>" for n, id_ in enumerate([world.haupt, *below])}
    names |= _of_ameise(kunden, vertraege)
    names |= _of_zoho(records, names)
    return EndState(
        zoho=_lines(names, records),
        ameise=_lines(names, [*kunden, *vertraege]),
        links=_lines(names, links),
        parked=_lines(names, parked),
        created=sum(call["path"].endswith("/kunden") and call["status"] < 300 for call in posted),
    )


def _of_ameise(kunden: Sequence[dict[str, Any]], vertraege: Sequence[dict[str, Any]]) -> dict[str, str]:
    names: dict[str, str] = {}
    for kunde in kunden:
        person = kunde["Person"]
        who = f"{person['Nachname']}, {person['Vorname']}, {person['Geburtsdatum']}"
        names[kunde["Id"]] = f"<{who}>"
        if kunde["Benutzername"]:
            names[kunde["Benutzername"]] = f"<user name of {who}>"
    return names | {v["Id"]: f"<Vertrag {v['Versicherungsscheinnummer']}>" for v in vertraege}


def _of_zoho(records: Sequence[tuple[str, dict[str, Any]]], names: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for module, record in records:
        number = record.get("Kundennummer") or record.get("Vertragsnummer")
        found[record["id"]] = f"<{module}: {names.get(number, number) if number else record.get('Email')}>"
    return found


def _lines(names: Mapping[str, str], things: Sequence[Any]) -> tuple[str, ...]:
    texts = (json.dumps(_without_own(thing), sort_keys=True, ensure_ascii=False) for thing in things)
    return tuple(sorted(_TOKEN.sub(lambda token: names.get(token[0], token[0]), text) for text in texts))


def _without_own(value: Any) -> Any:
    if isinstance(value, Mapping):
        of_it = cast(Mapping[str, Any], value)
        return {name: _without_own(part) for name, part in of_it.items() if name not in _OWN}
    if isinstance(value, list | tuple):
        return [_without_own(part) for part in cast(Sequence[Any], value)]
    return value
