"""Tolerant reading, exact sending."""

import pytest
from pydantic import ValidationError

from ameise import Beitrag, Kontaktdatum, Kunde, ListEntry, Person, Vertrag


def test_numbers_are_taken_as_text() -> None:
    vertrag = Vertrag.model_validate(
        {"Id": 1475, "Kunde": 500123, "Sparte": "050", "Beitrag": {"Netto": 123.45, "Zahlweise": 1}}
    )
    assert (vertrag.id, vertrag.kunde, vertrag.sparte) == ("1475", "500123", "050")
    assert (vertrag.beitrag.netto, vertrag.beitrag.zahlweise) == ("123.45", "1")


def test_null_parts_are_empty_parts() -> None:
    kunde = Kunde.model_validate({"Id": "5001", "Person": None, "Hauptwohnsitz": None})
    assert kunde.person.nachname is None
    assert kunde.hauptwohnsitz is None
    vertrag = Vertrag.model_validate({"Id": "1", "Beitrag": None})
    assert vertrag.beitrag.model_fields_set == set(Beitrag.model_fields)
    assert vertrag.beitrag.netto is None
    assert vertrag.laufzeit.model_fields_set == set()  # not sent


def test_unknown_fields_are_kept_and_sent_back() -> None:
    person = Person.model_validate({"Nachname": "Müller", "PerDu": True})
    assert person.wire() == {"Nachname": "Müller", "PerDu": True}


def test_only_the_given_fields_are_sent() -> None:
    assert Person(beruf=None).wire() == {"Beruf": None}
    assert Kontaktdatum(typ="email", value="a@b.de").wire() == {
        "Typ": "email",
        "Value": "a@b.de",
    }


def test_names_with_unusual_capitals() -> None:
    vertrag = Vertrag.model_validate({"Id": "1", "PublicID": "p", "Versicherungsscheinnummer": "007"})
    assert (vertrag.public_id, vertrag.versicherungsscheinnummer) == ("p", "007")
    assert ListEntry.model_validate({"Value": 3, "JuristischePerson": 1}).juristische_person


def test_an_object_without_its_id_is_refused_without_quoting_it() -> None:
    with pytest.raises(ValidationError) as caught:
        Kunde.model_validate({"Text": "Müller, Anna"})
    assert "Müller" not in str(caught.value)
