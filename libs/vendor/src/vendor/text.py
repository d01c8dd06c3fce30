"""Make what an outside system sent fit for a person's eyes, and an id fit for a path."""

from __future__ import annotations

import re
from html import unescape

WORDS_LIMIT = 500
"""Characters of the outside system's words that an error keeps."""

_INVISIBLE = re.compile(r"<(script|style|head)\b.*?</\1\s*>|<!--.*?-->", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def shortened(text: str, limit: int = WORDS_LIMIT) -> str:
    """Return the text on one line with at most ``limit`` characters, the last one "…" if it was cut."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def visible_text(html: str, limit: int = WORDS_LIMIT) -> str:
    """Return what a reader of the page would see, shortened. Text without tags passes unchanged."""
    return shortened(unescape(_TAG.sub(" ", _INVISIBLE.sub(" ", html))), limit)


def path_id(value: str) -> str:
    """Return the id if it may stand in a URL path; else ValueError.

    Ids come from webhooks and from people: "../kunden" or "1?x=y" would ask for something else.
    """
    if not _ID.fullmatch(value):
        raise ValueError("An id for a URL path must be 1 to 64 letters, digits, '_' or '-'.")
    return value
