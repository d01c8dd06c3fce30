"""Whether the fields that a definition names are there, in Ameise and in Zoho. Pure.

A name that is mistyped would be unknown in every object: a rule over it would park them all.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from contracts.names import System
from sync.mapping import sources_of
from sync.pipelines import Definition
from sync.rules import fields_of

KEY = "key"
"""Names an object's key in a mapping; in a rule there is no such field."""
_NAMED = 3
_SIMILAR = 0.5
"""Of 1; `anrde` and `anrede_id` have 0.71, `plzz` and `plz` 0.86."""


@dataclass(frozen=True, slots=True)
class FieldsThere:
    """The fields that there are. None: nobody says, so nothing is held against a name.

    `accepted`: fields of Zoho that nobody typed just now; should they not be there, `drift` tells of them.
    `mapped`: fields of Ameise that were mapped before; one that is not there is unknown in every object, and
    harms nobody but in a rule. `ruled`: those in a rule that stays as it was, which `work_parked` tells of.
    """

    ameise: frozenset[str] | None = None
    zoho: frozenset[str] | None = None
    accepted: frozenset[str] = frozenset()
    mapped: frozenset[str] = frozenset()
    ruled: frozenset[str] = frozenset()

    @property
    def unchecked(self) -> tuple[System, ...]:
        """Who does not say."""
        said = {System.AMEISE: self.ameise, System.ZOHO: self.zoho}
        return tuple(system for system, fields in said.items() if fields is None)

    def lacks_in_ameise(self, name: str) -> bool:
        return self.ameise is not None and name not in self.ameise

    def lacks_in_zoho(self, name: str) -> bool:
        return self.zoho is not None and name not in self.zoho and name not in self.accepted


NOBODY_SAYS = FieldsThere()


def unknown_names(definition: Definition, there: FieldsThere) -> Iterable[str]:
    """Each name that stands for nothing, with where it stands and the names that it may have meant."""
    for mapping in definition.fields:
        for name in sources_of(mapping) if mapping.detail is None else ():
            if name != KEY and name not in there.mapped and there.lacks_in_ameise(name):
                yield f"{mapping.ameise}: {_unknown(name, 'Ameise', there.ameise)}"
        if there.lacks_in_zoho(mapping.zoho):
            yield f"{mapping.ameise}: {_unknown(mapping.zoho, 'Zoho', there.zoho)}"
    for name in dict.fromkeys(fields_of(definition.ameise_rule)):
        if name not in there.ruled and there.lacks_in_ameise(name):
            yield f"Regel für Objekte aus Ameise: {_unknown(name, 'Ameise', there.ameise)}"
    for name in dict.fromkeys(fields_of(definition.zoho_rule)):
        if there.lacks_in_zoho(name):
            yield f"Regel für Zoho-Datensätze: {_unknown(name, 'Zoho', there.zoho)}"
    if definition.vanished and there.lacks_in_zoho(definition.vanished.field):
        yield f"Markierung des Entfallenen: {_unknown(definition.vanished.field, 'Zoho', there.zoho)}"


def _unknown(name: str, system: str, known: Collection[str] | None) -> str:
    return f"ein Feld {name} gibt es in {system} nicht{near(name, known or ())}"


def near(name: str, known: Collection[str]) -> str:
    """`", ähnlich: plz, ort"`; blank if no name is near. By the letters alone, not their case."""
    by_letters = {one.casefold(): one for one in sorted(known)}
    found = get_close_matches(name.casefold(), by_letters, n=_NAMED, cutoff=_SIMILAR)
    return f", ähnlich: {', '.join(by_letters[one] for one in found)}" if found else ""
