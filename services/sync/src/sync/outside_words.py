"""What an error of an outside system means, in plain German, for whoever looks at work that waits. Pure.

The system's own words (`VendorError.words`) are kept beside it, since they may quote personal values.
"""

from collections.abc import Mapping

from contracts.names import System
from vendor.errors import Rejected, Unavailable


class NotPossible(Rejected):
    """Refused by ourselves, before anybody was asked: its message is German and says what cannot be done."""


_OF_ZOHO: Mapping[str, str] = {
    "AUTHORIZATION_FAILED": "der verbundene Zoho-Benutzer darf das nicht",
    "NO_PERMISSION": "der verbundene Zoho-Benutzer darf das nicht",
    "PERMISSION_DENIED": "der verbundene Zoho-Benutzer darf das nicht",
    "OAUTH_SCOPE_MISMATCH": "die Zoho-Verbindung ist älter als diese Berechtigung: bitte neu verbinden",
    "INVALID_MODULE": "das Modul gibt es in Zoho nicht, oder nicht für den verbundenen Benutzer",
    "MANDATORY_NOT_FOUND": "Zoho verlangt einen Wert{field}",
    "INVALID_DATA": "Zoho nimmt den Wert{field} nicht an",
    "DUPLICATE_DATA": "ein anderer Datensatz in Zoho hat schon denselben Wert{field}",
    "NOT_ALLOWED": "Zoho erlaubt diese Änderung{field} nicht",
    "RECORD_IN_BLUEPRINT": "der Datensatz ist in Zoho in einem Blueprint",
    "APPROVAL_IN_PROGRESS": "der Datensatz wartet in Zoho auf eine Genehmigung",
}


def named(system: str) -> str:
    """`"Zoho"`"""
    return system.capitalize()


def why_refused(error: Rejected) -> str:
    """`"Zoho nimmt den Wert im Feld Email nicht an (INVALID_DATA)"`"""
    if isinstance(error, NotPossible):
        return str(error)
    known = _OF_ZOHO.get(error.code) if error.system == System.ZOHO else None
    sentence = known or f"{named(error.system)} hat die Anfrage abgelehnt"
    field = f" im Feld {error.api_name}" if error.api_name else ""
    status = "" if known else str(error.status or "")
    code = " ".join(filter(None, [status, error.code]))
    return sentence.format(field=field) + (f" ({code})" if code else "")


def why_unavailable(error: Unavailable) -> str:
    """`"Zoho antwortet nicht (503)"`; an answer that claims success cannot be read."""
    if error.status is None:
        return f"{named(error.system)} antwortet nicht"
    if error.status < 400:
        return f"{named(error.system)} antwortet nicht lesbar ({error.status})"
    code = " ".join(filter(None, [str(error.status), error.code]))
    return f"{named(error.system)} antwortet nicht ({code})"
