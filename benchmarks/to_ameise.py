"""From the webhook's call to the write in Ameise, without latency outside, by the stand-in's own journal."""

import asyncio
import time

import httpx

from benchmarks.result import Result, percentile
from benchmarks.team import Team, connected_team
from mvp_connector.demo.world import until
from parts.stack import RunningStack

RECORDS = 200
PER_SECOND = 20
LIMIT_P50_MS, LIMIT_P99_MS = 100.0, 500.0


async def measure(running: RunningStack) -> list[Result]:
    async with httpx.AsyncClient(timeout=30) as http:
        team = await connected_team(running, http, kunden=300)
        chosen = list(team.contacts.items())[:RECORDS]
        for zoho_id, _ in chosen:
            path = f"/sandbox/zoho/{team.admin.tenant}/Contacts/{zoho_id}"
            await team.sandbox.ask("PUT", path, json={"Beruf": f"Seilerin {zoho_id[-4:]}"})
        called = await _call(http, team.webhook, chosen)
        written = await _written(team, {key for _, key in chosen})
    times = [(written[key] - called[zoho_id]) * 1000 for zoho_id, key in chosen]
    p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
    measured = f"p50 {p50:.0f}, p99 {p99:.0f}, max {max(times):.0f} ms ({len(times)} records, {PER_SECOND}/s)"
    limit = f"p50 < {LIMIT_P50_MS:.0f}, p99 < {LIMIT_P99_MS:.0f} ms"
    return [Result("webhook to Ameise", limit, measured, p50 < LIMIT_P50_MS and p99 < LIMIT_P99_MS)]


async def _call(
    http: httpx.AsyncClient, webhook: dict[str, str], chosen: list[tuple[str, str]]
) -> dict[str, float]:
    """Zoho id → the moment at which its webhook was called (wall clock: the journal's clock)."""
    called: dict[str, float] = {}

    async def call(number: int, zoho_id: str) -> None:
        await asyncio.sleep(number / PER_SECOND)
        called[zoho_id] = time.time()
        headers = {webhook["header"]: webhook["token"]}
        (await http.post(webhook["url"], headers=headers, json={"id": zoho_id})).raise_for_status()

    await asyncio.gather(*(call(n, zoho_id) for n, (zoho_id, _) in enumerate(chosen)))
    return called


async def _written(team: Team, keys: set[str]) -> dict[str, float]:
    """Kundennummer → the moment at which Ameise had taken the change."""
    query = {"vendor": "ameise", "world": team.hauptvermittler, "method": "PUT", "limit": 100_000}

    async def all_written() -> dict[str, float] | None:
        calls = await team.sandbox.ask("GET", "/sandbox/journal", params=query)
        times = {call["path"].rsplit("/", 1)[-1]: call["at"] for call in calls if call["status"] == 200}
        return times if keys <= set(times) else None

    return await until(all_written, "all changes in Ameise")
