"""What is stored is told to sync once more: for pipelines that came later, or where a message was lost."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from contracts.actor import Role
from contracts.ids import Uuid
from contracts.names import Table
from contracts.problems import Forbidden, Invalid
from contracts.rpc.ingest import SEND_AGAIN, ObjectSelection, SendAgainRequest

KUNDE_AND_VERTRAG = SendAgainRequest(tables=(Table.VERTRAG, Table.KUNDE))


async def send_again(ingest: Any, request: SendAgainRequest = KUNDE_AND_VERTRAG) -> dict[Table, int]:
    return (await ingest.call(SEND_AGAIN, request, role=Role.ADMIN)).objects


def selected(table: Table, *keys: str) -> SendAgainRequest:
    return SendAgainRequest.model_validate({"objects": {"table": table, "keys": keys}})


async def test_all_stored_objects_travel_again_in_chunks_kunden_first(ingest: Any, kit: Any) -> None:
    await ingest.deliver(kit.a_book(120).files())
    first = {o.key: o.version for m in await ingest.work() if m.table is Table.KUNDE for o in m.objects}

    sent = await send_again(ingest)

    assert sent == {Table.KUNDE: 120, Table.VERTRAG: 120}
    work = await ingest.work()
    assert [(m.table, len(m.objects)) for m in work] == [
        (Table.KUNDE, 100), (Table.KUNDE, 20), (Table.VERTRAG, 100), (Table.VERTRAG, 20),
    ]  # fmt: skip
    assert {o.key: o.version for m in work if m.table is Table.KUNDE for o in m.objects} == first
    assert (await ingest.events())[-1].type == "sent_again"


async def test_gone_objects_travel_as_gone(ingest: Any, kit: Any) -> None:
    book = kit.a_book(3)
    await ingest.deliver(book.files())
    book.tables[Table.VERTRAG].pop()
    await ingest.deliver(book.files())
    await ingest.work()

    await send_again(ingest)

    gone = {o.key: o.gone for m in await ingest.work() if m.table is Table.VERTRAG for o in m.objects}
    assert gone == {"1001": False, "1002": False, "1003": True}


async def test_where_nothing_was_delivered_nothing_is_sent_and_nothing_told(ingest: Any) -> None:
    await ingest.set_up()
    assert await send_again(ingest) == {}
    assert [event.type for event in await ingest.events()] == ["ftp_user_created"]


async def test_only_an_admin_may_ask_for_it(ingest: Any) -> None:
    with pytest.raises(Forbidden):
        await ingest.call(SEND_AGAIN, KUNDE_AND_VERTRAG, role=Role.USER)


async def test_one_object_or_a_selection_is_sent_where_it_is_stored(ingest: Any, kit: Any) -> None:
    await ingest.deliver(kit.a_book(3).files())
    await ingest.work()
    assert await send_again(ingest, selected(Table.VERTRAG, "1002", "1003", "9999")) == {Table.VERTRAG: 2}
    [message] = await ingest.work()
    assert [changed.key for changed in message.objects] == ["1002", "1003"]


async def test_what_a_delivery_changed_is_sent_and_what_changed_since_then(ingest: Any, kit: Any) -> None:
    book = kit.a_book(3)
    first = await ingest.deliver(book.files())
    between = datetime.now(UTC)
    book.tables[Table.KUNDE][1]["nachname"] = "Schmidt"
    second = await ingest.deliver(book.files())
    assert await send_again(ingest, SendAgainRequest(delivery=second.id)) == {Table.KUNDE: 1}
    assert await send_again(ingest, SendAgainRequest(changed_since=between)) == {Table.KUNDE: 1}
    of_first = await send_again(ingest, SendAgainRequest(delivery=first.id))
    assert (of_first[Table.KUNDE], of_first[Table.VERTRAG], of_first[Table.LAND]) == (2, 3, 2)


async def test_a_large_table_is_sent_in_several_transactions(
    ingest: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ingest.deliver(kit.a_book(25).files())
    await ingest.work()
    monkeypatch.setattr("ingest.sending_again.PAGE", 10)
    assert await send_again(ingest, SendAgainRequest(tables=(Table.KUNDE,))) == {Table.KUNDE: 25}
    assert [len(message.objects) for message in await ingest.work()] == [10, 10, 5]


async def test_a_part_of_a_kunde_is_no_object(ingest: Any) -> None:
    with pytest.raises(Invalid, match="part of the Kunde"):
        await send_again(ingest, selected(Table.KUNDENDETAIL, "5000000001:1"))


@pytest.mark.parametrize(
    "selectors",
    [
        {},
        {"tables": ()},
        {"tables": (Table.KUNDE,), "delivery": Uuid("01957a3c-5c00-7000-8000-000000000001")},
        {
            "objects": ObjectSelection.model_validate({"table": Table.KUNDE, "keys": ("1",)}),
            "changed_since": datetime.now(UTC),
        },
    ],
)
def test_exactly_one_selector_is_asked_for(selectors: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="exactly one"):
        SendAgainRequest(**selectors)
