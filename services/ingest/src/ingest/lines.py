"""A file of a delivery as lines, block by block, and hashes that tell them apart.

A line that came before under the same heading and format says what it said then: its row need not be read
again. So an unchanged delivery costs little more than hashing its lines, and no file is ever in memory whole.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

BLOCK_BYTES = 8 << 20
HASH_BYTES = 16
FIRST_LINE = 2
"""Number of the first line behind the heading."""

Source = Callable[[], BinaryIO]
"""Opens the file anew."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines without their line feeds; `first` is the number of the first one in the file. `ended`: a line
    feed follows the last one."""

    first: int
    lines: list[bytes]
    ended: bool


def lines_of(source: Source) -> Iterator[Lines]:
    """All lines behind the heading."""
    with source() as file:
        file.readline()
        number, begun = FIRST_LINE, b""
        while block := file.read(BLOCK_BYTES):
            lines = (begun + block).split(b"\n")
            begun = lines.pop()
            if lines:
                yield Lines(number, lines, ended=True)
                number += len(lines)
        if begun:
            yield Lines(number, [begun], ended=False)


def hashes_of(lines: Sequence[bytes], mark: bytes) -> list[bytes]:
    """MD5 of each line; `mark` tells lines apart that mean different things in different files."""
    md5 = hashlib.md5
    return [md5(mark + line, usedforsecurity=False).digest() for line in lines]


def hash_lines(source: Source, mark: bytes) -> bytes:
    """The hashes of all lines behind the heading, one behind the other."""
    return b"".join(b"".join(hashes_of(block.lines, mark)) for block in lines_of(source))
