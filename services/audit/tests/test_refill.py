"""A store that keeps everything in memory is filled again from EVENTS, and kept small."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from opensearchpy.exceptions import NotFoundError

from contracts.events import Event, SignedIn
from contracts.problems import Unavailable

BEGAN = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def many(event_of: Callable[..., Event]) -> Callable[[int], list[Event]]:
    """`many(n)`: events, a minute apart."""
    return lambda n: [event_of(SignedIn(), time=BEGAN + timedelta(minutes=m)) for m in range(n)]


async def test_an_emptied_store_is_filled_again_while_audit_runs(
    audit_with, outside, many, eventually, forget_everything
) -> None:
    events = many(450)
    async with audit_with(embedded=True):
        await outside.tell(*events)
        await eventually(outside.all_is_taken)
        await forget_everything()

        async def all_are_back() -> bool:
            try:
                page = await outside.page()
            except (Unavailable, NotFoundError):
                return False
            return page.total == 450 and page.total_is_exact and page.oldest_kept is None

        await eventually(all_are_back)
        assert (await outside.page(limit=1)).events == (events[-1],)


async def test_only_the_newest_are_filled_in_and_the_reply_says_so(
    audit_with, outside, many, eventually, forget_everything
) -> None:
    events = many(250)
    async with audit_with(embedded=True):
        await outside.tell(*events)
        await eventually(outside.all_is_taken)
    await forget_everything()
    async with audit_with(embedded=True, embedded_documents=100):

        async def newest_are_back() -> bool:
            return (await outside.page()).oldest_kept == events[150].time

        await eventually(newest_are_back)
        page = await outside.page()
        assert (page.total, page.total_is_exact) == (100, False)
        recent = await outside.page(since=events[200].time)
        assert (recent.total, recent.total_is_exact) == (50, True)


async def test_a_restart_of_audit_alone_fills_nothing(audit_with, outside, many, eventually) -> None:
    async with audit_with(embedded=True):
        await outside.tell(*many(3))
        await eventually(outside.all_is_taken)

        async def is_filled() -> bool:
            return (await outside.page()).total_is_exact

        await eventually(is_filled)
    await outside.opensearch.delete_by_query(
        index=f"{outside.prefix}-events", body={"query": {"match_all": {}}}, params={"refresh": "true"}
    )
    async with audit_with(embedded=True):
        assert (await outside.page()).total_is_exact
        assert await outside.ids() == []


async def test_an_interrupted_filling_goes_on(audit_with, outside, many, eventually) -> None:
    events = many(20)
    async with audit_with(embedded=True):
        await outside.tell(*events)
        await eventually(outside.all_is_taken)
    template = (await outside.opensearch.indices.get_index_template(name=f"{outside.prefix}-events"))[
        "index_templates"
    ][0]["index_template"]
    template["_meta"]["fill"] = "filling"
    await outside.opensearch.delete_by_query(
        index=f"{outside.prefix}-events", body={"query": {"match_all": {}}}, params={"refresh": "true"}
    )
    await outside.opensearch.indices.put_index_template(name=f"{outside.prefix}-events", body=template)
    async with audit_with(embedded=True):

        async def all_are_back() -> bool:
            return len(await outside.ids()) == 20

        await eventually(all_are_back)


async def test_a_memory_only_store_drops_its_oldest(
    audit_with, outside, many, eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit import retention

    monkeypatch.setattr(retention, "EVERY_SECONDS", 0.1)
    events = many(180)
    async with audit_with(embedded=True, embedded_documents=100):
        await outside.tell(*events)

        async def hundred_are_left() -> bool:
            page = await outside.page()
            return await outside.all_is_taken() and page.total == 100 and not page.total_is_exact

        await eventually(hundred_are_left)
        assert (await outside.page()).oldest_kept == events[80].time
