"""When two ways of writing a phone number are the same number. Pure.

Only for comparing: what is written stays as it was typed. German rules, since both systems are used by
German brokers: a leading 0 is +49. Numbers that fit no rule are compared by their digits.
"""

import re

_TRUNK_ZERO = re.compile(r"\(0\)")
_DIGITS = re.compile(r"[^0-9]")
_PHONE = re.compile(r"[0-9+()/\s.\-–\u00a0]+")


def canonical_phone(text: str) -> str:
    """The number in international form, `+` and digits; text that is no number, as it is.

    >>> canonical_phone("030 / 12 34-5"), canonical_phone("0049 (0)30 12345")
    ('+493012345', '+493012345')
    """
    bare = text.strip()
    if not _PHONE.fullmatch(bare) or not (digits := _DIGITS.sub("", _TRUNK_ZERO.sub("", bare))):
        return bare
    if bare.startswith("+"):
        return f"+{digits}"
    if digits.startswith("00"):
        return f"+{digits[2:]}"
    if digits.startswith("0"):
        return f"+49{digits[1:]}"
    return digits
