"""Files as they come: read, or refused with a clear problem, never a crash and never empty by mistake."""

import csv
import io
import re
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts.names import Table
from contracts.rpc.ingest_format import ColumnType, Policy
from ingest.cells import CANONICAL, canonical
from ingest.problems import Rule, TableRejected, ValueClass
from ingest.reading import ReadTable, TableReader, open_sample, read_sample
from ingest.table_format import load_format

FORMAT = load_format("dailyup-1")
KUNDE = FORMAT[Table.KUNDE]
SPARTE = FORMAT[Table.SPARTE]


def read(data: bytes, definition: Any = SPARTE) -> tuple[ReadTable, pl.DataFrame]:
    return read_sample(data, "a.csv", definition)


def rows(frame: pl.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    """Columns of the good rows; of a column that was not delivered nothing."""
    wanted = (pl.col(name) if name in frame.columns else pl.lit(None) for name in columns or ("key", "text"))
    return frame.select(wanted).rows()


def problems(found: ReadTable) -> list[tuple[Rule, int | None, str | None]]:
    return [(problem.rule, problem.row, problem.column) for problem in found.problems]


def column(type_: ColumnType, texts: list[str]) -> list[str | None]:
    """The canonical texts of cells. They are the same whether the column's other cells are usual or not."""
    alone = canonical(type_, pl.Series("x", texts)).to_list()
    for other in ("2.1.1980", "02.01.1980", "1980-01-02", "1,00", "1.00", "1", "ja", "1980-01-02 14:05"):
        assert canonical(type_, pl.Series("x", [None, other, *texts])).to_list()[2:] == alone
    return alone


def cell(type_: ColumnType, text: str) -> str | None:
    return column(type_, [text])[0]


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
        (ColumnType.TEXT, "a\x00b", None),
        (ColumnType.TEXT, "M\ufffdller", None),
        (ColumnType.TEXT, "x" * 40_000, None),
    ],
)
def test_a_cell_is_read_by_its_type(type_: ColumnType, text: str, canonical: str | None) -> None:
    assert cell(type_, text) == canonical


_DIGITS = st.sampled_from(["0", "1", "2", "3", "9", "12", "24", "31", "59", "60", "1980", "0000", "\u0661"])
_BETWEEN = st.sampled_from(["", ".", "-", ":", " ", "T", ",", "+", "\n", "00:00", "€"])


@settings(max_examples=300)
@given(
    st.sampled_from([type_ for type_ in ColumnType if type_ is not ColumnType.TEXT]),
    st.lists(st.tuples(_DIGITS, _BETWEEN), max_size=6).map(lambda parts: "".join(map("".join, parts)))
    | st.from_regex(
        r"[0-3][0-9]\.[01][0-9]\.[0-9]{4}([T ][0-2][0-9]:[0-6][0-9](:[0-6][0-9])?)?", fullmatch=True
    )
    | st.from_regex(
        r"[0-9]{4}-[01][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-6][0-9](:[0-6][0-9])?)?", fullmatch=True
    )
    | st.from_regex(r"[+-]?[0-9]{1,18}[.,][0-9]{1,3}", fullmatch=True),
)
def test_the_quick_way_to_read_a_usual_cell_reads_what_the_careful_one_does(
    type_: ColumnType, text: str
) -> None:
    cells = pl.Series("x", [text])
    assert canonical(type_, cells)[0] == cells.to_frame().select(CANONICAL[type_](pl.col("x"))).item()


# Whole columns, since reading one costs the same for one cell as for twenty.
@settings(max_examples=15)
@given(st.lists(st.dates(min_value=date(1, 1, 1)), min_size=1, max_size=20))
def test_every_date_is_read_in_both_forms(days: list[date]) -> None:
    iso = [day.isoformat() for day in days]
    for form in ("{0.day}.{0.month}.{0.year:04}", "{0.day:02}.{0.month:02}.{0.year:04}"):
        written = [form.format(day) for day in days]
        assert column(ColumnType.DATE, written) == iso
        with_time = [f"{text} 14:05" for text in written]
        assert column(ColumnType.TIMESTAMP, with_time) == [f"{day}T14:05:00" for day in iso]
    assert column(ColumnType.DATE, iso) == iso


@settings(max_examples=15)
@given(st.lists(st.decimals(min_value=-(10**12), max_value=10**12, places=2), min_size=1, max_size=20))
def test_every_amount_is_read_in_its_german_form(amounts: list[Decimal]) -> None:
    german = [f"{amount:,.2f}".translate(str.maketrans(",.", ".,")) for amount in amounts]
    found = column(ColumnType.DECIMAL, german)
    assert [text and Decimal(text) for text in found] == amounts


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
    found, frame = read(out.getvalue().encode("utf-8-sig" if bom else "utf-8"))
    expected = [(f"{n:03}", text.strip(" \t\n\u00a0\ufeff") or None) for n, text in enumerate(texts)]
    assert rows(frame) == expected
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
    assert read(data)[0].rows == 0


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
    result, frame = read(data)
    assert rows(frame) == good
    assert problems(result) == [found]


def test_a_lone_quote_in_the_key_rejects_the_row_also_before_an_empty_cell() -> None:
    found, frame = read(b'id;text\r\n1;a\r\n"2;\r\n3;c\r\n')
    assert rows(frame) == [("1", "a"), ("3", "c")]
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
    found, frame = read(data)
    assert rows(frame, "key") == keys
    assert (found.rejected, found.every_row_has_key, found.cut_off) == (0, True, False)


def test_an_empty_key_in_a_table_of_one_column_is_not_blank_when_more_follows() -> None:
    found, _ = read(b"id\r\n1\r\n;x\r\n")
    assert (Rule.ROW_TOO_LONG, 3, None) in problems(found)
    assert (found.rejected, found.every_row_has_key) == (1, False)


def test_an_unreadable_cell_and_a_missing_column_are_unknown_and_an_empty_cell_is_not() -> None:
    _, frame = read(b"ameise_id;geburtsdatum;vorname\r\n1;31.2.2000;\r\n2;;\r\n", KUNDE)
    [first, second] = [set(text.strip("{}").split(",")) for text in frame["unknown"]]
    assert first - second == {"geburtsdatum"}
    assert "nachname" in second
    assert "vorname" not in second


def test_unknown_columns_are_kept_raw() -> None:
    assert rows(read(b"id;text;mehr\r\n1;a; x \r\n")[1], "extra") == [('{"mehr":"x"}',)]


def test_windows_1252_is_found_out_also_line_by_line() -> None:
    data = "id;text\r\n1;Müller\r\n".encode() + "2;Größe €\r\n".encode("cp1252")
    assert rows(read(data)[1]) == [("1", "Müller"), ("2", "Größe €")]


def test_blanks_around_a_text_are_no_part_of_it() -> None:
    data = "id;text\r\n\u00a01 ; 050 \r\n2;   \r\n3;a b\r\n".encode()
    assert rows(read(data)[1]) == [("1", "050"), ("2", None), ("3", "a b")]


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(["1;a", "1", "2;", "3;a;b", "", '4;"x\ny"', "5;\ra", "\r", '6;"\r"', "7;\x02"]))
)
@example(["5;\ra", '6;"\r"'])
def test_however_its_lines_end_a_file_is_read_the_same(lines: list[str]) -> None:
    """Lines that all end in CR and LF are read in a quicker way."""
    text = "id;text\n" + "".join(f"{line}\n" for line in lines)
    by_lf, by_crlf, mixed = (
        read(data.encode())
        for data in (text, text.replace("\n", "\r\n"), text.replace("\n", "\r\n") + "8;end\n")
    )
    assert problems(by_lf[0]) == problems(by_crlf[0]) == problems(mixed[0])
    assert rows(by_lf[1]) == rows(by_crlf[1]) == rows(mixed[1])[:-1]


def test_line_breaks_and_delimiters_inside_quotes_belong_to_the_cell() -> None:
    assert rows(read(b'id;text\r\n1;"a;b\r\nc ""d"""\r\n')[1]) == [("1", 'a;b\nc "d"')]


@pytest.mark.parametrize(
    "data",
    [
        b'ameise_id;vorname;nachname;ort\r\n1;"a;x;y\r\n2;b;x;y\r\n3;c";x;y\r\n4;d;x;y\r\n',
        b'ameise_id;vorname;nachname;ort\r\n1;"a;x;y\r\n3;c";x;y\r\n4;d;x;y\r\n',
        b'vorname;ameise_id;nachname;ort\r\na;1;"x;y\r\nc;3;x";y\r\nd;4;x;y\r\n',
    ],
)
def test_a_cell_that_holds_other_rows_rejects_its_row_and_the_table_is_not_whole(data: bytes) -> None:
    found, frame = read(data, KUNDE)
    assert (Rule.ROW_SWALLOWS_ROWS, 2, None) in problems(found)
    assert (Rule.FILE_CUT_OFF, None, None) in problems(found)
    assert rows(frame, "key") == [("4",)]
    assert (found.rejected, found.rejected_keys, found.cut_off) == (1, ("1",), True)


def test_a_long_text_with_line_breaks_and_delimiters_stays_a_text() -> None:
    text = b"Hinweis; wichtig; dringend\r\nBitte; anrufen; heute\r\n2024"
    found, frame = read(b'ameise_id;vorname;nachname\r\n1;"' + text + b'";x\r\n2;b;y\r\n', KUNDE)
    assert rows(frame, "key") == [("1",), ("2",)]
    assert not found.cut_off


def test_a_row_whose_required_cell_is_unreadable_is_rejected_and_its_key_remembered() -> None:
    found, frame = read(b"id;kunde_id;art\r\n7;;email\r\n8;1;email\r\n", FORMAT[Table.KUNDENKOMMUNIKATION])
    assert rows(frame, "key") == [("8",)]
    assert (found.rejected, found.rejected_keys, found.every_row_has_key) == (1, ("7",), True)


def test_a_detail_is_known_by_kunde_and_field() -> None:
    _, frame = read(b"kunde_id;feld_id;wert\r\n5001;2;x\r\n", FORMAT[Table.KUNDENDETAIL])
    assert rows(frame, "key", "wert") == [("5001:2", "x")]


# ── the hash of a row's line ─────────────────────────────────────────────────


def hashes(data: bytes, definition: Any = KUNDE) -> list[str | None]:
    return read(data, definition)[1]["row_hash"].to_list()


def test_equal_lines_have_equal_hashes_wherever_they_stand() -> None:
    [one] = hashes(b"ameise_id;vorname\r\n1;a\r\n")
    assert hashes(b"ameise_id;vorname\r\n2;b\r\n1;a\r\n")[1] == one
    assert hashes(b"ameise_id;vorname\r\n1;b\r\n") != [one]


def test_the_same_line_under_another_heading_or_format_has_another_hash() -> None:
    [one] = hashes(b"ameise_id;vorname\r\n1;a\r\n")
    as_text = KUNDE.model_copy(update={"new_columns": {"vip": Policy.IGNORE}})
    assert hashes(b"ameise_id;nachname\r\n1;a\r\n") != [one]
    assert hashes(b"ameise_id;vorname\r\n1;a\r\n", as_text) != [one]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"ameise_id;geburtsdatum\r\n1;gestern\r\n", id="a cell is unreadable"),
        pytest.param(b'ameise_id;vorname\r\n1;"a\r\nb"\r\n', id="more than one line"),
        pytest.param(b'ameise_id;vorname;titel\r\n1;"a;\r\n1;"a";\r\n', id="quotes that do not close"),
    ],
)
def test_a_row_that_must_be_read_again_has_no_hash(data: bytes) -> None:
    assert hashes(data) == [None]


# ── block by block ───────────────────────────────────────────────────────────


def in_blocks(data: bytes) -> tuple[TableReader, list[pl.DataFrame]]:
    reader = TableReader(open_sample(data, "a.csv", SPARTE))
    return reader, list(reader.frames())


@pytest.mark.usefixtures("small_blocks")
def test_rows_and_lines_are_counted_on_from_block_to_block() -> None:
    data = b"id;text\n" + b"".join(b'%d;"text of\nrow %d"\n' % (n, n) for n in range(1, 21))
    reader, frames = in_blocks(data)
    assert len(frames) > 5
    frame = pl.concat(frames)
    assert frame["row"].to_list() == list(range(2, 22))
    assert frame["line"].to_list() == list(range(2, 42, 2))
    assert (reader.result().rows, reader.percent) == (20, 100)


@pytest.mark.usefixtures("small_blocks")
def test_a_key_that_comes_twice_far_apart_is_suspected() -> None:
    some = [b"%d;%s\n" % (n, b"x" * 20) for n in range(20)]
    assert not in_blocks(b"id;text\n" + b"".join(some))[0].may_have_twins()
    assert in_blocks(b"id;text\n" + b"".join([*some, b"0;again\n"]))[0].may_have_twins()


@pytest.mark.usefixtures("small_blocks")
def test_a_quote_that_never_closes_spoils_its_cell_and_no_other() -> None:
    some = b"".join(b'%d;"%s"\n' % (n, b"x" * 20) for n in range(2, 30))
    reader, frames = in_blocks(b'id;text\n1;"open\n' + some)
    assert pl.concat(frames, how="diagonal")["key"].to_list() == [str(n) for n in range(1, 30)]
    assert problems(reader.result()) == [(Rule.CELL_UNREADABLE, 2, "text")]


@pytest.mark.usefixtures("small_blocks")
def test_a_file_that_is_cut_off_is_so_though_its_last_lines_are_known() -> None:
    data = b"id;text\n1\n2;b"
    reader = TableReader(open_sample(data, "a.csv", SPARTE), pl.Series([False, True]))
    assert list(reader.frames()) == []
    assert not reader.result().cut_off, "the last line is whole"
    reader = TableReader(open_sample(b"id;text\n2;b\n1", "a.csv", SPARTE), pl.Series([True, False]))
    assert list(reader.frames()) == []
    assert reader.result().cut_off


def test_rows_too_long_by_many_cells_are_rejected_wherever_they_stand() -> None:
    found, frame = read(b'id;text\n1;a;;;;;"x\ny"\n2;"b\nc"\n3;c;;;\n4;d\n')
    assert frame.select("key", "text", "row", "line").rows() == [("2", "b\nc", 3, 4), ("4", "d", 5, 7)]
    assert problems(found) == [(Rule.ROW_TOO_LONG, 2, None), (Rule.ROW_TOO_LONG, 4, None)]


def test_of_a_key_that_comes_twice_the_last_good_row_counts() -> None:
    found, frame = read(b"id;text\n1;a\n1;b\n1\n")
    assert rows(frame) == [("1", "b")]
    assert problems(found) == [(Rule.ROW_TOO_SHORT, 4, None), (Rule.KEY_TWICE, 2, "id")]
    assert (found.rejected, found.rejected_keys) == (2, ())
