"""What is stored is told to sync once more, for pipelines that came later."""

from typing import Any

import pytest

from contracts.actor import Role
from contracts.names import Table
from contracts.problems import Forbidden
from contracts.rpc.ingest import SEND_AGAIN, SendAgainRequest

KUNDE_AND_VERTRAG = SendAgainRequest(tables=(Table.VERTRAG, Table.KUNDE))


async def send_again(ingest: Any) -> dict[Table, int]:
    return (await ingest.call(SEND_AGAIN, KUNDE_AND_VERTRAG, role=Role.ADMIN)).objects


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
