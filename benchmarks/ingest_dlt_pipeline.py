"""Loads Kunden by dlt, and prints the seconds. Run by `ingest_dlt`, with a Python that has dlt.

All columns are text, so dlt need not parse dates and numbers, which our import does.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
import pyarrow as pa
from pyarrow import csv


def main(file: str, shape: str, loaded_as: str, database: str, folder: str) -> None:
    """`loaded_as`: the format of dlt's load files, or `default`."""
    pipeline = dlt.pipeline(
        "kunden",
        pipelines_dir=folder,
        destination=dlt.destinations.postgres(database),
        dataset_name="dailyup",
    )
    kunden = dlt.resource(
        _tables if shape == "arrow" else _rows,
        name="kunde",
        primary_key="ameise_id",
        write_disposition="merge",
    )
    file_format: Any = None if loaded_as == "default" else loaded_as
    begun = time.perf_counter()
    pipeline.run(kunden(Path(file)), loader_file_format=file_format).raise_on_failed_jobs()
    print(time.perf_counter() - begun)


def _tables(file: Path) -> Iterator[Any]:
    """The whole file as one Arrow table of texts."""
    with file.open(encoding="utf-8") as opened:
        names = opened.readline().strip().split(";")
    yield csv.read_csv(
        file,
        parse_options=csv.ParseOptions(delimiter=";"),
        convert_options=csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    )


def _rows(file: Path) -> Iterator[list[dict[str, Any]]]:
    """The same as dicts, in lists of some thousands."""
    for table in _tables(file):
        for batch in table.to_batches(max_chunksize=10_000):
            yield batch.to_pylist()


if __name__ == "__main__":
    main(*sys.argv[1:])
