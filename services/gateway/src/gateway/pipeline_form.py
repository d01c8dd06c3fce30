"""The form that edits a pipeline: from a definition to its fields, and back. Pure.

Names of the form's fields are the places at which faults are shown: `unique_field`, `matching.sure`,
`f3.zoho` (the third row of the mapping), `f3` (the row as a whole), and `""` for all of it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from contracts.rpc.pipeline_definition import (
    Blank,
    Converter,
    FieldMapping,
    PipelineDefinition,
    Way,
)
from contracts.rpc.pipeline_switches import MatchWeights, SimplrMessages
from gateway import pairs_text, rule_text
from gateway.faults import fault_words

Values = Mapping[str, str]
Faults = dict[str, list[str]]

_ROW = re.compile(r"f([0-9]{1,3})\.")
_SWITCHES = {"": None, "ja": True, "nein": False}
_SIMPLR = tuple(SimplrMessages.model_fields)
_MATCHING = tuple(MatchWeights.model_fields)
_NEW_ROW = {
    "was": "", "ameise": "", "zoho": "", "way": Way.BOTH.value, "converter": Converter.TEXT.value,
    "blank": Blank.KEEP.value, "separator": " ", "points_to": "kunde",
}  # fmt: skip


class FormError(ValueError):
    """What was typed makes no definition."""

    def __init__(self, faults: Faults) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def values_of(definition: PipelineDefinition) -> dict[str, str]:
    """What stands in the form's fields."""
    values = {
        "unique_field": definition.unique_field,
        "direction": definition.direction.value,
        "person": definition.person or "",
        "layout": definition.layout or "",
        "policy": definition.policy.value,
        "recreate": "ja" if definition.recreate else "",
        "ameise_rule": rule_text.as_text(definition.ameise_rule),
        "zoho_rule": rule_text.as_text(definition.zoho_rule),
        "new_kunde": pairs_text.as_text(definition.new_kunde),
        "new_vertrag": pairs_text.as_text(definition.new_vertrag),
    }
    if definition.vanished:
        values |= {f"vanished.{k}": v for k, v in definition.vanished.model_dump().items() if v is not None}
    if definition.deletion:
        values["deletion.after_days"] = str(definition.deletion.after_days)
    values |= {f"simplr.{k}": _switch(v) for k, v in definition.simplr.model_dump().items()}
    values |= {f"matching.{k}": str(v) for k, v in definition.matching.model_dump().items()}
    for number, mapping in enumerate(definition.fields, 1):
        values |= {f"f{number}.{k}": v for k, v in _row_of(number, mapping).items()}
    return values


def _row_of(number: int, mapping: FieldMapping) -> dict[str, str]:
    return {
        "was": str(number),
        "ameise": mapping.ameise,
        "zoho": mapping.zoho,
        "way": mapping.way.value,
        "converter": mapping.converter.value,
        "values": pairs_text.as_text(mapping.values),
        "default": mapping.default or "",
        "blank": mapping.blank.value,
        "required": "ja" if mapping.required else "",
        "max_length": str(mapping.max_length or ""),
        "policy": mapping.policy or "",
        "module": mapping.module or "",
        "points_to": mapping.points_to.value,
        "parts": ", ".join(mapping.parts),
        "detail_field": mapping.detail.field if mapping.detail else "",
        "detail_name": mapping.detail.name if mapping.detail else "",
        "separator": mapping.separator,
        "constant": mapping.constant or "",
        "template": mapping.template or "",
    }


def with_new_row(values: Values) -> dict[str, str]:
    """The form with one more, empty row."""
    number = max(rows_of(values), default=0) + 1
    return {**values, **{f"f{number}.{k}": v for k, v in _NEW_ROW.items()}}


def rows_of(values: Values) -> list[int]:
    """The numbers of the rows of the mapping, in order."""
    return sorted({int(found[1]) for name in values if (found := _ROW.match(name))})


def wanted_rows(values: Values) -> list[int]:
    """The rows that become fields of the definition: those taken away, and new ones left empty, do not."""
    return [number for number in rows_of(values) if _is_wanted(values, number)]


def definition_of(values: Values, stored: PipelineDefinition) -> PipelineDefinition:
    """What was typed. What the form does not show stays as it is `stored`. Raises FormError."""
    faults: Faults = {}

    def read(place: str, reader: Callable[[str], Any]) -> Any:
        try:
            return reader(values.get(place, ""))
        except ValueError as error:
            faults.setdefault(place, []).append(str(error))
            return reader("")

    rows = wanted_rows(values)
    wanted = stored.model_dump() | {
        "unique_field": _typed(values, "unique_field"),
        "direction": _typed(values, "direction"),
        "person": _typed(values, "person") or None,
        "layout": _typed(values, "layout") or None,
        "policy": _typed(values, "policy"),
        "recreate": bool(values.get("recreate")),
        "ameise_rule": read("ameise_rule", rule_text.from_text),
        "zoho_rule": read("zoho_rule", rule_text.from_text),
        "new_kunde": read("new_kunde", pairs_text.from_text),
        "new_vertrag": read("new_vertrag", pairs_text.from_text),
        "vanished": _vanished(values, stored),
        "deletion": {"after_days": days} if (days := _typed(values, "deletion.after_days")) else None,
        "simplr": stored.simplr.model_dump()
        | {n: _SWITCHES.get(values[f"simplr.{n}"]) for n in _SIMPLR if f"simplr.{n}" in values},
        "matching": stored.matching.model_dump()
        | {n: _typed(values, f"matching.{n}") for n in _MATCHING if f"matching.{n}" in values},
        "fields": [
            _mapping(values, number, stored, read(f"f{number}.values", pairs_text.from_text))
            for number in rows
        ],
    }
    try:
        definition = PipelineDefinition.model_validate(wanted)
    except ValidationError as error:
        for fault in error.errors():
            if rows and (fault["loc"], fault["type"]) == (("fields",), "too_short"):
                continue  # pydantic counts those that fit
            faults.setdefault(_place(fault["loc"], rows), []).append(fault_words(fault))
        raise FormError(faults) from error
    if faults:
        raise FormError(faults)
    return definition


def _is_wanted(values: Values, number: int) -> bool:
    if values.get(f"f{number}.remove"):
        return False
    return bool(
        values.get(f"f{number}.was")
        or _typed(values, f"f{number}.ameise")
        or _typed(values, f"f{number}.zoho")
    )


def _vanished(values: Values, stored: PipelineDefinition) -> dict[str, Any] | None:
    typed = {name: _typed(values, f"vanished.{name}") for name in ("field", "gone", "living")}
    if not any(typed.values()):
        return None
    known = stored.vanished.model_dump() if stored.vanished else {}
    return known | typed | {"living": typed["living"] or None}


def _mapping(
    values: Values, number: int, stored: PipelineDefinition, pairs: dict[str, str]
) -> dict[str, Any]:
    was = _typed(values, f"f{number}.was")
    index = int(was) - 1 if was.isdecimal() else -1
    known = stored.fields[index].model_dump() if 0 <= index < len(stored.fields) else {}

    def typed(name: str) -> str:
        return _typed(values, f"f{number}.{name}")

    def text(name: str) -> str | None:
        """As it was typed: blanks count. An empty field is none, unless it was known as empty."""
        return values.get(f"f{number}.{name}") or ("" if known.get(name) == "" else None)

    return known | {
        "ameise": typed("ameise"),
        "zoho": typed("zoho"),
        "way": typed("way"),
        "converter": typed("converter"),
        "values": pairs,
        "default": text("default"),
        "blank": typed("blank"),
        "required": bool(typed("required")),
        "max_length": typed("max_length") or None,
        "policy": typed("policy") or None,
        "module": typed("module") or None,
        "points_to": typed("points_to"),
        "detail": {"field": feld, "name": typed("detail_name")}
        if (feld := typed("detail_field")) or typed("detail_name")
        else None,
        "parts": tuple(typed("parts").replace(",", " ").split()),
        "separator": values.get(f"f{number}.separator", ""),
        "constant": text("constant"),
        "template": text("template"),
    }


def _place(loc: tuple[int | str, ...], rows: Sequence[int]) -> str:
    match loc:
        case ("fields", int(index), name, *_) if f"{name}" in _row_of(0, _SOME):
            return f"f{rows[index]}.{name}"
        case ("fields", int(index), *_):
            return f"f{rows[index]}"
        case ("simplr" | "matching" | "vanished" | "deletion" as group, str(name), *_):
            return f"{group}.{name}"
        case (first, *_):
            return str(first)
        case _:
            return ""


_SOME = FieldMapping(ameise="a", zoho="A")


def _switch(value: bool | None) -> str:
    return next(words for words, switch in _SWITCHES.items() if switch is value)


def _typed(values: Values, name: str) -> str:
    return values.get(name, "").strip()
