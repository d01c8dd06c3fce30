"""The values of a rule's comparisons as people here write them, and back: 31.12.2024, 12,5, ja. Pure."""

import re
from datetime import date
from decimal import Decimal, InvalidOperation

from contracts.rpc.pipeline_definition import ValueType

_YES = frozenset({"ja", "true", "1", "wahr"})
BOOLEANS = _YES | {"nein", "false", "0", "falsch"}
_THOUSANDS = re.compile(r"-?\d{1,3}(\.\d{3})+", re.ASCII)
_GERMAN_DATE = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", re.ASCII)


def as_shown(value: str | bool, type_: ValueType) -> str:
    """As it stands in the form; what is no value of the type as it is."""
    if isinstance(value, bool):
        return "ja" if value else "nein"
    match type_:
        case ValueType.NUMBER:
            return value.replace(".", ",")
        case ValueType.DATE:
            try:
                day = date.fromisoformat(value)
            except ValueError:
                return value
            return f"{day:%d.%m}.{day.year:04}"  # strftime writes the year 999 with three digits
        case _:
            return value


def text_of(text: str, type_: ValueType) -> str:
    """As it is stored. Raises ValueError, in words."""
    match type_:
        case ValueType.NUMBER:
            return _number_of(text)
        case ValueType.DATE:
            return _date_of(text)
        case ValueType.BOOLEAN:
            boolean_of(text)
            return text
        case _:
            return text


def boolean_of(text: str) -> bool:
    """Raises ValueError, in words."""
    word = text.casefold()
    if word not in BOOLEANS:
        raise ValueError(f"„{text}“: bitte ja oder nein")
    return word in _YES


def _number_of(text: str) -> str:
    if _THOUSANDS.fullmatch(text):
        raise ValueError(f"„{text}“: bitte ohne Punkte zwischen den Tausendern")
    plain = text.replace(",", ".")
    try:
        is_number = Decimal(plain).is_finite()
    except InvalidOperation:
        is_number = False
    if not is_number:
        raise ValueError(f"„{text}“ ist keine Zahl")
    return plain


def _date_of(text: str) -> str:
    german = _GERMAN_DATE.fullmatch(text)
    try:
        if german:
            day, month, year = map(int, german.groups())
            return date(year, month, day).isoformat()
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise ValueError(f"„{text}“ ist kein Tag: bitte TT.MM.JJJJ") from error
