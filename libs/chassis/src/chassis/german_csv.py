"""Values as lines of a CSV file that a German Excel opens as it is: `;`, `1234,50`, `02.01.1980`, CRLF."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

BOM = b"\xef\xbb\xbf"
"""Begins the file: without it Excel takes UTF-8 for Windows-1252."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A text that begins so may be taken for a formula, and be run (CSV injection)."""


def csv_line(values: Sequence[Any]) -> str:
    """One line with its end. None is an empty cell; a text that looks like a formula gets an apostrophe."""
    return ";".join(map(_cell, values)) + "\r\n"


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "ja" if value else "nein"
        case Decimal():
            return f"{value:f}".replace(".", ",")
        case datetime():
            return f"{_day(value)} {value:%H:%M:%S}"
        case date():
            return _day(value)
        case int():
            return str(value)
        case _:
            return _quoted(_neutralised(str(value)))


def _day(value: date) -> str:
    return f"{value.day:02}.{value.month:02}.{value.year:04}"


def _neutralised(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _quoted(text: str) -> str:
    if any(special in text for special in ';"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text
