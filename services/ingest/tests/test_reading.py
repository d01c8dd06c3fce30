"""Files as they come: read, or refused with a clear problem, never a crash and never empty by mistake."""

import csv
import io
import re
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.names import Table
from contracts.rpc.ingest_format import ColumnType
from ingest.cells import CANONICAL, stripped
from ingest.problems import Rule, TableRejected, ValueClass
from ingest.reading import ReadTable, read_table
from ingest.table_format import load_format

FORMAT = load_format("dailyup-1")
KUNDE = FORMAT[Table.KUNDE]
SPARTE = FORMAT[Table.SPARTE]


def read(data: bytes, definition: Any = SPARTE) -> ReadTable:
    return read_table(data, "a.csv", definition)


def rows(found: ReadTable, *columns: str) -> list[tuple[Any, ...]]:
    return found.frame.select(columns or ("key", "text")).rows()


def problems(found: ReadTable) -> list[tuple[Rule, int | None, str | None]]:
    return [(problem.rule, problem.row, problem.column) for problem in found.problems]


def cell(type_: ColumnType, text: str) -> str | None:
    frame = pl.DataFrame({"x": [text]}, schema={"x": pl.String})
    return frame.select(CANONICAL[type_](stripped(pl.col("x"))).alias("x"))["x"][0]


@pytest.mark.parametrize(
    ("type_", "text", "canonical"),
    [
        (ColumnType.DATE, "2.1.1980", "1980-01-02"),
        (ColumnType.DATE, "02.01.1980", "1980-01-02"),
        (ColumnType.DATE, "1980-01-02", "1980-01-02"),
        (ColumnType.DATE, "1980-01-02 00:00:00", "1980-01-02"),
        (ColumnType.DATE, "31.2.1980", None),
        (ColumnType.DATE, "2.1.80", None),
        (ColumnType.DATE, "0000-00-00", None),
        (ColumnType.DATE, "1980-1-2", None),
        (ColumnType.DECIMAL, "1.234,56", "1234.56"),
        (ColumnType.DECIMAL, "1234,5", "1234.5"),
        (ColumnType.DECIMAL, "-1.234.567,00", "-1234567.00"),
        (ColumnType.DECIMAL, "1234.56", "1234.56"),
        (ColumnType.DECIMAL, "1.234", "1234"),
        (ColumnType.DECIMAL, "12,50 €", "12.50"),
        (ColumnType.DECIMAL, "1234.567", None),
        (ColumnType.DECIMAL, "1,234.56", None),
        (ColumnType.DECIMAL, "1,234", None),
        (ColumnType.DECIMAL, "viel", None),
        (ColumnType.DECIMAL, "9" * 30, None),
        (ColumnType.DECIMAL, "9" * 16, "9" * 16),
        (ColumnType.DECIMAL, "9" * 17, None),
        (ColumnType.DECIMAL, "-9.999.999.999.999.999,99", "-9999999999999999.99"),
        (ColumnType.DECIMAL, "-99999999999999999.99", None),
        (ColumnType.DECIMAL, "\u0661\u0662", None),
        (ColumnType.BOOLEAN, "1", "true"),
        (ColumnType.BOOLEAN, "Nein", "false"),
        (ColumnType.BOOLEAN, "vielleicht", None),
        (ColumnType.TIMESTAMP, "2024-03-01 14:05:00", "2024-03-01T14:05:00"),
        (ColumnType.TIMESTAMP, "1.3.2024 14:05", "2024-03-01T14:05:00"),
        (ColumnType.TIMESTAMP, "2024-03-01", "2024-03-01T00:00:00"),
        (ColumnType.TIMESTAMP, "2024-03-01 25:00", None),
        (ColumnType.TIMESTAMP, "2024-03-01 23:59:60", "2024-03-02T00:00:00"),
        (ColumnType.TIMESTAMP, "9999-12-31 23:59:60", None),
        (ColumnType.TEXT, " 050 ", "050"),
        (ColumnType.TEXT, "a\x00b", None),
        (ColumnType.TEXT, "M\ufffdller", None),
        (ColumnType.TEXT, "x" * 40_000, None),
        (ColumnType.TEXT, "   ", None),
    ],
)
def test_a_cell_is_read_by_its_type(type_: ColumnType, text: str, canonical: str | None) -> None:
    assert cell(type_, text) == canonical


@given(st.dates(min_value=date(1, 1, 1)))
def test_every_date_is_read_in_both_forms(day: date) -> None:
    assert cell(ColumnType.DATE, f"{day.day}.{day.month}.{day.year:04}") == day.isoformat()
    assert cell(ColumnType.DATE, day.isoformat()) == day.isoformat()


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=2))
def test_every_amount_is_read_in_its_german_form(amount: Decimal) -> None:
    german = f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))
    found = cell(ColumnType.DECIMAL, german)
    assert found is not None
    assert Decimal(found) == amount


_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00\x02\ufffd\r"), max_size=20).filter(
    # A line inside a cell that begins like a row is taken for one.
    lambda text: not re.search(r"\n[ \"]*[0-9]+[ \"]*[;,\t]", text)
)


@settings(max_examples=60)
@given(st.lists(_TEXTS, max_size=8), st.sampled_from(";,\t"), st.sampled_from(["\r\n", "\n"]), st.booleans())
def test_what_is_written_is_read(texts: list[str], delimiter: str, line_end: str, bom: bool) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=line_end)
    writer.writerow(["id", "text"])
    writer.writerows([f"{place:03}", text] for place, text in enumerate(texts))
    found = read(out.getvalue().encode("utf-8-sig" if bom else "utf-8"))
    expected = [(f"{n:03}", text.strip(" \t\n\u00a0\ufeff") or None) for n, text in enumerate(texts)]
    assert rows(found) == expected
    assert found.problems == ()


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", Rule.FILE_EMPTY),
        (b"\r\n\r\n", Rule.FILE_EMPTY),
        (b"\x00" * 1000, Rule.KEY_COLUMN_MISSING),
        (b"text\r\nx\r\n", Rule.KEY_COLUMN_MISSING),
        (b"id|text\r\n1|x\r\n", Rule.KEY_COLUMN_MISSING),
        (b"id;text;text\r\n1;x;y\r\n", Rule.COLUMN_TWICE),
        (b"id;text;" + b";".join(b"c%d" % n for n in range(10_000)), Rule.TOO_MANY_COLUMNS),
        (b"x" * 50_000_000, Rule.TOO_MANY_COLUMNS),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), Rule.KEY_COLUMN_MISSING),
    ],
)
def test_a_file_that_is_no_table_is_refused(data: bytes, rule: Rule) -> None:
    with pytest.raises(TableRejected) as refused:
        read(data)
    assert refused.value.problem.rule is rule


@pytest.mark.parametrize("data", [b"id;text", b"id;text\r\n", b"id;text\r\n\r\n"])
def test_a_header_alone_is_a_table_without_rows(data: bytes) -> None:
    assert read(data).rows == 0


@pytest.mark.parametrize(
    ("data", "good", "found"),
    [
        (b"id;text\r\n1\r\n2;b\r\n", [("2", "b")], (Rule.ROW_TOO_SHORT, 2, None)),
        (b"id;text\r\n1;a;x\r\n2;b\r\n", [("2", "b")], (Rule.ROW_TOO_LONG, 2, None)),
        (b"id;text\r\n;a\r\n2;b\r\n", [("2", "b")], (Rule.KEY_UNREADABLE, 2, "id")),
        (b"id;text\r\n*;a\r\n2;b\r\n", [("2", "b")], (Rule.KEY_UNREADABLE, 2, "id")),
        (b"id;text\r\n2;a\r\n2;b\r\n", [("2", "b")], (Rule.KEY_TWICE, 2, "id")),
        (b"id;text\r\n1;a\x00\r\n2;b\r\n", [("1", None), ("2", "b")], (Rule.CELL_UNREADABLE, 2, "text")),
        (b'id;text\r\n1;"a\r\n2;b\r\n', [("1", None), ("2", "b")], (Rule.CELL_UNREADABLE, 2, "text")),
        (b"id\r\n1\r\n", [("1", None)], (Rule.COLUMN_MISSING, None, "text")),
        (b"id;text;mehr\r\n1;a;x\r\n", [("1", "a")], (Rule.COLUMN_UNKNOWN, 1, "mehr")),
    ],
)
def test_what_is_wrong_is_said_and_the_rest_is_read(
    data: bytes, good: list[tuple[str, str | None]], found: tuple[Rule, int | None, str | None]
) -> None:
    result = read(data)
    assert rows(result) == good
    assert problems(result) == [found]


def test_a_lone_quote_in_the_key_rejects_the_row_also_before_an_empty_cell() -> None:
    found = read(b'id;text\r\n1;a\r\n"2;\r\n3;c\r\n')
    assert rows(found) == [("1", "a"), ("3", "c")]
    assert problems(found) == [(Rule.KEY_UNREADABLE, 3, "id")]
    assert found.problems[0].value is ValueClass.LONE_QUOTE
    assert (found.rejected, found.every_row_has_key) == (1, False)


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"id;text\r\n1;a\r\n\r\n\r\n2;b\r\n\r\n", [("1",), ("2",)]),
        (b'id;text\r\n1;"a\r\n\r\n2;b\r\n', [("1",), ("2",)]),
        (b"id\r\n1\r\n\r\n2\r\n", [("1",), ("2",)]),
    ],
)
def test_blank_lines_are_no_rows_and_the_table_is_whole(data: bytes, keys: list[tuple[str]]) -> None:
    found = read(data)
    assert rows(found, "key") == keys
    assert (found.rejected, found.every_row_has_key, found.cut_off) == (0, True, False)


def test_an_empty_key_in_a_table_of_one_column_is_not_blank_when_more_follows() -> None:
    found = read(b"id\r\n1\r\n;x\r\n")
    assert (Rule.ROW_TOO_LONG, 3, None) in problems(found)
    assert (found.rejected, found.every_row_has_key) == (1, False)


def test_an_unreadable_cell_and_a_missing_column_are_unknown_and_an_empty_cell_is_not() -> None:
    found = read(b"ameise_id;geburtsdatum;vorname\r\n1;31.2.2000;\r\n2;;\r\n", KUNDE)
    [first, second] = [set(text.strip("{}").split(",")) for text in found.frame["unknown"]]
    assert first - second == {"geburtsdatum"}
    assert "nachname" in second
    assert "vorname" not in second


def test_unknown_columns_are_kept_raw() -> None:
    assert rows(read(b"id;text;mehr\r\n1;a; x \r\n"), "extra") == [('{"mehr":"x"}',)]


def test_windows_1252_is_found_out_also_line_by_line() -> None:
    data = "id;text\r\n1;Müller\r\n".encode() + "2;Größe €\r\n".encode("cp1252")
    assert rows(read(data)) == [("1", "Müller"), ("2", "Größe €")]


def test_line_breaks_and_delimiters_inside_quotes_belong_to_the_cell() -> None:
    assert rows(read(b'id;text\r\n1;"a;b\r\nc ""d"""\r\n')) == [("1", 'a;b\nc "d"')]


@pytest.mark.parametrize(
    "data",
    [
        b'ameise_id;vorname;nachname;ort\r\n1;"a;x;y\r\n2;b;x;y\r\n3;c";x;y\r\n4;d;x;y\r\n',
        b'ameise_id;vorname;nachname;ort\r\n1;"a;x;y\r\n3;c";x;y\r\n4;d;x;y\r\n',
        b'vorname;ameise_id;nachname;ort\r\na;1;"x;y\r\nc;3;x";y\r\nd;4;x;y\r\n',
    ],
)
def test_a_cell_that_holds_other_rows_rejects_its_row_and_the_table_is_not_whole(data: bytes) -> None:
    found = read(data, KUNDE)
    assert (Rule.ROW_SWALLOWS_ROWS, 2, None) in problems(found)
    assert (Rule.FILE_CUT_OFF, None, None) in problems(found)
    assert rows(found, "key") == [("4",)]
    assert (found.rejected, found.rejected_keys, found.cut_off) == (1, ("1",), True)


def test_a_long_text_with_line_breaks_and_delimiters_stays_a_text() -> None:
    text = b"Hinweis; wichtig; dringend\r\nBitte; anrufen; heute\r\n2024"
    found = read(b'ameise_id;vorname;nachname\r\n1;"' + text + b'";x\r\n2;b;y\r\n', KUNDE)
    assert rows(found, "key") == [("1",), ("2",)]
    assert not found.cut_off


def test_a_row_whose_required_cell_is_unreadable_is_rejected_and_its_key_remembered() -> None:
    found = read(b"id;kunde_id;art\r\n7;;email\r\n8;1;email\r\n", FORMAT[Table.KUNDENKOMMUNIKATION])
    assert rows(found, "key") == [("8",)]
    assert (found.rejected, found.rejected_keys, found.every_row_has_key) == (1, ("7",), True)


def test_a_detail_is_known_by_kunde_and_field() -> None:
    found = read(b"kunde_id;feld_id;wert\r\n5001;2;x\r\n", FORMAT[Table.KUNDENDETAIL])
    assert rows(found, "key", "wert") == [("5001:2", "x")]


def test_equal_rows_have_equal_hashes_and_unknown_is_not_empty() -> None:
    one, two, three = (
        read(f"ameise_id;geburtsdatum\r\n1;{cell}\r\n".encode(), KUNDE).frame["row_hash"][0]
        for cell in ("2.1.1980", "1980-01-02", "gestern")
    )
    empty = read(b"ameise_id;geburtsdatum\r\n1;\r\n", KUNDE).frame["row_hash"][0]
    assert one == two
    assert three != empty
