"""What a comparison found, in German, and whether it should have been nothing. Pure."""

from collections.abc import Mapping

from contracts.names import Difference, Outcome

_WORDS = {
    Difference.STALE: "mit verlorener Nachricht",
    Difference.NEVER_JUDGED: "nie gemeldet",
    Difference.UNKNOWN: "in den Lieferungen unbekannt",
    Difference.WHOLE_TABLE: "vollständig neu gemeldet",
    Difference.OUTDATED: "nach einer älteren Fassung der Pipeline beurteilt",
    Difference.VOID: "nach eigener Änderung noch einmal anzusehen",
    Difference.WAITING: "schon in Arbeit",
    Difference.PARKED: "geparkt",
    Difference.CHANGED: "in Zoho geändert",
    Difference.NEW: "in Zoho neu",
    Difference.HELD: "in Zoho neu und angehalten",
    Difference.DELETED: "in Zoho gelöscht",
    Difference.NUMBER_DIFFERS: "mit falscher Nummer in Zoho",
    Difference.NUMBER_TWICE: "mit doppelt vergebener Nummer in Zoho",
}

EXPECTED = frozenset({Difference.OUTDATED, Difference.VOID, Difference.WAITING, Difference.PARKED})
"""No sign that anything was lost: the rest should be nothing."""


def in_words(counts: Mapping[Difference, int], *, note: str | None = None) -> str:
    """`"3 nie gemeldet, 1 geparkt"`, or that all is alike; and the note."""
    found = ", ".join(f"{counts[kind]} {words}" for kind, words in _WORDS.items() if counts.get(kind))
    return "; ".join(filter(None, [found or "alles gleich", note]))


def outcome_of(counts: Mapping[Difference, int]) -> Outcome:
    """A warning if anything was lost."""
    return Outcome.WARNING if any(n and kind not in EXPECTED for kind, n in counts.items()) else Outcome.OK
