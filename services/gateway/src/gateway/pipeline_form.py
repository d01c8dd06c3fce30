"""The form that edits a pipeline: from a definition to its fields, and back. Pure.

Names of the form's fields are the places at which faults are shown: `unique_field`, `matching.sure`,
`f3.zoho` (the third row of the mapping), `f3` (the row as a whole), `zoho_rule.2` (a row of a rule), and `""`
for all of it. A rule stands in the form either as rows (`zoho_rule.kind` and what is below it, see
`rule_form`), or as JSON in the one field `zoho_rule`.
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
    Rule,
    ValueType,
    Way,
)
from contracts.rpc.pipeline_switches import MatchWeights, SimplrMessages
from contracts.rpc.sync_pipelines import KnownField, PipelineFields
from gateway import pairs_text, rule_form, rule_text
from gateway.faults import fault_words

Values = Mapping[str, str]
Faults = dict[str, list[str]]

RULES = ("ameise_rule", "zoho_rule")
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


def values_of(definition: PipelineDefinition, there: PipelineFields) -> dict[str, str]:
    """What stands in the form's fields; `there`: the fields that rules can name."""
    values = {
        "unique_field": definition.unique_field,
        "direction": definition.direction.value,
        "person": definition.person or "",
        "layout": definition.layout or "",
        "policy": definition.policy.value,
        "recreate": "ja" if definition.recreate else "",
        "new_kunde": pairs_text.as_text(definition.new_kunde),
        "new_vertrag": pairs_text.as_text(definition.new_vertrag),
    }
    if definition.vanished:
        values |= {f"vanished.{k}": v for k, v in definition.vanished.model_dump().items() if v is not None}
    if definition.deletion:
        values["deletion.after_days"] = str(definition.deletion.after_days)
    values |= {f"simplr.{k}": _switch(v) for k, v in definition.simplr.model_dump().items()}
    values |= {f"matching.{k}": str(v) for k, v in definition.matching.model_dump().items()}
    for name, rule in (("ameise_rule", definition.ameise_rule), ("zoho_rule", definition.zoho_rule)):
        shown = rule_form.values_of(rule, name, types_of(there, name))
        values |= {name: rule_text.as_text(rule)} if shown is None else shown
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


def types_of(there: PipelineFields, rule: str) -> dict[str, ValueType]:
    """Of the fields that one of the rules can name."""
    return {field.name: field.type for field in fields_for(there, rule)}


def fields_for(there: PipelineFields, rule: str) -> tuple[KnownField, ...]:
    return there.ameise if rule == "ameise_rule" else there.zoho


def turned(values: Values, wanted: str, there: PipelineFields) -> tuple[dict[str, str], Faults]:
    """The form after a button beside a rule was pressed: `row`, `group`, `remove`, `json` or `form`, a colon,
    and the place. What cannot be turned stays, with why."""
    what, _, place = wanted.partition(":")
    name = place.partition(".")[0]
    if name not in RULES:
        return dict(values), {}
    types = types_of(there, name)
    match what:
        case "row":
            return rule_form.with_row(values, place, types), {}
        case "group":
            return rule_form.with_group(values, place, types), {}
        case "remove":
            return rule_form.without(values, place), {}
        case "json":
            rule, faults = rule_form.read(values, name, types)
            if faults:
                return dict(values), faults
            return {**rule_form.without(values, name), name: rule_text.as_text(rule)}, {}
        case "form":
            return _as_form(values, name, types)
        case _:
            return dict(values), {}


def _as_form(values: Values, name: str, types: Mapping[str, ValueType]) -> tuple[dict[str, str], Faults]:
    try:
        shown = rule_form.values_of(rule_text.from_text(values.get(name, "")), name, types)
    except ValueError as error:
        return dict(values), {name: [str(error)]}
    if shown is None:
        return dict(values), {name: ["diese Regel kann das Formular nicht zeigen: sie bleibt JSON"]}
    return {key: value for key, value in values.items() if key != name} | shown, {}


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


def definition_of(values: Values, stored: PipelineDefinition, there: PipelineFields) -> PipelineDefinition:
    """What was typed. What the form does not show stays as it is `stored`. Raises FormError."""
    faults: Faults = {}

    def rule(name: str, was: Rule | None) -> Any:
        """What means the same stays as it is stored, else all objects would be judged anew."""
        if name in values:
            typed: Rule | None = read(name, rule_text.from_text)
        elif f"{name}.kind" in values:
            typed, wrong = rule_form.read(values, name, types_of(there, name))
            faults.update(wrong)
        else:
            return was
        return was if was and typed and rule_form.as_group(typed) == rule_form.as_group(was) else typed

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
        "ameise_rule": rule("ameise_rule", stored.ameise_rule),
        "zoho_rule": rule("zoho_rule", stored.zoho_rule),
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


def emptied_rules(stored: PipelineDefinition, wanted: PipelineDefinition) -> list[str]:
    """Names of the rules that chose, and now let everything through."""
    return [name for name in RULES if getattr(stored, name) is not None and getattr(wanted, name) is None]


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
