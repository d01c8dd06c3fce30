"""Whether a mapping still fits what Zoho's metadata say about its module. Pure.

Only what Zoho says counts: a type or length that it leaves out, and a type that we do not know, fit.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from contracts.rpc.pipeline_definition import Converter, FieldMapping, PipelineDefinition, Way
from contracts.rpc.sync_drift import DriftFinding, DriftKind
from sync.mapping import sources_of, written_of
from sync.rules import fields_of
from sync.values import Known
from zoho.models import FieldMeta, Layout

_TEXT = frozenset({"text", "textarea", "rich_text", "email", "phone", "website", "picklist"})
_CALCULATED = frozenset({"formula", "rollup_summary", "autonumber"})
"""Can be read, and not written."""
_FITTING: Mapping[Converter, frozenset[str]] = {
    Converter.TEXT: _TEXT,
    Converter.NUMBER: frozenset({"integer", "bigint", "double", "currency", "percent"}),
    Converter.DATE: frozenset({"date"}),
    Converter.BOOLEAN: frozenset({"boolean"}),
    Converter.PHONE: frozenset({"phone", "text"}),
    Converter.EMAIL: frozenset({"email", "text"}),
    Converter.PICKLIST: frozenset({"picklist", "text"}),
    Converter.USER: frozenset({"ownerlookup", "userlookup"}),
    Converter.LOOKUP: frozenset({"lookup"}),
    Converter.JOIN: _TEXT,
    Converter.CONSTANT: _TEXT,
    Converter.LINK: frozenset({"website", "text", "textarea"}),
}
_OTHERS = frozenset(
    {
        "multiselectpicklist", "datetime", "multiselectlookup", "multiuserlookup", "fileupload",
        "imageupload", "profileimage", "subform", "consent_lookup",
    }
)  # fmt: skip
KNOWN_TYPES = frozenset[str]().union(*_FITTING.values(), _CALCULATED, _OTHERS)
"""Of a type that is not among them nobody can say whether it fits."""
_WHOLE = frozenset({DriftKind.FIELD_GONE, DriftKind.TYPE_CHANGED})
_ALWAYS_THERE = frozenset({"key", "ameise_id", "kunde_id", "anrede_id", "nachname"})
"""What every object of Ameise that has such a field has."""
VALUES_NAMED = 5
NO_USERS = "die Verbindung darf Zohos Benutzer nicht lesen (ZohoCRM.users.READ), bitte neu verbinden"


@dataclass(frozen=True, slots=True)
class ModuleMetadata:
    """What Zoho says about a module now; `fields` by API name, None if there is no such module. `users`: the
    ids of those who can sign in, where a mapping needs them; None if they may not be read."""

    fields: Mapping[str, FieldMeta] | None
    layouts: Sequence[Layout] = ()
    users: frozenset[str] | None = frozenset()

    def demands(self, layout: str | None) -> frozenset[str]:
        """The fields without which no record can be made: by the layout, if one is chosen, else by all."""
        chosen = [one for one in self.layouts if layout is None or one.id == layout]
        required = [one.required_fields for one in chosen]
        by_layout: frozenset[str] = required[0].intersection(*required) if required else frozenset()
        by_field = {name for name, field in (self.fields or {}).items() if field.system_mandatory}
        return by_layout | by_field


@dataclass(frozen=True)
class Drift:
    """What was found last: by metadata `read_at` then, for the definition `version`; `since` the first find
    of those that stand."""

    findings: tuple[DriftFinding, ...] = ()
    since: datetime | None = None
    read_at: datetime | None = None
    version: str | None = None

    @cached_property
    def left_out(self) -> frozenset[str]:
        """The fields of Zoho that are neither read nor written."""
        return frozenset(f.field for f in self.findings if f.kind in _WHOLE and f.field)

    @cached_property
    def gone(self) -> frozenset[str]:
        """The fields that Zoho does not have."""
        return frozenset(f.field for f in self.findings if f.kind is DriftKind.FIELD_GONE and f.field)

    @cached_property
    def blocked(self) -> str | None:
        """Why nothing can be written at all, in German."""
        return next((in_words(f) for f in self.findings if f.blocks), None)

    def refuses(self, field: str, value: Known) -> bool:
        """Whether Zoho's field would not take this value."""
        return any(f.field == field and _refuses(f, value) for f in self.findings)


NO_DRIFT = Drift()


def _refuses(finding: DriftFinding, value: Known) -> bool:
    match finding.kind:
        case DriftKind.VALUE_UNKNOWN:
            return value in finding.values
        case DriftKind.TOO_SHORT:
            return isinstance(value, str) and finding.length is not None and len(value) > finding.length
        case _:
            return False


def in_words(finding: DriftFinding) -> str:
    """`"Titel gibt es in Zoho nicht mehr"`"""
    return f"{finding.field} {finding.words}" if finding.field else finding.words


def drift_of(
    definition: PipelineDefinition, module: str, metadata: ModuleMetadata
) -> tuple[DriftFinding, ...]:
    """All that does not fit, in the order of the mapping."""
    if metadata.fields is None:
        words = f"das Modul {module} gibt es in Zoho nicht mehr"
        return (DriftFinding(kind=DriftKind.MODULE_GONE, blocks=True, words=words),)
    return (
        *_layout(definition, metadata),
        *(found for m in definition.fields for found in _mapped(definition, m, metadata.fields)),
        *(found for m in definition.fields for found in _users(m, metadata)),
        *_besides(definition, metadata.fields),
        *_demanded(definition, metadata),
    )


def maps_users(definition: PipelineDefinition) -> bool:
    """Whether it depends on Zoho's users."""
    return any(m.converter is Converter.USER for m in definition.fields)


def _layout(definition: PipelineDefinition, metadata: ModuleMetadata) -> Iterable[DriftFinding]:
    wanted = definition.layout
    if wanted and metadata.layouts and all(layout.id != wanted for layout in metadata.layouts):
        words = f"das Layout {wanted} gibt es in Zoho nicht mehr"
        yield DriftFinding(kind=DriftKind.LAYOUT_GONE, words=words)


def _mapped(
    definition: PipelineDefinition, mapping: FieldMapping, fields: Mapping[str, FieldMeta]
) -> Iterable[DriftFinding]:
    field = fields.get(mapping.zoho)
    blocks = mapping.zoho == definition.unique_field
    if field is None:
        yield _found(mapping, DriftKind.FIELD_GONE, "gibt es in Zoho nicht mehr", blocks=blocks)
    elif (words := _other_type(mapping, field)) is not None:
        yield _found(mapping, DriftKind.TYPE_CHANGED, words, blocks=blocks)
    else:
        yield from _values(mapping, field)
        yield from _length(mapping, field)


def _found(
    mapping: FieldMapping,
    kind: DriftKind,
    words: str,
    *,
    values: tuple[str, ...] = (),
    length: int | None = None,
    blocks: bool = False,
) -> DriftFinding:
    return DriftFinding(
        kind=kind, field=mapping.zoho, ameise=mapping.ameise, values=values, length=length, blocks=blocks,
        words=words,
    )  # fmt: skip


def _other_type(mapping: FieldMapping, field: FieldMeta) -> str | None:
    """What is wrong with the field's type."""
    type_ = field.data_type
    if type_ not in KNOWN_TYPES:
        return None
    only_read = mapping.way is Way.TO_AMEISE and type_ in _CALCULATED
    if type_ not in _FITTING[mapping.converter] and not only_read:
        return f"ist in Zoho jetzt vom Typ {type_}, zu dem die Umwandlung nicht passt"
    there = field.lookup.module.api_name if field.lookup and field.lookup.module else None
    if mapping.converter is Converter.LOOKUP and there and mapping.module and there != mapping.module:
        return f"verweist in Zoho jetzt auf {there} statt auf {mapping.module}"
    return None


def _values(mapping: FieldMapping, field: FieldMeta) -> Iterable[DriftFinding]:
    listed = {value.actual_value for value in field.pick_list_values or ()}
    if field.data_type != "picklist" or not listed:
        return
    yield from _missing(mapping, listed, "kennt in Zoho diese Werte nicht")


def _missing(mapping: FieldMapping, there: Collection[str | None], words: str) -> Iterable[DriftFinding]:
    missing = tuple(value for value in written_of(mapping) if value not in there)
    if missing:
        named = ", ".join(missing[:VALUES_NAMED]) + (", …" if len(missing) > VALUES_NAMED else "")
        yield _found(mapping, DriftKind.VALUE_UNKNOWN, f"{words}: {named}", values=missing)


def _users(mapping: FieldMapping, metadata: ModuleMetadata) -> Iterable[DriftFinding]:
    if mapping.converter is not Converter.USER or not metadata.fields or mapping.zoho not in metadata.fields:
        return
    if metadata.users is not None:
        words = "ist Benutzern zugeordnet, die es in Zoho nicht (mehr) gibt"
        yield from _missing(mapping, metadata.users, words)
    elif written_of(mapping):
        yield _found(mapping, DriftKind.USERS_UNSEEN, f"kann nicht geprüft werden: {NO_USERS}")


def _length(mapping: FieldMapping, field: FieldMeta) -> Iterable[DriftFinding]:
    most, mapped = field.length, mapping.max_length
    if field.data_type in _TEXT and most is not None and mapped is not None and most < mapped:
        words = f"fasst in Zoho nur {most} Zeichen, zugeordnet sind {mapped}"
        yield _found(mapping, DriftKind.TOO_SHORT, words, length=most)


def _besides(definition: PipelineDefinition, fields: Mapping[str, FieldMeta]) -> Iterable[DriftFinding]:
    """Fields that are used without being mapped: by the rule, and for the mark of what is gone."""
    mapped = {m.zoho for m in definition.fields}
    marked = [definition.vanished.field] if definition.vanished else []
    for name in dict.fromkeys([*fields_of(definition.zoho_rule), *marked]):
        if name not in mapped and name not in fields:
            yield DriftFinding(kind=DriftKind.FIELD_GONE, field=name, words="gibt es in Zoho nicht mehr")


def _demanded(definition: PipelineDefinition, metadata: ModuleMetadata) -> Iterable[DriftFinding]:
    if definition.direction is Way.TO_AMEISE:
        return
    mapped = {m.zoho: m for m in definition.fields}
    for name in sorted(metadata.demands(definition.layout)):
        if (words := _unmet(mapped.get(name))) is not None:
            ameise = mapped[name].ameise if name in mapped else None
            yield DriftFinding(kind=DriftKind.REQUIRED, field=name, ameise=ameise, words=words)


def _unmet(mapping: FieldMapping | None) -> str | None:
    """Why a field that Zoho demands may come without a value. Where the mapping demands it too, that is
    known, and told by itself of each object that lacks it."""
    if mapping is None:
        return "ist in Zoho Pflicht und nicht zugeordnet: neue Datensätze werden abgelehnt"
    if mapping.way is Way.TO_AMEISE:
        return "ist in Zoho Pflicht und geht nur nach Ameise: neue Datensätze werden abgelehnt"
    if not mapping.required and _may_be_empty(mapping):
        return (
            f"ist in Zoho Pflicht, {mapping.ameise} kann aber leer sein: neue Datensätze ohne Wert werden "
            "abgelehnt (als Pflicht zuordnen, wenn das so sein soll)"
        )
    return None


def _may_be_empty(mapping: FieldMapping) -> bool:
    match mapping.converter:
        case Converter.CONSTANT:
            return False
        case Converter.LOOKUP:  # there may be no record yet
            return True
        case _:
            return _ALWAYS_THERE.isdisjoint(sources_of(mapping))


@dataclass(frozen=True, slots=True)
class Turn:
    """How what was found differs from what stood before."""

    news: tuple[DriftFinding, ...]
    healed: tuple[DriftFinding, ...]
    fits: bool

    @property
    def fits_again(self) -> bool:
        return self.fits and bool(self.healed)


def turn(before: Sequence[DriftFinding], now: Sequence[DriftFinding]) -> Turn:
    """What is new, and what stands no longer. Of a finding that only shrank nothing is new, but what it
    held back before may be written now."""
    return Turn(
        news=tuple(f for f in now if not any(_covers(b, f) for b in before)),
        healed=tuple(b for b in before if not any(_covers(f, b) for f in now)),
        fits=not now,
    )


def _covers(one: DriftFinding, other: DriftFinding) -> bool:
    """Whether all that the other refuses is refused by the one."""
    return (
        (one.kind, one.field) == (other.kind, other.field)
        and set(other.values) <= set(one.values)
        and (one.length or 0) <= (other.length or 0)
    )
