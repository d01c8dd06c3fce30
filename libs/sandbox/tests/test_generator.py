"""Invented people."""

from collections import Counter
from typing import Any

import pytest

from sandbox.generator import Generator, Numbers

NUMBERS = Numbers(range(5001000001, 5001001001), range(1000), range(4000), range(1110001, 1111001))


@pytest.fixture(scope="module")
def people() -> list[dict[str, Any]]:
    return list(Generator(1, ["DEMO01", "EMO01A"]).kunden(NUMBERS))


def test_the_same_seed_gives_the_same_people(people: list[dict[str, Any]]) -> None:
    assert list(Generator(1, ["DEMO01", "EMO01A"]).kunden(NUMBERS)) == people


def test_about_eight_percent_are_legal_persons(people: list[dict[str, Any]]) -> None:
    firms = [kunde for kunde in people if kunde["Person"]["Anrede"] == "3"]

    assert 50 < len(firms) < 110
    assert all(firm["Person"]["Rechtsform"] for firm in firms)


def test_real_datas_traps_are_in(people: list[dict[str, Any]]) -> None:
    mails = Counter(
        item["Value"] for kunde in people for item in kunde["Kontaktdaten"] if item["Typ"] == "email"
    )
    names = Counter((kunde["Person"]["Vorname"], kunde["Person"]["Nachname"]) for kunde in people)

    assert max(mails.values()) > 1
    assert max(names.values()) > 1
    assert any(set("äöüß") & set(kunde["Person"]["Nachname"]) for kunde in people)
    assert any(address["Postleitzahl"].startswith("0") for kunde in people for address in kunde["Adressen"])
    assert any(not kunde["Adressen"] for kunde in people)
    assert 0 < sum(bool(kunde["Details"]) for kunde in people) < 120


def test_contracts_belong_to_the_given_kunden() -> None:
    contracts = list(Generator(1, ["DEMO01"]).vertraege(NUMBERS, [("1", "DEMO01"), ("2", "EMO01A")]))

    assert len(contracts) == 1000
    assert {(item["Kunde"], item["Vermittler"]) for item in contracts} == {("1", "DEMO01"), ("2", "EMO01A")}
    assert any(item["Sparte"].startswith("0") for item in contracts)
