"""What pydantic finds wrong, in words for people."""

from typing import Any

_WORDS = {
    "extra_forbidden": "diesen Eintrag gibt es nicht",
    "missing": "fehlt",
    "string_too_short": "ist leer",
    "string_too_long": "ist zu lang",
    "too_short": "ist leer",
    "too_long": "hat zu viele Einträge",
    "string_type": "muss Text sein",
    "bool_parsing": "muss true oder false sein",
    "bool_type": "muss true oder false sein",
    "int_parsing": "muss eine ganze Zahl sein",
    "tuple_type": "muss eine Liste sein",
    "dict_type": "muss ein Objekt sein",
    "model_type": "muss ein Objekt sein",
}
_NAMES = {
    "^[a-z]": "so heißt kein Feld in Ameise: Kleinbuchstaben, Ziffern und _, vorn ein Buchstabe",
    "^[A-Za-z]": "so heißt nichts in der API von Zoho: Buchstaben, Ziffern und _, vorn ein Buchstabe",
    "^[0-9]": "das sind nicht nur Ziffern",
}
"""By how the pattern of a name begins."""


def fault_words(fault: Any) -> str:
    """One of a ValidationError's `errors()`, without its place."""
    match fault["type"]:
        case "enum":
            return f"erlaubt ist {fault['ctx']['expected'].replace(' or ', ', ')}"
        case "string_pattern_mismatch" if fault["input"] == "":
            return "fehlt"
        case "string_pattern_mismatch":
            pattern = fault["ctx"]["pattern"]
            return next((words for begin, words in _NAMES.items() if pattern.startswith(begin)), fault["msg"])
        case "greater_than_equal":
            return f"mindestens {fault['ctx']['ge']}"
        case "less_than_equal":
            return f"höchstens {fault['ctx']['le']}"
        case kind:
            return _WORDS.get(str(kind)) or str(fault["msg"])
