"""How quickly a webhook is accepted: answered after it is durable, at a steady rate.

An open loop: requests start on their schedule whether or not earlier ones have been answered, so that a
slow answer cannot hide the ones behind it. Time is counted from the schedule.
"""

import asyncio
import json
import time

import httpx

from benchmarks.lean_http import LeanClient
from benchmarks.result import Result, percentile
from benchmarks.team import connected_team
from parts.stack import RunningStack

PER_SECOND = 200
SECONDS = 20
WARM_UP = 200
LIMIT_MS = 25.0


async def measure(running: RunningStack) -> list[Result]:
    async with httpx.AsyncClient(timeout=30) as http:
        team = await connected_team(running, http, kunden=60)
    zoho = LeanClient(team.webhook["url"], {team.webhook["header"]: team.webhook["token"]})
    ids = list(team.contacts)
    begun = time.perf_counter() + 0.1

    async def call(number: int) -> tuple[float, int]:
        scheduled = begun + number / PER_SECOND
        await asyncio.sleep(scheduled - time.perf_counter())
        status = await zoho.post(json.dumps({"id": ids[number % len(ids)]}).encode())
        return (time.perf_counter() - scheduled) * 1000, status

    answers = await asyncio.gather(*(call(n) for n in range(WARM_UP + PER_SECOND * SECONDS)))
    times = [ms for ms, _ in answers[WARM_UP:]]
    refused = sum(1 for _, status in answers if status != 200)
    p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
    measured = f"p50 {p50:.1f}, p99 {p99:.1f}, max {max(times):.0f} ms; {refused} of {len(answers)} refused"
    what = f"webhook accepted, {PER_SECOND}/s for {SECONDS} s"
    return [Result(what, f"p99 < {LIMIT_MS:.0f} ms", measured, p99 < LIMIT_MS and not refused)]
