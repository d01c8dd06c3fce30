"""Archives of a delivery: what is unpacked, and what is refused."""

import gzip
import io
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.names import Table
from contracts.rpc.ingest import DeliveryState
from ingest.archives import ArchiveLimits, names_in, unpacked
from ingest.problems import Rule

LIMITS = ArchiveLimits(bytes_=50_000_000, ratio=100, entries=5)
CSV = b"id;text\r\n1;Herr\r\n"


def zipped(entries: dict[str, bytes], change: Callable[[zipfile.ZipInfo], None] = lambda _: None) -> bytes:
    """A ZIP file; `change` may spoil what it says about each entry."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            change(entry)
            archive.writestr(entry, content)
    return out.getvalue()


def contents(folder: Path, limits: ArchiveLimits = LIMITS) -> tuple[dict[str, bytes], dict[str, Rule]]:
    """Name → content of the files to read; name → rule of the archives refused."""
    with unpacked(folder, limits) as found:
        files = {path.name: path.read_bytes() for path in found.files}
    return files, {problem.file: problem.rule for problem in found.problems}


def refused(folder: Path, archive: bytes, limits: ArchiveLimits = LIMITS) -> Rule:
    (folder / "a.zip").write_bytes(archive)
    (folder / "laender.csv").write_bytes(CSV)
    files, problems = contents(folder, limits)
    assert files == {"laender.csv": CSV}, "the others are read, and nothing of the archive"
    assert sorted(path.name for path in folder.iterdir()) == ["a.zip", "laender.csv"]
    return problems["a.zip"]


def test_files_of_archives_are_read_beside_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped({"anreden.csv": CSV, "DailyUp/sparten.csv": b"x"}))
    (tmp_path / "LAENDER.CSV.GZ").write_bytes(gzip.compress(b"y"))
    (tmp_path / "kunden.csv").write_bytes(b"z")
    os.utime(tmp_path / "a.zip", (1000, 1000))
    assert contents(tmp_path) == (
        {"anreden.csv": CSV, "sparten.csv": b"x", "LAENDER.CSV": b"y", "kunden.csv": b"z"}, {},
    )  # fmt: skip
    assert names_in(tmp_path / "a.zip") == ["anreden.csv", "sparten.csv"]
    assert names_in(tmp_path / "LAENDER.CSV.GZ") == ["LAENDER.CSV"]
    assert names_in(tmp_path / "kunden.csv") == ["kunden.csv"]
    with unpacked(tmp_path, LIMITS) as found:
        times = {path.name: path.stat().st_mtime for path in found.files}
    assert times["anreden.csv"] == 1000


def test_what_was_unpacked_goes_again_also_after_a_killed_process(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped({"anreden.csv": CSV}))
    (tmp_path / ".unpacked" / "0").mkdir(parents=True)
    (tmp_path / ".unpacked" / "0" / "anreden.csv").write_bytes(b"half")
    assert contents(tmp_path) == ({"anreden.csv": CSV}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_what_a_mac_adds_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(
        zipped({"x/anreden.csv": CSV, "__MACOSX/x/._anreden.csv": b"", "x/.DS_Store": b""})
    )
    assert contents(tmp_path) == ({"anreden.csv": CSV}, {})


def test_an_archive_in_an_archive_is_a_file_of_no_table(tmp_path: Path) -> None:
    inner = zipped({"anreden.csv": CSV})
    (tmp_path / "a.zip").write_bytes(zipped({"b.zip": inner}))
    assert contents(tmp_path) == ({"b.zip": inner}, {})


NO_NAMES = (
    "../anreden.csv", "/anreden.csv", "C:/anreden.csv", "..\\anreden.csv", "a/b/anreden.csv",
    "a/../anreden.csv", ".anreden.csv", "a" * 201,
)  # fmt: skip


@pytest.mark.parametrize("name", NO_NAMES)
def test_a_name_that_is_more_than_a_file_in_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "delivery"
    folder.mkdir()
    assert refused(folder, zipped({"anreden.csv": CSV, name: CSV})) is Rule.ARCHIVE_NAME
    assert [path.name for path in tmp_path.iterdir()] == ["delivery"]
    assert names_in(folder / "a.zip") == []


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, zipped({"a/anreden.csv": CSV, "b/anreden.csv": CSV})) is Rule.ARCHIVE_NAME


def test_a_link_is_refused(tmp_path: Path) -> None:
    def link(entry: zipfile.ZipInfo) -> None:
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16

    assert refused(tmp_path, zipped({"anreden.csv": b"/etc/passwd"}, link)) is Rule.ARCHIVE_LINK


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    # zipfile cannot encrypt: set the bit in the list of entries.
    spoiled = bytearray(zipped({"anreden.csv": CSV}))
    spoiled[spoiled.index(b"PK\x01\x02") + 8] |= 1
    assert refused(tmp_path, bytes(spoiled)) is Rule.ARCHIVE_ENCRYPTED


def test_an_archive_that_is_far_larger_than_packed_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, zipped({"anreden.csv": bytes(20_000_000)})) is Rule.ARCHIVE_RATIO
    (tmp_path / "a.zip").rename(tmp_path / "b.zip")
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(bytes(20_000_000)))
    _, problems = contents(tmp_path)
    assert problems == {"b.zip": Rule.ARCHIVE_RATIO, "bomb.csv.gz": Rule.ARCHIVE_RATIO}


def test_archives_together_are_limited_in_what_they_hold(tmp_path: Path) -> None:
    limits = ArchiveLimits(bytes_=100, ratio=100, entries=5)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(bytes(60)))
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(bytes(60)))
    files, problems = contents(tmp_path, limits)
    assert (set(files), problems) == ({"a.csv"}, {"b.csv.gz": Rule.ARCHIVE_TOO_LARGE})


def test_what_an_archive_says_of_its_sizes_is_not_believed(tmp_path: Path) -> None:
    archive = bytearray(zipped({"anreden.csv": bytes(20_000_000)}))
    at = archive.index(b"PK\x01\x02") + 24  # the size unpacked, in the list of entries
    archive[at : at + 4] = (1).to_bytes(4, "little")
    assert refused(tmp_path, bytes(archive)) is Rule.ARCHIVE_UNREADABLE


def test_too_many_entries_are_refused(tmp_path: Path) -> None:
    many = {f"{n}.csv": b"" for n in range(6)}
    assert refused(tmp_path, zipped(many)) is Rule.ARCHIVE_TOO_MANY_ENTRIES
    assert (
        refused(tmp_path, zipped({f"{n:>0100}.csv": b"" for n in range(8000)}))
        is Rule.ARCHIVE_TOO_MANY_ENTRIES
    )


@pytest.mark.parametrize(
    "archive",
    [b"", b"PK", CSV, zipped({"anreden.csv": CSV})[:-30], zipped({"anreden.csv": CSV})[10:]],
    ids=["empty", "two bytes", "text", "without its end", "without its beginning"],
)
def test_what_is_no_whole_archive_is_refused(tmp_path: Path, archive: bytes) -> None:
    assert refused(tmp_path, archive) is Rule.ARCHIVE_UNREADABLE


@pytest.mark.parametrize(
    "archive",
    [CSV, gzip.compress(CSV)[:-4], gzip.compress(CSV)[:12]],
    ids=["text", "without its end", "without its content"],
)
def test_a_gz_that_is_not_whole_is_refused(tmp_path: Path, archive: bytes) -> None:
    (tmp_path / "anreden.csv.gz").write_bytes(archive)
    files, problems = contents(tmp_path)
    assert (files, problems) == ({}, {"anreden.csv.gz": Rule.ARCHIVE_UNREADABLE})


WHOLE = zipped({"anreden.csv": CSV, "a/sparten.csv": CSV * 10})


@given(at=st.integers(0, len(WHOLE) - 1), byte=st.integers(0, 255), cut=st.integers(0, 40))
def test_a_damaged_archive_is_taken_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, at: int, byte: int, cut: int
) -> None:
    damaged = bytearray(WHOLE)
    damaged[at] = byte
    folder = tmp_path_factory.mktemp("damaged") / "delivery"
    folder.mkdir()
    (folder / "a.zip").write_bytes(damaged[: len(damaged) - cut])
    names_in(folder / "a.zip")
    contents(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["delivery"]
    assert [path.name for path in folder.iterdir()] == ["a.zip"]


async def test_a_delivery_may_come_as_an_archive(ingest: Any, kit: Any) -> None:
    delivery = await ingest.deliver({"DailyUp.zip": zipped(kit.a_book(2).files())})
    assert (delivery.state, delivery.files, delivery.missing) == (DeliveryState.IMPORTED, 1, ())
    assert delivery.counts[Table.KUNDE].new == 2


async def test_a_refused_archive_is_told_and_changes_nothing(start: Any, kit: Any) -> None:
    files = kit.a_book(2).files()
    async with start(archive_entries=3) as ingest:
        delivery = await ingest.deliver({"DailyUp.zip": zipped(files)})
        assert (delivery.state, delivery.problems) == (DeliveryState.FAILED, 1)
        [(problems,)] = await ingest.sql("SELECT problems FROM delivery")
        assert problems == [{"file": "DailyUp.zip", "rule": "archive_too_many_entries"}]
        assert (await ingest.deliver(files)).state is DeliveryState.IMPORTED
