"""What Ameise's answers mean."""

import pytest

from ameise.errors import assess, judge, words_of
from vendor import Answer, Verdict

PAGE = b"<html><head><title>x</title></head><body><h1>HTTP Status 400</h1><p>Bad Request</p></body></html>"


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.OK),
        (201, Verdict.OK),
        (204, Verdict.OK),
        (302, Verdict.REJECTED),
        (400, Verdict.REJECTED),
        (401, Verdict.TOKEN_REFUSED),
        (403, Verdict.REJECTED),
        (404, Verdict.REJECTED),
        (405, Verdict.REJECTED),
        (408, Verdict.UNAVAILABLE),
        (409, Verdict.REJECTED),
        (429, Verdict.UNAVAILABLE),
        (500, Verdict.UNAVAILABLE),
        (502, Verdict.UNAVAILABLE),
        (503, Verdict.UNAVAILABLE),
    ],
)
def test_the_status_decides(status: int, verdict: Verdict) -> None:
    assert judge(status) is verdict


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            b'{"Meldungen":[{"Text":"Nachname fehlt."},{"Text":"PLZ fehlt."}]}',
            "Nachname fehlt.; PLZ fehlt.",
        ),
        (b'{"Meldungen":["Nachname fehlt."]}', "Nachname fehlt."),
        (b'{"Meldungen":[{"Feld":"PLZ"}]}', "{'Feld': 'PLZ'}"),
        (b'{"Meldungen":"kaputt"}', '{"Meldungen":"kaputt"}'),
        (b"[1]", "[1]"),
        (PAGE, "HTTP Status 400 Bad Request"),
        (b"", ""),
        (b'{"Meldungen":', '{"Meldungen":'),
    ],
)
def test_the_words_are_the_meldungen_or_the_visible_page(body: bytes, words: str) -> None:
    assert words_of(Answer(400, body)) == words


def test_a_long_page_is_shortened() -> None:
    finding = assess(Answer(500, b"<p>" + b"lang " * 1000 + b"</p>"))
    assert len(finding.words) == 500
