"""How fast a change is at the other side: sync as a process of its own, at stand-ins that answer at once.

The numbers are printed (`pytest -s`); the assertions only catch what is far off.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contracts.ids import TenantId
from contracts.names import Table
from contracts.problems import Unavailable
from sync.bases import bases_after
from sync.mapping import Conversion, read_ameise
from sync.merge import merge
from sync.pipelines import includes
from sync.sides import ameise_values, zoho_values
from sync.templates import NATUERLICHE_PERSON

if TYPE_CHECKING:
    from conftest import Team

    from sync.settings import SyncSettings


@pytest.fixture
def process(settings: Callable[..., "SyncSettings"], tmp_path: Path) -> Iterator[None]:
    """`python -m sync run`."""
    given = settings()
    environment = {
        "SYNC_NATS_URL": given.nats_url,
        "SYNC_DATABASE_URL": given.database_url.get_secret_value(),
        "SYNC_DATABASE_ALL_TENANTS_URL": given.database_all_tenants_url.get_secret_value(),
        "SYNC_AMEISE_REST_URL": given.ameise_rest_url,
        "SYNC_LOG_LEVEL": "warning",
    }
    with (tmp_path / "sync.log").open("wb") as output:
        running = subprocess.Popen(
            [sys.executable, "-m", "sync", "run"], env=os.environ | environment, stdout=output, stderr=output
        )
        yield
        running.terminate()
        assert running.wait(15) == 0, (tmp_path / "sync.log").read_text()


@pytest.fixture
async def team(process: None, team_of: Callable[[TenantId], Awaitable["Team"]]) -> "Team":
    made = await team_of(TenantId("berlin"))
    async with asyncio.timeout(30):
        while not made.pipelines:
            try:
                await made.create_pipelines()
            except Unavailable:
                await asyncio.sleep(0.1)
    return made


def test_mapping_and_merge_of_one_core() -> None:
    """Rule, reading of both sides, merge and new bases, two fields of each Kunde changed."""
    definition, count = NATUERLICHE_PERSON, 5_000
    conversion = Conversion(link_base="https://ameise/", resolve=lambda _module, _key: None)
    before = {m.ameise: f"{m.ameise} alt" for m in definition.fields} | {
        "juristische_person": False, "anrede_id": "1", "land_id": "DE", "geburtsdatum": "1980-01-02",
        "email": "anna@example.org", "telefon": "+49 30 123456", "mobil": None, "fax": None, "titel": None,
    }  # fmt: skip
    known = ameise_values(definition, "5001", before)
    record = {
        m.zoho: conversion.to_zoho(m, read_ameise(m, before | {"key": "5001"})) for m in definition.fields
    }  # pyright: ignore[reportArgumentType]
    in_zoho = zoho_values(definition, record)
    after = before | {"beruf": "Köchin", "ort": "Bonn"}
    begun = time.perf_counter()
    for _ in range(count):
        assert includes(definition, after)
        ameise, zoho = ameise_values(definition, "5001", after), zoho_values(definition, record)
        merged = merge(
            definition.fields, ameise=ameise, zoho=zoho, ameise_base=known, zoho_base=in_zoho,  # pyright: ignore[reportArgumentType]
            policy=definition.policy, conversion=conversion,
        )  # fmt: skip
        bases_after(
            definition.fields, merged, ameise=ameise, zoho=zoho, ameise_read_back={},
            zoho_read_back=merged.to_zoho,
        )  # fmt: skip
        assert len(merged.to_zoho) == 2
    per_second = count / (time.perf_counter() - begun)
    print(f"mapping and merge: {per_second:,.0f} objects/s on one core")  # noqa: T201
    assert per_second > 2_000


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
    print(  # noqa: T201
        f"webhook message to Ameise changed, ms by percentile: {at} of {len(took)} at {1 / pause:.0f}/s"
    )
    assert at[50] < 60_000


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
    print(  # noqa: T201
        f"100 new objects: in Zoho after {in_zoho:.2f} s, all done after {time.perf_counter() - begun:.2f} s"
    )
    assert in_zoho < 20
