"""A Kunde's records leave the files that were delivered; all else stays byte for byte."""

import csv
import io
import os
from pathlib import Path

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from contracts.ids import Kundennummer
from ingest.originals import Removed, files_naming, records, remove_kunden
from ingest.table_format import load_format

FORM = load_format("dailyup-1")
ANNA = Kundennummer("5000000001")


def after_removal(folder: Path, name: str, content: bytes) -> tuple[bytes | None, Removed]:
    path = folder / name
    path.write_bytes(content)
    os.utime(path, ns=(1_000_000_000, 2_000_000_000))
    removed = remove_kunden(folder, FORM, {ANNA})
    assert not path.exists() or path.stat().st_mtime_ns == 2_000_000_000
    assert {file.name for file in folder.iterdir()} <= {name}
    return (path.read_bytes() if path.exists() else None), removed


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("kunden.csv", b"ameise_id;ort\r\n5000000001;A\r\n5000000002;B\r\n", b"5000000001;A\r\n"),
        ("kunden.csv", b"\xef\xbb\xbfort,ameise_id\nA,5000000001\nB,50000000011\n", b"A,5000000001\n"),
        ("kunden.csv", b"ameise_id\tort\n5000000002\tM\xfc\n5000000001\tM\xfc", b"5000000001\tM\xfc"),
        ("kunden.csv", b'ameise_id;ort\n5000000001;"a\n;b"\n7;"x\ny"\n', b'5000000001;"a\n;b"\n'),
        ("kunden.csv", b'ameise_id;ort\n"5000000001";"a ""b"""\n7;x\n', b'"5000000001";"a ""b"""\n'),
        ("kunden.csv", b'ameise_id;ort\n1;5" a\n5000000001;b\n3;c\n4;7" d\n', b"5000000001;b\n"),
        ("kunden.csv", b'ameise_id;ort\n5000000001;5" a\n2;b\n4;7" d\n', b'5000000001;5" a\n'),
        ("kunden.csv", b"kundennummer;ameise_id\n7;5000000001\n5000000001;8\n", b"7;5000000001\n"),
        ("vertraege.csv", b"ameise_id;kunde_id\n1;5000000001\n5000000001;2\n", b"1;5000000001\n"),
    ],
)
def test_his_records_go_and_no_others(tmp_path: Path, name: str, before: bytes, after: bytes) -> None:
    left, removed = after_removal(tmp_path, name, before)
    assert left == before.replace(after, b"")
    assert removed == Removed(rows=1)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("kunden.csv", b"ameise_id;ort\n5000000002;B\n"),
        ("kunden.csv", b""),
        ("gesellschaften.csv", b"id;text\n5000000001;Nordlicht\n"),
        ("notizen.txt", b"nichts von ihm"),
    ],
)
def test_what_is_not_about_him_stays(tmp_path: Path, name: str, content: bytes) -> None:
    assert after_removal(tmp_path, name, content) == (content, Removed())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notizen.txt", b"ruf 5000000001 an"),
        ("kunden.csv", b"nummer;ort\n5000000001;B\n"),
        ("kunden.csv.unfinished", b"ameise_id;ort\n5000000001;B"),
        ("lieferung.zip", b"PK"),
        ("kunden.csv", b'ameise_id;ort\n7;"x\n5000000001;y\n8;z\n'),
        ("kunden.csv", b'ameise_id;ort\n7;"x\n5000000001;y"\n8;z\n'),
        ("kunden.csv", b'ameise_id;ort\n5000000001;"x\n8;y"\n9;z\n'),
        ("kunden.csv", b"ort;ameise_id\n5000000001\n"),
    ],
)
def test_what_cannot_be_understood_goes_as_a_whole(tmp_path: Path, name: str, content: bytes) -> None:
    assert after_removal(tmp_path, name, content) == (None, Removed(files=1))


def test_files_that_may_name_him_are_known_by_name(tmp_path: Path) -> None:
    (tmp_path / "kunden.csv").write_bytes(b"ameise_id\n5000000001\n")
    (tmp_path / "vertraege.csv").write_bytes(b"ameise_id\n7\n")
    (tmp_path / "alles.zip").write_bytes(b"PK")
    (tmp_path / ".unpacked").mkdir()
    assert files_naming(tmp_path, ANNA) == ["alles.zip", "kunden.csv"]


def test_several_kunden_go_at_once(tmp_path: Path) -> None:
    file = tmp_path / "kunden.csv"
    file.write_bytes(b"ameise_id;ort\n1001;A\n1002;B\n1003;C\n")
    both = {Kundennummer("1001"), Kundennummer("1003")}
    assert remove_kunden(tmp_path, FORM, both) == Removed(rows=2)
    assert file.read_bytes() == b"ameise_id;ort\n1002;B\n"


def test_what_a_killed_import_unpacked_goes_and_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / ".unpacked" / "0").mkdir(parents=True)
    (tmp_path / ".unpacked" / "0" / "kunden.csv").write_bytes(b"ameise_id;ort\n5000000001;A\n")
    assert remove_kunden(tmp_path, FORM, {ANNA}) == Removed()
    assert list(tmp_path.iterdir()) == []


@given(st.binary(max_size=60) | st.text('a;"\n\r', max_size=60).map(str.encode))
def test_records_lose_no_byte(content: bytes) -> None:
    try:
        found = list(records(io.BytesIO(content), ";"))
    except csv.Error:
        reject()
    assert b"".join(line for lines, _ in found for line in lines) == content
