"""A delivery that does not come is told once, to all replicas' knowledge, and once when it came."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.rpc import Empty
from contracts.rpc.ingest import STATUS
from ingest.overdue import OverdueWatch, overdue_since

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(hours=26)


@pytest.mark.parametrize(
    ("hours_ago", "since"),
    [(1, None), (26, None), (27, NOON - timedelta(hours=1)), (50, NOON - timedelta(1))],
)
def test_after_its_time_a_delivery_is_overdue(hours_ago: int, since: datetime | None) -> None:
    assert overdue_since(NOON - timedelta(hours=hours_ago), now=NOON, after=DAY) == since


def watch(ingest: Any) -> OverdueWatch:
    return OverdueWatch(ingest.base, ingest.settings)


async def told(ingest: Any) -> list[str]:
    return [event.type for event in await ingest.events() if "overdue" in event.type]


async def let_days_pass(ingest: Any, days: int) -> None:
    """Everything so far happened that much earlier."""
    await ingest.sql("UPDATE ftp_user SET created_at = created_at - make_interval(days => %s)", days)
    await ingest.sql("UPDATE delivery SET received_from = received_from - make_interval(days => %s)", days)


async def test_it_is_told_once_and_there_is_an_all_clear(ingest: Any, kit: Any) -> None:
    await ingest.deliver(kit.a_book(1).files())
    await watch(ingest).look()
    assert await told(ingest) == []

    await let_days_pass(ingest, 2)
    await watch(ingest).look()
    await watch(ingest).look()
    assert await told(ingest) == ["delivery_overdue"]
    status = await ingest.call(STATUS, Empty())
    [delivery] = status.deliveries
    assert status.overdue_since == delivery.received_from + DAY

    await ingest.deliver(kit.a_book(1).files())
    await watch(ingest).look()
    assert await told(ingest) == ["delivery_overdue", "delivery_overdue_over"]
    assert (await ingest.call(STATUS, Empty())).overdue_since is None


async def test_a_first_delivery_is_waited_for_from_when_the_way_in_was_made(start: Any, kit: Any) -> None:
    async with start(overdue_check=timedelta(seconds=0.05)) as ingest:
        await ingest.set_up()
        await let_days_pass(ingest, 2)

        async def is_told() -> bool:
            return await told(ingest) == ["delivery_overdue"]

        await kit.until(is_told)


async def test_who_has_no_way_in_is_not_waited_for(ingest: Any, kit: Any) -> None:
    await ingest.deliver(kit.a_book(1).files())
    await let_days_pass(ingest, 2)
    await ingest.sql("DELETE FROM ftp_user")
    await watch(ingest).look()
    assert await told(ingest) == []
