"""Lines to be read, in blocks of whole records."""

from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import records as module
from ingest.lines import FIRST_LINE, Lines
from ingest.records import Block, records, wanted_lines


def in_parts(lines: Sequence[bytes], size: int, *, ended: bool = True) -> list[Lines]:
    """The lines of a file, some at a time."""
    return [
        Lines(FIRST_LINE + at, b"\n".join(part), part, ended or at + size < len(lines))
        for at in range(0, len(lines), size)
        for part in [list(lines[at : at + size])]
    ]


def told(blocks: Sequence[Block]) -> list[tuple[int, bytes]]:
    """Number and text of each line."""
    for block in blocks:
        assert block.text == b"\n".join(block.lines)
    return [pair for block in blocks for pair in zip(block.numbers, block.lines, strict=True)]


def test_lines_that_are_not_known_are_wanted_and_keep_their_numbers() -> None:
    parts = in_parts([b"1", b"2", b"3", b"4", b"5"], 2)
    wanted = list(wanted_lines(parts, pl.Series([True, False, True, True, False])))
    assert told(wanted) == [(3, b"2"), (6, b"5")]


def test_without_known_lines_all_are_wanted() -> None:
    assert told(list(wanted_lines(in_parts([b"1", b"2", b"3"], 2), None))) == [
        (2, b"1"),
        (3, b"2"),
        (4, b"3"),
    ]


@pytest.mark.parametrize(("is_known", "ended"), [([True, False], False), ([False, True], True)])
def test_a_file_that_does_not_end_its_last_line_ends_the_one_before(
    is_known: list[bool], ended: bool
) -> None:
    [block] = wanted_lines(in_parts([b"1", b"2"], 2, ended=False), pl.Series(is_known))
    assert block.ended is ended


@pytest.fixture
def blocks_of_20_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_BYTES", 20)


@pytest.mark.usefixtures("blocks_of_20_bytes")
def test_few_lines_wait_for_more() -> None:
    lines = [b"%02d;xx" % n for n in range(9)]
    blocks = list(records(wanted_lines(in_parts(lines, 1), None)))
    assert [len(block.lines) for block in blocks] == [2, 2, 2, 2, 1]
    assert [line for _, line in told(blocks)] == lines


@pytest.mark.usefixtures("blocks_of_20_bytes")
def test_a_record_of_several_lines_is_not_cut() -> None:
    lines = [b"1;aaaaaaaaaa", b'2;"b', b'b"', b"3;cccccccccc"]
    blocks = list(records(wanted_lines(in_parts(lines, 2), None)))
    assert [block.lines for block in blocks] == [lines[:1], lines[1:]]


@pytest.mark.usefixtures("blocks_of_20_bytes")
def test_a_quote_that_stays_open_over_a_block_holds_nothing_up() -> None:
    lines = [b'1;"open', *[b"%d;aaaaaaaa" % n for n in range(2, 8)]]
    blocks = list(records(wanted_lines(in_parts(lines, 1), None)))
    assert len(blocks) > 2
    assert [line for _, line in told(blocks)] == lines


_LINES = st.lists(st.sampled_from([b"1;a", b'2;"', b'"', b'""', b"", b"3;long enough to count"]), max_size=20)


@given(_LINES, st.integers(1, 5), st.integers(1, 40), st.data())
def test_no_wanted_line_is_lost_and_no_block_is_empty(
    lines: list[bytes], size: int, block_bytes: int, data: st.DataObject
) -> None:
    flags = data.draw(st.lists(st.booleans(), min_size=len(lines), max_size=len(lines)))
    is_known = pl.Series(flags, dtype=pl.Boolean)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_BYTES", block_bytes)
        blocks = list(records(wanted_lines(in_parts(lines, size), is_known)))
    wanted = [pair for pair, known in zip(enumerate(lines, FIRST_LINE), flags, strict=True) if not known]
    assert told(blocks) == wanted
    assert all(block.lines for block in blocks)
