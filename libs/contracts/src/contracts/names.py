"""The closed sets of names that may stand in a subject or decide something."""

from enum import StrEnum


class Service(StrEnum):
    INGEST = "ingest"
    SYNC = "sync"
    AUTH = "auth"
    GATEWAY = "gateway"
    AUDIT = "audit"


class Table(StrEnum):
    """The 13 lists of a DailyUp delivery, in the order in which they are stored: lists before Kunde,
    Kunde before what hangs on it, Vertrag last."""

    ANREDE = "anrede"
    RECHTSFORM = "rechtsform"
    LAND = "land"
    SPARTE = "sparte"
    GESELLSCHAFT = "gesellschaft"
    STATUS = "status"
    ZAHLWEISE = "zahlweise"
    VERMITTLER = "vermittler"
    KUNDENDETAILFELD = "kundendetailfeld"
    KUNDE = "kunde"
    KUNDENKOMMUNIKATION = "kundenkommunikation"
    KUNDENDETAIL = "kundendetail"
    VERTRAG = "vertrag"


class System(StrEnum):
    """The two outside systems that a connection can lead to."""

    AMEISE = "ameise"
    ZOHO = "zoho"


class Direction(StrEnum):
    TO_ZOHO = "to_zoho"
    TO_AMEISE = "to_ameise"
    INTERNAL = "internal"


class Outcome(StrEnum):
    """How an action ended, as the Aktivitätslog filters it."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    RETRY = "retry"
