"""A list of pairs (`1 = Herr`, one a line) as text that a person edits. Pure."""

import json
from collections.abc import Mapping
from typing import Any, cast

_BETWEEN = " = "


def as_text(pairs: Mapping[str, str]) -> str:
    """Lines; JSON where a line could not say it (blanks at an end, line breaks)."""
    text = "\n".join(f"{left}{_BETWEEN}{right}" for left, right in pairs.items())
    try:
        says_it = from_text(text) == dict(pairs)
    except ValueError:
        says_it = False
    return text if says_it else json.dumps(pairs, ensure_ascii=False, indent=1)


def from_text(text: str) -> dict[str, str]:
    """Raises ValueError, in words and with the line."""
    if text.lstrip().startswith("{"):
        return _from_json(text)
    pairs: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        left, between, right = line.partition("=")
        left = left.strip()
        if not between:
            raise ValueError(f"Zeile {number}: erwartet wird „Wert in Ameise = Wert in Zoho“")
        if left in pairs:
            raise ValueError(f"Zeile {number}: „{left}“ kommt doppelt vor")
        pairs[left] = right.strip()
    return pairs


def _from_json(text: str) -> dict[str, str]:
    try:
        read: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("das ist kein gültiges JSON") from error
    pairs = cast("dict[str, Any]", read)
    if not all(isinstance(value, str) for value in pairs.values()):
        raise ValueError("alle Werte müssen Text sein")
    return pairs
