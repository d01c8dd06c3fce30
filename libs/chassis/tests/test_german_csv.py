"""Lines for a German Excel, in which no text can become a formula."""

import csv
import io
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.german_csv import csv_line


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        ("Müller", "Müller"),
        (True, "ja"),
        (False, "nein"),
        (7, "7"),
        (Decimal("1234.50"), "1234,50"),
        (Decimal("-1234.50"), "-1234,50"),
        (Decimal("1E+3"), "1000"),
        (date(1980, 1, 2), "02.01.1980"),
        (date(33, 4, 3), "03.04.0033"),
        (datetime(2024, 3, 1, 14, 5), "01.03.2024 14:05:00"),  # noqa: DTZ001 (Ameise's times have no zone)
        ("a;b", '"a;b"'),
        ('sagt "ja"', '"sagt ""ja"""'),
        ("zwei\nZeilen", '"zwei\nZeilen"'),
        ("=1+1", "'=1+1"),
        ("+49 30 1", "'+49 30 1"),
        ("-5", "'-5"),
        ("@summe", "'@summe"),
        ("\tx", "'\tx"),
        ("\rx", '"\'\rx"'),
        ("a=b", "a=b"),
    ],
)
def test_a_value_as_a_cell(value: Any, cell: str) -> None:
    assert csv_line([value, "x"]) == f"{cell};x\r\n"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2, max_size=5))
def test_a_reader_gets_every_text_back_and_none_can_be_a_formula(texts: list[str]) -> None:
    [row] = csv.reader(io.StringIO(csv_line(texts), newline=""), delimiter=";")
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)
    assert [cell.removeprefix("'") for cell in row] == [text.removeprefix("'") for text in texts]


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**9), max_value=10**9))
def test_a_number_stays_a_number(number: Decimal) -> None:
    cell = csv_line([number]).removesuffix("\r\n")
    assert Decimal(cell.replace(",", ".")) == number
