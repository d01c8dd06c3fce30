"""The three-way merge with two bases, field by field. Pure.

A side has changed if its value differs from *its own* base; converters run only on a side that changed.
One side changed → take it. Both alike → agreed. Both differ → the policy decides, and it is a conflict; if
the policy is to ask, both sides stay until a person decided. Unknown never changes anything. Empty only
erases the other side where the mapping says so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import assert_never

from contracts.rpc.pipeline_definition import Blank, FieldMapping, Policy, Way
from contracts.rpc.sync_preview import Finding
from sync.mapping import CannotConvert, Conversion, check, same
from sync.values import UNKNOWN, Fields, Known, Value

__all__ = ["Finding", "Policy"]


CONFLICTS = frozenset({Finding.CONFLICT_TO_AMEISE, Finding.CONFLICT_TO_ZOHO, Finding.ASKED})
OPEN = frozenset({Finding.UNKNOWN, Finding.ASKED, Finding.STILL_ASKED})
"""Findings of fields that are not settled: their bases stay, so that the change stays visible."""
_TO_ZOHO = frozenset({Finding.AMEISE_CHANGED, Finding.CONFLICT_TO_ZOHO})
_TO_AMEISE = frozenset({Finding.ZOHO_CHANGED, Finding.CONFLICT_TO_AMEISE})


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person is asked about a field: both values then, and who wins, None if he has not decided."""

    ameise: Known
    zoho: Known
    winner: Policy | None = None


Decisions = Mapping[str, Asked]
"""By Ameise's names of the fields that a person is or was asked about."""
NOTHING_ASKED: Decisions = MappingProxyType({})
_NO_BASES: Mapping[str, Known] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Merged:
    """What to write where (canonical values in the receiving side's form), and why, by mapping.

    `held_back`: Ameise's names of what should be written to Zoho and does not fit there any more.
    """

    to_zoho: Mapping[str, Known] = field(default_factory=dict[str, Known])
    to_ameise: Mapping[str, Known] = field(default_factory=dict[str, Known])
    findings: Mapping[str, Finding] = field(default_factory=dict[str, Finding])
    held_back: tuple[str, ...] = ()

    @property
    def conflicts(self) -> tuple[str, ...]:
        """Ameise's names of the fields that both sides changed, but those that were asked about before."""
        return tuple(name for name, finding in self.findings.items() if finding in CONFLICTS)


def merge(
    mappings: Iterable[FieldMapping],
    *,
    ameise: Fields,
    zoho: Fields,
    ameise_base: Mapping[str, Known] | None,
    zoho_base: Mapping[str, Known] | None,
    policy: Policy,
    conversion: Conversion,
    asked: Decisions = NOTHING_ASKED,
    new_record: bool = False,
) -> Merged:
    """Merge all mapped fields of one object.

    Args:
        ameise, zoho: current canonical values by the mapping's names; a missing name is unknown.
        ameise_base, zoho_base: each side's own value as last read there; None before the first time.
        policy: of the pipeline; a mapping may have its own.
        new_record: the record is yet to be made in Zoho, so required fields must have a value.

    Raises CannotConvert (from the mapping) if a changed value has no counterpart, or does not fit.
    """
    a_bases, z_bases = ameise_base or _NO_BASES, zoho_base or _NO_BASES
    to_zoho: dict[str, Known] = {}
    to_ameise: dict[str, Known] = {}
    findings: dict[str, Finding] = {}
    for mapping in mappings:
        name, zoho_name = mapping.ameise, mapping.zoho
        a_value, z_value = ameise.get(name, UNKNOWN), zoho.get(zoho_name, UNKNOWN)
        a_base, z_base = a_bases.get(name, UNKNOWN), z_bases.get(zoho_name, UNKNOWN)
        if a_value == a_base and z_value == z_base and a_value is not UNKNOWN and z_value is not UNKNOWN:
            # By far the most: decided here, without a call.
            findings[name] = Finding.UNCHANGED
            continue
        a, z = _Side(a_value, a_base), _Side(z_value, z_base)
        finding = _find(mapping, a, z, mapping.policy or policy, conversion, asked)
        findings[name] = finding
        if finding in _TO_ZOHO and a_value is not UNKNOWN:
            to_zoho[zoho_name] = _checked(mapping, conversion.to_zoho(mapping, a_value))
        elif finding in _TO_AMEISE and z_value is not UNKNOWN:
            to_ameise[name] = check(mapping, conversion.to_ameise(mapping, z_value), receiver=name)
        elif new_record and mapping.required and mapping.way is not Way.TO_AMEISE and z_value is None:
            raise CannotConvert(f"{zoho_name}: Pflichtfeld, der Wert fehlt")
    return Merged(to_zoho, to_ameise, findings)


def _checked(mapping: FieldMapping, value: Known) -> Known:
    return check(mapping, value, receiver=mapping.zoho)


@dataclass(frozen=True, slots=True)
class _Side:
    """A side's value now and its base, which is unknown before the first time."""

    value: Value
    base: Value

    @property
    def changed(self) -> bool:
        """Whether the value is known and is not its own base; without a base, any value but empty has."""
        if self.value is UNKNOWN:
            return False
        return self.value is not None if self.base is UNKNOWN else self.value != self.base


def _find(
    mapping: FieldMapping, a: _Side, z: _Side, policy: Policy, conversion: Conversion, asked: Decisions
) -> Finding:
    match mapping.way:
        case Way.TO_ZOHO:
            return _one_way_to_zoho(mapping, a, z, conversion)
        case Way.TO_AMEISE:
            return _one_way_to_ameise(mapping, a, z, conversion)
        case Way.BOTH:
            if a.value is UNKNOWN or z.value is UNKNOWN:
                # The other side's change waits: written without knowing this one, it could overwrite an edit.
                return Finding.UNKNOWN
            if mapping.ameise in asked:
                return _as_decided(mapping, a.value, z.value, asked[mapping.ameise], conversion)
            return _both_ways(mapping, a, z, a.value, z.value, policy, conversion)
        case _:
            assert_never(mapping.way)


def _one_way_to_zoho(mapping: FieldMapping, a: _Side, z: _Side, conversion: Conversion) -> Finding:
    """To Zoho only: Ameise's change counts, and what Zoho was never told."""
    if a.value is UNKNOWN or z.value is UNKNOWN:
        # Zoho's value is unknown where its field cannot be read: what we cannot see we do not overwrite.
        return Finding.UNKNOWN
    if not a.changed and (a.base is not UNKNOWN or a.value is None):
        return Finding.UNCHANGED
    if conversion.agrees_in_zoho(mapping, a.value, z.value):
        return Finding.AGREED
    return _taken(mapping, a.value, Finding.AMEISE_CHANGED, there=z.value)


def _one_way_to_ameise(mapping: FieldMapping, a: _Side, z: _Side, conversion: Conversion) -> Finding:
    if z.value is UNKNOWN:
        return Finding.UNKNOWN
    if not z.changed:
        return Finding.UNCHANGED
    if a.value is UNKNOWN:
        return Finding.UNKNOWN
    if conversion.agrees_in_ameise(mapping, z.value, a.value):
        return Finding.AGREED
    return _taken(mapping, z.value, Finding.ZOHO_CHANGED, there=a.value)


def _both_ways(
    mapping: FieldMapping,
    a: _Side,
    z: _Side,
    ameise: Known,
    zoho: Known,
    policy: Policy,
    conversion: Conversion,
) -> Finding:
    if (a.changed and conversion.agrees_in_zoho(mapping, ameise, zoho)) or (
        z.changed and conversion.agrees_in_ameise(mapping, zoho, ameise)
    ):
        return Finding.AGREED
    if a.changed and z.changed:
        if ameise is None or zoho is None:
            return _one_emptied(mapping, ameise)
        return _conflict(mapping, policy)
    if a.changed:
        return _taken(mapping, ameise, Finding.AMEISE_CHANGED, there=zoho)
    if z.changed:
        return _taken(mapping, zoho, Finding.ZOHO_CHANGED, there=ameise)
    return Finding.UNCHANGED


def _conflict(mapping: FieldMapping, policy: Policy) -> Finding:
    if mapping.blank is Blank.FILL_BLANK:
        return Finding.KEPT
    match policy:
        case Policy.AMEISE:
            return Finding.CONFLICT_TO_ZOHO
        case Policy.ZOHO:
            return Finding.CONFLICT_TO_AMEISE
        case Policy.ASK:
            return Finding.ASKED
        case _:
            assert_never(policy)


def _as_decided(
    mapping: FieldMapping, ameise: Known, zoho: Known, asked: Asked, conversion: Conversion
) -> Finding:
    """A field that a person was asked about: the side that he chose wins, as it is now, over the value that
    he saw there. One that was edited since is a question of its own."""
    if conversion.agrees_in_zoho(mapping, ameise, zoho):
        return Finding.AGREED
    match asked.winner:
        case Policy.AMEISE:
            if _edited_since(mapping, zoho, asked.zoho):
                return Finding.ASKED
            return _taken(mapping, ameise, Finding.AMEISE_CHANGED, there=zoho)
        case Policy.ZOHO:
            if _edited_since(mapping, ameise, asked.ameise):
                return Finding.ASKED
            return _taken(mapping, zoho, Finding.ZOHO_CHANGED, there=ameise)
        case Policy.ASK | None:
            return Finding.STILL_ASKED
        case _:
            assert_never(asked.winner)


def _edited_since(mapping: FieldMapping, value: Known, seen: Known) -> bool:
    """Whether a side has another value than a person saw there. To empty it is an edit where empty counts."""
    counts = value is not None or mapping.blank is Blank.ERASE
    return counts and not same(mapping, value, seen)


def _one_emptied(mapping: FieldMapping, ameise: Known) -> Finding:
    """Both changed, one of them to empty: a value beats an emptying, whatever the policy."""
    if mapping.blank is Blank.ERASE:
        return Finding.CONFLICT_TO_AMEISE if ameise is None else Finding.CONFLICT_TO_ZOHO
    return Finding.ZOHO_CHANGED if ameise is None else Finding.AMEISE_CHANGED


def _taken(mapping: FieldMapping, value: Known, finding: Finding, *, there: Known) -> Finding:
    match mapping.blank:
        case Blank.KEEP:
            return Finding.KEPT if value is None else finding
        case Blank.FILL_BLANK:
            return Finding.KEPT if value is None or there is not None else finding
        case Blank.ERASE:
            return finding
        case _:
            assert_never(mapping.blank)
