"""How one field of Ameise and one field of Zoho belong together, and how a value gets across.

Three separate steps: *read* (each side's raw value into its canonical form), *convert* (canonical Ameise
value ↔ canonical Zoho value; only ever run on a side that changed), *send* (canonical into what the
side's API takes). Pure.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, assert_never

from pydantic import BaseModel, ConfigDict, Field

from sync.values import UNKNOWN, Known, Value, canonical, canonical_amount


class Way(StrEnum):
    """Which way a field travels."""

    BOTH = "both"
    TO_ZOHO = "to_zoho"
    TO_AMEISE = "to_ameise"


class Converter(StrEnum):
    """How a value gets from one side's form to the other's."""

    TEXT = "text"
    DATE = "date"
    AMOUNT = "amount"
    VALUES = "values"
    """By the mapping's table `values` (Ameise → Zoho); what is not in it travels as it is."""
    KUNDE_LINK = "kunde_link"
    VERTRAG_LINK = "vertrag_link"
    LOOKUP = "lookup"
    """The key of an object of Ameise becomes the id of the Zoho record that it is linked to."""


class FieldMapping(BaseModel):
    """One row of a pipeline's mapping; `ameise` and `zoho` are field names.

    `erase`: whether empty on one side may erase the other. `module`: of a lookup, where it points to.
    """

    model_config = ConfigDict(frozen=True)

    ameise: str
    zoho: str
    way: Way = Way.BOTH
    converter: Converter = Converter.TEXT
    values: Mapping[str, str] = Field(default_factory=dict[str, str])
    erase: bool = False
    max_length: int | None = None
    module: str | None = None


class CannotConvert(ValueError):  # noqa: N818
    """A value has no counterpart on the other side; the message names field and rule, not the value."""


Resolve = Callable[[str, str], str | None]
"""`resolve(module, key)`: the Zoho id of the record linked to an object of Ameise, None if there is none."""

Link = Callable[[str], str]
"""The deep link of a Kundennummer or Vertragsnummer."""


class Conversion:
    """Converts with what lies outside of a mapping: links of lookups and deep links."""

    def __init__(self, *, kunde_link: Link, vertrag_link: Link, resolve: Resolve) -> None:
        self._kunde_link = kunde_link
        self._vertrag_link = vertrag_link
        self._resolve = resolve

    def to_zoho(self, mapping: FieldMapping, value: Known) -> Known:
        """The Zoho form of an Ameise value. Raises CannotConvert."""
        if value is None:
            return None
        match mapping.converter:
            case Converter.TEXT | Converter.DATE | Converter.AMOUNT:
                return _fitting(mapping, value)
            case Converter.VALUES:
                return mapping.values.get(str(value), value)
            case Converter.KUNDE_LINK:
                return self._kunde_link(str(value))
            case Converter.VERTRAG_LINK:
                return self._vertrag_link(str(value))
            case Converter.LOOKUP:
                return self._resolve(mapping.module or "", str(value))
            case _:
                assert_never(mapping.converter)

    def to_ameise(self, mapping: FieldMapping, value: Known) -> Known:
        """The Ameise form of a Zoho value. Raises CannotConvert for converters that go one way only."""
        if value is None:
            return None
        match mapping.converter:
            case Converter.TEXT | Converter.DATE | Converter.AMOUNT:
                return value
            case Converter.VALUES:
                back = (ameise for ameise, zoho in mapping.values.items() if zoho == value)
                return next(back, value)
            case Converter.KUNDE_LINK | Converter.VERTRAG_LINK | Converter.LOOKUP:
                raise CannotConvert(f"{mapping.zoho} travels to Zoho only")
            case _:
                assert_never(mapping.converter)


def _fitting(mapping: FieldMapping, value: Known) -> Known:
    if mapping.max_length is not None and isinstance(value, str) and len(value) > mapping.max_length:
        raise CannotConvert(
            f"{mapping.ameise}: {len(value)} Zeichen, {mapping.zoho} fasst {mapping.max_length}"
        )
    return value


def read(mapping: FieldMapping, raw: Any) -> Known:
    """A raw value of either side in canonical form."""
    return canonical_amount(raw) if mapping.converter is Converter.AMOUNT else canonical(raw)


def read_zoho(mapping: FieldMapping, record: Mapping[str, Any]) -> Value:
    """The record's value; unknown if the record came without the field."""
    return read(mapping, record[mapping.zoho]) if mapping.zoho in record else UNKNOWN


def read_ameise(mapping: FieldMapping, fields: Mapping[str, Any]) -> Value:
    """The object's value; unknown if it came without the field."""
    return read(mapping, fields[mapping.ameise]) if mapping.ameise in fields else UNKNOWN


def send_to_zoho(mapping: FieldMapping, value: Known) -> Any:
    """A canonical Zoho value as Zoho's API takes it."""
    if value is None:
        return None
    match mapping.converter:
        case Converter.AMOUNT:
            return float(value)
        case Converter.LOOKUP:
            return {"id": value}
        case _:
            return value
