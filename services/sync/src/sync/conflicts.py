"""Fields that both sides changed: told once, and asked once where a person must decide. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NotRequired, TypedDict

from contracts.rpc.pipeline_definition import FieldMapping, Policy, Way
from sync.keyed_hash import keyed_hash
from sync.merge import Asked, Decisions, Finding, Merged
from sync.values import UNKNOWN, Fields, Known


class Question(TypedDict):
    """As it is stored: both values when it was asked, since when, and what was decided if it was.
    `readable`: whether Ameise showed the field at the last look at it; it does where nothing is said."""

    ameise: Known
    zoho: Known
    since: str
    decision: str | None
    readable: NotRequired[bool]


Questions = Mapping[str, Question]
"""By Ameise's name of the field."""


def decisions_of(questions: Questions) -> Decisions:
    return {
        name: Asked(
            question["ameise"],
            question["zoho"],
            Policy(question["decision"]) if question["decision"] else None,
        )
        for name, question in questions.items()
    }


def decided_after(mappings: Iterable[FieldMapping], questions: Questions, as_of: datetime) -> set[str]:
    """Ameise's names of the fields that a person has decided, over values that are younger than `as_of`."""
    return {
        m.ameise
        for m in mappings
        if m.way is Way.BOTH
        and (question := questions.get(m.ameise))
        and question["decision"]
        and datetime.fromisoformat(question["since"]) >= as_of
    }


def unreadable(
    mappings: Iterable[FieldMapping], questions: Questions, *, ameise: Fields, zoho: Fields
) -> list[str]:
    """Ameise's names of the fields of which a person decided that Zoho's value counts, and that Ameise itself
    does not show: what we do not see we do not overwrite."""
    return [
        m.ameise
        for m in mappings
        if m.way is Way.BOTH
        and (question := questions.get(m.ameise))
        and question["decision"] == Policy.ZOHO
        and ameise.get(m.ameise, UNKNOWN) is UNKNOWN
        and zoho.get(m.zoho, UNKNOWN) is not UNKNOWN
    ]


def asked_back(questions: Questions, void: Iterable[str], *, ameise: Fields) -> Questions:
    """The questions after Ameise itself was read: those whose decision is `void` are open as they were, and
    say why; what Ameise shows is readable (again)."""
    names = set(void)
    after: dict[str, Question] = {**questions}
    for name, question in questions.items():
        if name in names:
            after[name] = {**question, "decision": None, "readable": False}
        elif "readable" in question and ameise.get(name, UNKNOWN) is not UNKNOWN:
            after[name] = {**question, "readable": True}
    return after


def questions_after(
    mappings: Iterable[FieldMapping],
    merged: Merged,
    before: Questions,
    *,
    ameise: Fields,
    zoho: Fields,
    settled: Iterable[str],
    now: datetime,
) -> Questions:
    """The questions of a link after a merge: new ones are added, settled ones go.

    Fields that are mapped no more are not asked about. `settled`: Ameise's names of the fields whose bases
    moved; a decision that is not carried out yet stays.
    """
    if not before and Finding.ASKED not in merged.findings.values():
        return {}  # by far the most
    gone = set(settled)
    questions: dict[str, Question] = {}
    for mapping in mappings:
        if mapping.ameise in before and mapping.ameise not in gone:
            questions[mapping.ameise] = before[mapping.ameise]
        if merged.findings.get(mapping.ameise) is Finding.ASKED:
            a, z = ameise.get(mapping.ameise, UNKNOWN), zoho.get(mapping.zoho, UNKNOWN)
            if a is not UNKNOWN and z is not UNKNOWN:
                questions[mapping.ameise] = Question(ameise=a, zoho=z, since=now.isoformat(), decision=None)
    return questions


def conflict_of(
    mappings: Iterable[FieldMapping],
    merged: Merged,
    *,
    ameise: Fields,
    zoho: Fields,
    changed: datetime | None,
    tenant: str,
) -> str:
    """A hash of which fields are in conflict over which values, and who wins: a try that comes again with the
    same is not told again.

    `changed`: when the record was changed last. A write that failed leaves it; who edits it once more is
    overruled once more, also if the value is one that was told.
    """
    fields = set(merged.conflicts)
    over = [
        (m.ameise, merged.findings[m.ameise].value, ameise.get(m.ameise), zoho.get(m.zoho))
        for m in mappings
        if m.ameise in fields
    ]
    return keyed_hash(repr((changed, over)), tenant=tenant)


def reason_of(merged: Merged) -> str:
    """The words for the event: which side counts for which field, without values."""
    told: list[str] = []
    for finding, words in _WORDS.items():
        names = [name for name, found in merged.findings.items() if found is finding]
        if names:
            told.append(f"{words}: {', '.join(sorted(names))}")
    return f"beide Seiten geändert; {'; '.join(told)}"


_WORDS = {
    Finding.CONFLICT_TO_ZOHO: "es gilt Ameise",
    Finding.CONFLICT_TO_AMEISE: "es gilt Zoho",
    Finding.ASKED: "ein Mensch entscheidet",
}
