"""Ameise's lists: the same for everybody, served by REST and delivered by DailyUp. Codes are texts.

Sparten have three digits with leading zeros, Gesellschaften five digits, Vertragsstatus a letter.
"""

LEGAL_PERSON = frozenset({"3"})
"""Anreden that make a Kunde a juristische Person."""

LISTS: dict[str, dict[str, str]] = {
    "anreden": {"1": "Herr", "2": "Frau", "3": "Firma", "4": "Divers"},
    "rechtsformen": {
        "1": "GmbH",
        "2": "UG (haftungsbeschränkt)",
        "3": "AG",
        "4": "GmbH & Co. KG",
        "5": "OHG",
        "6": "e. K.",
        "7": "GbR",
        "8": "e. V.",
    },
    "laender": {
        "DE": "Deutschland",
        "AT": "Österreich",
        "CH": "Schweiz",
        "NL": "Niederlande",
        "FR": "Frankreich",
        "PL": "Polen",
        "LU": "Luxemburg",
        "DK": "Dänemark",
    },
    "sparten": {
        "010": "Lebensversicherung",
        "020": "Private Krankenversicherung",
        "030": "Unfallversicherung",
        "040": "Privathaftpflicht",
        "050": "Kfz-Versicherung",
        "060": "Hausrat",
        "070": "Wohngebäude",
        "080": "Rechtsschutz",
        "090": "Berufsunfähigkeit",
        "100": "Betriebshaftpflicht",
        "110": "Cyberversicherung",
        "120": "Tierhalterhaftpflicht",
    },
    "gesellschaften": {
        "10330": "Nordlicht Versicherung AG",
        "10415": "Hanse Sach Versicherungs-AG",
        "10502": "Alpenland Leben AG",
        "10777": "Rheinische Kranken a. G.",
        "11020": "Elbtal Rechtsschutz AG",
        "11203": "Märkische Feuersozietät",
        "12044": "Bodensee Versicherung VVaG",
        "12999": "Überland Kfz Direkt AG",
    },
    "vertragsstatus": {
        "A": "Antrag",
        "F": "Fremdvertrag",
        "I": "im Bestand",
        "K": "gekündigt",
        "R": "beitragsfrei",
        "S": "storniert",
    },
    "zahlweisen": {
        "1": "jährlich",
        "2": "halbjährlich",
        "3": "vierteljährlich",
        "4": "Einmalbeitrag",
        "5": "monatlich",
    },
}

DETAILFELDER: dict[str, tuple[str, str]] = {
    "1": ("Hobby", "text"),
    "2": ("Maklervollmacht liegt vor", "boolean"),
    "3": ("Kundenklasse", "auswahl"),
    "4": ("Kinder", "zahl"),
    "5": ("Jahreseinkommen", "betrag"),
    "6": ("Erstkontakt", "datum"),
}
"""Individual fields: id to (Bezeichnung, Typ)."""
