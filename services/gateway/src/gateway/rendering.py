"""Pages from templates: autoescaped, with strict names, and with what every page needs."""

import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
import markupsafe
from fastapi import Request
from starlette.responses import HTMLResponse, Response

from gateway import wording
from gateway.session import csrf_token, is_signed_in, take_note

BERLIN = ZoneInfo("Europe/Berlin")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?", re.ASCII)
_DATE_ONLY = len("2026-11-24")


def page(
    request: Request,
    template: str,
    *,
    status_code: int = 200,
    headers: dict[str, str] | None = None,
    **values: Any,
) -> Response:
    """An HTML answer."""
    html = _templates.get_template(template).render(
        {"team": None, "tab": None}
        | values
        | {"csrf": csrf_token(request), "signed_in": is_signed_in(request), "note": take_note(request)}
    )
    return HTMLResponse(html, status_code=status_code, headers=headers)


def is_for_a_person(request: Request) -> bool:
    """Whether a browser shows the answer: programs get JSON."""
    return not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", "")


def moment(at: datetime | None) -> str:
    """`24.11.2026 08:15:03` by the clock in Berlin; a dash where there is none."""
    return at.astimezone(BERLIN).strftime("%d.%m.%Y %H:%M:%S") if at else "–"


def number(value: float) -> str:
    """`12.345`"""
    return f"{value:,.0f}".replace(",", ".")


def value_shown(value: Any) -> markupsafe.Markup:
    """A value of an object or record: empty says so, and true and false are words."""
    match value:
        case None:
            return markupsafe.Markup('<span class="hint">leer</span>')
        case bool():
            return markupsafe.escape("ja" if value else "nein")
        case _:
            return markupsafe.escape(in_german(str(value)))


def in_german(text: str) -> str:
    """A date or a moment as people here write it: `24.11.2026`, `24.11.2026 08:15:03` by the clock in Berlin;
    any other text as it is. A time without an offset, as Ameise has them, is German time already."""
    if not _ISO.fullmatch(text):
        return text
    try:
        at = datetime.fromisoformat(text)
        if len(text) == _DATE_ONLY:
            return at.strftime("%d.%m.%Y")
        return moment(at if at.tzinfo else at.replace(tzinfo=BERLIN))
    except (ValueError, OverflowError):  # the 31st of February; the year 1 in another zone
        return text


_templates = jinja2.Environment(
    loader=jinja2.PackageLoader("gateway"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters |= {
    "moment": moment,
    "number": number,
    "value_shown": value_shown,
    "label": wording.label,
    "event_label": wording.event_label,
    "reason_words": wording.reason_words,
    "rule_words": wording.rule_words,
    "value_words": wording.value_words,
    "erased_words": wording.erased_words,
    "tone": wording.tone,
}
