"""From the first file in a home to a delivery that waits for its import."""

import errno
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from contracts.ids import TenantId
from contracts.names import Table
from contracts.rpc.ingest import DeliveryState
from ingest.spool import Spool


async def test_two_deliveries_in_a_day_are_two_and_are_imported_in_their_order(ingest: Any, kit: Any) -> None:
    book = kit.a_book(2)
    await ingest.push(book.files())
    await kit.until(lambda: received(ingest, 1))
    book.tables[Table.KUNDE][0]["nachname"] = "Schmidt"
    await ingest.push(book.files())
    await ingest.ended(2)
    second, first = await ingest.deliveries()
    assert (first.counts[Table.KUNDE].new, second.counts[Table.KUNDE].changed) == (2, 1)
    kunde = (await ingest.objects(Table.KUNDE, "5000000001"))["5000000001"]
    assert kunde.fields["nachname"] == "Schmidt"


async def received(ingest: Any, count: int) -> bool:
    """Whether so many deliveries are closed: what comes now belongs to the next one."""
    found = await ingest.deliveries()
    return len(found) == count and found[0].state is not DeliveryState.RECEIVING


async def test_files_that_trickle_in_are_one_delivery(start: Any, kit: Any) -> None:
    async with start(quiet_seconds=0.2) as ingest:
        for name, content in kit.a_book(2).files().items():
            await ingest.push({name: content})
        delivery = await ingest.ended(1)
        assert (delivery.state, delivery.files) == (DeliveryState.IMPORTED, 13)


async def test_what_has_not_come_in_the_waiting_time_is_told_as_missing(start: Any, kit: Any) -> None:
    async with start(waiting_time=timedelta(0), quiet_seconds=1.5) as ingest:
        delivery = await ingest.deliver(kit.a_book(2).files(without=(Table.SPARTE,)))
        assert (delivery.missing, delivery.counts[Table.KUNDE].new) == ((Table.SPARTE,), 2)


async def test_with_a_marker_the_delivery_waits_for_it_and_for_nothing_else(start: Any, kit: Any) -> None:
    async with start(marker_pattern="*.done") as ingest:
        await ingest.push(kit.a_book(2).files(without=(Table.SPARTE,)))
        [begun] = await kit.until(ingest.deliveries)
        assert begun.state is DeliveryState.RECEIVING
        await ingest.push({"DailyUp.DONE": b""})
        delivery = await ingest.ended(1)
        assert (delivery.missing, delivery.files) == ((Table.SPARTE,), 13)
        [(rules,)] = await ingest.sql("SELECT problems FROM delivery")
        assert "DailyUp.DONE" not in [problem["file"] for problem in rules], "it is no file of no table"


async def test_a_link_in_a_home_is_never_followed(ingest: Any, kit: Any) -> None:
    home = ingest.spool.create_home(kit.tenant)
    (home / "x_kunden.csv").symlink_to("/etc/passwd")
    delivery = await ingest.deliver(kit.a_book(1).files())
    assert (delivery.state, delivery.files) == (DeliveryState.IMPORTED, 13)


# ── the watched directory ────────────────────────────────────────────────────


def put_down(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


async def test_files_in_the_watched_directory_are_taken_together_with_those_by_ftp(
    start: Any, kit: Any, tmp_path: Path
) -> None:
    watched = tmp_path / "watched"
    files = kit.a_book(2).files()
    by_ftp = {name: files.pop(name) for name in list(files)[:3]}
    put_down(watched / kit.tenant, files | {".sparten.csv.part": b"on its way"})
    async with start(watch_dir=watched) as ingest:
        await ingest.push(by_ftp)
        delivery = await ingest.ended(1)
        assert (delivery.state, delivery.files) == (DeliveryState.IMPORTED, 13)
        assert delivery.counts[Table.KUNDE].new == 2
    assert [path.name for path in (watched / kit.tenant).iterdir()] == [".sparten.csv.part"]


async def test_a_watched_folder_of_no_team_is_told_and_left_alone(
    start: Any, kit: Any, tmp_path: Path
) -> None:
    put_down(tmp_path / "watched" / "hambrug", {"kunden.csv": b"x"})
    with capture_logs() as logged:
        async with start(watch_dir=tmp_path / "watched") as ingest:
            assert (await ingest.deliver(kit.a_book(1).files())).state is DeliveryState.IMPORTED
    assert [entry["what"] for entry in logged if entry["event"] == "watch_dir.no_such_team"] == ["hambrug"]
    assert (tmp_path / "watched" / "hambrug" / "kunden.csv").exists()


async def test_one_team_whose_files_cannot_be_taken_holds_up_no_other(
    start: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = Spool.move_to_delivery

    def full(spool: Spool, tenant: TenantId, delivery: Any) -> Any:
        if tenant == "hamburg":
            raise OSError(errno.ENOSPC, "No space left on device")
        return move(spool, tenant, delivery)

    with monkeypatch.context() as patched, capture_logs() as logged:
        patched.setattr(Spool, "move_to_delivery", full)
        async with start() as ingest:
            await ingest.push(kit.a_book(1).files(), tenant=TenantId("hamburg"))
            assert (await ingest.deliver(kit.a_book(1).files())).state is DeliveryState.IMPORTED
            patched.undo()
            assert (await ingest.ended(1, TenantId("hamburg"))).state is DeliveryState.IMPORTED
    told = [entry["what"] for entry in logged if entry["event"] == "receiving.cannot_take"]
    assert told == ["hamburg: No space left on device"]
