"""Lines that are to be read, in blocks that hold whole records: a quoted cell may hold line breaks."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, compress

import polars as pl

from ingest.lines import FIRST_LINE, QUOTE, Lines

BLOCK_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Block:
    """`text` of some lines, the same as `lines` without their line feeds, and the number that each has in its
    file. `ended`: a line feed follows the last one, or other lines do."""

    text: bytes
    lines: list[bytes]
    numbers: pl.Series
    ended: bool


def wanted_lines(blocks: Iterable[Lines], is_known: pl.Series | None) -> Iterator[Block]:
    """The lines that are not known. `is_known` has a flag for each line behind the heading."""
    for block in blocks:
        end = block.first + len(block.lines)
        numbers = pl.int_range(block.first, end, dtype=pl.UInt32, eager=True)
        if is_known is None:
            yield Block(block.text, block.lines, numbers, block.ended)
            continue
        wanted = ~is_known.slice(block.first - FIRST_LINE, len(block.lines))
        if wanted.any():
            ended = block.ended or not wanted[-1]
            yield _block(list(compress(block.lines, wanted)), numbers.filter(wanted), ended=ended)


def records(blocks: Iterable[Block]) -> Iterator[Block]:
    """The same lines in blocks of about BLOCK_BYTES, each cut between two records. Where a quote stays open
    over a whole block it was never meant to be one: then the cut is where it is."""
    waiting: list[Block] = []
    size = 0
    for block in blocks:
        waiting.append(block)
        size += len(block.text)
        if size < BLOCK_BYTES / 2:
            continue
        gathered = _joined(waiting)
        cut = _last_cut(gathered)
        if cut == 0 and size > BLOCK_BYTES:
            cut = len(gathered.lines)
        first, rest = _cut(gathered, cut)
        if first.lines:
            yield first
        waiting = [rest] if rest.lines else []
        size = len(rest.text)
    if waiting:
        yield _joined(waiting)


def _block(lines: list[bytes], numbers: pl.Series, *, ended: bool) -> Block:
    return Block(b"\n".join(lines), lines, numbers, ended)


def _joined(parts: Sequence[Block]) -> Block:
    if len(parts) == 1:
        return parts[0]
    numbers = pl.concat([part.numbers for part in parts], rechunk=True)
    text = b"\n".join(part.text for part in parts)
    return Block(text, list(chain.from_iterable(part.lines for part in parts)), numbers, parts[-1].ended)


def _cut(block: Block, at: int) -> tuple[Block, Block]:
    """The lines before the place `at`, and those from there on."""
    if at == len(block.lines):
        return block, _block([], block.numbers.clear(), ended=block.ended)
    return (
        _block(block.lines[:at], block.numbers[:at], ended=True),
        _block(block.lines[at:], block.numbers[at:], ended=block.ended),
    )


def _last_cut(block: Block) -> int:
    """How many of the lines are whole records: all, or those before the last quote that opens."""
    if block.text.count(QUOTE) % 2 == 0:
        return len(block.lines)
    return next(place for place in range(len(block.lines) - 1, -1, -1) if block.lines[place].count(QUOTE) % 2)
