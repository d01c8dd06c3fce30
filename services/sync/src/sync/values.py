"""Field values as both sides are compared by: canonical JSON values, with *unknown* kept apart from empty.

Empty is None. Unknown means: not delivered, could not be read, or not resolved. It never changes anything.
"""

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


def canonical_amount(raw: Any) -> Known:
    """An amount without trailing zeros, so that "123.40" and 123.4 are the same; anything else as it is."""
    value = canonical(raw)
    if not isinstance(value, str):
        return value
    try:
        return plain_decimal(Decimal(value))
    except InvalidOperation:
        return value


def plain_decimal(number: Decimal) -> str:
    """`number` without exponent and without trailing zeros."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
