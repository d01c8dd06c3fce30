"""How files get from a home into a delivery."""

import errno
import os
from pathlib import Path

import pytest

from contracts.ids import TenantId, new_id
from ingest.spool import Spool

TENANT = TenantId("berlin")


def test_a_file_comes_whole_from_another_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path / "spool", watched=tmp_path / "watched")
    spool.create_home(TENANT)
    (tmp_path / "watched" / TENANT).mkdir(parents=True)
    source = tmp_path / "watched" / TENANT / "kunden.csv"
    source.write_bytes(b"abc")
    rename = Path.rename

    def on_another_file_system(path: Path, target: Path) -> Path:
        if path == source:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", on_another_file_system)
    [moved] = spool.move_to_delivery(TENANT, new_id())
    assert (moved.name, moved.path.read_bytes(), source.exists()) == ("kunden.csv", b"abc", False)


def test_of_two_files_of_one_name_the_newer_stays(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", watched=tmp_path / "watched")
    home, other = spool.create_home(TENANT), tmp_path / "watched" / TENANT
    other.mkdir(parents=True)
    (other / "kunden.csv").write_bytes(b"newer")
    (home / "kunden.csv").write_bytes(b"older")
    os.utime(home / "kunden.csv", (1000, 1000))
    [moved] = spool.move_to_delivery(TENANT, new_id())
    assert moved.path.read_bytes() == b"newer"


def test_moving_can_be_repeated_after_being_cut_off(tmp_path: Path) -> None:
    spool, delivery = Spool(tmp_path), new_id()
    home = spool.create_home(TENANT)
    (home / "kunden.csv").write_bytes(b"abc")
    spool.move_to_delivery(TENANT, delivery)
    (home / "sparten.csv").write_bytes(b"def")
    moved = spool.move_to_delivery(TENANT, delivery)
    assert [file.name for file in moved] == ["kunden.csv", "sparten.csv"]


def test_what_was_moved_is_on_the_disk_before_anybody_hears_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    (spool.create_home(TENANT) / "kunden.csv").write_bytes(b"abc")
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    [moved] = spool.move_to_delivery(TENANT, new_id())
    assert synced == [moved.path.stat().st_ino, moved.path.parent.stat().st_ino]
