import asyncio

import pytest

from chassis.batching import Batcher


async def test_a_lone_item_goes_at_once_and_those_that_come_meanwhile_go_together() -> None:
    calls: list[list[int]] = []
    release = asyncio.Event()

    async def flush(key: str, items: list[int]) -> None:
        calls.append(items)
        await release.wait()

    batcher = Batcher[str, int](flush, size=10)
    adding = [asyncio.create_task(batcher.add("a", n)) for n in range(4)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    late = [asyncio.create_task(batcher.add("a", n)) for n in (7, 8)]
    release.set()
    await asyncio.gather(*adding, *late)

    assert calls[0] == [0, 1, 2, 3]
    assert calls[1:] == [[7, 8]]


async def test_a_batch_is_never_larger_than_its_size() -> None:
    calls: list[int] = []

    async def flush(key: str, items: list[int]) -> None:
        calls.append(len(items))

    batcher = Batcher[str, int](flush, size=3)
    await asyncio.gather(*(batcher.add("a", n) for n in range(8)))

    assert calls == [3, 3, 2]


async def test_keys_do_not_wait_for_each_other() -> None:
    stuck = asyncio.Event()

    async def flush(key: str, items: list[int]) -> None:
        if key == "slow":
            await stuck.wait()

    batcher = Batcher[str, int](flush, size=3)
    slow = asyncio.create_task(batcher.add("slow", 1))
    await asyncio.wait_for(batcher.add("quick", 1), 1)

    assert not slow.done()
    stuck.set()
    await slow


async def test_what_a_batch_raises_is_raised_to_everyone_in_it_and_the_next_batch_goes_on() -> None:
    async def flush(key: str, items: list[int]) -> None:
        if 1 in items:
            raise ConnectionError("away")

    batcher = Batcher[str, int](flush, size=2)
    results = await asyncio.gather(*(batcher.add("a", n) for n in range(4)), return_exceptions=True)

    assert [type(r) for r in results] == [ConnectionError, ConnectionError, type(None), type(None)]


async def test_a_caller_who_gives_up_does_not_take_the_others_along() -> None:
    release = asyncio.Event()
    flushed: list[int] = []

    async def flush(key: str, items: list[int]) -> None:
        await release.wait()
        flushed.extend(items)

    batcher = Batcher[str, int](flush, size=5)
    impatient = asyncio.create_task(batcher.add("a", 1))
    patient = asyncio.create_task(batcher.add("a", 2))
    await asyncio.sleep(0)
    impatient.cancel()
    release.set()
    await patient

    assert flushed == [1, 2]
    with pytest.raises(asyncio.CancelledError):
        await impatient


async def test_under_overload_those_who_gave_up_do_not_pile_up() -> None:
    release = asyncio.Event()
    calls: list[list[int]] = []

    async def flush(key: str, items: list[int]) -> None:
        calls.append(items)
        await release.wait()

    batcher = Batcher[str, int](flush, size=2)
    first = asyncio.create_task(batcher.add("a", 0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    impatient = [asyncio.create_task(batcher.add("a", n)) for n in range(1, 9)]
    patient = asyncio.create_task(batcher.add("a", 9))
    await asyncio.sleep(0)
    for task in impatient:
        task.cancel()
    release.set()
    await asyncio.gather(first, patient)

    assert calls == [[0], [9]]


async def test_a_crowd_that_gave_up_altogether_is_no_batch() -> None:
    release = asyncio.Event()
    calls: list[list[int]] = []

    async def flush(key: str, items: list[int]) -> None:
        calls.append(items)
        await release.wait()

    batcher = Batcher[str, int](flush, size=2)
    first = asyncio.create_task(batcher.add("a", 0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    impatient = [asyncio.create_task(batcher.add("a", n)) for n in range(1, 9)]
    await asyncio.sleep(0)
    for task in impatient:
        task.cancel()
    release.set()
    await first
    await batcher.add("a", 9)

    assert calls == [[0], [9]]
