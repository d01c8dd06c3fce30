"""The stop list lasts, names nobody, and is of no use under another key."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from chassis.stop_list import FILE, StopList, WrongKey, zoho_entry
from contracts.ids import Kundennummer, TenantId, ZohoId
from contracts.problems import Conflict

BERLIN, HAMBURG = TenantId("berlin"), TenantId("hamburg")
ANNA, PAUL = Kundennummer("5000000001"), Kundennummer("5000000002")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "somewhere" / "list"


def a_list(folder: Path, key: str = "a-long-random-text") -> StopList:
    return StopList(folder, SecretStr(key))


def is_stopped(folder: Path, tenant: TenantId, kunde: Kundennummer) -> bool:
    listed = a_list(folder)
    return listed.hash_of(tenant, kunde) in listed.stopped(tenant)


def test_who_was_stopped_is_stopped_until_it_is_lifted(folder: Path) -> None:
    assert not is_stopped(folder, BERLIN, ANNA)
    a_list(folder).stop(BERLIN, ANNA)
    a_list(folder).stop(BERLIN, PAUL)
    assert a_list(folder).lift(BERLIN, PAUL)
    assert is_stopped(folder, BERLIN, ANNA)
    assert not is_stopped(folder, BERLIN, PAUL)
    assert not is_stopped(folder, HAMBURG, ANNA)
    a_list(folder).stop(BERLIN, PAUL)
    assert is_stopped(folder, BERLIN, PAUL)


def test_nothing_is_written_twice_and_nothing_is_lifted_that_is_not_there(folder: Path) -> None:
    a_list(folder).stop(BERLIN, ANNA)
    a_list(folder).stop(BERLIN, ANNA)
    assert not a_list(folder).lift(BERLIN, PAUL)
    assert len((folder / FILE).read_text().splitlines()) == 2


def test_no_kundennummer_is_in_the_file_and_it_is_private(folder: Path) -> None:
    a_list(folder).stop(BERLIN, ANNA)
    assert ANNA not in (folder / FILE).read_text()
    assert (folder / FILE).stat().st_mode & 0o077 == 0
    assert [path.name for path in folder.iterdir()] == [FILE]


@pytest.mark.parametrize("key", ["another", ""])
def test_under_another_key_the_list_is_refused_instead_of_stopping_nobody(folder: Path, key: str) -> None:
    a_list(folder).stop(BERLIN, ANNA)
    for use in (a_list(folder, key).check, lambda: a_list(folder, key).stopped(BERLIN)):
        with pytest.raises(WrongKey):
            use()


def test_a_line_that_does_not_fit_on_the_disk_is_not_there_at_all(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_list(folder).stop(BERLIN, ANNA)
    before, write = (folder / FILE).read_bytes(), os.write
    with monkeypatch.context() as full:
        full.setattr("os.write", lambda descriptor, content: write(descriptor, content[:10]))
        with pytest.raises(OSError, match="part of a line"):
            a_list(folder).stop(BERLIN, PAUL)
    assert (folder / FILE).read_bytes() == before
    assert is_stopped(folder, BERLIN, ANNA)


def test_a_line_that_a_crash_tore_stops_neither_reading_nor_the_next_line(folder: Path) -> None:
    a_list(folder).stop(BERLIN, ANNA)
    with (folder / FILE).open("a") as file:
        file.write('{"tenant": "ber')
    assert is_stopped(folder, BERLIN, ANNA)
    a_list(folder).stop(BERLIN, PAUL)
    assert is_stopped(folder, BERLIN, PAUL)
    assert a_list(folder).entries(BERLIN) == 2


def test_a_damaged_line_in_the_middle_is_an_error_that_says_what_to_do(folder: Path) -> None:
    a_list(folder).stop(BERLIN, ANNA)
    with (folder / FILE).open("a") as file:
        file.write("{\n")
    with pytest.raises(ValueError, match="newest copy"):
        a_list(folder).check()


def test_without_a_key_nobody_is_put_on_it(folder: Path) -> None:
    a_list(folder, "").check()
    with pytest.raises(Conflict, match="Sperrliste"):
        a_list(folder, "").stop(BERLIN, ANNA)


def test_a_zoho_record_is_no_kunde_of_the_same_number(folder: Path) -> None:
    record = zoho_entry(ZohoId("5000000001"))
    a_list(folder).stop(BERLIN, record)
    assert not is_stopped(folder, BERLIN, ANNA)
    assert a_list(folder).lift(BERLIN, record)
    assert a_list(folder).stopped(BERLIN) == frozenset()
