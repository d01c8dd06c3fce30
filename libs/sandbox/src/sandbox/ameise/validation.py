"""What Ameise accepts: checks whose failures are Meldungen for the user, and normalisation on write."""

import re
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.ameise.lists import LISTS
from sandbox.ameise.problems import UserError

PERSON = (
    "Anrede",
    "Titel",
    "Vorname",
    "Nachname",
    "Geburtsdatum",
    "Beruf",
    "Nationalitaet",
    "Rechtsform",
    "Verstorben",
)
ADRESSE = ("Typ", "Strasse", "Postleitzahl", "Ort", "Land")
KONTAKT_TYPEN = ("email", "telefon", "mobil", "website", "fax")
KONTEXTE = ("private", "business")
PHONES = ("telefon", "mobil", "fax")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]{2,}")
TEXT_LIMIT = 255


def text(value: Any, name: str) -> str | None:
    """A trimmed text, empty as None. Numbers are taken as text: Ameise's codes come as either."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UserError(f"{name} ist ungültig.")
    trimmed = str(value).strip()
    if len(trimmed) > TEXT_LIMIT:
        raise UserError(f"{name} ist zu lang (höchstens {TEXT_LIMIT} Zeichen).")
    return trimmed or None


def code(value: Any, name: str, list_name: str) -> str | None:
    """A code of a list, or None."""
    found = text(value, name)
    if found is not None and found not in LISTS[list_name]:
        raise UserError(f"{name} „{found}“ ist nicht bekannt.")
    return found


def day(value: Any, name: str) -> str | None:
    """An ISO date, or None."""
    found = text(value, name)
    if found is None:
        return None
    try:
        return date.fromisoformat(found).isoformat()
    except ValueError:
        raise UserError(f"{name} ist kein gültiges Datum.") from None


def amount(value: Any, name: str) -> str | None:
    """An amount of money as text with two decimals, or None."""
    found = text(value, name)
    if found is None:
        return None
    try:
        return str(Decimal(found).quantize(Decimal("0.01")))
    except InvalidOperation:
        raise UserError(f"{name} ist kein gültiger Betrag.") from None


def person(given: dict[str, Any]) -> dict[str, Any]:
    """The known keys of a Person that were given, checked."""
    out: dict[str, Any] = {}
    for name in PERSON:
        if name not in given:
            continue
        value = given[name]
        match name:
            case "Anrede":
                out[name] = code(value, name, "anreden")
            case "Rechtsform":
                out[name] = code(value, name, "rechtsformen")
            case "Geburtsdatum":
                out[name] = day(value, name)
            case "Verstorben":
                out[name] = value in (True, 1, "1")
            case _:
                out[name] = text(value, name)
    return out


def complete_person(found: dict[str, Any]) -> dict[str, Any]:
    """A whole Person: all keys, the mandatory ones filled."""
    missing = [name for name in ("Anrede", "Nachname") if not found.get(name)]
    if missing:
        raise UserError(*(f"{name} ist ein Pflichtfeld." for name in missing))
    return {**dict.fromkeys(PERSON), "Verstorben": False, **found}


def adresse(given: dict[str, Any]) -> dict[str, Any]:
    """The known keys of an Adresse that were given, checked."""
    out = {name: text(given[name], name) for name in ADRESSE if name in given}
    if "Land" in out:
        out["Land"] = code(out["Land"], "Land", "laender") or "DE"
    plz = out.get("Postleitzahl")
    if plz and out.get("Land", "DE") == "DE" and not re.fullmatch(r"\d{4,5}", plz):
        raise UserError("Postleitzahl muss aus 4 bis 5 Ziffern bestehen.")
    return out


def kontaktdatum(given: dict[str, Any], *, normalise_phones: bool) -> dict[str, Any]:
    """The known keys of a Kontaktdatum that were given, checked and normalised."""
    out: dict[str, Any] = {}
    for name, allowed in (("Typ", KONTAKT_TYPEN), ("Kontext", KONTEXTE)):
        if name in given:
            if given[name] not in allowed:
                raise UserError(f"{name} „{given[name]}“ ist nicht bekannt.")
            out[name] = given[name]
    if "Standard" in given:
        out["Standard"] = bool(given["Standard"])
    if "Value" in given:
        out["Value"] = text(given["Value"], "Wert")
        if not out["Value"]:
            raise UserError("Wert ist ein Pflichtfeld.")
        if out.get("Typ") == "email" and not EMAIL.fullmatch(out["Value"]):
            raise UserError("Die E-Mail-Adresse ist ungültig.")
        if normalise_phones and out.get("Typ") in PHONES:
            out["Value"] = normalised_phone(out["Value"])
    return out


def normalised_phone(value: str) -> str:
    """`030 123` as `+49 30 123`; numbers that already name their country stay."""
    if value.startswith("00"):
        return "+" + value[2:].lstrip()
    return "+49 " + value[1:].lstrip() if value.startswith("0") else value
