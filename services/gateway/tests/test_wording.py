"""Everything that a page can show has a German label."""

import pytest

from contracts.events import EVENT_TYPES
from gateway import wording


def test_every_event_has_a_label():
    assert {kind.event_name for kind in EVENT_TYPES} == wording.EVENTS.keys()


@pytest.mark.parametrize("kind", wording.LABELLED)
def test_every_value_has_a_label(kind):
    assert all(wording.label(value) for value in kind)


@pytest.mark.parametrize("kind", wording.TONED)
def test_every_state_has_a_colour(kind):
    assert {wording.tone(value) for value in kind} <= {"good", "warn", "bad", "calm"}


def test_an_event_of_a_newer_release_keeps_its_name():
    assert wording.event_label("brand_new") == "brand_new"


def test_a_known_error_code_is_put_into_words_and_another_reason_is_left():
    assert wording.reason_words("access_denied") == "Zustimmung abgelehnt (access_denied)"
    assert wording.reason_words("HTTP 502") == "HTTP 502"


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (None, ""),
        ("kunde: 36 von 60 Zeilen fehlen; vertrag: leer", "Kunden: 36 von 60 Zeilen fehlen; Verträge: leer"),
        ("Probleme: 9; kundenkommunikation.kunde_id zeigt in 9 Zeilen ins Leere",
         "Probleme: 9; Kontaktdaten: kunde_id zeigt in 9 Zeilen ins Leere"),
        ("zoho bat um eine Pause", "Zoho bat um eine Pause"),
        ("abgelehnt: Kunde 4711 gibt es in Ameise nicht", "abgelehnt: Kunde 4711 gibt es in Ameise nicht"),
    ],
)  # fmt: skip
def test_the_tables_of_a_reason_are_called_by_their_names(reason, words):
    assert wording.reason_words(reason) == words
