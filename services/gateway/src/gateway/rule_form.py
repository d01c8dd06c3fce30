"""A pipeline's rule as the rows and groups of a form, and back. Pure.

Names of the form's fields are places in the tree: `zoho_rule.kind` says how the outermost group connects its
parts; `zoho_rule.2.field` is the field of its second part if that is a comparison (a row), `zoho_rule.2.kind`
its kind if it is a group.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import assert_never

from pydantic import ValidationError

from contracts.rpc.pipeline_definition import AllOf, AnyOf, Compare, Comparison, Not, Rule, ValueType
from gateway.faults import fault_words
from gateway.rule_values import BOOLEANS, as_shown, boolean_of, text_of

Values = Mapping[str, str]
Faults = dict[str, list[str]]
Types = Mapping[str, ValueType]
"""Of the fields that there are; empty if nobody says."""

MOST_LEVELS = 4
"""Groups within each other; what is nested deeper is edited as JSON."""

KINDS = {
    "all": "alles davon trifft zu",
    "any": "mindestens eines davon trifft zu",
    "none": "nichts davon trifft zu",
    "not_all": "nicht alles davon trifft zu",
}
_NOT = "not:"
COMPARISONS = {
    "": {
        "equals": "ist", "not_equals": "ist nicht", "in": "ist eines von", "not:in": "ist keines von",
        "is_empty": "ist leer", "not:is_empty": "ist nicht leer",
    },
    "nur Text": {
        "contains": "enthält", "not:contains": "enthält nicht", "begins_with": "beginnt mit",
        "not:begins_with": "beginnt nicht mit",
    },
    "nur Zahl und Tag": {"less": "ist kleiner als, vor", "greater": "ist größer als, nach"},
    "ob die Lieferung es nennt": {"is_known": "ist bekannt", "not:is_known": "ist unbekannt"},
}  # fmt: skip
"""What is offered, by what it is for: the code of a comparison and its words."""
UNUSUAL = {
    "not:equals": "ist nicht (verneint)", "not:not_equals": "ist (doppelt verneint)",
    "not:less": "ist nicht kleiner als, vor", "not:greater": "ist nicht größer als, nach",
}  # fmt: skip
"""Shown only where a rule has it: there are plainer ones, or an empty field fulfils it, to one's surprise."""
_LINE_BREAK = re.compile(r"[\r\n]")
"""What a browser may write otherwise, or drop."""
_BETWEEN_VALUES = re.compile(r"[;\r\n]")
_TYPES = frozenset(type_.value for type_ in ValueType)
_CODES = UNUSUAL.keys() | {code for codes in COMPARISONS.values() for code in codes}
_OF_TEXT = frozenset({Comparison.CONTAINS, Comparison.BEGINS_WITH})
_ORDERED = frozenset({Comparison.LESS, Comparison.GREATER})
_NEW_COMPARE = Comparison.EQUALS.value
"""What a new row compares by until somebody chooses."""
_WITHOUT_VALUE = frozenset({Comparison.IS_EMPTY, Comparison.IS_KNOWN})


@dataclass(frozen=True, slots=True)
class Row:
    """A comparison as it is shown. `type` is blank where it is that of the field; `has_lines`: the value
    needs room for several lines, which a browser would glue in one.
    """

    place: str
    field: str
    compare: str
    value: str
    type: str
    is_boolean: bool
    has_lines: bool


@dataclass(frozen=True, slots=True)
class Group:
    """`may_nest`: whether another group fits into it; `next_place`: of the part that is added next."""

    place: str
    kind: str
    may_nest: bool
    parts: tuple["Row | Group", ...]
    next_place: str


def values_of(rule: Rule | None, name: str, types: Types) -> dict[str, str] | None:
    """What stands in the form's fields; None if they could not say exactly this rule."""
    if rule is None:
        return {f"{name}.kind": "all"}
    values = dict(_shown(as_group(rule), name, types))
    return values if read(values, name, types) == (as_group(rule), {}) else None


def read(values: Values, name: str, types: Types) -> tuple[Rule | None, Faults]:
    """The rule that was typed, always a group, and what is wrong with it by place. Rows and groups that were
    left empty are none; a row in which somebody chose how to compare was not left empty."""
    return _group(values, name, types, level=1)


def as_group(rule: Rule) -> Rule:
    """The same rule as the form has it: a single comparison is a group of one."""
    match rule:
        case Compare() | Not(negate=Compare()):
            return AllOf(all_of=(rule,))
        case _:
            return rule


def tree_of(values: Values, name: str, types: Types) -> Group:
    """What the page shows."""
    return _tree(values, name, types, level=1)


def rows_of(values: Values, name: str) -> list[tuple[str, str]]:
    """The place and the field of each row."""
    below = f"{name}."
    return [
        (key.removesuffix(".field"), value)
        for key, value in values.items()
        if key.startswith(below) and key.endswith(".field")
    ]


def with_row(values: Values, place: str, types: Types) -> dict[str, str]:
    """One more, empty row in the group at `place`. Of which type a field is must be said if nobody knows."""
    row = _next_place(values, place)
    type_ = "" if types else ValueType.TEXT.value
    empty = {"field": "", "compare": _NEW_COMPARE, "value": "", "type": type_}
    return {**values, **{f"{row}.{key}": value for key, value in empty.items()}}


def with_group(values: Values, place: str, types: Types) -> dict[str, str]:
    """One more group, with an empty row, in the group at `place`."""
    group = _next_place(values, place)
    return with_row({**values, f"{group}.kind": "any"}, group, types)


def without(values: Values, place: str) -> dict[str, str]:
    """The form without the row or group at `place`."""
    return {key: value for key, value in values.items() if not key.startswith(f"{place}.")}


def _shown(rule: Rule, place: str, types: Types) -> Iterator[tuple[str, str]]:
    match rule:
        case Compare():
            yield from _shown_row(rule, "", place, types)
        case Not(negate=Compare() as inner):
            yield from _shown_row(inner, _NOT, place, types)
        case AllOf():
            yield from _shown_group("all", rule.all_of, place, types)
        case AnyOf():
            yield from _shown_group("any", rule.any_of, place, types)
        case Not(negate=AnyOf() as inner):
            yield from _shown_group("none", inner.any_of, place, types)
        case Not(negate=AllOf() as inner):
            yield from _shown_group("not_all", inner.all_of, place, types)
        case Not():  # twice: the form has no such thing
            return
        case _:
            assert_never(rule)


def _shown_group(kind: str, parts: tuple[Rule, ...], place: str, types: Types) -> Iterator[tuple[str, str]]:
    yield f"{place}.kind", kind
    for number, part in enumerate(parts, 1):
        yield from _shown(part, f"{place}.{number}", types)


def _shown_row(rule: Compare, negated: str, place: str, types: Types) -> Iterator[tuple[str, str]]:
    given = rule.values if rule.compare is Comparison.IN else (rule.value,)
    yield f"{place}.field", rule.field
    yield f"{place}.compare", negated + rule.compare.value
    yield f"{place}.value", "\n".join(as_shown(value, rule.type) for value in given if value is not None)
    is_the_fields = _type_of(rule.field, rule.compare, types) is rule.type
    yield f"{place}.type", "" if is_the_fields else rule.type.value


def _group(values: Values, place: str, types: Types, *, level: int) -> tuple[Rule | None, Faults]:
    if level > MOST_LEVELS:
        return None, {place: [f"höchstens {MOST_LEVELS} Gruppen ineinander"]}
    parts: list[Rule] = []
    faults: Faults = {}
    for number in _numbers(values, place):
        below = f"{place}.{number}"
        if f"{below}.kind" in values:
            part, wrong = _group(values, below, types, level=level + 1)
        else:
            part, wrong = _row(values, below, types)
        faults |= wrong
        if part is not None:
            parts.append(part)
    if not parts:
        return None, faults
    try:
        return _connected(values.get(f"{place}.kind", ""), tuple(parts)), faults
    except ValidationError:
        return None, faults | {place: ["höchstens 50 Zeilen und Gruppen in einer Gruppe"]}
    except KeyError:
        return None, faults | {place: ["bitte wählen, wie die Zeilen verbunden sind"]}


def _connected(kind: str, parts: tuple[Rule, ...]) -> Rule:
    match kind:
        case "all":
            return AllOf(all_of=parts)
        case "any":
            return AnyOf(any_of=parts)
        case "none":
            return Not(negate=AnyOf(any_of=parts))
        case "not_all":
            return Not(negate=AllOf(all_of=parts))
        case _:
            raise KeyError(kind)


def _row(values: Values, place: str, types: Types) -> tuple[Rule | None, Faults]:
    field = values.get(f"{place}.field", "").strip()
    text = values.get(f"{place}.value", "").strip()
    code, chosen = values.get(f"{place}.compare", ""), values.get(f"{place}.type", "")
    if not field and not text and code == _NEW_COMPARE:
        return None, {}
    if code not in _CODES or (chosen and chosen not in _TYPES):
        return None, {place: ["bitte wählen, wie verglichen wird"]}
    comparison = Comparison(code.removeprefix(_NOT))
    type_ = ValueType(chosen) if chosen else _type_of(field, comparison, types)
    try:
        rule = _compare(field, comparison, type_, text)
    except ValidationError as error:
        return None, {place: [fault_words(error.errors()[0])]}
    except ValueError as error:
        return None, {place: [str(error)]}
    return (Not(negate=rule) if code.startswith(_NOT) else rule), {}


def _compare(field: str, comparison: Comparison, type_: ValueType | None, text: str) -> Compare:
    """Raises ValueError, in words."""
    if not field:
        raise ValueError("bitte ein Feld wählen")
    if type_ is None:
        raise ValueError("welcher Art das Feld ist, ist gerade nicht zu erfahren: bitte wählen")
    if comparison in _OF_TEXT and type_ is not ValueType.TEXT:
        raise ValueError("„enthält“ und „beginnt mit“ gibt es nur für Text: bitte als Text vergleichen")
    if comparison in _ORDERED and type_ not in {ValueType.NUMBER, ValueType.DATE}:
        raise ValueError("das gibt es nur für Zahlen und Tage: bitte als Zahl oder Tag vergleichen")
    if comparison in _WITHOUT_VALUE:
        if text:
            raise ValueError("hier kein Wert: „ist leer“ und „ist bekannt“ vergleichen mit keinem")
        return Compare(field=field, compare=comparison, type=type_)
    if comparison is Comparison.IN:
        given = [part.strip() for part in _BETWEEN_VALUES.split(text) if part.strip()]
        texts = tuple(text_of(part, type_) for part in given)
        if not texts:
            raise ValueError("der Wert fehlt")
        return Compare(field=field, compare=comparison, values=texts, type=type_)
    if not text:
        raise ValueError("der Wert fehlt")
    if _LINE_BREAK.search(text):
        raise ValueError("nur ein Wert; mehrere: „ist eines von“")
    value = boolean_of(text) if type_ is ValueType.BOOLEAN else text_of(text, type_)
    return Compare(field=field, compare=comparison, value=value, type=type_)


def _type_of(field: str, comparison: Comparison, types: Types) -> ValueType | None:
    """As what a field is compared unless somebody says otherwise; None if nobody knows."""
    if not types:
        return None
    if comparison in _OF_TEXT or comparison in _WITHOUT_VALUE:
        return ValueType.TEXT
    return types.get(field, ValueType.TEXT)


def _tree(values: Values, place: str, types: Types, *, level: int) -> Group:
    parts: list[Row | Group] = []
    for number in _numbers(values, place) if level <= MOST_LEVELS else ():
        below = f"{place}.{number}"
        if f"{below}.kind" in values:
            parts.append(_tree(values, below, types, level=level + 1))
        else:
            parts.append(_tree_row(values, below, types))
    kind, next_place = values.get(f"{place}.kind", "all"), _next_place(values, place)
    return Group(place, kind, level < MOST_LEVELS, tuple(parts), next_place)


def _tree_row(values: Values, place: str, types: Types) -> Row:
    field, compare = values.get(f"{place}.field", ""), values.get(f"{place}.compare", "")
    type_, value = values.get(f"{place}.type", ""), values.get(f"{place}.value", "")
    comparison = compare.removeprefix(_NOT)
    read_as = type_ or (ValueType.TEXT if comparison in _OF_TEXT else types.get(field.strip()))
    has_lines = comparison == Comparison.IN or bool(_LINE_BREAK.search(value))
    word = value.strip().casefold()
    is_boolean = not has_lines and read_as == ValueType.BOOLEAN and word in BOOLEANS | {""}
    if is_boolean and word:
        value = as_shown(boolean_of(word), ValueType.BOOLEAN)
    return Row(place, field, compare, value, type_, is_boolean, has_lines)


def _numbers(values: Values, place: str) -> list[int]:
    pattern = re.compile(rf"{re.escape(place)}\.([0-9]{{1,3}})\.")
    return sorted({int(found[1]) for name in values if (found := pattern.match(name))})


def _next_place(values: Values, place: str) -> str:
    return f"{place}.{max(_numbers(values, place), default=0) + 1}"
