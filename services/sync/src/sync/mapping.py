"""How one field of Ameise and one field of Zoho belong together, and how a value gets across.

Separate steps: *read* (each side's raw value into its canonical form), *convert* (canonical Ameise value ↔
canonical Zoho value; only ever run on a side that changed), *agree* (whether a converted value is what the
other side has), *check* (right before writing), *send* (canonical into what the side's API takes). Pure.
"""

import functools
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, assert_never
from urllib.parse import quote

from contracts.rpc.pipeline_definition import Blank, Converter, FieldMapping, Way
from sync.phones import canonical_phone
from sync.values import (
    UNKNOWN,
    Known,
    Value,
    canonical,
    canonical_boolean,
    canonical_date,
    canonical_number,
)

__all__ = ["Blank", "Converter", "FieldMapping", "Way"]

ONE_WAY = frozenset({Converter.LOOKUP, Converter.JOIN, Converter.CONSTANT, Converter.LINK, Converter.USER})
"""Converters that only lead to Zoho. It assigns records to users by itself, which nobody typed."""

BY_VALUES = frozenset({Converter.PICKLIST, Converter.USER})
"""Converters that go by `values` and `default`."""

DETAILS = "details"
"""The field of a Kunde that holds the individual fields that there are, by their Bezeichnung; what is not in
it is unknown: a field may have been renamed."""

_LOCAL_PART, _DOMAIN = 64, 253
"""Longest parts of an e-mail address (RFC 5321)."""


class CannotConvert(ValueError):  # noqa: N818
    """A value has no counterpart on the other side; the message names field and rule, not the value."""


Resolve = Callable[[str, str], str | None]
"""`resolve(module, key)`: the Zoho id of the record linked to an object of Ameise, None if there is none."""


class Conversion:
    """Converts with what lies outside of a mapping: links of lookups, and Ameise's address for deep links."""

    def __init__(self, *, link_base: str, resolve: Resolve) -> None:
        self._link_base = link_base
        self._resolve = resolve

    def to_zoho(self, mapping: FieldMapping, value: Known) -> Known:
        """The Zoho form of an Ameise value."""
        if value is None:
            return None
        match mapping.converter:
            case Converter.PICKLIST:
                unlisted = value if mapping.default is None else mapping.default
                return mapping.values.get(str(value), unlisted)
            case Converter.USER:
                return mapping.values.get(str(value), mapping.default)
            case Converter.LINK:
                return (mapping.template or "").format(base=self._link_base, value=quote(str(value), safe=""))
            case Converter.LOOKUP:
                return self._resolve(mapping.module or "", str(value))
            case _:
                return value

    def to_ameise(self, mapping: FieldMapping, value: Known) -> Known:
        """The Ameise form of a Zoho value.

        Raises CannotConvert for converters that go one way only, and for a picklist value that stands for
        several of Ameise's: writing back any of them would be a guess.
        """
        if mapping.converter in ONE_WAY:
            raise CannotConvert(f"{mapping.zoho} geht nur nach Zoho")
        if value is None or mapping.converter is not Converter.PICKLIST:
            return value
        meant = _keys_of(mapping, value)
        if len(meant) > 1 or value == mapping.default:
            raise CannotConvert(
                f"{mapping.zoho}: der Wert steht für mehrere Werte von {mapping.ameise} in Ameise"
            )
        return meant[0] if meant else value

    def agrees_in_zoho(self, mapping: FieldMapping, ameise: Known, zoho: Known) -> bool:
        """Whether Zoho has what Ameise's value becomes there."""
        return same(mapping, self.to_zoho(mapping, ameise), zoho)

    def agrees_in_ameise(self, mapping: FieldMapping, zoho: Known, ameise: Known) -> bool:
        """Whether Ameise has (one of) what Zoho's value stands for."""
        if mapping.converter in BY_VALUES:
            return self.to_zoho(mapping, ameise) == zoho
        return same(mapping, self.to_ameise(mapping, zoho), ameise)


def _keys_of(mapping: FieldMapping, zoho: Known) -> list[str]:
    return [ameise for ameise, listed in mapping.values.items() if listed == zoho]


def same(mapping: FieldMapping, one: Known, other: Known) -> bool:
    """Whether two values of one side are the same, however they are written."""
    if one == other:
        return True
    if not (isinstance(one, str) and isinstance(other, str)):
        return False
    match mapping.converter:
        case Converter.PHONE:
            return canonical_phone(one) == canonical_phone(other)
        case Converter.EMAIL:
            return one.casefold() == other.casefold()
        case _:
            return False


def check(mapping: FieldMapping, value: Known, *, receiver: str) -> Known:
    """The value, if the receiving field can take it. Raises CannotConvert."""
    if value is None:
        if mapping.required:
            raise CannotConvert(f"{receiver}: Pflichtfeld, der Wert fehlt")
        return None
    if mapping.max_length is not None and isinstance(value, str) and len(value) > mapping.max_length:
        raise CannotConvert(f"{mapping.ameise}: {len(value)} Zeichen, {receiver} fasst {mapping.max_length}")
    if (wrong := _wrong_form(mapping.converter, value)) is not None:
        raise CannotConvert(f"{receiver}: der Wert ist {wrong}")
    return value


def _wrong_form(converter: Converter, value: str | bool) -> str | None:
    match converter:
        case Converter.EMAIL:
            return None if _is_email(str(value)) else "keine E-Mail-Adresse"
        case Converter.DATE:
            return None if _is_date(str(value)) else "kein Datum"
        case Converter.NUMBER:
            return None if _is_number(str(value)) else "keine Zahl"
        case Converter.BOOLEAN:
            return None if isinstance(value, bool) else "weder ja noch nein"
        case _:
            return None


def _is_email(text: str) -> bool:
    local, at, domain = text.rpartition("@")
    return (
        bool(at)
        and 0 < len(local) <= _LOCAL_PART
        and 0 < len(domain) <= _DOMAIN
        and "." in domain.strip(".")
        and ".." not in domain
        and not any(letter.isspace() or letter in ",;<>" for letter in text)
    )


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.lstrip("+-")[:1].isdigit() or text.lstrip("+-")[:1] == "."


@functools.cache
def reader(converter: Converter) -> Callable[[Any], Known]:
    """What brings a raw value of either side into canonical form."""
    match converter:
        case Converter.NUMBER:
            return canonical_number
        case Converter.DATE:
            return canonical_date
        case Converter.BOOLEAN:
            return canonical_boolean
        case (
            Converter.TEXT
            | Converter.PHONE
            | Converter.EMAIL
            | Converter.PICKLIST
            | Converter.USER
            | Converter.LOOKUP
            | Converter.JOIN
            | Converter.CONSTANT
            | Converter.LINK
        ):
            return canonical
        case _:
            assert_never(converter)


def read(mapping: FieldMapping, raw: Any) -> Known:
    """A raw value of either side in canonical form."""
    return reader(mapping.converter)(raw)


def read_zoho(mapping: FieldMapping, record: Mapping[str, Any]) -> Value:
    """The record's value; unknown if the record came without the field."""
    return read(mapping, record[mapping.zoho]) if mapping.zoho in record else UNKNOWN


def written_of(mapping: FieldMapping) -> tuple[str, ...]:
    """The values of Zoho that the mapping itself names."""
    named = (*mapping.values.values(), mapping.default, mapping.constant)
    return tuple(dict.fromkeys(value for value in named if value is not None))


def sources_of(mapping: FieldMapping) -> tuple[str, ...]:
    """The fields of Ameise that a mapping reads."""
    if mapping.converter is Converter.CONSTANT:
        return ()
    if mapping.detail is not None:
        return (DETAILS,)
    return mapping.parts or (mapping.ameise,)


def read_ameise(mapping: FieldMapping, fields: Mapping[str, Any]) -> Value:
    """The object's value; unknown if it came without a field that the mapping reads, or is none of a user:
    whose the record is stays as it is then."""
    if mapping.converter is Converter.CONSTANT:
        return mapping.constant
    sources = sources_of(mapping)
    if any(name not in fields for name in sources):
        return UNKNOWN
    if mapping.detail is not None:
        raw = fields[DETAILS].get(mapping.detail.name, UNKNOWN)
        return UNKNOWN if raw is UNKNOWN else _with_user(mapping, read(mapping, raw))
    if mapping.converter is not Converter.JOIN:
        return _with_user(mapping, read(mapping, fields[sources[0]]))
    parts = (canonical(fields[name]) for name in sources)
    return mapping.separator.join(str(part) for part in parts if part is not None) or None


def _with_user(mapping: FieldMapping, value: Known) -> Value:
    if mapping.converter is not Converter.USER or value is None or mapping.default is not None:
        return value
    return value if str(value) in mapping.values else UNKNOWN


def send_to_zoho(mapping: FieldMapping, value: Known) -> Any:
    """A canonical Zoho value as Zoho's API takes it."""
    if value is None:
        return None
    match mapping.converter:
        case Converter.NUMBER:
            return float(value)
        case Converter.LOOKUP | Converter.USER:
            return {"id": value}
        case _:
            return value
