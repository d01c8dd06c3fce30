"""How things are called on the pages, in German: every event, state, table and outcome has its label here."""

import re
from enum import StrEnum

from contracts.actor import ActorKind
from contracts.events import ObjectAction
from contracts.names import Direction, Outcome, Service, System, Table
from contracts.rpc.auth import ConnectionState
from contracts.rpc.ingest import DeliveryState, Presence, TableState
from contracts.rpc.pipeline_definition import Blank, Comparison, Converter, Person, Policy, ValueType, Way
from contracts.rpc.sync_dry_run import DryRunState
from contracts.rpc.sync_parked import ParkedCause
from contracts.rpc.sync_preview import Finding, Foreseen

EVENTS = {
    "tenant_created": "Team angelegt",
    "signed_in": "Angemeldet",
    "webhook_endpoint_created": "Webhook-Token erzeugt",
    "webhook_accepted": "Webhook angenommen",
    "requests_refused": "Anfragen abgewiesen",
    "connection_started": "Verbindung begonnen",
    "connected": "Verbunden",
    "connection_refused": "Verbindung abgelehnt",
    "token_refreshed": "Token erneuert",
    "reconnect_needed": "Neu verbinden nötig",
    "ftp_user_created": "FTP-Zugang eingerichtet",
    "delivery_received": "Lieferung empfangen",
    "delivery_uploaded": "Lieferung hochgeladen",
    "delivery_imported": "Lieferung importiert",
    "delivery_failed": "Lieferung gescheitert",
    "delivery_held": "Lieferung angehalten",
    "delivery_released": "Lieferung freigegeben",
    "delivery_rejected": "Lieferung abgelehnt",
    "format_changed": "Lieferformat geändert",
    "objects_compared": "Unterschiede gefunden",
    "sent_again": "Bestand erneut gesendet",
    "delivery_overdue": "Lieferung überfällig",
    "delivery_overdue_over": "Überfällige Lieferung ist da",
    "table_downloaded": "Tabelle heruntergeladen",
    "kunde_forgotten": "Kunde gelöscht",
    "stop_lifted": "Sperre aufgehoben",
    "kunde_informed": "Auskunft erteilt",
    "pipelines_created": "Pipelines angelegt",
    "pipeline_updated": "Pipeline geändert",
    "pipeline_deleted": "Pipeline gelöscht",
    "pipeline_enabled": "Pipeline eingeschaltet",
    "pipeline_disabled": "Pipeline ausgeschaltet",
    "pipeline_drifted": "Pipeline passt nicht mehr zu Zoho",
    "pipeline_fits_again": "Pipeline passt wieder zu Zoho",
    "written_to_zoho": "Nach Zoho geschrieben",
    "written_to_ameise": "Nach Ameise geschrieben",
    "numbers_written_back": "Nummern zurückgeschrieben",
    "already_equal": "Schon gleich",
    "conflict_found": "Konflikt",
    "conflict_decided": "Konflikt entschieden",
    "excluded": "Ausgenommen",
    "adopted": "Vorhandenen Kunden oder Vertrag übernommen",
    "work_postponed": "Verschoben",
    "work_parked": "Geparkt",
    "work_retried": "Erneut versucht",
    "limits_changed": "Grenzen geändert",
    "capabilities_changed": "Verträge in Ameise erlaubt oder gesperrt",
    "system_unreachable": "Fremdsystem nicht erreichbar",
    "system_reachable": "Fremdsystem wieder erreichbar",
    "bulk_write_started": "Massenschreiben begonnen",
    "bulk_write_ended": "Massenschreiben beendet",
    "parked_retried": "Alles Geparkte erneut versucht",
    "work_discarded": "Verworfen",
    "stopped_skipped": "Gesperrtes übergangen",
    "links_forgotten": "Kunde im Abgleich gelöscht",
    "links_informed": "Auskunft aus dem Abgleich erteilt",
    "sync_stop_lifted": "Sperre im Abgleich aufgehoben",
    "reconciled": "Verpasstes nachgeholt",
    "record_deleted": "In Zoho gelöscht",
    "deleted_in_zoho": "Entfallenes in Zoho gelöscht",
    "record_kept": "Entfallenes behalten",
    "deletion_hurried": "Löschen vorgezogen",
    "deletions_held": "Löschen in Zoho angehalten",
    "compared": "Mit Lieferungen verglichen",
    "links_compared": "Verknüpfungen verglichen",
    "comparing_overdue": "Vergleich überfällig",
    "comparing_overdue_over": "Überfälliger Vergleich gelungen",
    "message_parked": "Nachricht unlesbar",
    "unpublishable": "Ereignis nicht sendbar",
}

_LABELS: dict[type[StrEnum], dict[str, str]] = {
    Outcome: {
        Outcome.OK: "Erfolg",
        Outcome.WARNING: "Warnung",
        Outcome.ERROR: "Fehler",
        Outcome.RETRY: "Wiederholung",
    },
    Direction: {
        Direction.TO_ZOHO: "Ameise → Zoho",
        Direction.TO_AMEISE: "Zoho → Ameise",
        Direction.INTERNAL: "intern",
    },
    System: {System.AMEISE: "Ameise", System.ZOHO: "Zoho CRM"},
    Service: {
        Service.INGEST: "DailyUp",
        Service.SYNC: "Abgleich",
        Service.AUTH: "Verbindungen",
        Service.GATEWAY: "Webhook und Oberfläche",
        Service.AUDIT: "Aktivitätslog",
    },
    Table: {
        Table.ANREDE: "Anreden",
        Table.RECHTSFORM: "Rechtsformen",
        Table.LAND: "Länder",
        Table.SPARTE: "Sparten",
        Table.GESELLSCHAFT: "Gesellschaften",
        Table.STATUS: "Status",
        Table.ZAHLWEISE: "Zahlweisen",
        Table.VERMITTLER: "Vermittler",
        Table.KUNDENDETAILFELD: "Detailfelder",
        Table.KUNDE: "Kunden",
        Table.KUNDENKOMMUNIKATION: "Kontaktdaten",
        Table.KUNDENDETAIL: "Kundendetails",
        Table.VERTRAG: "Verträge",
    },
    ConnectionState: {
        ConnectionState.CONNECTING: "wird verbunden",
        ConnectionState.ACTIVE: "aktiv",
        ConnectionState.RECONNECT_NEEDED: "neu verbinden",
    },
    TableState: {
        TableState.RECEIVING: "wird empfangen",
        TableState.WAITING: "wartet",
        TableState.CHECKING: "wird geprüft",
        TableState.IMPORTING: "wird importiert",
        TableState.IMPORTED: "importiert",
        TableState.IMPORTED_WITH_WARNINGS: "mit Warnungen importiert",
        TableState.HELD: "angehalten",
        TableState.REJECTED: "abgelehnt",
        TableState.FAILED: "nicht lesbar",
        TableState.MISSING: "fehlt",
    },
    Presence: {
        Presence.THERE: "vorhanden",
        Presence.GONE: "entfallen",
        Presence.NOT_THERE: "nicht da",
        Presence.FORGOTTEN: "weiter zurück, als aufgehoben wird",
    },
    DeliveryState: {
        DeliveryState.RECEIVING: "wird empfangen",
        DeliveryState.WAITING: "wartet",
        DeliveryState.IMPORTING: "wird importiert",
        DeliveryState.IMPORTED: "importiert",
        DeliveryState.IMPORTED_WITH_WARNINGS: "mit Warnungen importiert",
        DeliveryState.HELD: "angehalten",
        DeliveryState.REJECTED: "abgelehnt",
        DeliveryState.FAILED: "gescheitert",
    },
    ObjectAction: {
        ObjectAction.CREATED: "neu",
        ObjectAction.UPDATED: "geändert",
        ObjectAction.GONE: "entfallen",
        ObjectAction.UNCHANGED: "unverändert",
    },
    ParkedCause: {
        ParkedCause.FIELDS_MISSING: "Angaben fehlen",
        ParkedCause.SIMILAR_KUNDEN: "könnte ein vorhandener Kunde sein",
        ParkedCause.TWIN_RECORD: "gleicht einem anderen Datensatz",
        ParkedCause.NUMBER_DIFFERS: "Andere Nummer im Datensatz",
        ParkedCause.NUMBER_TAKEN: "Nummer gehört zu einem anderen Datensatz",
        ParkedCause.TOO_MANY_NEW: "Zu viele neue Datensätze auf einmal",
        ParkedCause.EDITED_BEFORE_DELETION: "Vor dem Löschen in Zoho bearbeitet",
        ParkedCause.TOO_MANY_DELETIONS: "Zu viele Löschungen auf einmal",
        ParkedCause.KUNDE_TAKEN: "Kunde gehört zu einem anderen Datensatz",
        ParkedCause.KUNDE_JUST_LINKED: "Kunde gerade anders verknüpft",
        ParkedCause.RECORD_LINKED: "Datensatz schon verknüpft",
        ParkedCause.OTHER_NUMBER: "Andere Kundennummer im Datensatz",
        ParkedCause.RULE_UNDECIDED: "Auswahlregel nicht zu entscheiden",
        ParkedCause.POSSIBLY_CREATED: "vielleicht angelegt",
        ParkedCause.REFUSED_BY_AMEISE: "von Ameise abgelehnt",
        ParkedCause.REFUSED_BY_ZOHO: "von Zoho abgelehnt",
        ParkedCause.VALUE_UNFIT: "Wert passt nicht",
        ParkedCause.KUNDE_UNKNOWN: "Kunde in Ameise unbekannt",
        ParkedCause.SIMILAR_VERTRAEGE: "könnte ein vorhandener Vertrag sein",
        ParkedCause.VERTRAG_UNKNOWN: "Vertrag in Ameise unbekannt",
        ParkedCause.KUNDE_NOT_LINKED: "Kunde des Vertrags nicht verknüpft",
        ParkedCause.NO_NUMBER: "keine Nummer",
        ParkedCause.OBJECT_UNKNOWN: "Objekt nie geliefert",
        ParkedCause.UNREACHABLE: "zu lange nicht erreichbar",
    },
    Foreseen: {
        Foreseen.CREATE_RECORD: "würde in Zoho angelegt",
        Foreseen.CREATE_KUNDE: "würde in Ameise angelegt",
        Foreseen.CREATE_VERTRAG: "würde in Ameise angelegt",
        Foreseen.UPDATE: "würde geändert",
        Foreseen.UNCHANGED: "bleibt, wie es ist",
        Foreseen.EXCLUDED: "ausgenommen",
        Foreseen.GONE: "in Ameise entfallen",
        Foreseen.GONE_IN_ZOHO: "in Zoho nicht mehr vorhanden",
        Foreseen.WAITS: "würde warten",
        Foreseen.PARKED: "würde geparkt",
    },
    DryRunState: {
        DryRunState.RUNNING: "läuft",
        DryRunState.DONE: "fertig",
        DryRunState.FAILED: "abgebrochen",
    },
    Finding: {
        Finding.UNCHANGED: "unverändert",
        Finding.UNKNOWN: "unbekannt: bleibt",
        Finding.AGREED: "beide Seiten gleich",
        Finding.AMEISE_CHANGED: "Ameise geändert",
        Finding.ZOHO_CHANGED: "Zoho geändert",
        Finding.CONFLICT_TO_AMEISE: "Konflikt: es gilt Zoho",
        Finding.CONFLICT_TO_ZOHO: "Konflikt: es gilt Ameise",
        Finding.ASKED: "Konflikt: ein Mensch entscheidet",
        Finding.STILL_ASKED: "ein Mensch ist gefragt",
        Finding.DECIDED_TO_AMEISE: "entschieden: es gilt Zoho; die Lieferung ist älter",
        Finding.DECIDED_TO_ZOHO: "entschieden: es gilt Ameise; die Lieferung ist älter",
        Finding.OLDER: "Lieferung ist älter als Ameise: bleibt",
        Finding.KEPT: "bleibt: Regel für leere Felder",
    },
    Way: {Way.BOTH: "↔", Way.TO_ZOHO: "→", Way.TO_AMEISE: "←"},
    Person: {Person.NATURAL: "natürliche Personen", Person.LEGAL: "juristische Personen"},
    Policy: {
        Policy.AMEISE: "es gilt Ameise",
        Policy.ZOHO: "es gilt Zoho",
        Policy.ASK: "ein Mensch entscheidet",
    },
    Blank: {
        Blank.KEEP: "löscht nicht",
        Blank.ERASE: "löscht",
        Blank.FILL_BLANK: "nur Leeres füllen",
    },
    Converter: {
        Converter.TEXT: "Text",
        Converter.NUMBER: "Zahl",
        Converter.DATE: "Datum",
        Converter.BOOLEAN: "Ja/Nein",
        Converter.PHONE: "Telefon",
        Converter.EMAIL: "E-Mail",
        Converter.PICKLIST: "Auswahlliste",
        Converter.USER: "Benutzer in Zoho (nur dorthin)",
        Converter.LOOKUP: "Verweis",
        Converter.JOIN: "Verbindung",
        Converter.CONSTANT: "fester Wert",
        Converter.LINK: "Link",
    },
    Comparison: {
        Comparison.EQUALS: "ist",
        Comparison.NOT_EQUALS: "ist nicht",
        Comparison.IN: "ist eines von",
        Comparison.CONTAINS: "enthält",
        Comparison.BEGINS_WITH: "beginnt mit",
        Comparison.LESS: "ist kleiner als",
        Comparison.GREATER: "ist größer als",
        Comparison.IS_EMPTY: "ist leer",
        Comparison.IS_KNOWN: "ist bekannt",
    },
    ValueType: {
        ValueType.TEXT: "Text",
        ValueType.NUMBER: "Zahl",
        ValueType.DATE: "Tag",
        ValueType.BOOLEAN: "Ja/Nein",
        ValueType.PHONE: "Telefon",
        ValueType.EMAIL: "E-Mail",
    },
    ActorKind: {
        ActorKind.USER: "Benutzer",
        ActorKind.API_TOKEN: "API-Token",
        ActorKind.ZOHO: "Zoho",
        ActorKind.BLAUDIREKT: "blau direkt",
        ActorKind.SCHEDULE: "Zeitplan",
        ActorKind.SERVICE: "System",
    },
}

_REFUSALS = {
    "invalid": "fehlerhaft", "unauthorized": "Anmeldung oder Token falsch", "forbidden": "nicht erlaubt",
    "not_found": "gibt es nicht", "method_not_allowed": "so nicht vorgesehen", "conflict": "geht so nicht",
    "not_connected": "nicht verbunden", "too_large": "zu groß", "rate_limited": "zu viele auf einmal",
    "other": "anderes",
}  # fmt: skip

_BLOCKS = {"other": "andere", "unknown": "unbekannt"}

_REASONS = {
    "access_denied": "Zustimmung abgelehnt (access_denied)",
    "invalid_code": "Anmeldung gilt nicht mehr (invalid_code)",
    "invalid_grant": "Anmeldung gilt nicht mehr (invalid_grant)",
    "invalid_token": "Anmeldung gilt nicht mehr (invalid_token)",
    "unauthorized_client": "Zugriff entzogen (unauthorized_client)",
}

_TABLES = re.compile(rf"(^|; )({'|'.join(Table)})(?:: |\.)")
"""The tables that a delivery's reasons begin with: `kunde: leer`, `vertrag.kunde_id zeigt`."""
_SYSTEMS = re.compile(r"(?<![\w.])(?:ameise|zoho)(?= [a-z])")
"""As they stand at the beginning of a sentence of sync: `zoho bat um eine Pause`."""

_RULES = {
    "file_of_no_table": "Der Dateiname gehört zu keiner Tabelle",
    "file_unfinished": "Die Datei kam nicht ganz an",
    "file_superseded": "Es gab eine neuere Datei derselben Tabelle",
    "file_empty": "Die Datei ist leer",
    "file_unreadable": "Die Datei ist nicht lesbar",
    "file_cut_off": "Die Datei endet mitten in einer Zeile",
    "archive_unreadable": "Das Archiv ist nicht lesbar",
    "archive_too_large": "Das Archiv ist ausgepackt zu groß",
    "archive_ratio": "Das Archiv ist verdächtig stark gepackt",
    "archive_too_many_entries": "Das Archiv hat zu viele Dateien",
    "archive_name": "Ein Name im Archiv ist nicht zulässig",
    "archive_link": "Das Archiv enthält eine Verknüpfung",
    "archive_encrypted": "Das Archiv ist verschlüsselt",
    "too_many_columns": "Zu viele Spalten",
    "column_twice": "Die Spalte kommt doppelt vor",
    "column_missing": "Die Spalte fehlt",
    "column_unknown": "Die Spalte ist unbekannt",
    "key_column_missing": "Eine Spalte des Schlüssels fehlt",
    "row_too_short": "Die Zeile hat zu wenige Spalten",
    "row_too_long": "Die Zeile hat zu viele Spalten",
    "row_swallows_rows": "Ein Anführungszeichen verschluckt weitere Zeilen",
    "key_unreadable": "Der Schlüssel ist nicht lesbar",
    "key_twice": "Der Schlüssel kommt doppelt vor",
    "required_unreadable": "Ein Pflichtfeld ist nicht lesbar",
    "cell_unreadable": "Der Wert ist nicht lesbar",
    "points_nowhere": "Der Verweis zeigt ins Leere",
    "nothing_taken_for_gone": "Unvollständig: nichts gilt als entfallen",
}
_VALUES = {
    "empty": "leer",
    "number": "Zahl",
    "date-like": "wie ein Datum",
    "text": "Text",
    "too long": "zu lang",
    "lone quote": "einzelnes Anführungszeichen",
    "unreadable characters": "unlesbare Zeichen",
}
_ERASED = {
    "original_rows": "Zeilen in aufgehobenen Originaldateien",
    "original_files": "Ganz entfernte Originaldateien",
    "objects": "Zwischengespeicherte Dateien",
    "history": "Frühere Stände",
    "link": "Verknüpfungen mit Zoho",
    "work": "Arbeit im Abgleich",
    "bulk_row": "Zeilen im Massenschreiben",
    "dismissed": "Verworfenes, an das erinnert wird",
    "intent": "Anlagen von Kunden und Verträgen in Ameise",
    "judged": "Geprüfte Versionen",
    "parked_message": "Unlesbare Nachrichten",
    "work_of_others": "Arbeit über andere, die ihn nannte",
    "intent_of_others": "Anlagen anderer, die ihn nannten",
    "pipeline": "Letzte Fehler von Pipelines, die ihn nannten",
}

_TONES: dict[type[StrEnum], dict[str, str]] = {
    Outcome: {Outcome.OK: "good", Outcome.WARNING: "warn", Outcome.ERROR: "bad", Outcome.RETRY: "warn"},
    ConnectionState: {
        ConnectionState.CONNECTING: "calm",
        ConnectionState.ACTIVE: "good",
        ConnectionState.RECONNECT_NEEDED: "bad",
    },
    TableState: {
        TableState.RECEIVING: "calm",
        TableState.WAITING: "calm",
        TableState.CHECKING: "calm",
        TableState.IMPORTING: "calm",
        TableState.IMPORTED: "good",
        TableState.IMPORTED_WITH_WARNINGS: "warn",
        TableState.HELD: "warn",
        TableState.REJECTED: "calm",
        TableState.FAILED: "bad",
        TableState.MISSING: "warn",
    },
    DeliveryState: {
        DeliveryState.RECEIVING: "calm",
        DeliveryState.WAITING: "calm",
        DeliveryState.IMPORTING: "calm",
        DeliveryState.IMPORTED: "good",
        DeliveryState.IMPORTED_WITH_WARNINGS: "warn",
        DeliveryState.HELD: "warn",
        DeliveryState.REJECTED: "calm",
        DeliveryState.FAILED: "bad",
    },
}

LABELLED = tuple(_LABELS)
TONED = tuple(_TONES)


def label(value: StrEnum) -> str:
    """What a value of one of our enumerations is called."""
    return _LABELS[type(value)][value]


def event_label(name: str) -> str:
    """What an event is called; one of a newer release keeps its own name."""
    return EVENTS.get(name, name)


def refusal_words(reason: str) -> str:
    """Why requests were refused at the door; a reason of a newer release keeps its name."""
    return _REFUSALS.get(reason, reason)


def block_words(block: str) -> str:
    """Where refused requests came from: a block of addresses, or what stands for those without one."""
    return _BLOCKS.get(block, block)


def reason_words(reason: str | None) -> str:
    """An OAuth2 error code in words with the code behind them; tables and systems by what they are called;
    the rest of a reason as it is."""
    if reason is None:
        return ""
    named = _SYSTEMS.sub(lambda system: system[0].capitalize(), reason)
    return _REASONS.get(reason) or _TABLES.sub(lambda t: f"{t[1]}{label(Table(t[2]))}: ", named)


def rule_words(rule: str) -> str:
    """What is wrong, of a problem in a delivery; a rule of a newer release keeps its own name."""
    return _RULES.get(rule, rule)


def value_words(value: str | None) -> str:
    """What kind of value stood there."""
    return _VALUES.get(value, value) if value else ""


def erased_words(place: str) -> str:
    """Where something of a Kunde was erased."""
    return label(Table(place)) if place in set(Table) else _ERASED.get(place, place)


def tone(value: StrEnum) -> str:
    """`good`, `warn`, `bad` or `calm`: the colour of a state's badge, beside its words."""
    return _TONES[type(value)][value]
