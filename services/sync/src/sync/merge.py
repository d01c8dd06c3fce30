"""The three-way merge with two bases, field by field. Pure.

A side has changed if its value differs from *its own* base; converters run only on a side that changed.
One side changed → take it. Both alike → agreed. Both differ → the policy decides, and it is a conflict.
Unknown never changes anything. Empty only erases the other side where the mapping says so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from sync.mapping import Conversion, FieldMapping, Way
from sync.values import UNKNOWN, Fields, Known, Value


class Policy(StrEnum):
    """Who wins where both sides changed a field to different values."""

    AMEISE = "ameise"
    ZOHO = "zoho"


class Finding(StrEnum):
    """What the merge found for one field."""

    UNCHANGED = "unchanged"
    UNKNOWN = "unknown"
    AGREED = "agreed"
    AMEISE_CHANGED = "ameise_changed"
    ZOHO_CHANGED = "zoho_changed"
    CONFLICT_TO_AMEISE = "conflict_to_ameise"
    CONFLICT_TO_ZOHO = "conflict_to_zoho"
    KEPT = "kept"
    """The change is an emptying (or goes a way that the mapping does not take): the other side stays."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What to write where (canonical values in the receiving side's form), and why, by mapping."""

    to_zoho: Mapping[str, Known] = field(default_factory=dict[str, Known])
    to_ameise: Mapping[str, Known] = field(default_factory=dict[str, Known])
    findings: Mapping[str, Finding] = field(default_factory=dict[str, Finding])

    @property
    def conflicts(self) -> tuple[str, ...]:
        """Ameise's names of the fields that both sides changed."""
        both = {Finding.CONFLICT_TO_AMEISE, Finding.CONFLICT_TO_ZOHO}
        return tuple(name for name, finding in self.findings.items() if finding in both)


def merge(
    mappings: Iterable[FieldMapping],
    *,
    ameise: Fields,
    zoho: Fields,
    ameise_base: Mapping[str, Known] | None,
    zoho_base: Mapping[str, Known] | None,
    policy: Policy,
    conversion: Conversion,
) -> Merged:
    """Merge all mapped fields of one object.

    Args:
        ameise, zoho: current canonical values by the side's own field names; a missing name is unknown.
        ameise_base, zoho_base: each side's own value as last read there; None before the first time.

    Raises CannotConvert (from the mapping) if a changed value has no counterpart.
    """
    to_zoho: dict[str, Known] = {}
    to_ameise: dict[str, Known] = {}
    findings: dict[str, Finding] = {}
    for mapping in mappings:
        a = _Side(ameise.get(mapping.ameise, UNKNOWN), ameise_base, mapping.ameise)
        z = _Side(zoho.get(mapping.zoho, UNKNOWN), zoho_base, mapping.zoho)
        finding = _find(mapping, a, z, policy, conversion)
        findings[mapping.ameise] = finding
        if finding in {Finding.AMEISE_CHANGED, Finding.CONFLICT_TO_ZOHO} and a.value is not UNKNOWN:
            to_zoho[mapping.zoho] = conversion.to_zoho(mapping, a.value)
        elif finding in {Finding.ZOHO_CHANGED, Finding.CONFLICT_TO_AMEISE} and z.value is not UNKNOWN:
            to_ameise[mapping.ameise] = conversion.to_ameise(mapping, z.value)
    return Merged(to_zoho, to_ameise, findings)


@dataclass(frozen=True, slots=True)
class _Side:
    value: Value
    bases: Mapping[str, Known] | None
    name: str

    @property
    def has_base(self) -> bool:
        return self.bases is not None and self.name in self.bases

    @property
    def changed(self) -> bool:
        """Whether the value is known and is not its own base; without a base, any value but empty has."""
        if self.value is UNKNOWN:
            return False
        if self.bases is not None and self.name in self.bases:
            return self.value != self.bases[self.name]
        return self.value is not None


def _find(mapping: FieldMapping, a: _Side, z: _Side, policy: Policy, conversion: Conversion) -> Finding:
    match mapping.way:
        case Way.TO_ZOHO:
            return _one_way(mapping, a, z, conversion)
        case Way.TO_AMEISE:
            if not z.changed:
                return Finding.UNKNOWN if z.value is UNKNOWN else Finding.UNCHANGED
            return _taken(mapping, z.value, Finding.ZOHO_CHANGED)
        case Way.BOTH:
            return _both_ways(mapping, a, z, policy, conversion)
        case _:
            assert_never(mapping.way)


def _one_way(mapping: FieldMapping, a: _Side, z: _Side, conversion: Conversion) -> Finding:
    """To Zoho only: Ameise's change counts, and what Zoho was never told."""
    if a.value is UNKNOWN or z.value is UNKNOWN:
        # Zoho's value is unknown where its field cannot be read: what we cannot see we do not overwrite.
        return Finding.UNKNOWN
    if not a.changed and (a.has_base or a.value is None):
        return Finding.UNCHANGED
    if conversion.to_zoho(mapping, a.value) == z.value:
        return Finding.AGREED
    return _taken(mapping, a.value, Finding.AMEISE_CHANGED)


def _both_ways(mapping: FieldMapping, a: _Side, z: _Side, policy: Policy, conversion: Conversion) -> Finding:
    if a.value is UNKNOWN or z.value is UNKNOWN:
        # The other side's change waits: written without knowing this side, it could overwrite an edit.
        return Finding.UNKNOWN
    if (a.changed and conversion.to_zoho(mapping, a.value) == z.value) or (
        z.changed and conversion.to_ameise(mapping, z.value) == a.value
    ):
        return Finding.AGREED
    if a.changed and z.changed:
        if a.value is None or z.value is None:
            return _one_emptied(mapping, a)
        return Finding.CONFLICT_TO_ZOHO if policy is Policy.AMEISE else Finding.CONFLICT_TO_AMEISE
    if a.changed:
        return _taken(mapping, a.value, Finding.AMEISE_CHANGED)
    if z.changed:
        return _taken(mapping, z.value, Finding.ZOHO_CHANGED)
    return Finding.UNCHANGED


def _one_emptied(mapping: FieldMapping, a: _Side) -> Finding:
    """Both changed, one of them to empty: a value beats an emptying, whatever the policy."""
    if mapping.erase:
        return Finding.CONFLICT_TO_AMEISE if a.value is None else Finding.CONFLICT_TO_ZOHO
    return Finding.ZOHO_CHANGED if a.value is None else Finding.AMEISE_CHANGED


def _taken(mapping: FieldMapping, value: Value, finding: Finding) -> Finding:
    return finding if value is not None or mapping.erase else Finding.KEPT
