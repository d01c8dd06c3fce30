"""Which objects travel: a tree of comparisons, judged in three-valued logic. Pure.

A value that is unknown makes a comparison unknown (None), never false: what depends on it is parked as
unsure and not left out. `false and unknown` is false, `true or unknown` is true. A value that cannot be
read as the comparison's type is unknown too. Empty is known: it is less and greater than nothing, and
equals nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, assert_never

from contracts.rpc.pipeline_definition import AllOf, AnyOf, Compare, Comparison, Not, Rule, ValueType
from sync.phones import canonical_phone
from sync.values import (
    UNKNOWN,
    Known,
    Unknown,
    canonical,
    canonical_boolean,
    canonical_date,
    canonical_number,
)

Typed = str | bool | Decimal | date
Judgement = bool | None


def judge_rule(rule: Rule, fields: Mapping[str, Any]) -> Judgement:
    """Whether the raw `fields` of an object (or record) satisfy the rule; a missing field is unknown."""
    match rule:
        case Compare():
            return _compare(rule, fields)
        case AllOf():
            return all_known(judge_rule(part, fields) for part in rule.all_of)
        case AnyOf():
            return _opposite(all_known(_opposite(judge_rule(part, fields)) for part in rule.any_of))
        case Not():
            return _opposite(judge_rule(rule.negate, fields))
        case _:
            assert_never(rule)


def all_known(judgements: Iterable[Judgement]) -> Judgement:
    """Three-valued and."""
    unknown = False
    for judgement in judgements:
        if judgement is False:
            return False
        unknown = unknown or judgement is None
    return None if unknown else True


def _opposite(judgement: Judgement) -> Judgement:
    return None if judgement is None else not judgement


def _compare(rule: Compare, fields: Mapping[str, Any]) -> Judgement:
    value = canonical(fields[rule.field]) if rule.field in fields else UNKNOWN
    if rule.compare is Comparison.IS_KNOWN:
        return value is not UNKNOWN
    if value is UNKNOWN:
        return None
    if rule.compare is Comparison.IS_EMPTY:
        return value is None
    if value is None:
        return rule.compare is Comparison.NOT_EQUALS
    typed = as_typed(value, rule.type)
    return None if typed is UNKNOWN else _holds(rule, typed)


def _holds(rule: Compare, typed: Typed) -> Judgement:
    match rule.compare:
        case Comparison.EQUALS:
            return typed == as_typed(rule.value, rule.type)
        case Comparison.NOT_EQUALS:
            return typed != as_typed(rule.value, rule.type)
        case Comparison.IN:
            return typed in [as_typed(value, rule.type) for value in rule.values]
        case Comparison.CONTAINS:
            return str(rule.value).casefold() in str(typed).casefold()
        case Comparison.BEGINS_WITH:
            return str(typed).casefold().startswith(str(rule.value).casefold())
        case Comparison.LESS:
            return _ordered(typed, rule) < 0
        case Comparison.GREATER:
            return _ordered(typed, rule) > 0
        case Comparison.IS_EMPTY | Comparison.IS_KNOWN:  # judged before the value is looked at
            return None
        case _:
            assert_never(rule.compare)


def _ordered(typed: Typed, rule: Compare) -> int:
    bound: Any = as_typed(rule.value, rule.type)
    return (typed > bound) - (typed < bound)


def as_typed(value: Known, type_: ValueType) -> Typed | Unknown:
    """The canonical value as it is compared; unknown if it cannot be read so, or is empty."""
    if value is None:
        return UNKNOWN
    return _READERS[type_](value)


def _text(value: str | bool) -> Typed:
    return value


def _number(value: str | bool) -> Typed | Unknown:
    try:
        return Decimal(str(canonical_number(value)))
    except InvalidOperation:
        return UNKNOWN


def _date(value: str | bool) -> Typed | Unknown:
    try:
        return date.fromisoformat(str(canonical_date(value)))
    except ValueError:
        return UNKNOWN


def _boolean(value: str | bool) -> Typed | Unknown:
    read = canonical_boolean(value)
    return read if isinstance(read, bool) else UNKNOWN


_READERS: Mapping[ValueType, Callable[[str | bool], Typed | Unknown]] = {
    ValueType.TEXT: _text,
    ValueType.NUMBER: _number,
    ValueType.DATE: _date,
    ValueType.BOOLEAN: _boolean,
    ValueType.PHONE: lambda value: canonical_phone(str(value)),
    ValueType.EMAIL: lambda value: str(value).casefold(),
}


def fields_of(rule: Rule | None) -> list[str]:
    """The names of all fields that a rule looks at."""
    return [compare.field for compare in comparisons_of(rule)]


def comparisons_of(rule: Rule | None) -> list[Compare]:
    """All comparisons of a rule, in reading order."""
    match rule:
        case None:
            return []
        case Compare():
            return [rule]
        case AllOf():
            return [one for part in rule.all_of for one in comparisons_of(part)]
        case AnyOf():
            return [one for part in rule.any_of for one in comparisons_of(part)]
        case Not():
            return comparisons_of(rule.negate)
        case _:
            assert_never(rule)
