"""What became of every edit, number by number. Pure.

Each edit writes a value that carries a number of its own; numbers grow with time, on both sides alike. So
the values that a field had say which edits it saw, and a number that falls says that an older value won.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

_OURS = re.compile(r"(?:beruf|titel|ort|030|\+49 30) (\d+)")


def number_of(value: str | None) -> int:
    """The number that a value carries, 0 for none; a phone number may be as Ameise normalises it.

    >>> number_of("ort 17"), number_of("+49 30 17"), number_of("Hamburg"), number_of(None)
    (17, 17, 0, 0)
    """
    found = _OURS.fullmatch(value or "")
    return int(found[1]) if found else 0


AMEISE = "ameise"


class Fate(StrEnum):
    """What became of an edit."""

    APPLIED = "applied"
    """Both sides show it."""
    SUPERSEDED = "superseded"
    """Both sides show a later one."""
    OVERRULED = "overruled"
    """An earlier one won, and an event says so: the policy decided a conflict."""
    PARKED = "parked"
    """A person is asked about its record."""
    OVERLAPPED = "overlapped"
    """It was made between sync's reading and writing of that very field, where the outside system offers no
    condition that would tell (Ameise none at all, Zoho by whole seconds): the limit that
    docs/architecture.md names."""
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Edit:
    """Somebody changed a field of a person. `field` is Ameise's name, `place` the Zoho id of the record that
    was changed, or AMEISE."""

    number: int
    person: int
    field: str
    place: str

    @property
    def about(self) -> tuple[int, str, str]:
        """Whose story it belongs to."""
        return self.person, self.field, self.place


@dataclass(frozen=True, slots=True)
class Seen:
    """One value that a field had on one side, since when (Unix seconds)."""

    at: float
    number: int


@dataclass(frozen=True, slots=True)
class FieldStory:
    """All that is known of one field of one person at the end.

    `reads`: spans (read, written) of sync in which a change of that side could not be noticed.
    """

    ameise: Sequence[Seen]
    zoho: Sequence[Seen]
    told_as_conflict: bool
    parked: bool
    blind_in_ameise: Sequence[tuple[float, float]] = ()
    blind_in_zoho: Sequence[tuple[float, float]] = ()

    def shown(self) -> tuple[int, int]:
        """(in Ameise, in Zoho) now."""
        return (self.ameise[-1].number if self.ameise else 0, self.zoho[-1].number if self.zoho else 0)


@dataclass(slots=True)
class Judgement:
    """The fates of all edits, and what else is wrong, in words."""

    fates: Counter[Fate] = field(default_factory=Counter[Fate])
    wrong: list[str] = field(default_factory=list[str])


def judge(edits: Sequence[Edit], stories: Mapping[tuple[int, str, str], FieldStory]) -> Judgement:
    """Judge all edits; `stories` by what they are about."""
    result = Judgement()
    for edit in edits:
        fate = fate_of(edit, stories[edit.about])
        result.fates[fate] += 1
        if fate is Fate.LOST:
            result.wrong.append(f"{edit} is lost: {stories[edit.about]}")
    for (person, name, _), story in stories.items():
        in_ameise, in_zoho = story.shown()
        if in_ameise != in_zoho and not story.parked:
            result.wrong.append(f"person {person}, {name}: {in_ameise} in Ameise, {in_zoho} in Zoho")
        for side, seen, blind in (
            ("Ameise", story.ameise, story.blind_in_ameise),
            ("Zoho", story.zoho, story.blind_in_zoho),
        ):
            for older in taken_back(seen, blind):
                if not story.told_as_conflict:
                    result.wrong.append(f"person {person}, {name}: {side} went back to {older.number}")
    return result


def fate_of(edit: Edit, story: FieldStory) -> Fate:
    """What became of one edit."""
    in_ameise, in_zoho = story.shown()
    if story.parked:
        return Fate.PARKED
    if in_ameise == in_zoho == edit.number:
        return Fate.APPLIED
    if min(in_ameise, in_zoho) > edit.number:
        return Fate.SUPERSEDED
    if story.told_as_conflict:
        return Fate.OVERRULED
    seen, blind = (
        (story.ameise, story.blind_in_ameise) if edit.place == AMEISE else (story.zoho, story.blind_in_zoho)
    )
    made = next((s.at for s in seen if s.number == edit.number), None)
    if made is not None and any(read <= made <= written for read, written in blind):
        return Fate.OVERLAPPED
    return Fate.LOST


def taken_back(seen: Sequence[Seen], blind: Sequence[tuple[float, float]]) -> list[Seen]:
    """The values that took the place of a later one, but for those where that one could not be noticed."""
    return [
        after
        for before, after in pairwise(seen)
        if after.number < before.number and not any(read <= before.at <= written for read, written in blind)
    ]
