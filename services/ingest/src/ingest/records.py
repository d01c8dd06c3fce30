"""Lines that are to be read, in blocks that hold whole records: a quoted cell may hold line breaks."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import compress

import polars as pl

from ingest.lines import BLOCK_BYTES, FIRST_LINE, Lines

QUOTE = b'"'


@dataclass(frozen=True, slots=True)
class Block:
    """Lines, and the number that each has in its file. `ended`: a line feed follows the last one."""

    lines: list[bytes]
    numbers: pl.Series
    ended: bool


def wanted_lines(blocks: Iterable[Lines], is_known: pl.Series | None) -> Iterator[Block]:
    """The lines that are not known. `is_known` has a flag for each line behind the heading."""
    for block in blocks:
        end = block.first + len(block.lines)
        numbers = pl.int_range(block.first, end, dtype=pl.UInt32, eager=True)
        if is_known is None:
            yield Block(block.lines, numbers, block.ended)
            continue
        wanted = ~is_known.slice(block.first - FIRST_LINE, len(block.lines))
        if wanted.any():
            yield Block(list(compress(block.lines, wanted)), numbers.filter(wanted), block.ended)


def records(blocks: Iterable[Block]) -> Iterator[Block]:
    """The same lines in blocks of about BLOCK_BYTES, each cut between two records. Where a quote stays open
    over a whole block it was never meant to be one: then the cut is where it is."""
    waiting: Block | None = None
    for block in blocks:
        gathered = block if waiting is None else _joined(waiting, block)
        waiting, size = gathered, sum(map(len, gathered.lines))
        if size < BLOCK_BYTES / 2:
            continue
        cut = _last_cut(gathered.lines)
        if cut == 0:
            cut = len(gathered.lines) if size > BLOCK_BYTES else 0
        if cut:
            yield Block(gathered.lines[:cut], gathered.numbers[:cut], ended=True)
        waiting = Block(gathered.lines[cut:], gathered.numbers[cut:], gathered.ended)
    if waiting is not None and waiting.lines:
        yield waiting


def _joined(first: Block, second: Block) -> Block:
    numbers = pl.concat([first.numbers, second.numbers], rechunk=True)
    return Block([*first.lines, *second.lines], numbers, second.ended)


def _last_cut(lines: list[bytes]) -> int:
    """How many of the lines are whole records: all, or those before the last quote that opens."""
    if sum(line.count(QUOTE) for line in lines) % 2 == 0:
        return len(lines)
    return next(place for place in range(len(lines) - 1, -1, -1) if lines[place].count(QUOTE) % 2)
