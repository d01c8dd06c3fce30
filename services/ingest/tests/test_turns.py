"""Whose delivery is imported next, and whose no more."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chassis import leases
from contracts.ids import TenantId, new_id
from contracts.rpc.ingest import DeliveryState
from ingest import importing, store
from ingest.importing import Importer
from ingest.tables import DeliveryRow

NOON = datetime(2020, 11, 24, 12, tzinfo=UTC)
BERLIN, HAMBURG, KOELN = TenantId("berlin"), TenantId("hamburg"), TenantId("koeln")
MINUTE = timedelta(minutes=1)


async def a_delivery(
    importer: Importer,
    tenant: TenantId,
    began: datetime,
    state: DeliveryState = DeliveryState.WAITING,
    *,
    bytes_: int = 0,
) -> str:
    """One without a file: it fails at once when its turn has come."""
    row = DeliveryRow(
        id=new_id(), tenant=tenant, state=state, correlationid=new_id(), received_from=began, as_of=began,
        bytes_=bytes_,
    )  # fmt: skip
    async with importer.base.database.tenant(tenant) as session:
        session.add(row)
    return row.id


async def reason(importer: Importer, tenant: TenantId, delivery: str) -> str | None:
    async with importer.base.database.tenant(tenant) as session:
        return (await session.get_one(DeliveryRow, delivery)).reason


async def test_who_comes_while_others_wait_waits_for_one_import_alone(importer: Importer) -> None:
    """Berlin, which had its turn, waits behind Hamburg; Köln comes while Hamburg's is imported."""
    await a_delivery(importer, BERLIN, NOON)
    assert await importer.import_waiting()
    berlin = await a_delivery(importer, BERLIN, NOON + MINUTE)
    hamburg = await a_delivery(importer, HAMBURG, NOON)
    assert await importer.import_waiting()
    koeln = await a_delivery(importer, KOELN, NOON + MINUTE)
    assert await importer.import_waiting()
    nothing_read = "Keine Datei war lesbar."
    assert await reason(importer, HAMBURG, hamburg) == nothing_read
    assert await reason(importer, KOELN, koeln) == nothing_read
    assert await reason(importer, BERLIN, berlin) is None
    assert await importer.import_waiting()
    assert await reason(importer, BERLIN, berlin) == nothing_read
    assert not await importer.import_waiting()


async def test_a_replica_that_came_too_late_for_a_delivery_keeps_no_lease(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def as_it_was(_: Any) -> list[TenantId]:
        return [BERLIN]

    monkeypatch.setattr(store, "tenants_with_work", as_it_was)
    assert not await importer.import_waiting()
    async with importer.base.database.tenant(BERLIN) as session:
        assert await leases.take(session, BERLIN, importing.LEASE, owner="another", lasting=MINUTE)


async def test_a_delivery_that_began_before_the_last_imported_one_fails(importer: Importer) -> None:
    late = await a_delivery(importer, BERLIN, NOON)
    await a_delivery(importer, BERLIN, NOON + MINUTE, DeliveryState.IMPORTED)
    newest = await a_delivery(importer, BERLIN, NOON + 2 * MINUTE)
    assert await importer.import_waiting()
    assert await importer.import_waiting()
    assert await reason(importer, BERLIN, late) == "Eine neuere Lieferung ist schon importiert."
    assert await reason(importer, BERLIN, newest) == "Keine Datei war lesbar.", "it was tried"


async def test_a_small_delivery_waits_for_no_larger_ones(importer: Importer) -> None:
    """Though its tenant had the last import."""
    now = datetime.now(UTC)
    await a_delivery(importer, BERLIN, now - 3 * MINUTE, DeliveryState.IMPORTED)
    await a_delivery(importer, BERLIN, now, bytes_=20_000)
    await a_delivery(importer, HAMBURG, now - MINUTE, bytes_=40_000_000)
    await a_delivery(importer, KOELN, now - 2 * MINUTE, bytes_=30_000_000)
    assert await turns(importer) == [BERLIN, HAMBURG, KOELN]


async def test_who_has_waited_for_an_hour_comes_first(importer: Importer) -> None:
    now = datetime.now(UTC)
    await a_delivery(importer, BERLIN, now, bytes_=20_000)
    await a_delivery(importer, HAMBURG, now - 61 * MINUTE, bytes_=40_000_000)
    assert await turns(importer) == [HAMBURG, BERLIN]


async def turns(importer: Importer) -> list[TenantId]:
    async with importer.base.all_tenants.unbound() as session:
        return await store.tenants_with_work(session)
