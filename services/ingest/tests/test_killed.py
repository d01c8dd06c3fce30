"""The process dies somewhere: the next one goes on, and the end is the same as without."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from chassis.database import run_sql
from chassis.stop_list import StopList
from contracts.actor import Role
from contracts.ids import Kundennummer
from contracts.names import Table
from contracts.rpc.ingest import RELEASE_DELIVERY, DeliveryRequest, DeliveryState
from ingest import importing, merging, one_delivery, store, versions
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
        (one_delivery, "stage", 1),
        (merging, "write_first", 3),
        (versions, "tell_first", 4),
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


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (store, "change_delivery"),  # released, not taken
        (one_delivery, "stage"),  # taken
        (merging, "apply"),
        (versions, "compare_versions"),
        (versions, "tell"),
        (importing.leases, "check"),  # everything written, nothing committed
        (importing.leases, "give_back"),  # committed
    ],
)
async def test_a_process_killed_while_it_imports_a_released_delivery_changes_nothing_about_the_end(
    start: Any, lay_down: Any, kit: Any, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    book = kit.a_book(2)
    lay_down(book.files())
    async with start() as ingest:
        await ingest.ended(1)
        book.tables[Table.VERTRAG].clear()
        await ingest.push(book.files())
        held = await ingest.ended(2)
        assert held.state is DeliveryState.HELD
        await ingest.work()
        with monkeypatch.context() as patched:
            kill_at_call(patched, owner, name)
            await ingest.call(RELEASE_DELIVERY, DeliveryRequest(delivery=held.id), role=Role.ADMIN)
            await ingest.base.stopping.wait()
    async with start() as ingest:
        delivery = await ingest.ended(2)
        assert (delivery.state, delivery.counts[Table.VERTRAG].gone) == (DeliveryState.IMPORTED, 2)
        told, events = await told_by(ingest)
    assert told == [(Table.VERTRAG, "1001", True), (Table.VERTRAG, "1002", True)]
    assert events[-2:] == ["objects_compared", "delivery_imported"]
    assert events.count("delivery_released") == 1


async def test_what_goes_wrong_after_the_commit_changes_nothing_about_the_end(
    start: Any, settings: Any, lay_down: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = importing.leases.give_back, iter(range(1_000))

    def no_files(*_: Any) -> None:
        raise PermissionError

    async def cut_off(session: Any, lease: Any) -> None:
        if next(calls) == 0:
            await run_sql(session, "SELECT pg_terminate_backend(pg_backend_pid())")
        await real(session, lease)

    book = kit.a_book(3)
    lay_down(book.files())
    monkeypatch.setattr(importing, "remove_kunden", no_files)
    monkeypatch.setattr(importing.leases, "give_back", cut_off)
    key = SecretStr("a key only for this test")
    StopList(settings.stop_list_folder, key).stop(kit.tenant, Kundennummer("5000000002"))
    async with start(stop_list_key=key) as ingest:
        await ingest.ended(1)
        await ingest.deliver(book.files())
        states = await ingest.sql("SELECT DISTINCT state FROM delivery")
        assert states == [("imported",)]
        _, events = await told_by(ingest)
    assert next(calls) >= 2
    assert (events.count("delivery_imported"), events.count("delivery_failed")) == (2, 0)


async def test_a_delivery_that_always_ends_the_process_fails_at_last(
    start: Any, lay_down: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_down(kit.a_book(1).files())
    for _ in range(2):
        with monkeypatch.context() as patched:
            kill_at_call(patched, one_delivery, "stage")
            async with start(import_attempts=2) as ingest:
                await ingest.base.stopping.wait()
    async with start(import_attempts=2) as ingest:
        delivery = await ingest.ended(1)
        assert (delivery.state, delivery.reason) == (
            DeliveryState.FAILED,
            "Nach 2 Versuchen nicht importiert.",
        )
        assert (await ingest.deliver(kit.a_book(1).files())).state is DeliveryState.IMPORTED


async def test_our_own_fault_fails_the_delivery_and_not_the_service(
    start: Any, lay_down: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    lay_down(kit.a_book(1).files())
    monkeypatch.setattr(versions, "tell_first", broken)
    async with start() as ingest:
        delivery = await ingest.ended(1)
        assert (delivery.state, delivery.reason) == (
            DeliveryState.FAILED,
            "Fehler im Connector: ZeroDivisionError (siehe Log)",
        )
        assert await ingest.objects(Table.KUNDE, "5000000001") == {}


async def test_an_import_that_takes_too_long_fails_and_holds_up_no_other(
    start: Any, lay_down: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def too_long(session: Any, *_: Any, **__: Any) -> None:
        await run_sql(session, "SELECT pg_sleep(60)")

    lay_down(kit.a_book(1).files())
    monkeypatch.setattr(one_delivery, "stage", too_long)
    async with start(import_timeout=timedelta(milliseconds=100)) as ingest:
        delivery = await ingest.ended(1)
        assert (delivery.state, delivery.reason) == (
            DeliveryState.FAILED,
            "Fehler im Connector: OperationalError (siehe Log)",
        )


async def test_a_stop_in_order_is_no_attempt_and_the_next_start_goes_on(
    start: Any, lay_down: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_down(kit.a_book(1).files())
    reached = asyncio.Event()

    async def for_ever(*_: Any, **__: Any) -> None:
        reached.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patched:
        patched.setattr(versions, "tell_first", for_ever)
        async with start() as ingest:
            await reached.wait()
    async with start() as ingest:
        assert (await ingest.ended(1)).state is DeliveryState.IMPORTED
        assert await ingest.sql("SELECT attempts FROM delivery") == [(1,)]


async def test_postgresql_killed_in_the_middle_of_a_merge_is_no_end(
    start: Any, lay_down: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = merging.write_first, iter(range(1_000))

    async def cut_off(session: Any, *args: Any, **more: Any) -> None:
        if next(calls) == 2:  # two tables are written
            await run_sql(session, "SELECT pg_terminate_backend(pg_backend_pid())")
        await real(session, *args, **more)

    lay_down(kit.a_book(2).files())
    monkeypatch.setattr(merging, "write_first", cut_off)
    async with start() as ingest:
        delivery = await ingest.ended(1)
        assert (delivery.state, delivery.counts[Table.KUNDE].new) == (DeliveryState.IMPORTED, 2)
        told, events = await told_by(ingest)
    assert len(told) == len(set(told)) == 17
    assert events.count("delivery_imported") == 1


async def test_a_full_disk_fails_the_delivery_leaves_what_is_stored_and_the_next_one_works(
    start: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def disk_full(session: Any, *_: Any, **__: Any) -> None:
        await run_sql(session, "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full'; END $$")

    book = kit.a_book(2)
    async with start() as ingest:
        await ingest.deliver(book.files())
        await ingest.work()
        book.tables[Table.KUNDE][0]["nachname"] = "Schmidt"
        with monkeypatch.context() as patched:
            patched.setattr(versions, "tell", disk_full)
            delivery = await ingest.deliver(book.files())
        assert (delivery.state, delivery.reason) == (
            DeliveryState.FAILED,
            "Fehler im Connector: OperationalError (siehe Log)",
        )
        one = "5000000001"
        assert (await ingest.objects(Table.KUNDE, one))[one].fields["nachname"] != "Schmidt"
        assert await ingest.work() == []
        assert (await ingest.deliver(book.files())).state is DeliveryState.IMPORTED
        assert (await ingest.objects(Table.KUNDE, one))[one].fields["nachname"] == "Schmidt"


async def test_a_clock_that_was_put_back_stops_no_delivery(ingest: Any, kit: Any) -> None:
    """The delivery before this one bears a time that has not come yet."""
    book = kit.a_book(2)
    await ingest.deliver(book.files())
    await ingest.sql("UPDATE delivery SET received_from = received_from + interval '1 day'")
    book.tables[Table.KUNDE][0]["nachname"] = "Schmidt"
    await ingest.push(book.files())
    await ingest.ended(2)
    states = await ingest.sql("SELECT state FROM delivery")
    assert states == [("imported",), ("imported",)]
    one = "5000000001"
    assert (await ingest.objects(Table.KUNDE, one))[one].fields["nachname"] == "Schmidt"
