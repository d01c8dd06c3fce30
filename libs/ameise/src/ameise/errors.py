"""What an answer of Ameise means.

::

    VendorError                 any of the four below, system "ameise"
    ├── Unavailable             time-out, connection error, 5xx, 408, 429, an answer that cannot be read
    ├── Stale                   never raised: Ameise has no conditional write
    ├── Rejected                any other 4xx, and redirects (a wrong base URL, a login page)
    └── NotConnected            401, with a fresh token too

Ameise puts the fault of the *user* into a JSON object with the ``Meldungen`` to display. For everything else
it sends a standard HTML error page: 400 that names no field when the Vermittler does not belong to the
employee, 404, 500. So a body is never parsed blindly, and ``words`` keeps the visible text of a page,
shortened.
"""

from __future__ import annotations

from typing import Any, cast

from vendor import Answer, Finding, Verdict, shortened, visible_text
from vendor.errors import NotConnected, Rejected, Stale, Unavailable, VendorError

__all__ = ["NotConnected", "Rejected", "Stale", "Unavailable", "VendorError", "assess", "judge"]


def judge(status: int) -> Verdict:
    """Return what the HTTP status means; the body changes nothing of it."""
    if 200 <= status < 300:
        return Verdict.OK
    if status == 401:
        return Verdict.TOKEN_REFUSED
    if status in {408, 429} or status >= 500:
        return Verdict.UNAVAILABLE
    return Verdict.REJECTED


def assess(answer: Answer) -> Finding:
    """Return the verdict on an answer with Ameise's words."""
    verdict = judge(answer.status)
    return Finding(verdict) if verdict is Verdict.OK else Finding(verdict, words=words_of(answer))


def words_of(answer: Answer) -> str:
    """Return the Meldungen of a JSON answer, else the visible text of the page, shortened.

    The exact shape of a Meldung is not public: ``Text`` is taken where it is there, else the whole entry.
    """
    parsed = answer.json()
    if not isinstance(parsed, dict):
        return visible_text(answer.text)
    meldungen = cast("dict[str, Any]", parsed).get("Meldungen")
    if not isinstance(meldungen, list):
        return visible_text(answer.text)
    entries = cast("list[Any]", meldungen)
    return shortened("; ".join(_meldung_text(entry) for entry in entries))


def _meldung_text(meldung: Any) -> str:
    if isinstance(meldung, dict):
        fields = cast("dict[str, Any]", meldung)
        return str(fields.get("Text") or fields)
    return str(meldung)
