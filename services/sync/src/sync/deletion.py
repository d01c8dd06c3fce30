"""Whether the record of an object that is gone in Ameise may be deleted in Zoho. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sync.mapping import Conversion, FieldMapping
from sync.values import Known
from sync.zoho_records import created_by, is_made_by_send, modified_by, modified_time

_CONVERSION = Conversion(link_base="", resolve=lambda _module, _key: None)
"""Links and lookups only lead to Zoho: nobody types them."""


@dataclass(frozen=True, slots=True)
class DayLimit:
    """How many records of one pipeline may be deleted in a day: `records`, and `percent` of all it has."""

    records: int
    percent: float

    def of(self, linked: int) -> int:
        """The smaller of the two; one at least, or a small team could delete nothing by itself."""
        return max(1, min(self.records, int(linked * self.percent / 100)))


def is_overruled(record: Mapping[str, Any], overruled_at: datetime | None) -> bool:
    """Whether a person said to delete the record as it is."""
    changed = modified_time(record)
    return overruled_at is not None and changed is not None and changed <= overruled_at


def edited_since(
    own_write: Mapping[str, str] | None, record: Mapping[str, Any], *, overruled_at: datetime | None
) -> bool:
    """Whether somebody changed the record after our last write to it.

    What we do not know of counts as an edit. `overruled_at`: when a person said to delete it nevertheless;
    what was changed after that counts. Modified_Time has whole seconds, so within one Modified_By decides.
    """
    changed = modified_time(record)
    if changed is None:
        return True
    if is_overruled(record, overruled_at):
        return False
    if own_write is None or changed > datetime.fromisoformat(own_write["at"]):
        return True
    return modified_by(record) != own_write["author"]


def is_as_made(own_write: Mapping[str, str], record: Mapping[str, Any]) -> bool:
    """Whether our last write is what made the record: in the second in which somebody else made it, we may
    have written to it too."""
    return is_made_by_send(own_write, record) and created_by(record) == own_write["author"]


def is_nothing_new(mapping: FieldMapping, value: Known, in_ameise: Known) -> bool:
    """Whether a value of Zoho that was never compared, since its field is mapped only since the object is
    gone, tells Ameise nothing.

    `in_ameise`: what was read there last, None if nothing. A box that is not ticked is how Zoho makes it, so
    beside nothing it says nothing.
    """
    return (value is False and in_ameise is None) or _CONVERSION.agrees_in_zoho(mapping, in_ameise, value)
