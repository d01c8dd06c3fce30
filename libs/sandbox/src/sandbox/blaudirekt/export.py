"""DailyUp's thirteen tables as CSV, as they were at a moment.

`;`, CRLF, a header, quotes only where needed. German decimals; `geburtsdatum` and `ablauf` as `d.m.Y`,
`beginn` and `created_at` as `Y-m-d`; booleans `0`/`1`; empty is an empty cell. No table names the columns'
meaning elsewhere: DailyUp's real format is not public.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sandbox.ameise.book import hauptwohnsitz
from sandbox.ameise.hierarchy import hierarchy
from sandbox.ameise.lists import DETAILFELDER, LEGAL_PERSON, LISTS
from sandbox.state import Store
from sandbox.zoho.orgs import BERLIN

COLUMNS: dict[str, tuple[str, ...]] = {
    "anreden": ("id", "text", "juristische_person"),
    "rechtsformen": ("id", "text"),
    "laender": ("id", "text"),
    "sparten": ("id", "text"),
    "gesellschaften": ("id", "text"),
    "vertragsstatus": ("id", "text"),
    "zahlweisen": ("id", "text"),
    "vermittler": ("vermittler_id", "name", "parent_id"),
    "kunden": (
        "ameise_id",
        "vermittler_id",
        "anrede_id",
        "titel",
        "vorname",
        "nachname",
        "strasse",
        "plz",
        "ort",
        "land_id",
        "geburtsdatum",
        "beruf",
        "nationalitaet",
        "rechtsform_id",
        "benutzername_simplr",
        "verstorben",
        "last_simplr_login_at",
        "created_at",
    ),
    "kundenkommunikation": ("id", "kunde_id", "art", "kontext", "wert", "standard"),
    "kundendetailfelder": ("id", "bezeichnung", "typ"),
    "kundendetails": ("kunde_id", "feld_id", "wert"),
    "vertraege": (
        "ameise_id",
        "kunde_id",
        "vermittler_id",
        "sparte_id",
        "gesellschaft_id",
        "status_id",
        "zahlweise_id",
        "versicherungsscheinnummer",
        "risiko",
        "beitrag_netto",
        "beginn",
        "ablauf",
    ),
}

Row = Iterable[str | None]


@dataclass(frozen=True, slots=True)
class ExportedTable:
    """One file of a delivery."""

    name: str
    rows: int
    content: bytes


def german_amount(value: str | None) -> str | None:
    """`1234.5` as `1.234,50`."""
    if value is None:
        return None
    return f"{Decimal(value):,.2f}".translate(str.maketrans(",.", ".,"))


def german_day(value: str | None) -> str | None:
    """`1980-01-02` as `02.01.1980`."""
    if value is None:
        return None
    year, month, day = value.split("-")
    return f"{day}.{month}.{year}"


def _flag(value: object) -> str:
    return "1" if value else "0"


def _kunde(kunde: dict[str, Any]) -> Row:
    person, wohnsitz = kunde["Person"], hauptwohnsitz(kunde) or {}
    return (
        kunde["Id"],
        kunde["Vermittler"],
        person["Anrede"],
        person["Titel"],
        person["Vorname"],
        person["Nachname"],
        wohnsitz.get("Strasse"),
        wohnsitz.get("Postleitzahl"),
        wohnsitz.get("Ort"),
        wohnsitz.get("Land"),
        german_day(person["Geburtsdatum"]),
        person["Beruf"],
        person["Nationalitaet"],
        person["Rechtsform"],
        kunde["Benutzername"],
        _flag(person["Verstorben"]),
        kunde["LastLogin"],
        kunde["CreatedAt"],
    )


def _vertrag(vertrag: dict[str, Any]) -> Row:
    return (
        vertrag["Id"],
        vertrag["Kunde"],
        vertrag["Vermittler"],
        vertrag["Sparte"],
        vertrag["Gesellschaft"],
        vertrag["Status"],
        vertrag["Beitrag"]["Zahlweise"],
        vertrag["Versicherungsscheinnummer"],
        vertrag["Risiko"],
        german_amount(vertrag["Beitrag"]["Netto"]),
        vertrag["Laufzeit"]["Beginn"],
        german_day(vertrag["Laufzeit"]["Ablauf"]),
    )


def _detail(feld: str, value: str) -> str | None:
    match DETAILFELDER[feld][1]:
        case "betrag":
            return german_amount(value)
        case "datum":
            return german_day(value)
        case _:
            return value


def _rows(store: Store, hauptvermittler: str, table: str, at: float) -> Iterator[Row]:
    world = f"ameise:{hauptvermittler}"
    match table:
        case "kunden":
            yield from (_kunde(kunde) for _, kunde in store.as_of(world, "kunde", at))
        case "kundenkommunikation":
            for id_, kunde in store.as_of(world, "kunde", at):
                for item in kunde["Kontaktdaten"]:
                    yield (
                        item["Id"],
                        id_,
                        item["Typ"],
                        item["Kontext"],
                        item["Value"],
                        _flag(item["Standard"]),
                    )
        case "kundendetails":
            for id_, kunde in store.as_of(world, "kunde", at):
                yield from ((id_, feld, _detail(feld, value)) for feld, value in kunde["Details"].items())
        case "kundendetailfelder":
            yield from ((id_, *feld) for id_, feld in DETAILFELDER.items())
        case "vertraege":
            yield from (_vertrag(vertrag) for _, vertrag in store.as_of(world, "vertrag", at))
        case "vermittler":
            yield from ((own.id, own.name, own.parent) for own in hierarchy(store, hauptvermittler))
        case "anreden":
            yield from ((id_, text, _flag(id_ in LEGAL_PERSON)) for id_, text in LISTS[table].items())
        case _:
            yield from LISTS[table].items()


def export_table(
    store: Store, hauptvermittler: str, table: str, *, at: float, encoding: str
) -> ExportedTable:
    """One table of a Hauptvermittler as of `at`. Characters that the encoding lacks become `?`."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerow(COLUMNS[table])
    rows = 0
    for row in _rows(store, hauptvermittler, table, at):
        writer.writerow(["" if cell is None else cell for cell in row])
        rows += 1
    day = datetime.fromtimestamp(at, BERLIN).strftime("%Y%m%d")
    name = f"{hauptvermittler}_{day}_{table}.csv"
    return ExportedTable(name, rows, out.getvalue().encode(encoding, errors="replace"))
