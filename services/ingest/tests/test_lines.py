"""A file as lines, block by block."""

import hashlib
import io
from typing import Any, BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import lines
from ingest.lines import FIRST_LINE, HASH_BYTES, hash_lines, hashes_of, lines_of


def source(text: bytes) -> Any:
    def opened() -> BinaryIO:
        return io.BytesIO(text)

    return opened


@pytest.mark.parametrize("text", [b"", b"heading", b"heading\n"])
def test_the_heading_is_no_line_of_these(text: bytes) -> None:
    assert list(lines_of(source(text))) == []


@given(
    st.lists(st.binary(max_size=9).filter(lambda line: b"\n" not in line)), st.booleans(), st.integers(1, 30)
)
def test_no_line_is_lost_or_cut_however_large_a_block_is(
    expected: list[bytes], ended: bool, block_bytes: int
) -> None:
    text = b"heading\n" + b"\n".join(expected) + (b"\n" if ended and expected else b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "BLOCK_BYTES", block_bytes)
        blocks = list(lines_of(source(text)))
    if not ended and expected and expected[-1] == b"":
        expected = expected[:-1]
    assert [line for block in blocks for line in block.lines] == expected
    assert [block.text.split(b"\n") for block in blocks] == [block.lines for block in blocks]
    number = FIRST_LINE
    for block in blocks:
        assert block.first == number
        number += len(block.lines)
    if blocks:
        assert all(block.ended for block in blocks[:-1])
        assert blocks[-1].ended == text.endswith(b"\n")


def test_a_hash_is_that_of_a_line_under_its_mark() -> None:
    assert hashes_of([b"1;a", b"2;b"], b"mark") == b"".join(
        hashlib.sha256(text).digest()[:HASH_BYTES] for text in (b"mark1;a", b"mark2;b")
    )


def test_every_line_is_hashed_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BLOCK_BYTES", 7)
    every = [b"1;a", b"", b"2;b", b"3;a longer one", b"4"]
    hashed = hash_lines(source(b"heading\n" + b"\n".join(every)), b"mark")
    assert hashed.hashes == hashes_of(every, b"mark")
    assert len(hashed.hashes) == HASH_BYTES * len(every)


def test_lines_with_an_odd_number_of_quotes_are_told_by_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BLOCK_BYTES", 7)
    text = b'"heading\n1;"a\nb"\n2;"b"\n3;""""\n4;"""\n5'
    assert hash_lines(source(text), b"mark").odd == [0, 1, 4]
