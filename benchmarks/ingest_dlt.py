"""A first delivery against dlt, which loads the same file into the same PostgreSQL, one after the other.

dlt gets an environment of its own in the measurement's folder; without a package registry it is not measured.
"""

import asyncio
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict

from benchmarks import deliveries
from benchmarks.ingest_process import ground
from benchmarks.result import Result
from contracts.names import Table
from parts.databases import DatabaseUrls

ROWS, WARM_UP_ROWS = 200_000, 100
DLT = "dlt 1.31.0"
REQUIREMENTS = ("dlt[postgres]==1.31.0", "pyarrow==26.0.1", "adbc-driver-postgresql==1.13.0")
PIPELINE = Path(__file__).with_name("ingest_dlt_pipeline.py")
_SETTINGS = {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}


@dataclass(frozen=True)
class Way:
    """How dlt gets the rows, in which format it loads them, and how many times faster we are to be."""

    name: str
    shape: Literal["arrow", "rows"]
    loaded_as: Literal["csv", "parquet", "default"]
    times: float


WAYS = (
    Way("Arrow, by COPY of CSV", "arrow", "csv", 3),
    Way("Arrow, by ADBC", "arrow", "parquet", 3),
    Way("Arrow, as is its default", "arrow", "default", 3),
    Way("rows, by COPY of CSV", "rows", "csv", 8),
    Way("rows, as is its default", "rows", "default", 8),
)


async def measure(folder: Path) -> list[Result]:
    files = deliveries.write(folder / "files", deliveries.kunden(ROWS))
    warm_up = deliveries.write(folder / "warm-up", deliveries.kunden(WARM_UP_ROWS))
    python, trouble = await asyncio.to_thread(_environment, folder / "dlt")
    if trouble:
        return [Result(_what(way), _limit(way), f"not measured: {trouble}", ok=None) for way in WAYS]
    with ground(folder) as its:
        async with its.ingest() as ingest:
            await ingest.deliver(
                await ingest.sender("warm-up"), warm_up
            )  # dlt's imports are not timed either
            ours, what = await ingest.deliver(await ingest.sender("berlin"), files)
            assert what.counts[Table.KUNDE].new == ROWS, what
        file = deliveries.of_kunden(files)
        theirs = [_seconds_of_dlt(python, way, file, its.urls, folder / "dlt") for way in WAYS]
    return [
        Result(
            _what(way),
            _limit(way),
            f"{seconds / ours:.1f} x ({ours:.1f} s, dlt {seconds:.1f} s)",
            seconds >= way.times * ours,
        )
        for way, seconds in zip(WAYS, theirs, strict=True)
    ]


def _what(way: Way) -> str:
    return f"first import of {ROWS:,} Kunden, {DLT}: {way.name}"


def _limit(way: Way) -> str:
    return f"{way.times:.0f} x faster"


def _environment(folder: Path) -> tuple[Path, str]:
    """Its Python, and why there is no dlt in it, if so."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    installed = subprocess.run([*pip, *REQUIREMENTS], capture_output=True, text=True, check=False)
    if installed.returncode == 0:
        return python, ""
    return python, f"dlt could not be installed ({installed.stderr.strip().splitlines()[-1]})"


def _seconds_of_dlt(python: Path, way: Way, file: Path, urls: DatabaseUrls, folder: Path) -> float:
    """A first load into a new database of the same server."""
    name = f"dlt_{way.shape}_{way.loaded_as}"
    server = conninfo_to_dict(urls.superuser)
    url = f"postgresql://{server['user']}:{server['password']}@{server['host']}:{server['port']}/{name}"
    with psycopg.connect(urls.superuser, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    script = [python, "-I", PIPELINE, file, way.shape, way.loaded_as, url, folder / name]
    done = subprocess.run(script, cwd=folder, env=_SETTINGS, stdout=subprocess.PIPE, check=True)
    with psycopg.connect(url) as connection:
        [loaded] = connection.execute("SELECT count(*) FROM dailyup.kunde").fetchone() or [0]
    assert loaded == ROWS
    return float(done.stdout.split()[-1])
