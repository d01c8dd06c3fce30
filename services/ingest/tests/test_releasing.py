"""A person decides on a held delivery: it is released or rejected, knowing what it would change."""

from typing import Any

import pytest

from contracts.actor import Role
from contracts.events import ObjectAction
from contracts.ids import TenantId, new_id
from contracts.names import Table
from contracts.problems import Conflict, Forbidden, NotFound
from contracts.rpc.ingest import (
    PREVIEW_DELIVERY,
    REJECT_DELIVERY,
    RELEASE_DELIVERY,
    DeliveryRequest,
    DeliveryState,
)
from ingest.spool import Spool


async def decide(ingest: Any, rpc: Any, delivery: Any, **who: Any) -> Any:
    return await ingest.call(rpc, DeliveryRequest(delivery=delivery.id), role=Role.ADMIN, **who)


async def a_held_delivery(ingest: Any, kit: Any) -> tuple[Any, Any]:
    """Three Kunden are stored; then a delivery without Verträge comes, one Kunde renamed, one more."""
    book = kit.a_book(3)
    await ingest.deliver(book.files())
    await ingest.work()
    book.tables[Table.VERTRAG].clear()
    book.tables[Table.KUNDE][0]["nachname"] = "Schmidt"
    book.kunde("5000000009")
    delivery = await ingest.deliver(book.files(day="20261125"))
    assert delivery.state is DeliveryState.HELD
    return book, delivery


async def released(ingest: Any, kit: Any, delivery: Any) -> Any:
    """Release it, and wait until it has ended."""
    await decide(ingest, RELEASE_DELIVERY, delivery)

    async def ended() -> Any:
        now = next(known for known in await ingest.deliveries() if known.id == delivery.id)
        return now if now.finished_at else None

    return await kit.until(ended)


async def test_a_preview_says_what_would_change_by_keys_alone(ingest: Any, kit: Any) -> None:
    _, delivery = await a_held_delivery(ingest, kit)
    preview = await ingest.call(PREVIEW_DELIVERY, DeliveryRequest(delivery=delivery.id))
    assert preview.reasons == ("vertrag: leer, obwohl 3 Zeilen gespeichert sind",)
    assert not preview.superseded
    assert set(preview.tables) == {Table.KUNDE, Table.VERTRAG}
    assert preview.tables[Table.KUNDE].keys == {
        ObjectAction.CREATED: ("5000000009",),
        ObjectAction.UPDATED: ("5000000001",),
    }
    assert preview.tables[Table.VERTRAG].keys == {ObjectAction.GONE: ("1001", "1002", "1003")}
    assert preview.tables[Table.VERTRAG].counts.gone == 3
    assert "Schmidt" not in str(await ingest.sql("SELECT preview FROM delivery"))


async def test_a_released_delivery_is_imported_with_the_guards_off(ingest: Any, kit: Any) -> None:
    _, delivery = await a_held_delivery(ingest, kit)
    now = await released(ingest, kit, delivery)
    assert now.state is DeliveryState.IMPORTED
    assert (now.counts[Table.VERTRAG].gone, now.counts[Table.KUNDE].changed) == (3, 1)
    told = {(changed.key, changed.gone) for message in await ingest.work() for changed in message.objects}
    assert {("5000000009", False), ("5000000001", False), ("1001", True)} <= told
    names = [event.type for event in await ingest.events()]
    assert names.index("delivery_held") < names.index("delivery_released") < len(names) - 1
    assert names[-1] == "delivery_imported"
    [event] = [event for event in await ingest.events() if event.type == "delivery_released"]
    assert event.actor_id == "anna"
    [[who, when]] = await ingest.sql(
        "SELECT released_by, released_at FROM delivery WHERE released_at IS NOT NULL"
    )
    assert (who, when is not None) == ("anna", True)


async def test_values_of_a_column_missing_in_a_released_delivery_are_unknown(ingest: Any, kit: Any) -> None:
    book = kit.a_book(1)
    await ingest.deliver(book.files())
    files = book.files(day="20261125")
    name = "DEMO01_20261125_kunden.csv"
    files[name] = files[name].replace(b"nachname", b"familienname")
    held = await ingest.deliver(files)
    assert (await released(ingest, kit, held)).state is DeliveryState.IMPORTED_WITH_WARNINGS
    kunde = (await ingest.objects(Table.KUNDE, "5000000001"))["5000000001"]
    assert (kunde.fields["nachname"], kunde.unknown) == ("Müller 5000000001", ())
    # What was let pass once is what the next delivery is compared with.
    assert (await ingest.deliver(files)).state is DeliveryState.IMPORTED_WITH_WARNINGS


async def test_a_rejected_delivery_has_no_effect_and_cannot_be_released(ingest: Any, kit: Any) -> None:
    _, delivery = await a_held_delivery(ingest, kit)
    assert (await decide(ingest, REJECT_DELIVERY, delivery)).state is DeliveryState.REJECTED
    for rpc in (RELEASE_DELIVERY, REJECT_DELIVERY, PREVIEW_DELIVERY):
        with pytest.raises(Conflict):
            await decide(ingest, rpc, delivery)
    assert await ingest.work() == []
    assert (await ingest.objects(Table.KUNDE, "5000000009")) == {}
    assert (await ingest.events())[-1].type == "delivery_rejected"


async def test_a_held_delivery_that_a_newer_one_superseded_can_only_be_rejected(
    ingest: Any, kit: Any
) -> None:
    book, delivery = await a_held_delivery(ingest, kit)
    book.vertrag("1001", "5000000001")
    book.vertrag("1002", "5000000002")
    assert (await ingest.deliver(book.files(day="20261126"))).state is DeliveryState.IMPORTED
    [_, held, _] = await ingest.deliveries()
    assert (held.id, held.superseded) == (delivery.id, True)
    assert (await decide(ingest, PREVIEW_DELIVERY, delivery)).superseded
    with pytest.raises(Conflict, match="neuere Lieferung"):
        await decide(ingest, RELEASE_DELIVERY, delivery)
    assert (await decide(ingest, REJECT_DELIVERY, delivery)).state is DeliveryState.REJECTED


async def test_a_release_that_a_newer_import_overtook_is_held_again(ingest: Any, kit: Any) -> None:
    """Released while the newer one was being imported: as if the release had been a moment too late."""
    book, delivery = await a_held_delivery(ingest, kit)
    book.vertrag("1001", "5000000001")
    await ingest.deliver(book.files(day="20261126"))
    await ingest.sql(
        "UPDATE delivery SET state = 'waiting', finished_at = NULL, released_at = now(), "
        "released_by = 'anna' WHERE id = %s",
        delivery.id,
    )

    async def held_again() -> Any:
        now = next(d for d in await ingest.deliveries() if d.id == delivery.id)
        return now if now.finished_at else None

    now = await kit.until(held_again)
    assert (now.state, now.reason) == (DeliveryState.HELD, "Eine neuere Lieferung ist schon importiert.")
    assert (await ingest.objects(Table.VERTRAG, "1001"))["1001"].gone is False


async def test_a_delivery_whose_files_are_gone_cannot_be_released(ingest: Any, kit: Any) -> None:
    _, delivery = await a_held_delivery(ingest, kit)
    for file in Spool(ingest.settings.spool_dir).delivery(kit.tenant, delivery.id).iterdir():
        file.unlink()
    with pytest.raises(Conflict, match="Dateien"):
        await decide(ingest, RELEASE_DELIVERY, delivery)


async def test_nobody_decides_who_may_not(ingest: Any, kit: Any) -> None:
    _, delivery = await a_held_delivery(ingest, kit)
    asked = DeliveryRequest(delivery=delivery.id)
    for rpc in (RELEASE_DELIVERY, REJECT_DELIVERY):
        with pytest.raises(Forbidden):
            await ingest.call(rpc, asked, role=Role.USER)
        with pytest.raises(NotFound):
            await decide(ingest, rpc, delivery, tenant=TenantId("hamburg"))
        with pytest.raises(NotFound):
            await ingest.call(rpc, DeliveryRequest(delivery=new_id()), role=Role.ADMIN)
