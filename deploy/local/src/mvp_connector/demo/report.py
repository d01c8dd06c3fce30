"""The demo's result: a table of steps, what was expected, what was seen, and how long it took."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table


class NotSeen(Exception):  # noqa: N818
    """A step's expectation did not come true; the message says what was seen instead."""


@dataclass(slots=True)
class Step:
    """One row. `seen` is what the step itself reports."""

    title: str
    expected: str
    seen: str = ""
    ok: bool = False
    seconds: float = 0.0


@dataclass(slots=True)
class Report:
    """Collects steps and prints them."""

    console: Console
    steps: list[Step] = field(default_factory=list[Step])

    @contextmanager
    def step(self, title: str, expected: str) -> Generator[Step]:
        """A step that succeeds unless it raises NotSeen, which ends the demo's further steps."""
        step = Step(title, expected)
        self.steps.append(step)
        self.console.print(f"[bold]{len(self.steps)}. {title}[/] ...")
        begun = time.perf_counter()
        try:
            yield step
            step.ok = True
        except NotSeen as missed:
            step.seen = str(missed)
            raise
        finally:
            step.seconds = time.perf_counter() - begun

    def progress(self, text: str) -> None:
        """A line about a step that takes a while."""
        self.console.print(f"   [dim]{text}[/]")

    @property
    def ok(self) -> bool:
        return all(step.ok for step in self.steps)

    def show(self) -> None:
        """Print the table."""
        table = Table(title="The main job, step by step", show_lines=True)
        for heading in ("", "step", "expected", "seen"):
            table.add_column(heading, overflow="fold")
        table.add_column("seconds", justify="right")
        for step in self.steps:
            mark = "[green]✓[/]" if step.ok else "[red]✗[/]"
            table.add_row(mark, step.title, step.expected, step.seen, f"{step.seconds:.1f}")
        self.console.print(table)
