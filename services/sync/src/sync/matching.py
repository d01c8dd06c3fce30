"""Is somebody who was typed into Zoho already a Kunde? Pure decisions on what was found.

Families share e-mail addresses and people share names, so no single value decides: the same name and
birth date do, or the same name and e-mail with nothing against it. How much each counts is the pipeline's
own setting.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from contracts.rpc.pipeline_switches import MatchWeights
from sync.keyed_hash import keyed_hash
from sync.values import Known

USUAL = MatchWeights()
TELLS_WHO = ("vorname", "nachname", "geburtsdatum", "email")
"""By these somebody is recognised."""


class Likeness(StrEnum):
    SAME = "same"
    POSSIBLE = "possible"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A Kunde or Vertrag that Ameise has, as flat fields."""

    key: str
    fields: Mapping[str, Any]


def likeness(
    wanted: Mapping[str, Known], found: Mapping[str, Known], weights: MatchWeights = USUAL
) -> Likeness:
    """How likely two sets of flat fields are the same person.

    >>> anna = {"vorname": "Anna", "nachname": "Groß", "geburtsdatum": "1980-01-02"}
    >>> likeness(anna, anna | {"vorname": "ANNA", "nachname": "Gross"}).value
    'same'
    """
    if not same_name(wanted, found):
        return Likeness.DIFFERENT
    points = weights.name
    born, their_born = wanted.get("geburtsdatum"), found.get("geburtsdatum")
    if born and their_born:
        points += weights.birth_date if born == their_born else weights.other_birth_date
    mail, their_mail = _folded(wanted.get("email")), _folded(found.get("email"))
    if mail and mail == their_mail:
        points += weights.email
    if points >= weights.sure:
        return Likeness.SAME
    return Likeness.POSSIBLE if points >= weights.possible else Likeness.DIFFERENT


def same_name(one: Mapping[str, Known], other: Mapping[str, Known]) -> bool:
    """Whether two have the same name, however it is typed."""
    return not _names(one).isdisjoint(_names(other))


@dataclass(frozen=True, slots=True)
class Match:
    """What follows from the candidates: adopt one, ask a person, or nobody is like it."""

    adopt: str | None = None
    ask_about: tuple[str, ...] = ()


def choose_match(
    wanted: Mapping[str, Known], candidates: Iterable[Candidate], weights: MatchWeights = USUAL
) -> Match:
    """One that is surely the same → adopt it. Several, or unsure ones → ask. None → create."""
    same: set[str] = set()
    possible: set[str] = set()
    for candidate in candidates:
        match likeness(wanted, candidate.fields, weights):
            case Likeness.SAME:
                same.add(candidate.key)
            case Likeness.POSSIBLE:
                possible.add(candidate.key)
            case Likeness.DIFFERENT:
                pass
    if len(same) == 1:
        return Match(adopt=same.pop())
    return Match(ask_about=tuple(sorted(same | possible)))


def only_new_one(wanted: Mapping[str, Known], new: Iterable[Candidate]) -> str | None:
    """The one that our own POST must have made, of those who were not there before it; None if unclear.

    Less is asked of him than of a stranger: he came into being while we waited for his name.
    """
    alike = {c.key for c in new if likeness(wanted, c.fields) is not Likeness.DIFFERENT}
    return alike.pop() if len(alike) == 1 else None


def match_keys(wanted: Mapping[str, Known], *, tenant: str) -> list[str]:
    """What an Erstanlage is kept under, for others to be compared with by `twin_keys`."""
    born = wanted.get("geburtsdatum") or _UNKNOWN
    return _keys(wanted, tenant, ("name+geburtsdatum", born), ("name", _UNKNOWN))


def twin_keys(wanted: Mapping[str, Known], *, tenant: str) -> list[str]:
    """What another Erstanlage has one of, if it may be of the same person: one name, and one e-mail or no
    two birth dates that differ. So little is enough, since Ameise's search may not find that one yet."""
    if born := wanted.get("geburtsdatum"):
        return _keys(wanted, tenant, ("name+geburtsdatum", born), ("name+geburtsdatum", _UNKNOWN))
    return _keys(wanted, tenant, ("name", _UNKNOWN))


def sure_keys(wanted: Mapping[str, Known], *, tenant: str) -> list[str]:
    """Which of `match_keys` say that two are the same person: one name, and one birth date or e-mail."""
    born = wanted.get("geburtsdatum")
    return _keys(wanted, tenant, *([("name+geburtsdatum", born)] if born else []))


_UNKNOWN = "unknown"


def _keys(wanted: Mapping[str, Known], tenant: str, *about: tuple[str, Known]) -> list[str]:
    mail = _folded(wanted.get("email"))
    return [
        keyed_hash("\x1f".join(map(str, (kind, *name, value))), tenant=tenant)
        for name in sorted(_names(wanted))
        for kind, value in (*about, *([("name+email", mail)] if mail else []))
    ]


def _names(fields: Mapping[str, Known]) -> set[tuple[str, str]]:
    """The name in the ways it may be typed: "Müller" as "Muller", and as "Mueller"."""
    vorname, nachname = str(fields.get("vorname") or ""), str(fields.get("nachname") or "")
    return {
        (_folded(vorname), _folded(nachname)),
        (_folded(vorname.casefold().translate(_UMLAUTS)), _folded(nachname.casefold().translate(_UMLAUTS))),
    }


_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})


def _folded(value: Known) -> str:
    """Without case, accents and inner blanks: "Groß", "GROSS" and "gross " are alike."""
    text = unicodedata.normalize("NFKD", str(value or "").casefold())
    return "".join(c for c in text if not unicodedata.combining(c) and not c.isspace())
