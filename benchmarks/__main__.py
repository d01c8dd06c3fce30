"""Runs the measurements on installations of their own and prints them as one table.

`make bench` runs all; `make bench ARGS="webhook idle"` only those named.
"""

import asyncio
import os
import platform
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import (
    comparison,
    idle,
    ingest,
    ingest_dlt,
    ingest_ftp,
    ingest_tenants,
    replicas,
    startup,
    to_ameise,
    to_zoho,
    webhook,
)
from benchmarks.result import Result
from parts.stack import running_stack

OF_A_RUNNING_STACK = {"webhook": webhook, "to_ameise": to_ameise, "idle": idle}
OF_ITS_OWN = {
    "ingest": ingest,
    "ingest_ftp": ingest_ftp,
    "ingest_tenants": ingest_tenants,
    "ingest_dlt": ingest_dlt,
    "to_zoho": to_zoho,
    "replicas": replicas,
    "comparison": comparison,
}
VERDICTS = {True: "ok", False: "over the limit", None: "not measured"}
MEASUREMENTS = ("startup", *OF_A_RUNNING_STACK, *OF_ITS_OWN)


def main(chosen: list[str]) -> None:
    unknown = set(chosen) - set(MEASUREMENTS)
    if unknown:
        raise SystemExit(
            f"no such measurement: {', '.join(sorted(unknown))}; there are {', '.join(MEASUREMENTS)}"
        )
    wanted = chosen or list(MEASUREMENTS)
    results: list[Result] = []
    with _folder() as folder:
        if "startup" in wanted or set(wanted) & set(OF_A_RUNNING_STACK):
            with running_stack(folder):
                pass  # prepares the data directory, so that start-up is measured as a user sees it later
        if "startup" in wanted:
            results += startup.measure(folder)
        if set(wanted) & set(OF_A_RUNNING_STACK):
            with running_stack(folder) as running:
                for name, measurement in OF_A_RUNNING_STACK.items():
                    if name in wanted:
                        results += asyncio.run(measurement.measure(running))
    for name, measurement in OF_ITS_OWN.items():
        if name in wanted:
            with _folder() as folder:
                results += asyncio.run(measurement.measure(folder))
    show(results)


@contextmanager
def _folder() -> Generator[Path]:
    with tempfile.TemporaryDirectory(prefix="mvp-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL started by root runs as another user
        yield folder


def show(results: list[Result]) -> None:
    python = f"Python {platform.python_version()}"
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, {python}"
    table = Table(title=f"MVP-Connector on {machine}")
    for heading in ("what", "limit", "measured", ""):
        table.add_column(heading)
    for result in results:
        table.add_row(result.what, result.limit, result.measured, VERDICTS[result.ok])
    Console(width=120).print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
