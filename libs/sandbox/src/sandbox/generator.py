"""Invented Kunden and Verträge: the same seed gives the same people.

Faker makes pools of names and places once; a seeded random generator draws from them, which is a hundred
times faster than asking Faker for every Kunde. Faker is imported only here, only when somebody seeds.
Traps of real data are built in: families that share an e-mail, equal names, umlauts, leading zeros, Kunden
without e-mail, phone or address.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any

from sandbox.ameise.book import HAUPTWOHNSITZ, benutzername
from sandbox.ameise.lists import DETAILFELDER, LISTS

LEGAL_SHARE = 0.08
FAMILY_SHARE = 0.12
"""Kunden who share name, address and e-mail with the one before."""
NAMESAKE_SHARE = 0.02
DETAILS_SHARE = 0.05
UNTERVERMITTLER_SHARE = 0.3
FIRST_DAY = date(2012, 1, 1)
DAYS = 4700
TITEL = ("Dr.", "Prof. Dr.", "Dipl.-Ing.")
RISIKEN = (
    "Familie",
    "Single",
    "Golf VII",
    "Einfamilienhaus",
    "Wohnung 82 m²",
    "Hund „Bello“",
    "Betrieb; 12 Personen",
)
PLACES_WITH_ZERO = [("01067", "Dresden"), ("04109", "Leipzig"), ("07743", "Jena"), ("09111", "Chemnitz")]
TELEFON_VORWAHLEN = ("030", "040", "089", "0221", "0351", "0451")


@dataclass(frozen=True, slots=True)
class Pools:
    """What Faker contributed."""

    male: list[str]
    female: list[str]
    last: list[str]
    streets: list[str]
    places: list[tuple[str, str]]
    jobs: list[str]
    companies: list[str]


def make_pools(seed: int) -> Pools:
    """Names and places from Faker, German, by seed."""
    from faker import Faker  # noqa: PLC0415  # 30 MB that only seeding needs

    fake = Faker("de_DE")
    fake.seed_instance(seed)
    return Pools(
        male=[fake.first_name_male() for _ in range(250)],
        female=[fake.first_name_female() for _ in range(250)],
        last=[*(fake.last_name() for _ in range(600)), "Müller", "Groß", "Özdemir", "Weiß", "Jäger"],
        streets=[fake.street_name() for _ in range(400)],
        places=[*((fake.postcode(), fake.city()) for _ in range(300)), *PLACES_WITH_ZERO],
        jobs=[fake.job()[:80] for _ in range(200)],
        companies=[fake.company() for _ in range(300)],
    )


@dataclass(frozen=True, slots=True)
class Numbers:
    """Ids set aside for what is generated; adressen and kontaktdaten may stay partly unused."""

    kunden: range
    adressen: range
    kontaktdaten: range
    vertraege: range

    KONTAKTDATEN_PER_KUNDE = 4


class Generator:
    """Draws Kunden and Verträge."""

    def __init__(self, seed: int, vermittler: list[str]) -> None:
        """`vermittler`: the Hauptvermittler first, then those below."""
        self._random = Random(seed)  # noqa: S311  # invented people, not keys
        self._pools = make_pools(seed)
        self._vermittler = vermittler

    def kunden(self, numbers: Numbers) -> Iterator[dict[str, Any]]:
        """As many Kunden as there are numbers."""
        adressen, kontaktdaten = iter(numbers.adressen), iter(numbers.kontaktdaten)
        previous: dict[str, Any] | None = None
        earlier: list[tuple[str | None, str]] = []
        for number in numbers.kunden:
            kunde = self._kunde(str(number), previous, earlier)
            for item in kunde["Adressen"]:
                item["Id"] = str(next(adressen))
            for item in kunde["Kontaktdaten"]:
                item["Id"] = str(next(kontaktdaten))
            person = kunde["Person"]
            if person["Anrede"] != "3":
                previous = kunde
                if len(earlier) < 500:
                    earlier.append((person["Vorname"], person["Nachname"]))
            yield kunde

    def _kunde(
        self, id_: str, previous: dict[str, Any] | None, earlier: list[tuple[str | None, str]]
    ) -> dict[str, Any]:
        draw = self._random
        person = self._firma() if draw.random() < LEGAL_SHARE else self._mensch()
        adressen, kontaktdaten = self._adressen(), self._kontaktdaten(person)
        if person["Anrede"] != "3":
            if previous is not None and draw.random() < FAMILY_SHARE:
                person["Nachname"] = previous["Person"]["Nachname"]
                adressen = [dict(item) for item in previous["Adressen"]]
                mails = [dict(item) for item in previous["Kontaktdaten"] if item["Typ"] == "email"]
                kontaktdaten = [*mails, *(item for item in kontaktdaten if item["Typ"] != "email")]
            elif earlier and draw.random() < NAMESAKE_SHARE:
                person["Vorname"], person["Nachname"] = draw.choice(earlier)
        created = FIRST_DAY + timedelta(days=draw.randrange(DAYS))
        login = created + timedelta(days=draw.randrange(400)) if draw.random() < 0.4 else None
        return {
            "Id": id_,
            "Vermittler": self._one_vermittler(),
            "Benutzername": benutzername(person, id_),
            "Person": person,
            "Adressen": adressen,
            "Kontaktdaten": kontaktdaten,
            "Details": self._details() if draw.random() < DETAILS_SHARE else {},
            "CreatedAt": created.isoformat(),
            "LastLogin": f"{login.isoformat()} {draw.randrange(24):02}:{draw.randrange(60):02}:00"
            if login
            else None,
        }

    def _one_vermittler(self) -> str:
        first, *others = self._vermittler
        return (
            self._random.choice(others) if others and self._random.random() < UNTERVERMITTLER_SHARE else first
        )

    def _mensch(self) -> dict[str, Any]:
        draw, pools = self._random, self._pools
        anrede = draw.choices(("1", "2", "4"), (49, 49, 2))[0]
        born = date(1935, 1, 1) + timedelta(days=draw.randrange(26_000))
        return {
            "Anrede": anrede,
            "Titel": draw.choice(TITEL) if draw.random() < 0.05 else None,
            "Vorname": draw.choice(pools.male if anrede == "1" else pools.female),
            "Nachname": draw.choice(pools.last),
            "Geburtsdatum": born.isoformat() if draw.random() < 0.97 else None,
            "Beruf": draw.choice(pools.jobs) if draw.random() < 0.6 else None,
            "Nationalitaet": "DE" if draw.random() < 0.5 else None,
            "Rechtsform": None,
            "Verstorben": draw.random() < 0.01,
        }

    def _firma(self) -> dict[str, Any]:
        """A juristische Person: Nachname is the firm, Vorname who to talk to, Geburtsdatum the founding."""
        draw, pools = self._random, self._pools
        founded = date(1950, 1, 1) + timedelta(days=draw.randrange(26_000))
        contact = f"{draw.choice(pools.female)} {draw.choice(pools.last)}"
        return {
            "Anrede": "3",
            "Titel": None,
            "Vorname": contact if draw.random() < 0.8 else None,
            "Nachname": draw.choice(pools.companies),
            "Geburtsdatum": founded.isoformat() if draw.random() < 0.7 else None,
            "Beruf": draw.choice(("Handel", "Gastronomie", "IT-Dienstleistung", "Bau", "Pflege")),
            "Nationalitaet": None,
            "Rechtsform": draw.choice(list(LISTS["rechtsformen"])),
            "Verstorben": False,
        }

    def adresse(self) -> dict[str, Any]:
        """A Hauptwohnsitz without its id."""
        draw = self._random
        plz, ort = draw.choice(self._pools.places)
        strasse = f"{draw.choice(self._pools.streets)} {draw.randrange(1, 180)}"
        return {
            "Id": "",
            "Typ": HAUPTWOHNSITZ,
            "Strasse": strasse,
            "Postleitzahl": plz,
            "Ort": ort,
            "Land": "DE",
        }

    def _adressen(self) -> list[dict[str, Any]]:
        return [self.adresse()] if self._random.random() < 0.99 else []

    def mail(self, person: dict[str, Any]) -> str:
        """An address at a domain that belongs to nobody."""
        local = benutzername(person, "").strip(".") or "kunde"
        return f"{local}{self._random.randrange(1000)}@example.{self._random.choice(('org', 'com', 'net'))}"

    def phone(self, typ: str) -> str:
        """A number as people type it."""
        draw = self._random
        prefix = f"01{draw.choice((51, 60, 70, 76))}" if typ == "mobil" else draw.choice(TELEFON_VORWAHLEN)
        return f"{prefix}{draw.choice((' ', '/', '-'))}{draw.randrange(100_000, 9_999_999)}"

    def _kontaktdaten(self, person: dict[str, Any]) -> list[dict[str, Any]]:
        draw = self._random
        legal = person["Anrede"] == "3"
        kontext = "business" if legal else "private"
        out: list[dict[str, Any]] = []

        def add(typ: str, value: str, *, standard: bool = True) -> None:
            out.append({"Id": "", "Typ": typ, "Kontext": kontext, "Value": value, "Standard": standard})

        if draw.random() < 0.9:
            add("email", self.mail(person))
        if draw.random() < 0.7:
            add("telefon", self.phone("telefon"))
        if draw.random() < 0.6:
            add("mobil", self.phone("mobil"))
        if legal and draw.random() < 0.5:
            add("website", f"https://www.firma{draw.randrange(10_000)}.example")
        elif draw.random() < 0.05:
            add("fax", self.phone("fax"))
        return out

    def _details(self) -> dict[str, str]:
        draw = self._random
        values = {
            "text": draw.choice(("Segeln", "Schach; Lesen", "Imkerei")),
            "boolean": draw.choice(("0", "1")),
            "auswahl": draw.choice(("A", "B", "C")),
            "zahl": str(draw.randrange(5)),
            "betrag": f"{draw.randrange(20_000, 120_000)}.00",
            "datum": (FIRST_DAY + timedelta(days=draw.randrange(DAYS))).isoformat(),
        }
        felder = draw.sample(sorted(DETAILFELDER), draw.randrange(1, 4))
        return {feld: values[DETAILFELDER[feld][1]] for feld in sorted(felder)}

    def vertraege(self, numbers: Numbers, kunden: list[tuple[str, str]]) -> Iterator[dict[str, Any]]:
        """As many Verträge as there are numbers, spread over `kunden` (Id, Vermittler)."""
        draw = self._random
        for number in numbers.vertraege:
            kunde, vermittler = draw.choice(kunden)
            begin = FIRST_DAY + timedelta(days=draw.randrange(DAYS))
            ends = draw.random() < 0.5
            sparte = draw.choice(list(LISTS["sparten"]))
            yield {
                "Id": str(number),
                "Uri": f"vertraege/{number}",
                "Kunde": kunde,
                "Vermittler": vermittler,
                "Gesellschaft": draw.choice(list(LISTS["gesellschaften"])),
                "Sparte": sparte,
                "Status": draw.choice(list(LISTS["vertragsstatus"])),
                "Risiko": draw.choice(RISIKEN) if draw.random() < 0.8 else None,
                "Versicherungsscheinnummer": f"{draw.randrange(10**9):09}-{sparte}",
                "Beitrag": {
                    "Netto": f"{draw.randrange(900, 450_000) / 100:.2f}",
                    "Zahlweise": draw.choice(list(LISTS["zahlweisen"])),
                },
                "Laufzeit": {
                    "Beginn": begin.isoformat(),
                    "Ablauf": (begin + timedelta(days=365 * draw.randrange(1, 30))).isoformat()
                    if ends
                    else None,
                },
            }
