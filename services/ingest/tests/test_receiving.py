"""From the first file in a home to a delivery that waits for its import."""

from datetime import timedelta
from typing import Any

from contracts.names import Table
from contracts.rpc.ingest import DeliveryState


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
    async with start(waiting_time=timedelta(seconds=1)) as ingest:
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
