"""The two sides of one object as the merge sees them: canonical values by the mappings' names. Pure."""

from collections.abc import Mapping, Set
from typing import Any

from sync.mapping import FieldMapping, read_ameise, sources_of
from sync.pipelines import Definition
from sync.values import UNKNOWN, Value

NOTHING_LATE: frozenset[str] = frozenset()


def ameise_values(
    definition: Definition, key: str, fields: Mapping[str, Any], *, late: Set[str] = NOTHING_LATE
) -> dict[str, Value]:
    """The object's values; a mapping that reads one of the fields `late` is unknown."""
    read: dict[str, Value] = {
        name: take(fields[source]) if source in fields else UNKNOWN
        for name, source, take in definition.plain_readers
    }
    if definition.other_mappings:
        whole = {**fields, "key": key}
        read |= {m.ameise: read_ameise(m, whole) for m in definition.other_mappings}
    if late:
        read |= {m.ameise: UNKNOWN for m in definition.fields if is_late(m, late)}
    return read


def is_late(mapping: FieldMapping, late: Set[str]) -> bool:
    """Whether the mapping reads one of the fields `late`."""
    return not late.isdisjoint((mapping.ameise, *sources_of(mapping)))


def zoho_values(definition: Definition, record: Mapping[str, Any] | None) -> dict[str, Value]:
    """The record's values; of a record that is yet to be made, all are empty."""
    if record is None:
        return {m.zoho: None for m in definition.fields}
    readers = definition.zoho_readers
    return {name: take(record[name]) if name in record else UNKNOWN for name, take in readers.items()}
