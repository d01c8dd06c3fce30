"""The page on which the values of a mapped picklist are chosen, with what sync suggests. Pure.

The form has one choice per entry of Ameise's list, `value.<entry>`; an empty one maps the entry to nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from contracts.rpc.pipeline_definition import FieldMapping, PipelineDefinition
from contracts.rpc.sync_values import SuggestedValues

PREFIX = "value."


@dataclass(frozen=True, slots=True)
class Line:
    """An entry of Ameise's list; `is_new`: it is suggested, and not mapped so yet."""

    entry: str
    text: str
    chosen: str
    is_new: bool


def mapping_of(definition: PipelineDefinition, field: str) -> FieldMapping | None:
    """The row of the mapping by its field in Ameise."""
    return next((m for m in definition.fields if m.ameise == field), None)


def lines_of(
    mapping: FieldMapping | None, suggested: SuggestedValues | None, typed: Mapping[str, str] | None = None
) -> tuple[Line, ...]:
    """First what waits for a person, then what is suggested, then what is mapped already; with what was
    chosen, if a form came that was not stored. That alone while nobody says what there is."""
    if mapping is None or suggested is None:
        return tuple(
            Line(name.removeprefix(PREFIX), "", value, is_new=False)
            for name, value in (typed or {}).items()
            if name.startswith(PREFIX)
        )
    lines = _suggested_lines(mapping, suggested)
    if typed is None:
        return lines
    return tuple(replace(line, chosen=typed.get(PREFIX + line.entry, line.chosen)) for line in lines)


def _suggested_lines(mapping: FieldMapping, suggested: SuggestedValues) -> tuple[Line, ...]:
    waiting = [Line(one.value, one.text, "", is_new=False) for one in suggested.unmatched]
    found = [
        Line(entry, suggested.texts.get(entry, ""), value, is_new=mapping.values.get(entry) != value)
        for entry, value in suggested.values.items()
    ]
    return (*waiting, *sorted(found, key=lambda line: not line.is_new))


def options_of(suggested: SuggestedValues | None, typed: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """All values that Zoho has, those that no entry becomes first; while nobody says them, those chosen."""
    if suggested is None:
        return tuple(dict.fromkeys(chosen_of(typed or {}).values()))
    return tuple(dict.fromkeys((*suggested.unused, *suggested.values.values())))


def lost_of(mapping: FieldMapping, suggested: SuggestedValues) -> dict[str, str]:
    """What is mapped now and would go: one of the two sides does not know it any more."""
    return {entry: value for entry, value in mapping.values.items() if entry not in suggested.values}


def chosen_of(typed: Mapping[str, str]) -> dict[str, str]:
    """The values as they were chosen in the form."""
    return {
        name.removeprefix(PREFIX): value for name, value in typed.items() if name.startswith(PREFIX) and value
    }


def with_values(definition: PipelineDefinition, field: str, values: Mapping[str, str]) -> PipelineDefinition:
    """The definition with other values for one field."""
    fields = tuple(
        mapping.model_copy(update={"values": dict(values)}) if mapping.ameise == field else mapping
        for mapping in definition.fields
    )
    return definition.model_copy(update={"fields": fields})
