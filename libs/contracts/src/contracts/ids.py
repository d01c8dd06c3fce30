"""The ids of our world, each a `str` that cannot hold anything else.

They are the only way into a NATS subject: a 5,000-digit id makes the server drop the connection,
and `*` or `>` as an id would be stored as a wildcard's twin. `TenantId("a.b")` raises `ValueError`
(pydantic turns it into its own error), so a value of these types is safe wherever it goes.
"""

import re
from typing import Any, ClassVar, Self

import uuid_utils
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

SHOWN_LENGTH = 40
"""Characters of a refused id that an error message repeats."""


class _Id(str):
    """A text that matches its class's pattern from end to end."""

    __slots__ = ()
    pattern: ClassVar[re.Pattern[str]]

    def __new__(cls, value: str) -> Self:
        if not cls.pattern.fullmatch(value):
            raise ValueError(f"{value[:SHOWN_LENGTH]!r} is no {cls.__name__} ({cls.pattern.pattern})")
        return super().__new__(cls, value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        def checked(value: str) -> Self:
            return str.__new__(cls, value)  # the schema has looked at it already

        return core_schema.no_info_after_validator_function(
            checked,
            core_schema.str_schema(pattern=f"^{cls.pattern.pattern}$", strict=True),
            serialization=core_schema.to_string_ser_schema(),
        )


class TenantId(_Id):
    """One broker team. The UI calls it Team."""

    __slots__ = ()
    pattern = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class PipelineId(_Id):
    """The number of a pipeline, as it stands in the webhook's URL."""

    __slots__ = ()
    pattern = re.compile(r"[0-9]{1,9}")


class ZohoId(_Id):
    """A Zoho record, organisation or user. Exceeds 2^53, so it is text everywhere."""

    __slots__ = ()
    pattern = re.compile(r"[0-9]{1,20}")


class AmeiseKey(_Id):
    """The key of a row in a DailyUp table: Kundennummer, Vertragsnummer, Sparte `050`, Land `DE`,
    or `kunde_id:feld_id` for a Kundendetail."""

    __slots__ = ()
    pattern = re.compile(r"[0-9A-Za-z_:-]{1,64}")


class Kundennummer(AmeiseKey):
    """Usually `5` and nine digits; shorter ones and up to 14 digits occur. Text, digits only."""

    __slots__ = ()
    pattern = re.compile(r"[0-9]{1,14}")


class Vertragsnummer(AmeiseKey):
    """Ameise's own id of a Vertrag, not the insurer's Versicherungsscheinnummer."""

    __slots__ = ()
    pattern = re.compile(r"[0-9]{1,14}")


class Uuid(_Id):
    """A UUID in its canonical text form; ours are version 7, so they sort by time."""

    __slots__ = ()
    pattern = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def new_id() -> Uuid:
    """A fresh UUIDv7."""
    return Uuid(str(uuid_utils.uuid7()))
