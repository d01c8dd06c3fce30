"""How long a large delivery takes, against PostgreSQL's own COPY of the same rows, in one run.

One ingest process with a PostgreSQL that waits for its disk. The limit is COPY of the same values, as
CSV in canonical form, into a table with the same column types, logged and with the same key.
"""

import os
import time
from pathlib import Path

import psycopg

from benchmarks import deliveries
from benchmarks.ingest_process import Ingest, Sender, ground
from benchmarks.result import Result
from contracts.actor import Role
from contracts.names import Table
from contracts.rpc.ingest import DIGEST, DigestRequest
from ingest.reading import read_sample
from ingest.staging import SQL_TYPES
from parts.databases import DatabaseUrls

ROWS = int(os.environ.get("BENCH_ROWS", "1000000"))
LIMITS = {"first": 2.5, "unchanged": 0.7, "1 % changed": 0.9}
MOST_MEGABYTES = 700 if ROWS <= 1_000_000 else 1200
MOST_DIGEST_SECONDS = 2.0
TIMES = 3


async def measure(folder: Path) -> list[Result]:
    files = deliveries.write(folder / "first", deliveries.kunden(ROWS))
    changed = deliveries.write(folder / "changed", deliveries.kunden(ROWS, changed_percent=1))
    with ground(folder) as its:
        limit = _copy_limit(its.urls, files)
        async with its.ingest() as ingest:
            sender = await ingest.sender("berlin")
            first, what = await ingest.deliver(sender, files)
            assert what.counts[Table.KUNDE].new == ROWS, what
            peaks = [ingest.peak_megabytes()]
            await ingest.told()
            digests = [await _digest(ingest, sender) for _ in range(TIMES)]
            unchanged, what = await ingest.deliver(sender, files)
            assert what.counts[Table.KUNDE].unchanged == ROWS, what
            peaks.append(ingest.peak_megabytes())
            one_percent, what = await ingest.deliver(sender, changed)
            assert what.counts[Table.KUNDE].changed == ROWS // 100, what
            peaks.append(ingest.peak_megabytes())
    took = {"first": first, "unchanged": unchanged, "1 % changed": one_percent}
    results = [
        Result(
            f"import of {ROWS:,} Kunden, {name}",
            f"{LIMITS[name]} x COPY",
            f"{seconds:.1f} s, {seconds / limit:.2f} x COPY ({limit:.1f} s)",
            seconds <= LIMITS[name] * limit,
        )
        for name, seconds in took.items()
    ]
    return [
        *results,
        Result(
            "its peak memory until the end of each",
            f"{MOST_MEGABYTES} MB",
            f"{', '.join(f'{peak:.0f}' for peak in peaks)} MB",
            max(peaks) < MOST_MEGABYTES,
        ),
        Result(
            "its digest of them, 4,096 buckets, after the first",
            f"{MOST_DIGEST_SECONDS:.0f} s of 1,000,000",
            f"{min(digests):.2f}-{max(digests):.2f} s",
            max(digests) < MOST_DIGEST_SECONDS or ROWS > 1_000_000,
        ),
    ]


async def _digest(ingest: Ingest, sender: Sender) -> float:
    """Seconds, seen by who asks."""
    begun = time.perf_counter()
    request = DigestRequest(table=Table.KUNDE, buckets=4096)
    found = await ingest.call(DIGEST, request, sender.tenant, Role.SYSTEM)
    seconds = time.perf_counter() - begun
    assert sum(bucket.objects for bucket in found.buckets) == ROWS
    return seconds


def _copy_limit(urls: DatabaseUrls, files: list[Path]) -> float:
    """Seconds of a bare COPY of the same Kunden."""
    definition = deliveries.FORM[Table.KUNDE]
    path = deliveries.of_kunden(files)
    _, rows = read_sample(path.read_bytes(), path.name, definition)
    frame = rows.select("key", *definition.names)
    columns = ", ".join(f"{column.name} {SQL_TYPES[column.type]}" for column in definition.columns)
    with psycopg.connect(urls.superuser, autocommit=True) as connection:
        connection.execute(
            f"CREATE TABLE copied (tenant text DEFAULT 'x', key text, {columns}, PRIMARY KEY (tenant, key))"
        )
        body = frame.write_csv(include_header=False).encode()
        os.sync()  # else the files just made are still on their way to the disk, and COPY waits for them
        begun = time.perf_counter()
        names = ", ".join(("key", *definition.names))
        with connection.cursor().copy(f"COPY copied ({names}) FROM STDIN (FORMAT csv)") as copy:
            for start in range(0, len(body), 1 << 20):
                copy.write(body[start : start + (1 << 20)])
        seconds = time.perf_counter() - begun
        connection.execute("DROP TABLE copied")
    return seconds
