"""How values of objects and records are shown."""

import pytest

from gateway.rendering import in_german, value_shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1980-01-02", "02.01.1980"),
        ("2026-11-24T08:15:03", "24.11.2026 08:15:03"),
        ("2026-07-01T08:15:03Z", "01.07.2026 10:15:03"),
        ("2026-11-24T23:30:00-05:00", "25.11.2026 05:30:00"),
        ("2026-11-24T08:15", "24.11.2026 08:15:00"),
    ],
)
def test_dates_and_moments_are_shown_as_people_here_write_them(text: str, shown: str) -> None:
    assert in_german(text) == shown
    assert value_shown(text) == shown


@pytest.mark.parametrize(
    "text",
    ["2026-02-31", "2026-11", "vom 2026-11-24", "20261124", "0001-01-01T00:00:00+05:00", "24.11.2026", ""],
)
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert in_german(text) == text


def test_what_is_empty_or_true_or_a_tag_is_shown_as_such() -> None:
    assert value_shown(None) == '<span class="hint">leer</span>'
    assert (value_shown(True), value_shown(False)) == ("ja", "nein")
    assert value_shown("<b>") == "&lt;b&gt;"
