"""A delivery on its whole way: pushed by FTP, stored, compared, told, and asked for."""

from typing import Any

from contracts.events import ObjectsCompared
from contracts.names import Table
from contracts.rpc.ingest import DeliveryState


def keys(work: list[Any], table: Table) -> set[str]:
    return {changed.key for message in work if message.table is table for changed in message.objects}


async def test_a_first_delivery_is_stored_and_told(ingest: Any, kit: Any) -> None:
    book = kit.a_book(3)
    delivery = await ingest.deliver(book.files())
    assert (delivery.state, delivery.reason) == (DeliveryState.IMPORTED, None)
    assert delivery.files == 13
    assert delivery.counts[Table.KUNDE].new == 3
    work = await ingest.work()
    assert keys(work, Table.KUNDE) == {"5000000001", "5000000002", "5000000003"}
    assert keys(work, Table.VERTRAG) == {"1001", "1002", "1003"}
    assert keys(work, Table.SPARTE) == {"050", "060"}
    assert Table.KUNDENKOMMUNIKATION not in {message.table for message in work}
    order = list(Table)
    assert [order.index(message.table) for message in work] == sorted(order.index(m.table) for m in work)
    names = [event.type for event in await ingest.events()]
    assert names[:2] == ["ftp_user_created", "delivery_received"]
    assert names[-1] == "delivery_imported"
    compared = [event.typed() for event in await ingest.events() if event.type == "objects_compared"]
    assert all(isinstance(event, ObjectsCompared) for event in compared)
