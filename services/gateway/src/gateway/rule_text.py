"""A pipeline's rule as a person reads it (a tree of words) and edits it (JSON). Pure."""

import json
from dataclasses import dataclass
from typing import Any, assert_never, cast

from pydantic import ValidationError

from contracts.rpc.pipeline_definition import AllOf, AnyOf, Compare, Comparison, Not, Rule, ValueType
from gateway.faults import fault_words
from gateway.wording import label

MOST_DEPTH = 20
_KINDS = ("all_of", "any_of", "negate", "field")


@dataclass(frozen=True, slots=True)
class Branch:
    """A node of the tree in words."""

    words: str
    parts: tuple["Branch", ...] = ()


def branch_of(rule: Rule) -> Branch:
    match rule:
        case Compare():
            return Branch(_comparison(rule))
        case AllOf():
            return Branch("alles davon:", tuple(map(branch_of, rule.all_of)))
        case AnyOf():
            return Branch("mindestens eines davon:", tuple(map(branch_of, rule.any_of)))
        case Not():
            inner = branch_of(rule.negate)
            return Branch(f"nicht: {inner.words}", inner.parts)
        case _:
            assert_never(rule)


def _comparison(rule: Compare) -> str:
    words = f"{rule.field} {label(rule.compare)}"
    if rule.compare in {Comparison.IS_EMPTY, Comparison.IS_KNOWN}:
        return words
    values = rule.values if rule.compare is Comparison.IN else (rule.value,)
    read_as = "" if rule.type is ValueType.TEXT else f" ({label(rule.type)})"
    return f"{words} {', '.join(map(_value, values))}{read_as}"


def _value(value: str | bool | None) -> str:
    return ("ja" if value else "nein") if isinstance(value, bool) else f"„{value or ''}“"


def as_text(rule: Rule | None) -> str:
    """JSON, indented; nothing where there is no rule."""
    if rule is None:
        return ""
    return json.dumps(rule.model_dump(mode="json", exclude_defaults=True), indent=2, ensure_ascii=False)


def from_text(text: str) -> Rule | None:
    """Raises ValueError, in words and with the place. Nothing is no rule."""
    if not text.strip():
        return None
    try:
        return _node(json.loads(text), place="", depth=1)
    except json.JSONDecodeError as error:
        raise ValueError(f"Zeile {error.lineno}, Spalte {error.colno}: das ist kein gültiges JSON") from error
    except RecursionError as error:
        raise ValueError("das JSON ist zu tief geschachtelt") from error


def _node(value: Any, *, place: str, depth: int) -> Rule:
    if depth > MOST_DEPTH:
        raise ValueError(f"{place}: höchstens {MOST_DEPTH} Ebenen tief")
    entries = _entries(value, place)
    match [kind for kind in _KINDS if kind in entries]:
        case ["field"]:
            return _compare(entries, place)
        case [kind]:
            if more := sorted(entries.keys() - {kind}):
                raise ValueError(_at(place, f"neben {kind} ist hier kein Platz für {', '.join(more)}"))
            if kind == "negate":
                return Not(negate=_node(entries[kind], place=_below(place, kind), depth=depth + 1))
            parts = _parts(entries[kind], place=_below(place, kind), depth=depth)
            return AllOf(all_of=parts) if kind == "all_of" else AnyOf(any_of=parts)
        case _:
            raise ValueError(
                _at(place, "braucht genau eines von all_of, any_of, negate oder field (mit compare)")
            )


def _entries(value: Any, place: str) -> dict[str, Any]:
    match value:
        case dict():
            return cast("dict[str, Any]", value)
        case _:
            raise ValueError(_at(place, 'muss ein Objekt sein, etwa {"field": …, "compare": …}'))


def _parts(value: Any, *, place: str, depth: int) -> tuple[Rule, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"{place}: muss eine Liste mit mindestens einem Eintrag sein")
    items = cast("list[Any]", value)
    if len(items) > 50:
        raise ValueError(f"{place}: höchstens 50 Einträge")
    return tuple(
        _node(item, place=f"{place}[{number}]", depth=depth + 1) for number, item in enumerate(items, 1)
    )


def _compare(entries: dict[str, Any], place: str) -> Compare:
    try:
        return Compare.model_validate(entries)
    except ValidationError as error:
        fault = error.errors()[0]
        raise ValueError(f"{_below(place, str(fault['loc'][0]))}: {fault_words(fault)}") from error


def _below(place: str, step: str) -> str:
    return f"{place}.{step}" if place else step


def _at(place: str, words: str) -> str:
    return f"{place}: {words}" if place else words
