"""Lines that came before are passed by; what this must not change about a delivery."""

from typing import Any

import pytest

from contracts.names import Table
from contracts.rpc.ingest import DeliveryState, DeliveryStatus

KUNDEN = "DEMO01_20261124_kunden.csv"
SPARTEN = "DEMO01_20261124_sparten.csv"
VERTRAEGE = "DEMO01_20261124_vertraege.csv"
WITHOUT_KEY = b"spalte\r\n"
"""A file that is refused: its table does not come."""


async def problems(ingest: Any, delivery: DeliveryStatus) -> list[tuple[str, int | None]]:
    """Rule and line of each."""
    [[found]] = await ingest.sql("SELECT problems FROM delivery WHERE id = %s", delivery.id)
    return [(problem["rule"], problem.get("line")) for problem in found]


async def hashes(ingest: Any, table: Table) -> dict[str, Any]:
    return dict(await ingest.sql(f"SELECT key, row_hash FROM {table}"))


async def test_a_row_keeps_the_hash_of_its_line_until_another_line_says_the_same(
    ingest: Any, kit: Any
) -> None:
    book = kit.a_book(2)
    await ingest.deliver(book.files())
    first = await hashes(ingest, Table.KUNDE)
    assert None not in first.values()
    await ingest.deliver(book.files())
    assert await hashes(ingest, Table.KUNDE) == first
    book.tables[Table.KUNDE][0]["geburtsdatum"] = "1980-01-02"

    delivery = await ingest.deliver(book.files())

    counts = delivery.counts[Table.KUNDE]
    assert (counts.changed, counts.unchanged) == (0, 2)
    second = await hashes(ingest, Table.KUNDE)
    assert second["5000000001"] != first["5000000001"]
    assert second["5000000002"] == first["5000000002"]


async def test_a_record_of_two_lines_is_read_again_each_time(ingest: Any, kit: Any) -> None:
    book = kit.a_book(2)
    book.tables[Table.VERTRAG][0]["risiko"] = "ein\nzwei"
    await ingest.deliver(book.files())
    assert (await hashes(ingest, Table.VERTRAG))["1001"] is None
    again = await ingest.deliver(book.files())
    assert (again.counts[Table.VERTRAG].unchanged, again.counts[Table.VERTRAG].gone) == (2, 0)
    book.tables[Table.VERTRAG][0]["risiko"] = "ein\ndrei"
    assert (await ingest.deliver(book.files())).counts[Table.VERTRAG].changed == 1
    assert (await ingest.objects(Table.VERTRAG, "1001"))["1001"].fields["risiko"] == "ein\ndrei"


async def test_a_cell_may_hold_a_line_that_was_a_row(ingest: Any, kit: Any) -> None:
    book = kit.Book()
    book.vertrag("1001", "")
    book.tables[Table.SPARTE].append({"id": "7", "text": "Boot"})
    await ingest.deliver(book.files())
    book.tables[Table.SPARTE][-1] = {"id": "8", "text": "eins\r\n7;Boot\r\nzwei"}
    delivery = await ingest.deliver(book.files())
    counts = delivery.counts[Table.SPARTE]
    assert (counts.new, counts.unchanged, counts.rejected) == (0, 2, 1)
    assert ("row_swallows_rows", 4) in await problems(ingest, delivery)


async def test_a_cell_that_cannot_be_read_is_named_at_each_delivery(ingest: Any, kit: Any) -> None:
    book = kit.a_book(2)
    book.tables[Table.KUNDE][1]["geburtsdatum"] = "gestern"
    for _ in range(2):
        assert await problems(ingest, await ingest.deliver(book.files())) == [("cell_unreadable", 3)]


async def test_a_reference_that_points_nowhere_is_named_at_each_delivery(ingest: Any, kit: Any) -> None:
    book = kit.a_book(2)
    await ingest.deliver(book.files())
    del book.tables[Table.SPARTE][0]
    for _ in range(2):
        delivery = await ingest.deliver(book.files())
        assert delivery.counts[Table.VERTRAG].unchanged == 2
        assert await problems(ingest, delivery) == [("points_nowhere", 2), ("points_nowhere", 3)]


@pytest.mark.parametrize(("place", "rejected_line"), [(0, 2), (3, 5)], ids=["before it", "behind it"])
async def test_of_a_known_line_and_another_with_its_key_the_last_one_counts(
    ingest: Any, kit: Any, place: int, rejected_line: int
) -> None:
    book = kit.a_book(3)
    await ingest.deliver(book.files())
    row = book.tables[Table.KUNDE][1]
    book.tables[Table.KUNDE].insert(place, row | {"nachname": "Schmidt"})

    delivery = await ingest.deliver(book.files())

    known_counts = place < 1
    counts = delivery.counts[Table.KUNDE]
    assert (counts.rejected, counts.changed, counts.unchanged, counts.gone) == (
        1, 0 if known_counts else 1, 3 if known_counts else 2, 0,
    )  # fmt: skip
    assert await problems(ingest, delivery) == [("key_twice", rejected_line if known_counts else 3)]
    kunde = (await ingest.objects(Table.KUNDE, row["ameise_id"]))[row["ameise_id"]]
    assert kunde.fields["nachname"] == (row["nachname"] if known_counts else "Schmidt")


async def test_under_another_heading_the_same_lines_are_read_again(ingest: Any, kit: Any) -> None:
    book = kit.a_book(2)
    files = book.files()
    await ingest.deliver(files)
    swapped = files[KUNDEN].replace(b"vorname;nachname", b"nachname;vorname", 1)
    delivery = await ingest.deliver(files | {KUNDEN: swapped})
    assert delivery.counts[Table.KUNDE].changed == 2
    kunde = (await ingest.objects(Table.KUNDE, "5000000001"))["5000000001"]
    assert (kunde.fields["vorname"], kunde.fields["nachname"]) == ("Müller 5000000001", "Anna")


async def test_known_rows_count_as_filled(ingest: Any, kit: Any) -> None:
    """Or the column would seem to be emptied by a delivery with few changes."""
    book = kit.a_book(60)
    await ingest.deliver(book.files())
    for row in book.tables[Table.KUNDE][:30]:
        row["vorname"] = "Bea"
    assert (await ingest.deliver(book.files())).state is DeliveryState.IMPORTED
    for row in book.tables[Table.KUNDE][:30]:
        row["plz"] = ""
    delivery = await ingest.deliver(book.files())
    assert (delivery.state, delivery.reason) == (
        DeliveryState.HELD, "kunde: Spalte plz ist in 50% der Zeilen gefüllt, zuvor in 100%",
    )  # fmt: skip


async def dangling(ingest: Any, delivery: DeliveryStatus) -> int:
    return [rule for rule, _ in await problems(ingest, delivery)].count("points_nowhere")


async def test_a_target_that_goes_without_the_rows_that_point_to_it_is_missed_once_they_come(
    ingest: Any, kit: Any
) -> None:
    book = kit.a_book(2)
    await ingest.deliver(book.files())
    del book.tables[Table.SPARTE][0]
    await ingest.deliver(book.files() | {VERTRAEGE: WITHOUT_KEY})
    for _ in range(2):
        assert await dangling(ingest, await ingest.deliver(book.files())) == 2
    book.tables[Table.SPARTE].insert(0, {"id": "050", "text": "Kfz"})
    assert await dangling(ingest, await ingest.deliver(book.files())) == 0
    assert None not in (await hashes(ingest, Table.VERTRAG)).values()


async def test_a_target_that_comes_for_the_first_time_is_missed_by_rows_that_came_before(
    ingest: Any, kit: Any
) -> None:
    book = kit.a_book(2)
    del book.tables[Table.SPARTE][0]
    assert await dangling(ingest, await ingest.deliver(book.files() | {SPARTEN: WITHOUT_KEY})) == 0
    for _ in range(2):
        assert await dangling(ingest, await ingest.deliver(book.files())) == 2


async def test_a_target_that_was_rejected_and_does_not_come_again_is_missed(ingest: Any, kit: Any) -> None:
    book = kit.a_book(2)
    line = line_of_second_kunde(book)
    files = book.files()
    files[KUNDEN] = files[KUNDEN].replace(line, line[:-1].rsplit(b";", 1)[0] + b"\r\n")
    assert await problems(ingest, await ingest.deliver(files)) == [("row_too_short", 3)]
    files[KUNDEN] = book.files()[KUNDEN].replace(line, b"")
    for _ in range(2):
        assert await dangling(ingest, await ingest.deliver(files)) == 2  # a Kontaktdatum and a Vertrag


def line_of_second_kunde(book: Any) -> bytes:
    [_, _, line] = book.files()[KUNDEN].splitlines(keepends=True)
    return line


async def test_a_row_that_came_by_another_line_while_it_pointed_nowhere_is_read_again(
    ingest: Any, kit: Any
) -> None:
    book = kit.a_book(2)
    await ingest.deliver(book.files())
    del book.tables[Table.SPARTE][0]
    book.tables[Table.VERTRAG][0]["beitrag_netto"] = "1234,5"  # as it was, in another form
    assert await dangling(ingest, await ingest.deliver(book.files())) == 2
    book.tables[Table.VERTRAG][0]["beitrag_netto"] = "1.234,50"
    assert await dangling(ingest, await ingest.deliver(book.files())) == 2
