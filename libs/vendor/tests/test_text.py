"""What people read, and what may stand in a path."""

import pytest

from vendor import path_id, shortened, visible_text


def test_a_page_is_reduced_to_what_a_reader_sees() -> None:
    page = (
        "<!DOCTYPE html><html><head><title>Fehler</title></head><body><script>let a = '<b>';</script>"
        "<!-- intern --><h1>HTTP&nbsp;Status 500</h1>\n<p>Bitte sp&auml;ter.</p></body></html>"
    )
    assert visible_text(page) == "HTTP Status 500 Bitte später."


def test_plain_text_passes_unchanged() -> None:
    assert visible_text("Wartung bis 5 Uhr") == "Wartung bis 5 Uhr"


def test_a_cut_text_says_so_and_keeps_the_limit() -> None:
    assert shortened("abcdef", limit=4) == "abc…"
    assert shortened("abcd", limit=4) == "abcd"


@pytest.mark.parametrize("value", ["5001234567", "DEMO01_1", "Contacts", "a-b"])
def test_an_id_may_stand_in_a_path(value: str) -> None:
    assert path_id(value) == value


@pytest.mark.parametrize("value", ["", "..", "1/2", "1?x=y", "1 2", "1\n", "٣", "x" * 65])
def test_what_would_ask_for_something_else_may_not(value: str) -> None:
    with pytest.raises(ValueError, match="URL path"):
        path_id(value)
