"""What has stayed long enough goes, and nothing that somebody still needs."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from chassis.stop_list import StopList
from contracts.ids import Kundennummer, Uuid, new_id
from contracts.names import Table
from contracts.rpc.ingest import DeliveryState
from ingest.forgetting import Forgetting
from ingest.format_overrides import Formats
from ingest.retention import Ended, Retention, files_may_go
from ingest.spool import Spool
from ingest.table_format import load_format

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
BEFORE, AFTER = NOON - timedelta(seconds=1), NOON + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("delivery", "may_go"),
    [
        (Ended(DeliveryState.IMPORTED, BEFORE), True),
        (Ended(DeliveryState.IMPORTED_WITH_WARNINGS, BEFORE), True),
        (Ended(DeliveryState.FAILED, BEFORE), True),
        (Ended(DeliveryState.IMPORTED, AFTER), False),
        (Ended(DeliveryState.HELD, BEFORE), False),
        (Ended(DeliveryState.IMPORTING, None), False),
        (Ended(DeliveryState.WAITING, None), False),
    ],
)
def test_files_stay_as_long_as_somebody_needs_them(delivery: Ended, may_go: bool) -> None:
    assert files_may_go(delivery, changed_at=BEFORE, before=NOON) == may_go


@pytest.mark.parametrize(("changed_at", "may_go"), [(BEFORE, True), (AFTER, False)])
def test_files_that_nobody_knows_may_be_about_to_be_known(changed_at: datetime, may_go: bool) -> None:
    assert files_may_go(None, changed_at=changed_at, before=NOON) == may_go


def retention(ingest: Any, **changed: Any) -> Retention:
    settings = ingest.settings.model_copy(update=changed)
    spool = Spool(settings.spool_dir)
    stop_list = StopList(settings.stop_list_folder, settings.stop_list_key)
    formats = Formats(load_format(settings.format_name), ingest.base.database, ingest.base.outbox)
    return Retention(
        ingest.base, settings, spool, Forgetting(ingest.base, settings, formats, spool, stop_list)
    )


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
    assert folder.exists()
    os.utime(folder, (0, 0))
    await retention(ingest).look()
    assert not folder.exists()


async def test_one_replica_looks_per_pause(ingest: Any) -> None:
    assert await retention(ingest)._is_our_turn()
    assert not await retention(ingest, replica="another")._is_our_turn()


async def test_who_is_on_the_stop_list_and_came_back_with_a_backup_is_forgotten_again(
    start: Any, kit: Any
) -> None:
    async with start(stop_list_key=SecretStr("a-long-random-text")) as ingest:
        await ingest.deliver(kit.a_book(2).files())
        kunde = Kundennummer("5000000001")
        look = retention(ingest)
        look.forgetting.stop_list.stop(kit.tenant, kunde)

        await look.look()

        assert set(await ingest.objects(Table.KUNDE, kunde, "5000000002")) == {"5000000002"}
        assert await ingest.sql("SELECT key FROM vertrag") == [("1002",)]
        told = (await ingest.events())[-1]
        assert (told.type, told.data["kunde"], told.actor_kind) == ("kunde_forgotten", kunde, "schedule")
