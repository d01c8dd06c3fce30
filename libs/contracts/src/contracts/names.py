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


class Flow(StrEnum):
    """What sync compares again and again, so that nothing stays lost."""

    RECONCILIATION = "reconciliation"
    """Zoho's changes since the last look, per Zoho connection."""
    COMPARISON = "comparison"
    """What ingest has with what was judged, per tenant."""
    LINKS = "links"
    """The links with Zoho's records, per Zoho connection."""


class Difference(StrEnum):
    """What a comparison can find."""

    STALE = "stale"
    """Another version was judged than ingest has: a message was lost."""
    NEVER_JUDGED = "never_judged"
    """Ingest has it, and no word of it came."""
    UNKNOWN = "unknown"
    """Judged once, and unknown to ingest."""
    WHOLE_TABLE = "whole_table"
    """So much differs that ingest tells the whole table again; the number is that of its objects."""
    OUTDATED = "outdated"
    """Judged by an older definition of the pipeline."""
    VOID = "void"
    """Written to Ameise since it was judged: looked at again with the first delivery that shows it."""
    WAITING = "waiting"
    """Differs, and work on it is on the table."""
    PARKED = "parked"
    """Differs, and waits for a person."""
    CHANGED = "changed"
    """A record of Zoho differs from what was read there last: its webhook was lost."""
    NEW = "new"
    """A record of Zoho that nobody told us of."""
    HELD = "held"
    """New records above the limit, parked for a person."""
    DELETED = "deleted"
    """A linked record that was deleted in Zoho."""
    NUMBER_DIFFERS = "number_differs"
    """A linked record carries another number than its object."""
    NUMBER_TWICE = "number_twice"
    """A record carries the number of an object that is linked to another record."""


class Outcome(StrEnum):
    """How an action ended, as the Aktivitätslog filters it."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    RETRY = "retry"
