"""What Ameise makes of the keys of a Vertrag that were given: checked, normalised, in its own order."""

from typing import Any

from sandbox.ameise import validation
from sandbox.shapes import object_of

_CODES = {"Gesellschaft": "gesellschaften", "Sparte": "sparten", "Status": "vertragsstatus"}
_TEXTS = ("Risiko", "Versicherungsscheinnummer")


def empty() -> dict[str, Any]:
    """A Vertrag of which nothing is known but that it is one."""
    return {
        "Gesellschaft": None,
        "Sparte": None,
        "Status": "F",
        "Risiko": None,
        "Versicherungsscheinnummer": None,
        "Beitrag": {"Netto": None, "Zahlweise": None},
        "Laufzeit": {"Beginn": None, "Ablauf": None},
    }


def filled(vertrag: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The Vertrag with the given keys; those that are not given stay. Raises UserError."""
    beitrag, laufzeit = object_of(given.get("Beitrag")), object_of(given.get("Laufzeit"))
    return {
        **vertrag,
        **{n: validation.code(given[n], n, of) for n, of in _CODES.items() if given.get(n)},
        **{name: validation.text(given[name], name) for name in _TEXTS if name in given},
        "Beitrag": {**vertrag["Beitrag"], **_beitrag(beitrag)},
        "Laufzeit": {
            **vertrag["Laufzeit"],
            **{n: validation.day(laufzeit[n], n) for n in ("Beginn", "Ablauf") if n in laufzeit},
        },
    }


def _beitrag(given: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "Netto" in given:
        found["Netto"] = validation.amount(given["Netto"], "Beitrag")
    if "Zahlweise" in given:
        found["Zahlweise"] = validation.code(given["Zahlweise"], "Zahlweise", "zahlweisen")
    return found
