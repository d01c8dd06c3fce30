"""Ten tenants' deliveries at once, against one after the other; and what a small one waits for."""

import asyncio
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import deliveries
from benchmarks.ingest_process import LOOK_SECONDS, Ingest, Sender, ground
from benchmarks.result import Result

TENANTS, ROWS, ROUNDS = 10, 20_000, 3
MOST_TIMES = 1.2
SMALL, BIG, BIG_ONES = 100, 200_000, 4
MOST_BIG_ONES = 1


async def measure(folder: Path) -> list[Result]:
    files = deliveries.write(folder / "files", deliveries.kunden(ROWS))
    small = deliveries.write(folder / "small", deliveries.kunden(SMALL))
    big = deliveries.write(folder / "big", deliveries.kunden(BIG))
    with ground(folder) as its:
        async with its.ingest() as ingest:
            await ingest.deliver(await ingest.sender("warm-up"), files)
            return [await _in_turns(ingest, files), *await _behind_big_ones(ingest, small, big)]


async def _in_turns(ingest: Ingest, files: list[Path]) -> Result:
    """First deliveries of new tenants, each round's both ways; from the first byte to the last commit."""
    one_by_one: list[float] = []
    at_once: list[float] = []
    for round_ in range(ROUNDS):
        senders = [await ingest.sender(f"one-{round_}-{number}") for number in range(TENANTS)]
        await ingest.told()
        begun = time.perf_counter()
        for sender in senders:
            await _push([sender], files)
            await ingest.wait_for(sender.tenant, 1)
        one_by_one.append(time.perf_counter() - begun)

        senders = [await ingest.sender(f"all-{round_}-{number}") for number in range(TENANTS)]
        await ingest.told()
        begun = time.perf_counter()
        await _push(senders, files)
        await ingest.wait_for(f"all-{round_}-%", TENANTS)
        at_once.append(time.perf_counter() - begun)
    [[good]] = await ingest.select("SELECT count(*) FROM delivery WHERE state = 'imported'")
    assert good == 2 * ROUNDS * TENANTS + 1
    times = statistics.median(at_once) / statistics.median(one_by_one)
    return Result(
        f"{TENANTS} tenants' {ROWS:,} Kunden at once",
        f"{MOST_TIMES} x one after the other",
        f"{times:.2f} x ({statistics.median(at_once):.1f} s, {statistics.median(one_by_one):.1f} s)",
        times <= MOST_TIMES,
    )


async def _behind_big_ones(ingest: Ingest, small: list[Path], big: list[Path]) -> list[Result]:
    """Two small deliveries come when the first of the big ones is being imported and all others wait. Of
    one tenant the last import is longer ago than those of the big ones, of the other it is the newest."""
    earlier = await ingest.sender("small-earlier")
    bigs = [await ingest.sender(f"big-{number}") for number in range(BIG_ONES)]
    later = await ingest.sender("small-later")
    for sender in (earlier, *bigs, later):
        await ingest.deliver(sender, small)
    await ingest.told()
    await _push(bigs, big)
    await _all_wait(ingest)
    arrived = datetime.now(UTC)
    await _push([earlier, later], small)
    await ingest.wait_for("big-%", 2 * BIG_ONES)
    await ingest.wait_for("small-%", 4)
    return [
        await _waited(ingest, earlier, "whose last import is the oldest", arrived),
        await _waited(ingest, later, "whose last import is the newest", arrived),
    ]


async def _waited(ingest: Ingest, sender: Sender, whose: str, arrived: datetime) -> Result:
    [[finished, bigs]] = await ingest.select(
        "SELECT s.finished_at, (SELECT count(*) FROM delivery b WHERE b.tenant LIKE 'big-%%'"
        " AND b.finished_at BETWEEN %s AND s.finished_at)"
        " FROM delivery s WHERE s.tenant = %s AND s.finished_at > %s",
        arrived, sender.tenant, arrived,
    )  # fmt: skip
    return Result(
        f"{SMALL} Kunden of a tenant {whose}, behind {BIG_ONES} x {BIG:,}",
        f"waits for {MOST_BIG_ONES}",
        f"waited for {bigs}, {(finished - arrived).total_seconds():.1f} s",
        bigs <= MOST_BIG_ONES,
    )


async def _all_wait(ingest: Ingest) -> None:
    """Until all big deliveries came. Fails if one is imported already: there would be less to wait for."""
    while True:
        states = await ingest.select(
            "SELECT state FROM delivery WHERE tenant LIKE 'big-%%' ORDER BY received_from DESC LIMIT %s",
            BIG_ONES,
        )
        assert ("imported",) not in states, "the big deliveries are too small"
        if {state for [state] in states} <= {"waiting", "importing"}:
            return
        await asyncio.sleep(LOOK_SECONDS)


async def _push(senders: list[Sender], files: list[Path]) -> None:
    """All at once."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(len(senders)) as pool:
        await asyncio.gather(*(loop.run_in_executor(pool, sender.push, files) for sender in senders))
