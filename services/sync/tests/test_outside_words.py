"""What outside systems answer is told in plain German, with its code, and with no word of theirs."""

import pytest

from sync.outside_words import NotPossible, why_refused, why_unavailable
from vendor.errors import Rejected, Unavailable


def refused(system: str, code: str = "", *, field: str = "", status: int | None = 400) -> Rejected:
    said = {"words": "Groß is not valid", "api_name": field}
    return Rejected(system, f"{system} answered {status} to GET /x", status=status, code=code, **said)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (refused("zoho", "INVALID_DATA", field="Email"),
         "Zoho nimmt den Wert im Feld Email nicht an (INVALID_DATA)"),
        (refused("zoho", "INVALID_DATA"), "Zoho nimmt den Wert nicht an (INVALID_DATA)"),
        (refused("zoho", "MANDATORY_NOT_FOUND", field="Last_Name", status=None),
         "Zoho verlangt einen Wert im Feld Last_Name (MANDATORY_NOT_FOUND)"),
        (refused("zoho", "NEW_CODE", field="A"), "Zoho hat die Anfrage abgelehnt (400 NEW_CODE)"),
        (refused("ameise"), "Ameise hat die Anfrage abgelehnt (400)"),
        (refused("ameise", "INVALID_DATA"), "Ameise hat die Anfrage abgelehnt (400 INVALID_DATA)"),
        (refused("zoho", status=None), "Zoho hat die Anfrage abgelehnt"),
        (NotPossible("ameise", "diese Verbindung kann keine Verträge ändern"),
         "diese Verbindung kann keine Verträge ändern"),
    ],
)  # fmt: skip
def test_a_refusal(error: Rejected, words: str) -> None:
    assert why_refused(error) == words


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (None, "", "Zoho antwortet nicht"),
        (503, "", "Zoho antwortet nicht (503)"),
        (400, "RECORD_LOCKED", "Zoho antwortet nicht (400 RECORD_LOCKED)"),
        (200, "", "Zoho antwortet nicht lesbar (200)"),
    ],
)
def test_no_answer(status: int | None, code: str, words: str) -> None:
    error = Unavailable("zoho", "zoho did not answer GET /x", status=status, code=code, words="busy")
    assert why_unavailable(error) == words
