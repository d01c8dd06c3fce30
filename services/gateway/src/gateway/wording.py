"""How things are called on the pages, in German: every event, state, table and outcome has its label here."""

from enum import StrEnum

from contracts.actor import ActorKind
from contracts.events import ObjectAction
from contracts.names import Direction, Outcome, Service, System, Table
from contracts.rpc.auth import ConnectionState
from contracts.rpc.ingest import DeliveryState
from contracts.rpc.pipeline_definition import Blank, Converter, Person, Policy, Way

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
    "written_to_zoho": "Nach Zoho geschrieben",
    "written_to_ameise": "Nach Ameise geschrieben",
    "numbers_written_back": "Nummern zurückgeschrieben",
    "already_equal": "Schon gleich",
    "conflict_found": "Konflikt",
    "conflict_decided": "Konflikt entschieden",
    "excluded": "Durch Regel ausgenommen",
    "adopted": "Vorhandenen Kunden übernommen",
    "work_postponed": "Verschoben",
    "work_parked": "Geparkt",
    "work_retried": "Erneut versucht",
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
        Converter.LOOKUP: "Verweis",
        Converter.JOIN: "Verbindung",
        Converter.CONSTANT: "fester Wert",
        Converter.LINK: "Link",
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

_REASONS = {"access_denied": "Zustimmung abgelehnt (access_denied)"}

_TONES: dict[type[StrEnum], dict[str, str]] = {
    Outcome: {Outcome.OK: "good", Outcome.WARNING: "warn", Outcome.ERROR: "bad", Outcome.RETRY: "warn"},
    ConnectionState: {
        ConnectionState.CONNECTING: "calm",
        ConnectionState.ACTIVE: "good",
        ConnectionState.RECONNECT_NEEDED: "bad",
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


def reason_words(reason: str) -> str:
    """An OAuth2 error code in words with the code behind them; other reasons as they are."""
    return _REASONS.get(reason, reason)


def tone(value: StrEnum) -> str:
    """`good`, `warn`, `bad` or `calm`: the colour of a state's badge, beside its words."""
    return _TONES[type(value)][value]
