"""What `ingest import` shows on a terminal."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table as Grid

from contracts.names import Table
from contracts.rpc.ingest_format import SampleRead
from ingest.tables import DeliveryRow

SHOWN_PROBLEMS = 20


@contextmanager
def progress(console: Console, files: Sequence[Path]) -> Generator[tuple[Progress, TaskID]]:
    """A bar over the bytes that are copied; what comes then has no known end."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        total = sum(file.stat().st_size for file in files)
        yield bar, bar.add_task(f"copying {len(files)} files", total=total)


def of_samples(samples: Sequence[tuple[str, SampleRead]]) -> Grid:
    """One line per file: what it would give."""
    grid = _grid("file", "table", "encoding", "delimiter", numbers=("rows", "rejected", "problems"))
    for file, seen in samples:
        grid.add_row(
            escape(file), seen.table or "none", seen.encoding or "", repr(seen.delimiter or ""),
            str(seen.rows), str(seen.rejected), str(seen.problem_count),
        )  # fmt: skip
    return grid


def of_delivery(row: DeliveryRow) -> Grid:
    """One line per table: what the delivery did to it."""
    counted = ("new", "changed", "unchanged", "gone", "rejected")
    grid = _grid("table", numbers=counted)
    for table in Table:
        if counts := row.counts.get(table):
            grid.add_row(table, *(str(counts.get(name, 0)) for name in counted))
    return grid


def of_problems(problems: Sequence[dict[str, object]], count: int) -> Grid | None:
    """The first problems, without any value."""
    if not problems:
        return None
    grid = _grid("file", "rule", "line", "column", "value")
    grid.caption = f"{min(len(problems), SHOWN_PROBLEMS)} of {count} problems"
    for problem in problems[:SHOWN_PROBLEMS]:
        grid.add_row(
            *(escape(str(problem.get(name) or "")) for name in ("file", "rule", "line", "column", "value"))
        )
    return grid


def _grid(*words: str, numbers: Sequence[str] = ()) -> Grid:
    grid = Grid()
    for word in words:
        grid.add_column(word, overflow="fold")  # half a file's name is of no use on a narrow terminal
    for number in numbers:
        grid.add_column(number, justify="right")
    return grid
