"""What has stayed long enough goes, and nothing that somebody still needs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.ids import Uuid, new_id
from contracts.names import Table
from contracts.rpc.ingest import DeliveryState
from ingest.retention import Ended, Retention, files_may_go
from ingest.spool import Spool

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
BEFORE, AFTER = NOON - timedelta(seconds=1), NOON + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("delivery", "may_go"),
    [
        (None, True),
        (Ended(DeliveryState.IMPORTED, BEFORE), True),
        (Ended(DeliveryState.IMPORTED_WITH_WARNINGS, BEFORE), True),
        (Ended(DeliveryState.FAILED, BEFORE), True),
        (Ended(DeliveryState.IMPORTED, AFTER), False),
        (Ended(DeliveryState.HELD, BEFORE), False),
        (Ended(DeliveryState.IMPORTING, None), False),
        (Ended(DeliveryState.WAITING, None), False),
    ],
)
def test_files_stay_as_long_as_somebody_needs_them(delivery: Ended | None, may_go: bool) -> None:
    assert files_may_go(delivery, before=NOON) == may_go


def retention(ingest: Any) -> Retention:
    return Retention(ingest.base, ingest.settings, Spool(ingest.settings.spool_dir))


def files_of(ingest: Any, kit: Any, delivery: Uuid) -> list[Path]:
    folder = Spool(ingest.settings.spool_dir).delivery(kit.tenant, delivery)
    return list(folder.iterdir()) if folder.is_dir() else []


async def let_days_pass(ingest: Any, days: int) -> None:
    """Everything so far happened that much earlier."""
    for table, column in (("delivery", "finished_at"), ("history", "changed_at")):
        await ingest.sql(f"UPDATE {table} SET {column} = {column} - make_interval(days => %s)", days)


async def count(ingest: Any, table: str) -> int:
    return (await ingest.sql(f"SELECT count(*) FROM {table}"))[0][0]


async def test_originals_go_after_a_week_and_reports_and_history_much_later(ingest: Any, kit: Any) -> None:
    book = kit.a_book(2)
    first = await ingest.deliver(book.files())
    book.tables[Table.KUNDE][0] |= {"nachname": "Schmidt", "geburtsdatum": "gestern"}
    second = await ingest.deliver(book.files())
    book.tables[Table.VERTRAG].clear()
    held = await ingest.deliver(book.files())
    assert held.state is DeliveryState.HELD
    look = retention(ingest).look

    await look()
    assert all(files_of(ingest, kit, delivery.id) for delivery in (first, second, held))
    await let_days_pass(ingest, 8)
    await look()
    assert [bool(files_of(ingest, kit, d.id)) for d in (first, second, held)] == [False, False, True]
    problems = await ingest.sql("SELECT DISTINCT CAST(delivery AS text) FROM delivery_problem")
    assert problems == [(held.id,)]
    assert (await count(ingest, "history"), len(await ingest.deliveries())) == (1, 3)
    await let_days_pass(ingest, 400)
    await look()
    assert await count(ingest, "history") == 0
    assert [delivery.id for delivery in await ingest.deliveries()] == [held.id]
    assert (await ingest.objects(Table.KUNDE, "5000000001"))["5000000001"].fields["nachname"] == "Schmidt"


async def test_files_of_a_delivery_that_nobody_knows_go_too(ingest: Any, kit: Any) -> None:
    await ingest.set_up()
    folder = Spool(ingest.settings.spool_dir).delivery(kit.tenant, new_id())
    folder.mkdir(parents=True)
    (folder / "kunden.csv").write_text("x")
    await retention(ingest).look()
    assert not folder.exists()


async def test_one_replica_looks_per_pause(ingest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = ingest.settings.model_copy(update={"replica": "another"})
    assert await retention(ingest)._is_our_turn()
    other = Retention(ingest.base, ours, Spool(ours.spool_dir))
    assert not await other._is_our_turn()
