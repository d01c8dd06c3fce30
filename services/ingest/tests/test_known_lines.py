"""Lines of rows that are stored already are passed by, and nothing is read differently for it."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts.names import Table
from ingest import lines
from ingest.known_lines import KnownLines, match
from ingest.lines import HASH_BYTES, hash_lines, hashes_of
from ingest.problems import Problem, Rule
from ingest.reading import TableReader, open_sample
from ingest.table_format import load_format

DEFINITION = load_format("dailyup-1")[Table.KUNDENKOMMUNIKATION]
NAMES = ("id", "kunde_id", "art", "wert")
MARK = b"mark"
NO_ROWS = pl.DataFrame(
    schema=dict.fromkeys(["key", *NAMES, "unknown", "row_hash"], pl.String) | {"line": pl.UInt32}
)
PROBLEM = Problem("a.csv", Rule.KEY_TWICE)

Values = tuple[Any, ...]


def source(text: bytes) -> Any:
    def opened() -> BinaryIO:
        return io.BytesIO(b"heading\n" + text)

    return opened


def stored(*rows: bytes) -> bytes:
    return hashes_of(rows, MARK)


def find_known(source: Any, mark: bytes, stored: bytes) -> KnownLines:
    return match(hash_lines(source, mark), stored)


def hexes(*rows: bytes) -> list[str]:
    return [stored(row).hex() for row in rows]


# ── which lines are known ────────────────────────────────────────────────────


def test_a_line_of_a_stored_row_is_known_and_a_stored_row_without_a_line_is_missed() -> None:
    known = find_known(source(b"1;a\n2;changed\n3;c\n"), MARK, stored(b"1;a", b"2;b", b"3;c"))
    assert known.is_known is not None
    assert known.is_known.to_list() == [True, False, True]
    assert (known.count, known.missed) == (2, [1])


def test_lines_of_another_meaning_are_not_known() -> None:
    assert find_known(source(b"1;a\n"), b"another mark", stored(b"1;a")).count == 0


def test_where_stored_rows_have_no_hash_nothing_is_known() -> None:
    known = match(hash_lines(source(b'1;a\n2;"b\n"\n'), MARK), bytes(2 * HASH_BYTES))
    assert (known.count, known.missed, known.lines_of(hexes(b"1;a"))) == (0, [0, 1], {})


def test_where_nothing_is_stored_nothing_is_known() -> None:
    known = match(hash_lines(source(b"1;a\n"), MARK), b"")
    assert (known.count, known.missed, known.lines_of(hexes(b"1;a"))) == (0, [], {})


def test_of_a_line_that_comes_twice_neither_is_known() -> None:
    known = find_known(source(b"1;a\n2;b\n1;a\n"), MARK, stored(b"1;a", b"2;b"))
    assert known.is_known is not None
    assert known.is_known.to_list() == [False, True, False]
    assert known.missed == [0]


@pytest.mark.parametrize(
    ("text", "is_known"),
    [
        (b'0;"x\n1;a\ny"\n2;b\n', [False, False, False, True]),
        (b'1;a\n0;"x\n1;a\ny"\n', [True, False, False, False]),
        (b'0;"x\n1;a\ny";"z\n2;b\n"\n3;c\n', [False, False, False, False, False, True]),
        (b'0;"say ""x""\n1;a\n"\n2;b\n', [False, False, False, True]),
        (b'1;a\n0;"x\n2;b\n', [True, False, False]),
    ],
)
def test_a_line_inside_a_cell_is_no_row_even_if_it_looks_like_one(text: bytes, is_known: list[bool]) -> None:
    known = find_known(source(text), MARK, stored(b"1;a", b"2;b", b"3;c"))
    assert known.is_known is not None
    assert known.is_known.to_list() == is_known


def test_a_line_with_an_odd_number_of_quotes_is_never_known() -> None:
    known = find_known(source(b'1;"a\nb"\n'), MARK, stored(b'1;"a', b'b"'))
    assert (known.count, known.missed) == (0, [0, 1])


def test_a_known_line_is_found_by_its_hash() -> None:
    known = find_known(source(b'0;"\n1;a\n"\n1;a\n2;b\n2;b\n'), MARK, stored(b"1;a", b"2;b", b"3;c"))
    [one, two, three] = hexes(b"1;a", b"2;b", b"3;c")
    assert known.lines_of([one, two, three]) == {one: 5}


# ── what is read with known lines is what is read without them ───────────────


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that a delivery says of a table, however it was found out."""

    rows: Mapping[str, Values]
    rejected: int
    rejected_keys: frozenset[str]
    filled: Mapping[str, int]
    count: int
    cut_off: bool


def written(rows: Sequence[Sequence[str]], *, quoting: Any, line_end: str) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";", lineterminator=line_end, quoting=quoting)
    writer.writerow(NAMES)
    writer.writerows(rows)
    return out.getvalue().encode()


def read(data: bytes, earlier: pl.DataFrame) -> tuple[Outcome, pl.DataFrame]:
    """Read a file as an import does that has the rows of an `earlier` one stored; and what is stored then."""
    file = open_sample(data, "a.csv", DEFINITION)
    hashed = earlier.filter(pl.col("row_hash").is_not_null())
    known = find_known(file.source, file.mark, bytes.fromhex("".join(hashed["row_hash"])))
    reader = TableReader(file, known.is_known)
    new = [*reader.frames()]
    passed = hashed.filter(~pl.int_range(pl.len()).is_in(known.missed))
    at = known.lines_of(passed["row_hash"])
    assert passed.height == len(at) == known.count
    lines_ = pl.Series("line", [at[hash_] for hash_ in passed["row_hash"]], dtype=pl.UInt32)
    good = pl.concat([NO_ROWS, *new, passed.with_columns(lines_)], how="diagonal")
    last = good.filter(pl.col("line") == pl.col("line").max().over("key"))
    twins = good.join(last, on="line", how="anti")
    result = reader.result().with_known(known.count, filled(passed)).without_twins([PROBLEM] * twins.height)
    keys = set(last["key"])
    # No word of it: only the columns that were not delivered are unknown.
    unknown = pl.col("unknown").fill_null("{kontext,standard}")
    told = Outcome(
        rows={row[0]: row[1:] for row in last.select("key", *NAMES, unknown).iter_rows()},
        rejected=result.rejected,
        rejected_keys=frozenset(set(result.rejected_keys) - keys),
        filled={name: count - filled(twins)[name] for name, count in result.filled.items()},
        count=result.rows,
        cut_off=result.cut_off,
    )
    return told, last


def filled(rows: pl.DataFrame) -> Mapping[str, int]:
    """In how many of the rows something stands in each column, readable or not."""
    stands = (
        (pl.col(name).is_not_null() | pl.col("unknown").str.contains(rf"\b{name}\b").fill_null(value=False))
        .sum()
        .alias(name)
        for name in NAMES
    )
    return rows.select(stands).row(0, named=True)


_KEYS = st.sampled_from(["1", "2", "3", "4", "5", "DE", ""])
_LINES = [
    "1;7;a;b",
    "2;7;;x",
    "3;7;a;b",
    "DE;7;a;b",
    "4;;a;b",
    "",
    '"',
    '1;7;"a";b',
    '"";""',
    "x",
    " ",
    "a;b;c",
]
_WORDS = st.sampled_from(["a", "b", "x", "", " a ", 'say "x"', '"', '""', ";", "\n", ";\x02\n5;", "é", "5;"])
_TEXTS = _WORDS | st.lists(st.sampled_from(_LINES), min_size=2, max_size=4).map("\n".join)
_ROWS = st.lists(st.tuples(_KEYS, st.sampled_from(["7", "8", ""]), _TEXTS, _TEXTS), max_size=7)
_QUOTING = st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])


@settings(max_examples=80, deadline=None)
@given(
    _ROWS,
    _ROWS,
    st.lists(st.integers(0, 6)),
    _QUOTING,
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([300, 8 << 20]),
)
@example([("1", "7", "a", "b")], [("2", "7", "x\n1;7;a;b\ny", "b")], [], csv.QUOTE_MINIMAL, "\n", 8 << 20)
@example([("1", "7", "a", "b")], [("2", "7", "x\n1;7;a;b\ny", "b")], [0], csv.QUOTE_MINIMAL, "\n", 8 << 20)
def test_any_file_is_read_with_known_lines_as_it_is_without(
    first: list[Any], others: list[Any], kept: list[int], quoting: Any, line_end: str, block_bytes: int
) -> None:
    second = others + [first[place] for place in kept if place < len(first)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "BLOCK_BYTES", block_bytes)
        patch.setattr("ingest.records.BLOCK_BYTES", block_bytes)
        _, earlier = read(written(first, quoting=quoting, line_end=line_end), NO_ROWS)
        data = written(second, quoting=quoting, line_end=line_end)
        with_known, kept_rows = read(data, earlier)
        without, _ = read(data, NO_ROWS)
    assert with_known == without
    again, _ = read(data, kept_rows)
    assert again == without
