"""Deliveries as blau direkt would export them from the stand-in of Ameise, of any moment, and what ingest
makes of them."""

import csv
import io
from collections.abc import Container
from datetime import datetime
from typing import Any

from contracts.names import Table
from sandbox.ameise.lists import LEGAL_PERSON
from sandbox.blaudirekt.export import export_table
from sandbox.state import Store

KONTAKT_TYPEN = ("email", "telefon", "mobil", "website", "fax")
_AS_THEY_ARE = (
    "ameise_id", "vermittler_id", "benutzername_simplr", "anrede_id", "titel", "vorname", "nachname", "beruf",
    "strasse", "plz", "ort", "land_id",
)  # fmt: skip


_OF_VERTRAG = (
    "ameise_id", "kunde_id", "vermittler_id", "sparte_id", "versicherungsscheinnummer", "risiko",
)  # fmt: skip


def objects_as_of(
    store: Store, hauptvermittler: str, at: datetime, *, left_out: Container[str]
) -> dict[Table, dict[str, dict[str, Any]]]:
    """Table → key → the object as ingest composes it from a delivery of that moment; Kunden who are left out
    are so with their Verträge."""
    kunden = kunden_as_of(store, hauptvermittler, at)
    vertraege = {row["ameise_id"]: _vertrag(row) for row in _rows(store, hauptvermittler, "vertraege", at)}
    return {
        Table.KUNDE: {key: kunde for key, kunde in kunden.items() if key not in left_out},
        Table.VERTRAG: {key: v for key, v in vertraege.items() if v["kunde_id"] not in left_out},
    }


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


def _vertrag(row: dict[str, str]) -> dict[str, Any]:
    return {
        **{name: row[name] or None for name in _OF_VERTRAG},
        "sparte": f"Sparte {row['sparte_id']}" if row["sparte_id"] else None,
        "gesellschaft": f"Gesellschaft {row['gesellschaft_id']}" if row["gesellschaft_id"] else None,
        "status": row["status_id"] or None,
        "zahlweise": row["zahlweise_id"] or None,
        "beitrag_netto": row["beitrag_netto"].replace(".", "").replace(",", ".") or None,
        "beginn": _iso(row["beginn"]),
        "ablauf": _iso(row["ablauf"]),
    }


def _iso(german_day: str) -> str | None:
    """Some columns come as ISO days already."""
    return "-".join(reversed(german_day.split("."))) if german_day else None


def _rows(store: Store, hauptvermittler: str, table: str, at: datetime) -> list[dict[str, str]]:
    exported = export_table(store, hauptvermittler, table, at=at.timestamp(), encoding="utf-8")
    return list(csv.DictReader(io.StringIO(exported.content.decode()), delimiter=";"))
