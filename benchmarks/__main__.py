"""Runs the measurements on one installation of its own and prints them as one table.

`make bench` runs all; `make bench ARGS="webhook idle"` only those named.
"""

import asyncio
import os
import platform
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import idle, startup, to_ameise, webhook
from benchmarks.result import Result
from parts.stack import running_stack

MEASUREMENTS = {"startup": startup, "webhook": webhook, "to_ameise": to_ameise, "idle": idle}


def main(chosen: list[str]) -> None:
    unknown = set(chosen) - set(MEASUREMENTS)
    if unknown:
        raise SystemExit(
            f"no such measurement: {', '.join(sorted(unknown))}; there are {', '.join(MEASUREMENTS)}"
        )
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="mvp-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL started by root runs as another user
        with running_stack(folder):
            pass  # prepares the data directory, so that start-up is measured as a user sees it later
        if not chosen or "startup" in chosen:
            results += startup.measure(folder)
        with running_stack(folder) as running:
            for measurement in ("webhook", "to_ameise", "idle"):
                if not chosen or measurement in chosen:
                    results += asyncio.run(MEASUREMENTS[measurement].measure(running))
    show(results)


def show(results: list[Result]) -> None:
    python = f"Python {platform.python_version()}"
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, {python}"
    table = Table(title=f"MVP-Connector on {machine}")
    for heading in ("what", "limit", "measured", ""):
        table.add_column(heading)
    for result in results:
        table.add_row(result.what, result.limit, result.measured, "ok" if result.ok else "over the limit")
    Console(width=120).print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
