"""Field values as both sides are compared by: canonical JSON values, with *unknown* kept apart from empty.

Empty is None. Unknown means: not delivered, could not be read, or not resolved. It never changes anything.
"""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, Final, cast

Known = str | bool | None
"""A value that can be compared: text (dates as YYYY-MM-DD, amounts as plain decimals), bool, or empty."""


class Unknown(Enum):
    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN

Value = Known | Unknown
Fields = Mapping[str, Value]


def canonical(raw: Any) -> Known:
    """A JSON value of either side in the one form that is compared: blank text is empty, a lookup is its id.

    >>> canonical("  "), canonical(12.5), canonical({"id": "7", "name": "x"})
    (None, '12.5', '7')
    """
    if type(raw) is str:  # first, since nearly all values are
        return raw.strip() or None
    match raw:
        case None | bool():
            return raw
        case str():
            return raw.strip() or None
        case int() | float() | Decimal():
            return plain_decimal(Decimal(str(raw)))
        case dict():
            return canonical(cast("dict[str, Any]", raw).get("id"))
        case _:
            return str(raw)


def canonical_number(raw: Any) -> Known:
    """A number without trailing zeros, so that "123.40" and 123.4 are the same; anything else as it is."""
    value = canonical(raw)
    if not isinstance(value, str):
        return value
    try:
        number = Decimal(value)
    except InvalidOperation:
        return value
    return plain_decimal(number) if number.is_finite() else value


def canonical_date(raw: Any) -> Known:
    """A date as YYYY-MM-DD, also from 31.12.2024 and from a moment; anything else as it is."""
    value = canonical(raw)
    if not isinstance(value, str):
        return value
    if german := _GERMAN_DATE.fullmatch(value):
        day, month, year = german.groups()
        return f"{year}-{month:0>2}-{day:0>2}"
    return value[:10] if _MOMENT.fullmatch(value) else value


def canonical_boolean(raw: Any) -> Known:
    """Yes or no, also from the words that deliveries and people use; anything else as it is."""
    value = canonical(raw)
    return _BOOLEANS.get(value.casefold(), value) if isinstance(value, str) else value


_GERMAN_DATE = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ].*")
_BOOLEANS: Mapping[str, bool] = {
    "ja": True, "true": True, "1": True, "wahr": True,
    "nein": False, "false": False, "0": False, "falsch": False,
}  # fmt: skip


def plain_decimal(number: Decimal) -> str:
    """`number` without exponent and without trailing zeros."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
