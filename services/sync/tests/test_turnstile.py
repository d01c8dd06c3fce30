"""Who may call next."""

import asyncio

import pytest

from sync.turnstile import Need, Turnstile

URGENT = Need(urgent=True, is_complex=False)
BATCH = Need(urgent=False, is_complex=False)
BIG_BATCH = Need(urgent=False, is_complex=True)


def turnstile(calls: int, complex_calls: int = 10, *, kept: int = 0) -> Turnstile:
    made = Turnstile(kept)
    made.resize(calls=calls, complex_calls=complex_calls)
    return made


async def entered(gate: Turnstile, *needs: Need) -> None:
    for need in needs:
        await gate.enter(need, patience_seconds=1)


async def turned_away(gate: Turnstile, need: Need) -> bool:
    try:
        await gate.enter(need, patience_seconds=0.01)
    except TimeoutError:
        return True
    return False


async def test_no_more_than_the_share_go_in() -> None:
    gate = turnstile(2)
    await entered(gate, BATCH, BATCH)
    assert await turned_away(gate, BATCH)
    gate.leave(BATCH)
    await entered(gate, BATCH)


async def test_a_webhook_goes_before_all_batches_that_wait() -> None:
    gate = turnstile(1)
    await entered(gate, BATCH)
    order: list[str] = []

    async def pass_through(name: str, need: Need) -> None:
        await gate.enter(need, patience_seconds=5)
        order.append(name)
        gate.leave(need)

    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(pass_through(f"batch {number}", BATCH))
        await asyncio.sleep(0)
        group.create_task(pass_through("webhook", URGENT))
        await asyncio.sleep(0)
        gate.leave(BATCH)
    assert order == ["webhook", *(f"batch {number}" for number in range(20))]


async def test_batches_leave_a_place_for_webhooks_unless_it_is_the_only_one() -> None:
    gate = turnstile(3, kept=1)
    await entered(gate, BATCH, BATCH)
    assert await turned_away(gate, BATCH)
    await entered(gate, URGENT)
    await entered(turnstile(1, kept=1), BATCH)


async def test_a_complex_call_that_waits_holds_up_no_other() -> None:
    gate = turnstile(5, complex_calls=1)
    await entered(gate, BIG_BATCH)
    waiting = asyncio.create_task(gate.enter(BIG_BATCH, patience_seconds=5))
    await asyncio.sleep(0)
    await entered(gate, BATCH)
    assert not waiting.done()
    gate.leave(BIG_BATCH)
    await waiting


async def test_a_larger_share_lets_those_in_who_wait() -> None:
    gate = turnstile(0)
    waiting = asyncio.create_task(gate.enter(BATCH, patience_seconds=5))
    await asyncio.sleep(0)
    assert not waiting.done()
    gate.resize(calls=1, complex_calls=1)
    await waiting


@pytest.mark.parametrize("let_in_first", [True, False])
async def test_whoever_stops_waiting_takes_no_place(*, let_in_first: bool) -> None:
    gate = turnstile(1)
    await entered(gate, BATCH)
    waiting = asyncio.create_task(gate.enter(BATCH, patience_seconds=5))
    await asyncio.sleep(0)
    if let_in_first:
        gate.leave(BATCH)
        waiting.cancel()
    else:
        waiting.cancel()
        await asyncio.sleep(0)
        gate.leave(BATCH)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert gate.is_idle
