"""Who asks has an answer when the time is over; what was asked may take longer to end."""

import asyncio

import pytest

from chassis.deadline import within


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
