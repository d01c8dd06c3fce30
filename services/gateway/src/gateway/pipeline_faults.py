"""Where on the form of a pipeline a refusal of sync belongs. Pure.

sync says all that contradicts itself in one text; what cannot be placed is shown above the form.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from contracts.rpc.pipeline_definition import AllOf, AnyOf, Compare, Not, PipelineDefinition, Rule
from gateway.pipeline_form import RULES, Faults
from gateway.rule_form import Values, rows_of

_BETWEEN = re.compile(r"; (?!höchstens )")
_OF_A_COMPARISON = (
    "dem Vergleich fehlt", "der Wert passt nicht", "kleiner und größer", "enthält und beginnt",
)  # fmt: skip
_PLACES = (
    (re.compile(r"trägt den Schlüssel"), "unique_field"),
    (re.compile(r"nicht zugleich markiert"), "vanished.field"),
    (re.compile(r"^was in Ameise entfällt"), "direction"),
    (re.compile(r"^Ameise nimmt nur Kunden und Verträge an"), "direction"),
    (re.compile(r"^Regel für Objekte aus Ameise: "), "ameise_rule"),
    (re.compile(r"^Regel für Zoho-Datensätze: "), "zoho_rule"),
    (re.compile(r"^Markierung des Entfallenen: "), "vanished.field"),
    (re.compile(r"^Art der Person"), "person"),
    (re.compile(r"^die Vorgabe \w+ für neue Kunden"), "new_kunde"),
    (re.compile(r"^(die Vorgabe \w+|Vorgaben) für neue Verträge"), "new_vertrag"),
    (re.compile(r"^Mitteilungen an neue Kunden"), "simplr.user_name"),
    (re.compile(r"^wer sicher derselbe ist"), "matching.sure"),
    (re.compile(r"^eine Regel für Zoho-Datensätze"), "zoho_rule"),
    (re.compile(r"kunde_id lesen|Zoho-Felder; höchstens"), "fields"),
)
_TWICE = re.compile(r"^zweimal zugeordnet \((Ameise|Zoho)\): (.+)$")
_OF_A_RULE = re.compile(r"^(?:Regel für [^:]+: (?P<words>ein Feld (?P<unknown>\S+) .*)|(?P<field>\w+): .*)$")
_MANY = re.compile(r"^(\d+) Vergleiche; höchstens")


def placed(refusal: str, definition: PipelineDefinition, rows: Sequence[int]) -> Faults:
    """The parts of a refusal by the name of their field. `rows`: the numbers of the definition's fields."""
    faults: Faults = {}
    for part in _BETWEEN.split(refusal):
        for place, words in _places(part, definition, rows):
            if words not in faults.setdefault(place, []):
                faults[place].append(words)
    return faults


def at_rows(faults: Faults, values: Values) -> Faults:
    """What is wrong with a rule at the rows of the form that name its field, if there are any."""
    placed: Faults = {}
    for place, several in faults.items():
        for words in several:
            found = _OF_A_RULE.match(words) if place in RULES else None
            name = found and (found["unknown"] or found["field"])
            rows = [row for row, field in rows_of(values, place) if field == name] if found else []
            shown = (found["words"] or words.partition(": ")[2]) if found and rows else words
            for row in rows or [place]:
                placed.setdefault(row, []).append(shown)
    return placed


def _places(part: str, definition: PipelineDefinition, rows: Sequence[int]) -> Iterator[tuple[str, str]]:
    if twice := _TWICE.match(part):
        names = twice[2].split(", ")
        for row, mapping in zip(rows, definition.fields, strict=True):
            name = mapping.ameise if twice[1] == "Ameise" else mapping.zoho
            if name in names:
                yield f"f{row}.{twice[1].lower()}", "zweimal zugeordnet"
        return
    if many := _MANY.match(part):
        fitting = [n for n, r in _rules(definition).items() if len(list(_comparisons(r))) == int(many[1])]
        yield from ((name, part) for name in fitting or [""])
        return
    name, _, words = part.partition(": ")
    if words.startswith(_OF_A_COMPARISON):
        rules = _rules(definition)
        fitting = [n for n, r in rules.items() if name in {one.field for one in _comparisons(r)}]
        yield from ((rule, part) for rule in fitting or [""])
        return
    row = next((r for r, m in zip(rows, definition.fields, strict=True) if words and m.ameise == name), None)
    if row is not None:
        yield f"f{row}", words
        return
    yield next((place for pattern, place in _PLACES if pattern.search(part)), ""), part


def _rules(definition: PipelineDefinition) -> Mapping[str, Rule]:
    rules = {"ameise_rule": definition.ameise_rule, "zoho_rule": definition.zoho_rule}
    return {name: rule for name, rule in rules.items() if rule is not None}


def _comparisons(rule: Rule) -> Iterator[Compare]:
    match rule:
        case Compare():
            yield rule
        case AllOf():
            for part in rule.all_of:
                yield from _comparisons(part)
        case AnyOf():
            for part in rule.any_of:
                yield from _comparisons(part)
        case Not():
            yield from _comparisons(rule.negate)
