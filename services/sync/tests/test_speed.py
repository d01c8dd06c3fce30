"""How fast a change is at the other side, at stand-ins that answer at once. Numbers are printed (`-s`)."""

import asyncio
import time
from typing import TYPE_CHECKING

from contracts.names import Table

if TYPE_CHECKING:
    from conftest import Team


async def test_from_webhook_to_ameise_at_fifty_a_second(team: "Team") -> None:
    count, pause = 200, 0.02
    kunden = (await team.world.seed(count * 2, count * 12))[: count + 20]
    await team.delivery(kunden)
    await team.idle()
    contacts = [r for r in await team.world.records("Contacts") if r["Kundennummer"] in kunden][:count]
    for contact in contacts:
        await team.world.edit(contact["id"], Titel="Dr. eilig")
    sent: dict[str, float] = {}
    begun = time.perf_counter()
    for number, contact in enumerate(contacts):
        sent[contact["Kundennummer"]] = time.time()
        await team.webhook(contact["id"])
        await asyncio.sleep(max(0.0, begun + (number + 1) * pause - time.perf_counter()))
    assert await team.idle() == []
    puts = {call["path"].rsplit("/", 1)[1]: call for call in await team.world.calls("PUT", "/kunden/")}
    took = sorted(1000 * (puts[k]["at"] - at) + puts[k]["ms"] for k, at in sent.items())
    at = {share: round(took[int(len(took) * share / 100)], 1) for share in (50, 90, 99)}
    print(f"webhook message to Ameise changed, ms by percentile: {at} of {len(took)} at {1 / pause:.0f}/s")  # noqa: T201
    assert at[50] < 1000


async def test_a_batch_of_one_hundred(team: "Team") -> None:
    keys = [f"{5000000 + number}" for number in range(100)]
    for key in keys:
        fields = {"nachname": f"N{key}", "beruf": "Ärztin", "juristische_person": False}
        team.ingest.put(Table.KUNDE, key, fields)
    begun = time.perf_counter()
    await team.chunk(Table.KUNDE, keys)
    while len(await team.world.records()) < 100:
        await asyncio.sleep(0.01)
    in_zoho = time.perf_counter() - begun
    await team.idle()
    print(
        f"100 new objects: in Zoho after {in_zoho:.2f} s, all done after {time.perf_counter() - begun:.2f} s"
    )
    assert in_zoho < 20
