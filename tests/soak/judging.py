"""What became of every edit, number by number. Pure.

Each edit writes a value that carries a number of its own; numbers grow with time, on both sides alike. So
the values that a field had say which edits it saw, and a number that falls says that an older value won.
Whatever excuses an edit that did not get through must be about that very edit: a conflict told before it was
made, or work parked in the other direction, excuses nothing.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

_OURS = re.compile(r"(?:beruf|titel|ort|risiko|030|\+49 30) (\d{1,4})")
"""Telephone numbers of invented people are longer."""


def number_of(value: str | None) -> int:
    """The number that a value carries, 0 for none; a phone number may be as Ameise normalises it.

    >>> number_of("ort 17"), number_of("+49 30 17"), number_of("030 9552586"), number_of(None)
    (17, 17, 0, 0)
    """
    found = _OURS.fullmatch(value or "")
    return int(found[1]) if found else 0


AMEISE, ZOHO, ASK = "ameise", "zoho", "ask"
About = tuple[str, str, str]
"""Whose, which field, and where it was changed: edits about the same share a story."""


class Fate(StrEnum):
    """What became of an edit."""

    APPLIED = "applied"
    """Both sides show it."""
    SUPERSEDED = "superseded"
    """Both sides show a later one."""
    OVERRULED = "overruled"
    """The other side's value won, as the field's policy says, and an event told since says so."""
    PARKED = "parked"
    """A person is asked about its record, in the direction in which it would go."""
    DELETED = "deleted"
    """Somebody deleted its record in Zoho, and an event says so."""
    VANISHED = "vanished"
    """It was made in Ameise, or got there, and the deliveries stopped showing its Kunde; an event says so."""
    RENUMBERED = "renumbered"
    """Somebody merged records in Zoho so that one holds the other's number: whose edits these are, no machine
    can know."""
    OVERLAPPED = "overlapped"
    """It was made between sync's reading and writing of that very field, where the outside system offers no
    condition that would tell (Ameise none at all, Zoho by whole seconds): the limit that
    docs/architecture.md names."""
    REMOVED = "removed"
    """We deleted its record in Zoho, as told, since the deliveries stopped showing its Kunde; what was edited
    in Zoho had got to Ameise by then, or was edited between our look at the record and our deleting it, which
    knows no condition."""
    DECIDED = "decided"
    """A person who was shown it, or a later one of its side, decided for the other side."""
    EXCLUDED = "excluded"
    """The rule leaves the Kunde out, or his record, and this side does not travel to the other meanwhile."""
    ASKED = "asked"
    """Both sides differ, both stay, and a person is asked about the field."""
    LOST = "lost"


DELETING_LASTS = 1.0
"""Seconds from our look at a record to the end of its deletion, on a machine that has much else to do."""

EXCUSED = frozenset({
    Fate.PARKED, Fate.DELETED, Fate.VANISHED, Fate.RENUMBERED, Fate.REMOVED, Fate.ASKED, Fate.EXCLUDED,
})  # fmt: skip
"""Fates with which the two sides may show different values."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Somebody changed a field of a person or a Vertrag (`whose`). `field` is Ameise's name, `place` the Zoho
    id of the record that was changed, or AMEISE."""

    number: int
    whose: str
    field: str
    place: str

    @property
    def about(self) -> About:
        """Whose story it belongs to."""
        return self.whose, self.field, self.place


@dataclass(frozen=True, slots=True)
class Seen:
    """One value that a field had on one side, since when (Unix seconds)."""

    at: float
    number: int


@dataclass(frozen=True, slots=True)
class Blind:
    """A change of that side from `read` to `until` could not be noticed by the write that took effect
    between `began` and `ended`. Unix seconds."""

    read: float
    until: float
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Overruling:
    """A person decided against a side, being shown the value that carries this number."""

    side: str
    number: int


@dataclass(frozen=True, slots=True)
class FieldStory:
    """All that is known of one field of one person, or Vertrag, at the end. `conflicts`: when they were told.
    `policy`: who wins one, AMEISE, ZOHO or ASK; `asked`: a person is, and has not answered; `decided`: what
    he answered. `left_out`: the Kunde by the pipeline's rule, `record_left_out`: his record by its rule.
    `deletions`: when we deleted its record."""

    ameise: Sequence[Seen] = ()
    zoho: Sequence[Seen] = ()
    conflicts: Sequence[float] = ()
    policy: str = AMEISE
    asked: bool = False
    decided: Sequence[Overruling] = ()
    left_out: bool = False
    record_left_out: bool = False
    parked_to_ameise: bool = False
    parked_to_zoho: bool = False
    deleted: bool = False
    vanished: bool = False
    removed: bool = False
    deletions: Sequence[float] = ()
    renumbered: bool = False
    blind_in_ameise: Sequence[Blind] = ()
    blind_in_zoho: Sequence[Blind] = ()

    def shown(self) -> tuple[int, int]:
        """(in Ameise, in Zoho) now."""
        return (self.ameise[-1].number if self.ameise else 0, self.zoho[-1].number if self.zoho else 0)


@dataclass(slots=True)
class Judgement:
    """The fates of all edits, and what else is wrong, in words."""

    fates: Counter[Fate] = field(default_factory=Counter[Fate])
    wrong: list[str] = field(default_factory=list[str])


def judge(edits: Sequence[Edit], stories: Mapping[About, FieldStory]) -> Judgement:
    """Judge all edits; `stories` by what they are about."""
    result = Judgement()
    excused: set[About] = set()
    explained: set[tuple[str, str, tuple[int, int]]] = set()
    for edit in edits:
        fate = fate_of(edit, stories[edit.about])
        result.fates[fate] += 1
        if fate is Fate.LOST:
            result.wrong.append(f"{edit} is lost: {stories[edit.about]}")
        if fate in EXCUSED:
            excused.add(edit.about)
            explained.add((edit.whose, edit.field, stories[edit.about].shown()))
    for about, story in stories.items():
        whose, name, _ = about
        in_ameise, in_zoho = story.shown()
        # Ameise's side is that of all its records; what differs may be the edit made on the other side.
        is_excused = not excused.isdisjoint({about, (whose, name, AMEISE)})
        if in_ameise != in_zoho and not is_excused and (whose, name, story.shown()) not in explained:
            result.wrong.append(f"{whose}, {name}: {in_ameise} in Ameise, {in_zoho} in Zoho")
        for older in _wrongly_taken_back(story):
            result.wrong.append(f"{whose}, {name} went back to {older}: {story}")
    return result


def fate_of(edit: Edit, story: FieldStory) -> Fate:
    """What became of one edit: what it came to, else what excuses it."""
    in_ameise, in_zoho = story.shown()
    if in_ameise == in_zoho == edit.number:
        return Fate.APPLIED
    if min(in_ameise, in_zoho) > edit.number:
        return Fate.SUPERSEDED
    by_ameise = edit.place == AMEISE
    got_to_ameise = any(seen.number == edit.number for seen in story.ameise)
    mine, policy_of_other = (in_ameise, ZOHO) if by_ameise else (in_zoho, AMEISE)
    excuses = {
        Fate.RENUMBERED: story.renumbered,
        Fate.DELETED: story.deleted,
        Fate.VANISHED: story.vanished and got_to_ameise,
        Fate.REMOVED: story.removed and (in_ameise >= edit.number or _unseen_by_deletion(edit, story)),
        Fate.DECIDED: _is_decided(edit.number, AMEISE if by_ameise else ZOHO, story),
        Fate.EXCLUDED: (
            (story.left_out and in_ameise >= edit.number)
            or (story.record_left_out and in_zoho >= edit.number)
        ),
        Fate.ASKED: story.asked and mine >= edit.number,
        Fate.OVERRULED: story.policy == policy_of_other and _told_since(edit, story),
        Fate.OVERLAPPED: (
            _overlapped(edit, story.ameise, story.blind_in_ameise)
            if by_ameise
            else _overlapped(edit, story.zoho, story.blind_in_zoho)
        ),
        Fate.PARKED: story.parked_to_zoho if by_ameise else story.parked_to_ameise,
    }
    return next((fate for fate, holds in excuses.items() if holds), Fate.LOST)


def _is_decided(number: int, side: str, story: FieldStory) -> bool:
    return any(one.side == side and one.number >= number for one in story.decided)


def _unseen_by_deletion(edit: Edit, story: FieldStory) -> bool:
    made = [seen.at for seen in story.zoho if seen.number == edit.number]
    return any(end - DELETING_LASTS <= at <= end for at in made for end in story.deletions)


def _told_since(edit: Edit, story: FieldStory) -> bool:
    seen = story.ameise if edit.place == AMEISE else story.zoho
    made = next((one.at for one in seen if one.number == edit.number), None)
    return made is not None and any(told >= made for told in story.conflicts)


def _overlapped(edit: Edit, seen: Sequence[Seen], blind: Sequence[Blind]) -> bool:
    return any(
        before.number == edit.number and _unnoticed(before, after, blind) for before, after in pairwise(seen)
    )


def _unnoticed(before: Seen, after: Seen, blind: Sequence[Blind]) -> bool:
    """Whether the write that put `after` in the place of `before` could not know of it."""
    return any(b.read <= before.at <= b.until and b.began <= after.at <= b.ended for b in blind)


def _wrongly_taken_back(story: FieldStory) -> list[str]:
    """Values that took the place of a later one without a word: on the side that wins, none may."""
    wrong: list[str] = []
    sides = {AMEISE: (story.ameise, story.blind_in_ameise), ZOHO: (story.zoho, story.blind_in_zoho)}
    for side, (seen, blind) in sides.items():
        may_lose = story.policy in {AMEISE, ZOHO} - {side}
        for newer, older in taken_back(seen, blind):
            told = may_lose and any(told >= newer.at for told in story.conflicts)
            if not told and not _is_decided(newer.number, side, story):
                wrong.append(f"{older} in {side.capitalize()}")
    return [] if story.renumbered else wrong


def taken_back(seen: Sequence[Seen], blind: Sequence[Blind]) -> list[tuple[Seen, Seen]]:
    """(later, earlier) wherever an earlier value took a later one's place, but for where that one could not
    be noticed."""
    return [
        (before, after)
        for before, after in pairwise(seen)
        if after.number < before.number and not _unnoticed(before, after, blind)
    ]
