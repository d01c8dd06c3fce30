"""Who asks has an answer in time, even if what was asked takes longer; what is to end, ends."""

import asyncio

import pytest

from chassis import deadline
from chassis.deadline import end, within


async def test_what_ends_in_time_returns_or_raises() -> None:
    assert await within(5, asyncio.sleep(0, "done")) == "done"

    async def broken() -> None:
        raise ConnectionRefusedError

    with pytest.raises(ConnectionRefusedError):
        await within(5, broken())


async def test_what_is_slow_to_be_cancelled_is_not_waited_for() -> None:
    cancelled, may_end, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow_to_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
            await may_end.wait()
            ended.set()

    with pytest.raises(TimeoutError):
        await within(0.01, slow_to_end())
    await cancelled.wait()
    assert not ended.is_set()
    may_end.set()
    await ended.wait()


async def test_who_stops_asking_cancels_the_work() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    asking = asyncio.create_task(within(5, work()))
    await begun.wait()
    asking.cancel()
    await cancelled.wait()


async def test_a_task_that_loses_a_cancellation_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `asyncio.wait_for` of Python 3.11 loses it, when it comes along with what is waited for."""
    monkeypatch.setattr(deadline, "CANCELLED_AGAIN_AFTER_SECONDS", 0.01)
    lost = 0

    async def for_ever() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                lost += 1
                if lost == 3:
                    raise

    task = asyncio.create_task(for_ever())
    await asyncio.sleep(0)
    await end(task)
    assert (task.cancelled(), lost) == (True, 3)


async def test_the_error_of_what_has_ended_is_left_in_it() -> None:
    async def broken() -> None:
        raise ConnectionRefusedError

    task = asyncio.create_task(broken())
    await asyncio.wait({task})
    await end(task)
    assert isinstance(task.exception(), ConnectionRefusedError)
