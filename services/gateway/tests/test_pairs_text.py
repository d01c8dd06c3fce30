"""Pairs as lines of text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pairs_text import as_text, from_text


@given(st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=4))
def test_pairs_survive_their_text(pairs):
    assert from_text(as_text(pairs)) == pairs
    assert from_text(as_text(pairs).replace("\n", "\r\n")) == pairs  # as a browser sends it


def test_usual_pairs_are_lines():
    assert as_text({"1": "Herr", "2": "Frau"}) == "1 = Herr\n2 = Frau"
    assert from_text(" 1=Herr \n\n2 = a = b\n") == {"1": "Herr", "2": "a = b"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 = Herr\nFrau", "Zeile 2: erwartet wird"),
        ("1 = Herr\n1 = Frau", "Zeile 2: „1“ kommt doppelt"),
        ("{", "kein gültiges JSON"),
        ('{"1": 1}', "alle Werte müssen Text sein"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text, words):
    with pytest.raises(ValueError, match=words):
        from_text(text)
