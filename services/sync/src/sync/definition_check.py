"""Whether a definition can work: what contradicts itself or leads nowhere is refused in words. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable
from string import Formatter

from contracts.ids import ZohoId
from contracts.names import Table
from contracts.problems import Invalid
from contracts.rpc.pipeline_definition import Compare, Comparison, Converter, FieldMapping, ValueType, Way
from contracts.rpc.pipeline_switches import MatchWeights, SimplrMessages
from sync import vertrag
from sync.kunde import ADDRESS, CONTACT, ONLY_READ, PERSON
from sync.mapping import BY_VALUES, ONE_WAY, sources_of, written_of
from sync.matching import TELLS_WHO
from sync.names_check import NOBODY_SAYS, FieldsThere, near, unknown_names
from sync.pipelines import Definition
from sync.rules import as_typed, comparisons_of
from sync.values import UNKNOWN

MOST_COMPARISONS = 100
MOST_READ = 50
"""Fields that one call of Zoho reads."""

_NO_DETAIL = frozenset({Converter.JOIN, Converter.CONSTANT, Converter.LOOKUP})
_USUAL = (SimplrMessages(), MatchWeights())
_WRITABLE = {
    Table.KUNDE: frozenset([*PERSON, *ADDRESS, *CONTACT, "vermittler_id"]),
    Table.VERTRAG: vertrag.WRITABLE,
}
FIELDS_OF_KUNDE = _WRITABLE[Table.KUNDE] | ONLY_READ
PARTS_OF_KUNDE = frozenset({Table.KUNDENKOMMUNIKATION, Table.KUNDENDETAIL})


def check_definition(table: Table, definition: Definition, there: FieldsThere = NOBODY_SAYS) -> None:
    """Raise Invalid with all that is wrong; `there`: the fields of Ameise and Zoho."""
    wrong = [*_ends(table, definition, there), *_new_objects(table, definition)]
    wrong += [problem for find in _CHECKS for problem in find(definition)]
    wrong += unknown_names(definition, there)
    if wrong:
        raise Invalid("; ".join(wrong))


def _ends(table: Table, definition: Definition, there: FieldsThere) -> Iterable[str]:
    if table in PARTS_OF_KUNDE:
        yield f"{table} ist ein Teil des Kunden und hat keine eigene Pipeline"
    if table not in _WRITABLE and definition.takes_webhooks:
        yield f"Ameise nimmt nur Kunden und Verträge an: eine Pipeline für {table} geht nach Zoho"
    if table in _WRITABLE and definition.takes_webhooks:
        wanted = (m.ameise for m in definition.fields if m.way is not Way.TO_ZOHO and m.detail is None)
        # Of what is not there at all, `unknown_names` tells.
        known = (name for name in wanted if not there.lacks_in_ameise(name))
        refused = (name for name in known if name not in _WRITABLE[table])
        yield from (f"{name}: das nimmt Ameise nicht an, es geht nur nach Zoho" for name in refused)
    for mapping in definition.fields if table is not Table.KUNDE else ():
        if mapping.detail is not None:
            yield f"{mapping.ameise}: Kundendetails gibt es nur bei Kunden"
    for mapping in definition.fields if table is Table.KUNDE else ():
        if mapping.detail is not None and mapping.ameise in FIELDS_OF_KUNDE:
            # A change would be written to both.
            yield f"{mapping.ameise}: so heißt ein Feld des Kunden, das Kundendetail muss anders heißen"
    if definition.matching.possible > definition.matching.sure:
        yield "wer sicher derselbe ist, braucht mindestens so viele Punkte wie der, nach dem gefragt wird"
    if table is Table.VERTRAG and all(sources_of(m) != ("kunde_id",) for m in definition.fields):
        # By it `people_store` finds the Verträge of somebody who is to be forgotten.
        yield "ein Feld muss allein kunde_id lesen: sonst ist nicht zu sagen, wessen Vertrag es ist"


def _new_objects(table: Table, definition: Definition) -> Iterable[str]:
    if table is not Table.KUNDE and (definition.person or definition.new_kunde):
        yield "Art der Person und Vorgaben für neue Kunden gibt es nur für Kunden"
    if table is not Table.VERTRAG and definition.new_vertrag:
        yield "Vorgaben für neue Verträge gibt es nur für Verträge"
    for who, defaults in (("Kunden", definition.new_kunde), ("Verträge", definition.new_vertrag)):
        refused = (name for name in defaults if table in _WRITABLE and name not in _WRITABLE[table])
        yield from (
            f"die Vorgabe {name} für neue {who} nimmt Ameise nicht an{near(name, _WRITABLE[table])}"
            for name in refused
        )
    if named := [name for name in TELLS_WHO if name in definition.new_kunde]:
        yield f"an {', '.join(named)} wird ein Kunde erkannt: dafür gibt es keine Vorgabe"
    if table is not Table.KUNDE and (definition.simplr, definition.matching) != _USUAL:
        yield "Mitteilungen an neue Kunden und ihr Wiedererkennen gibt es nur für Kunden"


def _names(definition: Definition) -> Iterable[str]:
    for side, names in (
        ("Ameise", [m.ameise for m in definition.fields]),
        ("Zoho", [m.zoho for m in definition.fields]),
    ):
        twice = sorted(name for name, count in Counter(names).items() if count > 1)
        if twice:
            yield f"zweimal zugeordnet ({side}): {', '.join(twice)}"
    if definition.vanished and definition.vanished.field in {m.zoho for m in definition.fields}:
        yield f"{definition.vanished.field} ist zugeordnet und kann nicht zugleich markiert werden"
    if (definition.vanished or definition.deletion) and not definition.takes_deliveries:
        yield "was in Ameise entfällt, erfährt nur eine Pipeline, die nach Zoho geht"
    if len(definition.zoho_fields) > MOST_READ:
        yield f"{len(definition.zoho_fields)} Zoho-Felder; höchstens {MOST_READ} lassen sich auf einmal lesen"


def _unique_field(definition: Definition) -> Iterable[str]:
    mapping = next((m for m in definition.fields if m.zoho == definition.unique_field), None)
    if mapping is None or mapping.way is not Way.TO_ZOHO or mapping.converter is not Converter.TEXT:
        yield f"{definition.unique_field} trägt den Schlüssel: ihm muss ein Text nach Zoho zugeordnet sein"


def _fields(definition: Definition) -> Iterable[str]:
    for mapping in definition.fields:
        if mapping.way is not Way.TO_ZOHO and not definition.takes_webhooks:
            yield f"{mapping.ameise}: die Pipeline geht nur nach Zoho"
        if mapping.way is not Way.TO_ZOHO and (mapping.converter in ONE_WAY or mapping.parts):
            is_user = mapping.converter is Converter.USER
            what = "ein Benutzer" if is_user else f"{mapping.converter} mit {len(mapping.parts)} Teilen"
            yield f"{mapping.ameise}: {what} geht nur nach Zoho"
        yield from (f"{mapping.ameise}: {problem}" for problem in _converter(mapping))


def _converter(mapping: FieldMapping) -> Iterable[str]:
    match mapping.converter:
        case Converter.PICKLIST if not mapping.values and mapping.default is None:
            yield "die Auswahlliste braucht Werte oder eine Vorgabe"
        case Converter.USER if not all(ZohoId.pattern.fullmatch(user) for user in written_of(mapping)):
            yield "ein Benutzer wird durch seine Id in Zoho genannt"
        case Converter.LOOKUP if mapping.module is None:
            yield "der Verweis braucht ein Modul"
        case Converter.JOIN if not mapping.parts:
            yield "die Verbindung braucht Teile"
        case Converter.CONSTANT if mapping.constant is None:
            yield "der feste Wert fehlt"
        case Converter.LINK if not _is_template(mapping.template):
            yield "die Vorlage des Links darf nur {base} und {value} enthalten, und {value} muss darin sein"
        case _:
            pass
    if mapping.detail is not None and (mapping.parts or mapping.converter in _NO_DETAIL):
        yield "ein Kundendetail wird für sich gelesen"
    if mapping.converter is not Converter.JOIN and len(mapping.parts) > 1:
        yield "nur eine Verbindung liest mehrere Felder"
    if mapping.converter not in BY_VALUES and (mapping.values or mapping.default is not None):
        yield "nur eine Auswahlliste und Benutzer haben Werte"


def _is_template(template: str | None) -> bool:
    try:
        parts = list(Formatter().parse(template or ""))
    except ValueError:
        return False
    names = {name for _, name, _, _ in parts if name is not None}
    return (
        "value" in names
        and names <= {"base", "value"}
        and not any(spec or conv for _, _, spec, conv in parts)
    )


def _rules(definition: Definition) -> Iterable[str]:
    for rule in (definition.ameise_rule, definition.zoho_rule):
        comparisons = comparisons_of(rule)
        if len(comparisons) > MOST_COMPARISONS:
            yield f"{len(comparisons)} Vergleiche; höchstens {MOST_COMPARISONS} in einer Regel"
        yield from (problem for one in comparisons for problem in _comparison(one))
    if definition.zoho_rule is not None and not definition.takes_webhooks:
        yield "eine Regel für Zoho-Datensätze braucht eine Pipeline nach Ameise"


def _comparison(rule: Compare) -> Iterable[str]:
    if rule.compare in {Comparison.IS_EMPTY, Comparison.IS_KNOWN}:
        return
    values = rule.values if rule.compare is Comparison.IN else (rule.value,)
    if not values or any(value is None or value == "" for value in values):
        yield f"{rule.field}: dem Vergleich fehlt der Wert"
    elif any(as_typed(value, rule.type) is UNKNOWN for value in values):
        yield f"{rule.field}: der Wert passt nicht zu „{_TYPE_WORDS[rule.type]}“"
    if rule.compare in _ORDERED and rule.type not in {ValueType.NUMBER, ValueType.DATE}:
        yield f"{rule.field}: kleiner und größer gibt es für Zahlen und Tage"
    if rule.compare in _OF_TEXT and rule.type is not ValueType.TEXT:
        yield f"{rule.field}: enthält und beginnt mit gibt es für Text"


_TYPE_WORDS = {
    ValueType.TEXT: "Text", ValueType.NUMBER: "Zahl", ValueType.DATE: "Tag", ValueType.BOOLEAN: "Ja/Nein",
    ValueType.PHONE: "Telefon", ValueType.EMAIL: "E-Mail",
}  # fmt: skip
"""As the form of a rule calls them."""
_ORDERED = frozenset({Comparison.LESS, Comparison.GREATER})
_OF_TEXT = frozenset({Comparison.CONTAINS, Comparison.BEGINS_WITH})
_CHECKS: tuple[Callable[[Definition], Iterable[str]], ...] = (_names, _unique_field, _fields, _rules)
