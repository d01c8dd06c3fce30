"""Why work is parked, in plain German and English: made here alone, from the cause and its details. Pure."""

import re
from collections.abc import Mapping
from enum import StrEnum

from contracts.rpc.sync_parked import ParkedCause


class Kind(StrEnum):
    """The word that a German reason begins with: by it the handbook is ordered."""

    INCOMPLETE = "unvollständig"
    UNSURE = "unklar"
    POSSIBLY_CREATED = "vielleicht angelegt"
    REJECTED = "abgelehnt"
    TOO_LONG = "zu lange nicht erreichbar"


_GERMAN: Mapping[ParkedCause, tuple[Kind, str]] = {
    ParkedCause.FIELDS_MISSING: (Kind.INCOMPLETE, "für die Anlage fehlt {fields}"),
    ParkedCause.SIMILAR_KUNDEN: (Kind.UNSURE, "könnte Kunde {kunden} sein"),
    ParkedCause.TWIN_RECORD: (Kind.UNSURE, "gleicht dem Zoho-Datensatz {zoho_id}"),
    ParkedCause.KUNDE_TAKEN: (Kind.UNSURE, "Kunde {kunde} gehört schon zu Datensatz {zoho_id}"),
    ParkedCause.KUNDE_JUST_LINKED: (
        Kind.UNSURE,
        "der Kunde wurde gerade mit einem anderen Datensatz verknüpft",
    ),
    ParkedCause.RECORD_LINKED: (
        Kind.UNSURE,
        "der Zoho-Datensatz ist schon mit einem anderen Objekt verknüpft",
    ),
    ParkedCause.OTHER_NUMBER: (
        Kind.UNSURE,
        "im Datensatz steht Kunde {typed}, verknüpft ist er mit Kunde {kunde}",
    ),
    ParkedCause.RULE_UNDECIDED: (
        Kind.UNSURE,
        "die Auswahlregel der Pipeline braucht ein Feld, das unbekannt ist",
    ),
    ParkedCause.NUMBER_DIFFERS: (
        Kind.UNSURE,
        "verknüpft mit {table} {key}, in {field} steht aber etwas anderes",
    ),
    ParkedCause.NUMBER_TAKEN: (Kind.UNSURE, "{table} {key} gehört schon zu Datensatz {zoho_id}"),
    ParkedCause.TOO_MANY_NEW: (
        Kind.UNSURE,
        "zu viele neue Datensätze in Zoho auf einmal, von denen kein Webhook kam",
    ),
    ParkedCause.EDITED_BEFORE_DELETION: (
        Kind.UNSURE,
        "der Datensatz {zoho_id} soll gelöscht werden, wurde in Zoho aber bearbeitet",
    ),
    ParkedCause.TOO_MANY_DELETIONS: (
        Kind.UNSURE,
        "{records} Datensätze sollen an einem Tag in Zoho gelöscht werden, erlaubt sind {limit}",
    ),
    ParkedCause.SIMILAR_VERTRAEGE: (Kind.UNSURE, "könnte Vertrag {vertraege} sein"),
    ParkedCause.KUNDE_NOT_LINKED: (
        Kind.INCOMPLETE,
        "der Datensatz in {field} ist mit keinem Kunden verknüpft",
    ),
    ParkedCause.POSSIBLY_CREATED: (
        Kind.POSSIBLY_CREATED,
        "Ameise hat auf die Anlage nicht geantwortet",
    ),
    ParkedCause.REFUSED_BY_AMEISE: (Kind.REJECTED, "{meaning}"),
    ParkedCause.REFUSED_BY_ZOHO: (Kind.REJECTED, "{meaning}"),
    ParkedCause.VALUE_UNFIT: (Kind.REJECTED, "{problem}"),
    ParkedCause.KUNDE_UNKNOWN: (Kind.REJECTED, "Kunde {kunde} gibt es in Ameise nicht (oder nicht für uns)"),
    ParkedCause.VERTRAG_UNKNOWN: (
        Kind.REJECTED,
        "Vertrag {vertrag} gibt es in Ameise nicht (oder nicht für uns)",
    ),
    ParkedCause.NO_NUMBER: (Kind.REJECTED, "in {field} steht keine Nummer"),
    ParkedCause.OBJECT_UNKNOWN: (Kind.REJECTED, "{table} {key} war in keiner Lieferung"),
    ParkedCause.UNREACHABLE: (Kind.TOO_LONG, "{system} seit über {hours} h"),
}

_ENGLISH: Mapping[ParkedCause, str] = {
    ParkedCause.FIELDS_MISSING: "incomplete: a new Kunde also needs {fields}",
    ParkedCause.SIMILAR_KUNDEN: "unsure: may be Kunde {kunden}",
    ParkedCause.TWIN_RECORD: "unsure: looks like Zoho record {zoho_id}",
    ParkedCause.KUNDE_TAKEN: "unsure: Kunde {kunde} belongs to record {zoho_id} already",
    ParkedCause.KUNDE_JUST_LINKED: "unsure: the Kunde was linked to another record just now",
    ParkedCause.RECORD_LINKED: "unsure: the Zoho record is linked to another object already",
    ParkedCause.OTHER_NUMBER: "unsure: the record names Kunde {typed}, but is linked to Kunde {kunde}",
    ParkedCause.RULE_UNDECIDED: "unsure: the pipeline's selection rule needs a field that is unknown",
    ParkedCause.NUMBER_DIFFERS: "unsure: linked to {table} {key}, but {field} holds something else",
    ParkedCause.NUMBER_TAKEN: "unsure: {table} {key} belongs to record {zoho_id} already",
    ParkedCause.TOO_MANY_NEW: "unsure: too many new records in Zoho at once that no webhook told of",
    ParkedCause.EDITED_BEFORE_DELETION: "unsure: record {zoho_id} is to be deleted, but was edited in Zoho",
    ParkedCause.TOO_MANY_DELETIONS: "unsure: {records} records are to be deleted in one day, {limit} may be",
    ParkedCause.POSSIBLY_CREATED: "possibly created: Ameise did not answer the creation",
    ParkedCause.REFUSED_BY_AMEISE: "refused: {answer}",
    ParkedCause.REFUSED_BY_ZOHO: "refused: {answer}",
    ParkedCause.VALUE_UNFIT: "refused: {problem}",
    ParkedCause.KUNDE_UNKNOWN: "refused: there is no Kunde {kunde} in Ameise (or not for us)",
    ParkedCause.SIMILAR_VERTRAEGE: "unsure: may be Vertrag {vertraege}",
    ParkedCause.VERTRAG_UNKNOWN: "refused: there is no Vertrag {vertrag} in Ameise (or not for us)",
    ParkedCause.KUNDE_NOT_LINKED: "incomplete: the record in {field} is linked to no Kunde",
    ParkedCause.NO_NUMBER: "refused: {field} holds no number",
    ParkedCause.OBJECT_UNKNOWN: "refused: ingest does not know {table} {key}",
    ParkedCause.UNREACHABLE: "unreachable for too long: {system} for more than {hours} h",
}


def german(cause: ParkedCause, details: Mapping[str, str]) -> str:
    """The reason in German; a detail that is missing is shown as `?`."""
    kind, sentence = _GERMAN[cause]
    if "table" in details:  # tables have German nouns for names
        details = {**details, "table": details["table"].capitalize()}
    return f"{kind}: {_filled(sentence, details)}"


def english(cause: ParkedCause, details: Mapping[str, str]) -> str:
    """The reason in English; a detail that is missing is shown as `?`."""
    return _filled(_ENGLISH[cause], details)


def _filled(sentence: str, details: Mapping[str, str]) -> str:
    """Each `{name}` replaced once: a detail that looks like one stays as it is."""
    return re.sub(r"\{(\w+)\}", lambda found: details.get(found.group(1), "?"), sentence)
