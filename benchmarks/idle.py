"""What the whole installation costs while nothing happens: memory (PSS) and CPU of all its processes.

PSS shares a page's size among those who map it, so that PostgreSQL's processes are not counted many times.
"""

import asyncio

import psutil

from benchmarks.result import Result
from parts.stack import RunningStack

SETTLE_SECONDS, WATCH_SECONDS = 20, 60
LIMIT_GB, LIMIT_CPU_PERCENT = 1.2, 5.0


async def measure(running: RunningStack) -> list[Result]:
    await asyncio.sleep(SETTLE_SECONDS)
    runner = psutil.Process(running.process.pid)
    family = [runner, *runner.children(recursive=True)]
    before = _cpu_seconds(family)
    await asyncio.sleep(WATCH_SECONDS)
    percent = (_cpu_seconds(family) - before) / WATCH_SECONDS * 100
    memory = {p.pid: p.memory_full_info().pss for p in family if p.is_running()}
    total = sum(memory.values()) / 1e9
    return [
        Result(
            f"idle memory, {len(family)} processes",
            f"{LIMIT_GB} GB", f"{total:.2f} GB (PSS)", total < LIMIT_GB,
        ),
        Result(
            f"idle CPU over {WATCH_SECONDS} s",
            f"{LIMIT_CPU_PERCENT:.0f} % of a core", f"{percent:.1f} %", percent < LIMIT_CPU_PERCENT,
        ),
    ]  # fmt: skip


def _cpu_seconds(family: list[psutil.Process]) -> float:
    return sum(sum(p.cpu_times()[:2]) for p in family if p.is_running())
