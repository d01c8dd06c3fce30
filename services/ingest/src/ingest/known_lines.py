"""Which lines of a file are those of rows that are stored already. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from ingest.lines import FIRST_LINE, HASH_BYTES, HashedLines

_JOINED_AT_ONCE = 1_000_000
"""Rows, about."""


@dataclass(frozen=True, slots=True)
class KnownLines:
    """`hashes` of all lines behind the heading; `is_known` of each, None if nothing was stored; `missed`:
    places among the stored rows of those that no known line stands for."""

    hashes: bytes
    is_known: pl.Series | None
    missed: list[int]

    @property
    def count(self) -> int:
        return 0 if self.is_known is None else int(self.is_known.sum())

    def lines_of(self, hashes: Iterable[str]) -> dict[str, int]:
        """The numbers of the known lines with these hashes (hex), by hash; those that no known line has are
        left out."""
        wanted = list(dict.fromkeys(hashes))
        if self.is_known is None or not wanted:
            return {}
        pairs = _pairs(self.hashes, bytes.fromhex("".join(wanted)))
        known = pairs.filter(self.is_known.gather(pairs["at"]))
        return {wanted[place]: at + FIRST_LINE for at, place in known.select("at", "at_stored").iter_rows()}


NOTHING_KNOWN = KnownLines(b"", None, [])


def match(file: HashedLines, stored: bytes) -> KnownLines:
    """Compare a file's lines with the hashes of the stored rows. Not known are

    - a line inside a cell of several lines, whatever it looks like, and those that begin and end such a cell;
    - a line that the file has twice: one of the two must be rejected.
    """
    lines, rows = len(file.hashes) // HASH_BYTES, len(stored) // HASH_BYTES
    pairs = _pairs(file.hashes, stored)
    if file.odd:
        pairs = pairs.filter(~_of_broken_cells(lines, file.odd).gather(pairs["at"]))
    if pairs["at_stored"].n_unique() < pairs.height:
        pairs = pairs.filter(~pl.col("at_stored").is_duplicated())
    found = _flags(rows, pairs["at_stored"])
    return KnownLines(file.hashes, _flags(lines, pairs["at"]), (~found).arg_true().to_list())


def _of_broken_cells(lines: int, odd: Sequence[int]) -> pl.Series:
    """Whether each line is part of a cell of several lines: the odd ones open and close them by turns."""
    is_odd = _flags(lines, pl.Series(odd, dtype=pl.UInt32))
    return (is_odd.cast(pl.UInt32).cum_sum() % 2 == 1) | is_odd


def _flags(height: int, places: pl.Series) -> pl.Series:
    """True at `places`."""
    return pl.repeat(value=False, n=height, dtype=pl.Boolean, eager=True).scatter(places, values=True)


def _pairs(hashes: bytes, stored: bytes) -> pl.DataFrame:
    """`at` and `at_stored`: places of equal hashes. Joined by their lower halves, as numbers, which takes a
    fifth of the time of texts; and in parts, whose size bounds the memory that it takes."""
    lines, rows = _words(hashes), _words(stored)
    lower_lines, lower_rows = _lower(lines), _lower(rows)
    parts = 1 + lower_rows.height // _JOINED_AT_ONCE
    pairs = pl.concat(
        lower_lines.filter(in_part).join(lower_rows.filter(in_part), on="low", suffix="_stored").drop("low")
        for part in range(parts)
        for in_part in [pl.col("low") % parts == part]
    )
    higher = (words.gather(pairs[at] * 2 + 1) for words, at in ((lines, "at"), (rows, "at_stored")))
    return pairs.filter(next(higher) == next(higher))


def _words(hashes: bytes) -> pl.Series:
    """Both halves of each hash, as numbers. In parts, since polars copies each of them several times."""
    step = _JOINED_AT_ONCE * HASH_BYTES
    return pl.concat(
        pl.Series([part]).bin.reinterpret(dtype=pl.Array(pl.UInt64, len(part) // 8)).explode()
        for start in range(0, max(len(hashes), 1), step)
        for part in [hashes[start : start + step]]
    )


def _lower(words: pl.Series) -> pl.DataFrame:
    return pl.DataFrame({"low": words.gather_every(2)}).with_row_index("at")
