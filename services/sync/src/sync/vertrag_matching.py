"""Is a Vertrag that was typed into Zoho one that its Kunde has already? Pure decisions on what was found.

The Versicherungsscheinnummer says so, however it is typed, unless Sparte or Gesellschaft speak against it. A
Vertrag without one, of the same Sparte and Beginn, may be the same: an Antrag that has become a Vertrag
meanwhile. A number that is the pipeline's default (`usual`: "beantragt") is none.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sync.keyed_hash import keyed_hash
from sync.matching import Candidate, Match
from sync.values import Known, canonical, canonical_date


def choose_vertrag(
    wanted: Mapping[str, Known], candidates: Iterable[Candidate], *, usual: str | None = None
) -> Match:
    """One that is surely the same → adopt it. Several, or unsure ones → ask. None → create."""
    of_kunde = list(candidates)
    same = [one for one in of_kunde if _same_number(wanted, one.fields, usual)]
    # An Antrag may have a word as its number ("beantragt"), and a Kunde may have several.
    if len(same) == 1 and all(agree(wanted, same[0].fields, n) for n in ("sparte_id", "gesellschaft_id")):
        return Match(adopt=same[0].key)
    possible = same or [one for one in of_kunde if _may_be(wanted, one.fields, usual)]
    return Match(ask_about=tuple(sorted(one.key for one in possible)))


def only_new_vertrag(posted: Collection[str], new: Iterable[Candidate], *, tenant: str) -> str | None:
    """The one that our own POST must have made, of those that were not there before it; None if unclear.
    `posted`: the match keys of the number that was posted, since the record may have another one by now."""
    alike = {
        one.key
        for one in new
        if match_key(one.fields.get("versicherungsscheinnummer"), tenant=tenant) in posted
    }
    return alike.pop() if len(alike) == 1 else None


def match_key(number: Any, *, tenant: str) -> str | None:
    """A hash of the Versicherungsscheinnummer."""
    plain = _plain(number)
    return keyed_hash(plain, tenant=tenant) if plain else None


def twin_key(wanted: Mapping[str, Known], *, usual: str | None, tenant: str) -> str:
    """What another record has too that may be of the same Vertrag: its number; without one, Sparte and
    Beginn."""
    if number := _number(wanted, usual):
        return keyed_hash(number, tenant=tenant)
    sparte, beginn = canonical(wanted.get("sparte_id")), canonical_date(wanted.get("beginn"))
    return keyed_hash(f"{sparte}\x1f{beginn}", tenant=tenant)


def _same_number(wanted: Mapping[str, Known], found: Mapping[str, Any], usual: str | None) -> bool:
    number = _number(wanted, usual)
    return bool(number) and number == _number(found, usual)


def _may_be(wanted: Mapping[str, Known], found: Mapping[str, Any], usual: str | None) -> bool:
    if _number(found, usual):
        return False
    same_day = canonical_date(found.get("beginn")) == canonical_date(wanted.get("beginn"))
    return same_day and agree(wanted, found, "sparte_id")


def agree(wanted: Mapping[str, Known], found: Mapping[str, Any], name: str) -> bool:
    """Whether nothing says that the two differ in this field."""
    one, other = canonical(wanted.get(name)), canonical(found.get(name))
    return one is None or other is None or one == other


def _number(fields: Mapping[str, Any], usual: str | None) -> str:
    """Blank if it has none."""
    number = _plain(fields.get("versicherungsscheinnummer"))
    return "" if number == _plain(usual) else number


def _plain(number: Any) -> str:
    """Without case, blanks and the signs that group digits: `KV-12 34/5` is `kv12345`."""
    text = str(number or "").casefold().strip()
    return "".join(letter for letter in text if letter.isalnum()) or text
