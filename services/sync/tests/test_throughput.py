"""What was written is counted in memory, stored soon, and kept while the database is away."""

import asyncio
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from chassis.database import Database
from contracts.ids import PipelineId, TenantId, new_id
from contracts.names import Table
from sync import throughput
from sync.pipelines import Pipeline
from sync.templates import NATUERLICHE_PERSON
from sync.throughput import Throughput

if TYPE_CHECKING:
    from conftest import Rows

    from parts.databases import DatabaseUrls

PIPELINE = Pipeline(
    tenant=TenantId("berlin"), id=PipelineId("1"), name="Kunden", table=Table.KUNDE, module="Contacts",
    ameise_connection=new_id(), zoho_connection=new_id(), enabled=True, version="1",
    definition=NATUERLICHE_PERSON,
)  # fmt: skip


async def ended(counted: Throughput) -> None:
    """It ran, and was told to stop."""
    running = asyncio.create_task(counted.run())
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])


async def test_what_was_noted_is_stored_at_the_latest_when_the_process_ends(
    database: Database, rows: "Rows"
) -> None:
    counted = Throughput(database)
    counted.note(PIPELINE, written=3)
    counted.note(PIPELINE, written=0)
    await ended(counted)
    await ended(counted)
    assert sum(row["written"] for row in rows.select("SELECT written FROM throughput")) == 3


async def test_replicas_add_up_and_a_run_that_wrote_nothing_is_a_run(
    database: Database, rows: "Rows"
) -> None:
    for written in (2, 5, 0):
        counted = Throughput(database)
        counted.note(PIPELINE, written=written)
        await ended(counted)
    assert sum(row["written"] for row in rows.select("SELECT written FROM throughput")) == 7


async def test_nothing_is_lost_while_the_database_is_away(
    database: Database, rows: "Rows", urls: "DatabaseUrls", monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Database(SecretStr("postgresql://nobody@127.0.0.1:1/nothing"))
    counted = Throughput(away)
    monkeypatch.setattr(throughput, "EVERY_SECONDS", 0.01)
    counted.note(PIPELINE, written=4)
    await ended(counted)
    monkeypatch.setattr(counted, "_database", database)
    await ended(counted)
    await away.close()
    assert sum(row["written"] for row in rows.select("SELECT written FROM throughput")) == 4
