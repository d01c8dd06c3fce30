"""What a pipeline is. A `Definition` is data; what is prepared from it once serves every object."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from contracts.ids import PipelineId, TenantId, Uuid
from contracts.names import Table
from contracts.rpc.pipeline_definition import (
    Converter,
    FieldMapping,
    Person,
    PipelineDefinition,
    Way,
)
from sync.drift import NO_DRIFT, Drift
from sync.mapping import reader, sources_of
from sync.rules import Judgement, all_known, fields_of, judge_rule
from sync.values import UNKNOWN, Known, canonical

Read = Callable[[Any], Known]


class Definition(PipelineDefinition):
    """What an admin decided, with what the workers need of it at hand."""

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Made anew, so that nothing that was prepared is carried over."""
        del deep
        return type(self).model_validate({**self.model_dump(), **(update or {})})

    @cached_property
    def version(self) -> str:
        """Changes whenever the definition does."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @property
    def takes_webhooks(self) -> bool:
        """Whether changes in Zoho travel to Ameise."""
        return self.direction is not Way.TO_ZOHO

    @property
    def takes_deliveries(self) -> bool:
        """Whether changes in Ameise travel to Zoho."""
        return self.direction is not Way.TO_AMEISE

    @cached_property
    def zoho_fields(self) -> list[str]:
        """The record's fields that must be read: all that decide something, who changed it when, and when it
        was made."""
        always = [self.unique_field, "Modified_Time", "Modified_By", "Created_Time"]
        mark = [self.vanished.field] if self.vanished else []
        mapped = (m.zoho for m in self.fields)
        return list(dict.fromkeys([*always, *mapped, *fields_of(self.zoho_rule), *mark]))

    @cached_property
    def by_zoho(self) -> Mapping[str, FieldMapping]:
        """The mappings by Zoho's names of their fields."""
        return {m.zoho: m for m in self.fields}

    @cached_property
    def zoho_readers(self) -> Mapping[str, Read]:
        """How the fields of a record are read."""
        return {m.zoho: reader(m.converter) for m in self.fields}

    @cached_property
    def plain_readers(self) -> tuple[tuple[str, str, Read], ...]:
        """(name, field, how to read it) of mappings that read one field of the object as it came."""
        return tuple((m.ameise, sources_of(m)[0], reader(m.converter)) for m in self.fields if _is_plain(m))

    @cached_property
    def other_mappings(self) -> tuple[FieldMapping, ...]:
        """The mappings that read several fields, none, a part of one, or the key, or not every value."""
        return tuple(m for m in self.fields if not _is_plain(m))


def _is_plain(mapping: FieldMapping) -> bool:
    if (
        mapping.converter in {Converter.JOIN, Converter.CONSTANT, Converter.USER}
        or mapping.detail is not None
    ):
        return False
    return "key" not in sources_of(mapping)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline as the workers use it; `version` is that of its definition, `drift` what does not
    fit Zoho."""

    tenant: TenantId
    id: PipelineId
    name: str
    table: Table
    module: str
    ameise_connection: Uuid
    zoho_connection: Uuid
    enabled: bool
    version: str
    definition: Definition
    drift: Drift = NO_DRIFT

    @property
    def zoho_fields(self) -> list[str]:
        """As the definition's, without those that Zoho does not have."""
        fields, gone = self.definition.zoho_fields, self.drift.gone
        return [name for name in fields if name not in gone] if gone else fields


def includes(definition: Definition, fields: Mapping[str, Any]) -> Judgement:
    """Whether an object of Ameise travels to Zoho; None if a value that decides it is unknown."""
    person = _is_of_kind(definition.person, fields)
    if definition.ameise_rule is None or person is False:
        return person
    return all_known((person, judge_rule(definition.ameise_rule, fields)))


def includes_record(definition: Definition, record: Mapping[str, Any]) -> Judgement:
    """Whether a Zoho record travels to Ameise; None if a value that decides it is unknown."""
    return True if definition.zoho_rule is None else judge_rule(definition.zoho_rule, record)


def _is_of_kind(wanted: Person | None, fields: Mapping[str, Any]) -> Judgement:
    if wanted is None:
        return True
    legal = canonical(fields["juristische_person"]) if "juristische_person" in fields else UNKNOWN
    if legal is UNKNOWN:
        return None
    return legal is (wanted is Person.LEGAL)
