"""Which entry of a list of Ameise is which value of a picklist, or which user, of Zoho, by texts. Pure."""

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from contracts.names import Table

NO_VALUE = "-None-"
"""Zoho's way to say that a picklist is empty: no value."""


@dataclass(frozen=True, slots=True)
class ListField:
    """A field of a Kunde or Vertrag that holds an entry of a list: its key, or its text (`by_text`), which
    the list keeps in `column`."""

    table: Table
    by_text: bool
    column: str = "text"


LIST_FIELDS: Mapping[str, ListField] = {
    **{
        f"{table}{ending}": ListField(table, by_text=not ending)
        for table in (
            Table.ANREDE, Table.RECHTSFORM, Table.LAND, Table.SPARTE, Table.GESELLSCHAFT, Table.STATUS,
            Table.ZAHLWEISE,
        )
        for ending in ("_id", "")
    },
    "vermittler_id": ListField(Table.VERMITTLER, by_text=False, column="name"),
    "vermittler": ListField(Table.VERMITTLER, by_text=True, column="name"),
}  # fmt: skip
"""By the field's name in a composed object."""


@dataclass(frozen=True, slots=True)
class PickValue:
    """A value of a picklist, or a user: what records carry, and what people see."""

    actual: str
    display: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`values`: what the mapping should hold. `unmatched`: entries, `unused`: actual values left over."""

    values: Mapping[str, str]
    unmatched: Sequence[str]
    unused: Sequence[str]


def suggest(
    entries: Mapping[str, str], picklist: Sequence[PickValue], mapped: Mapping[str, str]
) -> Suggestion:
    """Match entries (value → text) with a picklist; what is `mapped` already stays, if both sides know it.

    Texts that differ in case and spaces alone are equal, unless two values of Zoho would be meant.
    """
    known = [value for value in picklist if value.actual and value.actual != NO_VALUE]
    actual = {value.actual for value in known}
    found = [_unambiguous(known, form) for form in (str, _plain)]
    values: dict[str, str] = {}
    for entry, text in entries.items():
        if mapped.get(entry) in actual:
            values[entry] = mapped[entry]
        elif match := found[0].get(text) or found[1].get(_plain(text)):
            values[entry] = match
    used = set(values.values())
    return Suggestion(
        values=values,
        unmatched=[entry for entry in entries if entry not in values],
        unused=list(dict.fromkeys(value.actual for value in known if value.actual not in used)),
    )


def _unambiguous(picklist: Iterable[PickValue], form: Callable[[str], str]) -> dict[str, str]:
    """Text in this form → the one actual value that is so, or is shown so."""
    meant: dict[str, set[str]] = {}
    for value in picklist:
        for text in {form(value.actual), form(value.display)}:
            meant.setdefault(text, set()).add(value.actual)
    return {text: actual.copy().pop() for text, actual in meant.items() if text and len(actual) == 1}


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
