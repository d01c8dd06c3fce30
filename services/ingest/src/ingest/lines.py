"""A file of a delivery as lines, block by block, and hashes that tell them apart.

A line that came before under the same heading and format says what it said then: its row need not be read
again. So an unchanged delivery costs little more than hashing its lines, and no file is ever in memory whole.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

BLOCK_BYTES = 1 << 19
"""What is read at once: larger blocks do not fit into a processor's caches, and take twice the time."""
HASH_BYTES = 16
FIRST_LINE = 2
"""Number of the first line behind the heading."""
QUOTE = b'"'

Source = Callable[[], BinaryIO]
"""Opens the file anew."""


@dataclass(frozen=True, slots=True)
class Lines:
    """`text` of some lines, and the same as `lines` without their line feeds; `first` is the number of the
    first one in the file. `ended`: a line feed follows the last one."""

    first: int
    text: bytes
    lines: list[bytes]
    ended: bool


def lines_of(source: Source) -> Iterator[Lines]:
    """All lines behind the heading."""
    with source() as file:
        file.readline()
        number, begun = FIRST_LINE, list[bytes]()
        while block := file.read(BLOCK_BYTES):
            text, feed, rest = block.rpartition(b"\n")
            if feed:
                found = _lines(number, b"".join((*begun, text)), ended=True)
                yield found
                number += len(found.lines)
                begun = []
            begun.append(rest)
        if last := b"".join(begun):
            yield _lines(number, last, ended=False)


def _lines(first: int, text: bytes, *, ended: bool) -> Lines:
    return Lines(first, text, text.split(b"\n"), ended)


def hashes_of(lines: Sequence[bytes], mark: bytes) -> bytes:
    """SHA-256 of each line, cut off, one behind the other; `mark` tells lines apart that mean different
    things in different files. (Processors help with SHA-256: MD5 takes longer.)"""
    sha256 = hashlib.sha256
    return b"".join([sha256(mark + line).digest()[:HASH_BYTES] for line in lines])


@dataclass(frozen=True, slots=True)
class HashedLines:
    """`hashes` of all lines behind the heading, one behind the other; `odd`: places among them of those with
    an odd number of quotes, which begin or end a cell of several lines."""

    hashes: bytes
    odd: list[int]


def hash_lines(source: Source, mark: bytes) -> HashedLines:
    hashes = bytearray()
    odd: list[int] = []
    for block in lines_of(source):
        hashes += hashes_of(block.lines, mark)
        if QUOTE in block.text:
            start = block.first - FIRST_LINE
            odd += [place for place, line in enumerate(block.lines, start) if line.count(QUOTE) & 1]
    return HashedLines(bytes(hashes), odd)
