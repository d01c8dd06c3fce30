"""The process dies somewhere: the next one goes on, and the end is the same as without."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from chassis.database import run_sql
from contracts.names import Table
from contracts.rpc.ingest import DeliveryState
from ingest import importing, merging, store, versions
from ingest.spool import Spool


class Killed(BaseException):
    """Like SIGKILL: nothing of ours handles it."""


def kill_at_call(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, call: int = 1) -> None:
    """Die when `owner.name` is called for the `call`-th time."""
    real, calls = getattr(owner, name), iter(range(1, 1_000_000))

    def dying(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == call:
            raise Killed
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, dying)


async def told_by(ingest: Any) -> tuple[list[tuple[Table, str, bool]], list[str]]:
    """Objects of which sync heard, and names of the events."""
    work = await ingest.work()
    told = sorted((m.table, changed.key, changed.gone) for m in work for changed in m.objects)
    return told, [event.type for event in await ingest.events()]


@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [
        (Spool, "finish_upload", 5),  # in the middle of moving the files
        (store, "change_delivery", 1),  # all files moved, nothing committed
        (store, "change_delivery", 2),  # received, not taken
        (merging, "stage", 1),
        (merging, "apply", 3),
        (versions, "compare_versions", 2),
        (versions, "tell", 4),
        (importing.leases, "check", 1),  # everything written, nothing committed
        (importing.leases, "give_back", 1),  # committed
    ],
)
async def test_a_killed_process_changes_nothing_about_the_end(
    start: Any,
    lay_down: Any,
    kit: Any,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    call: int,
) -> None:
    lay_down(kit.a_book(2).files())
    with monkeypatch.context() as patched:
        kill_at_call(patched, owner, name, call)
        async with start() as ingest:
            await ingest.base.stopping.wait()
    async with start() as ingest:
        delivery = await ingest.ended(1)
        assert (delivery.state, delivery.files) == (DeliveryState.IMPORTED, 13)
        assert delivery.counts[Table.KUNDE].new == 2
        told, events = await told_by(ingest)
    assert len(told) == len(set(told)) == 17
    assert [name for name in events if name != "objects_compared"] == [
        "delivery_received",
        "delivery_imported",
    ]


async def test_a_delivery_that_always_ends_the_process_fails_at_last(
    start: Any, lay_down: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_down(kit.a_book(1).files())
    for _ in range(2):
        with monkeypatch.context() as patched:
            kill_at_call(patched, merging, "stage")
            async with start(import_attempts=2) as ingest:
                await ingest.base.stopping.wait()
    async with start(import_attempts=2) as ingest:
        delivery = await ingest.ended(1)
        assert (delivery.state, delivery.reason) == (DeliveryState.FAILED, "not imported after 2 attempts")
        assert (await ingest.deliver(kit.a_book(1).files())).state is DeliveryState.IMPORTED


async def test_our_own_fault_fails_the_delivery_and_not_the_service(
    start: Any, lay_down: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    lay_down(kit.a_book(1).files())
    monkeypatch.setattr(versions, "tell", broken)
    async with start() as ingest:
        delivery = await ingest.ended(1)
        assert (delivery.state, delivery.reason) == (DeliveryState.FAILED, "ZeroDivisionError; see the log")
        assert await ingest.objects(Table.KUNDE, "5000000001") == {}


async def test_an_import_that_takes_too_long_fails_and_holds_up_no_other(
    start: Any, lay_down: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def too_long(session: Any, *_: Any) -> None:
        await run_sql(session, "SELECT pg_sleep(60)")

    lay_down(kit.a_book(1).files())
    monkeypatch.setattr(merging, "stage", too_long)
    async with start(import_timeout=timedelta(milliseconds=100)) as ingest:
        delivery = await ingest.ended(1)
        assert (delivery.state, delivery.reason) == (DeliveryState.FAILED, "OperationalError; see the log")


async def test_a_stop_in_order_is_no_attempt_and_the_next_start_goes_on(
    start: Any, lay_down: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_down(kit.a_book(1).files())
    reached = asyncio.Event()

    async def for_ever(*_: Any, **__: Any) -> None:
        reached.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patched:
        patched.setattr(versions, "tell", for_ever)
        async with start() as ingest:
            await reached.wait()
    async with start() as ingest:
        assert (await ingest.ended(1)).state is DeliveryState.IMPORTED
        assert await ingest.sql("SELECT attempts FROM delivery") == [(1,)]
