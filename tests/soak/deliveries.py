"""Deliveries as blau direkt would export them from the stand-in of Ameise, of any moment, and what ingest
makes of them."""

import csv
import io
from datetime import datetime
from typing import Any

from sandbox.ameise.lists import LEGAL_PERSON
from sandbox.blaudirekt.export import export_table
from sandbox.state import Store

KONTAKT_TYPEN = ("email", "telefon", "mobil", "website", "fax")
_AS_THEY_ARE = (
    "ameise_id", "vermittler_id", "benutzername_simplr", "anrede_id", "titel", "vorname", "nachname", "beruf",
    "strasse", "plz", "ort", "land_id",
)  # fmt: skip


def kunden_as_of(store: Store, hauptvermittler: str, at: datetime) -> dict[str, dict[str, Any]]:
    """Kundennummer → the Kunde as ingest composes him from a delivery of that moment."""
    kunden = {row["ameise_id"]: _kunde(row) for row in _rows(store, hauptvermittler, "kunden", at)}
    for row in _rows(store, hauptvermittler, "kundenkommunikation", at):
        fields, art = kunden[row["kunde_id"]], row["art"]
        if row["standard"] == "1" or fields[art] is None:
            fields[art] = row["wert"] or None
    return kunden


def _kunde(row: dict[str, str]) -> dict[str, Any]:
    return {
        **{name: row[name] or None for name in _AS_THEY_ARE},
        "juristische_person": row["anrede_id"] in LEGAL_PERSON,
        "geburtsdatum": _iso(row["geburtsdatum"]),
        "rechtsform": f"Rechtsform {row['rechtsform_id']}" if row["rechtsform_id"] else None,
        **dict.fromkeys(KONTAKT_TYPEN),
    }


def _iso(german_day: str) -> str | None:
    return "-".join(reversed(german_day.split("."))) if german_day else None


def _rows(store: Store, hauptvermittler: str, table: str, at: datetime) -> list[dict[str, str]]:
    exported = export_table(store, hauptvermittler, table, at=at.timestamp(), encoding="utf-8")
    return list(csv.DictReader(io.StringIO(exported.content.decode()), delimiter=";"))
