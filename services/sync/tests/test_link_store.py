"""Links: one record, one writer; halves that turn out to be one; two that claim the same."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import IntegrityError

from chassis.cause import Cause
from chassis.database import Database
from chassis.leases import LeaseLost
from contracts.ids import PipelineId, TenantId, new_id
from contracts.names import Service, Table
from sync import link_store, pipeline_store, work_store
from sync.link_store import Link
from sync.pipelines import Pipeline
from sync.templates import NATUERLICHE_PERSON
from sync.work_store import Lane, Turn, WorkDirection

if TYPE_CHECKING:
    from conftest import Rows

BERLIN = TenantId("berlin")
PIPELINE = Pipeline(
    tenant=BERLIN, id=PipelineId("1"), name="Kunde", table=Table.KUNDE, module="Contacts",
    ameise_connection=new_id(), zoho_connection=new_id(), enabled=True, version=NATUERLICHE_PERSON.version,
    definition=NATUERLICHE_PERSON,
)  # fmt: skip
LASTING = timedelta(seconds=30)


async def by_record(database: Database, *ids: str, owner: str = "a") -> dict[str, Link]:
    async with database.tenant(BERLIN) as session:
        return await link_store.lease_by_zoho_ids(session, PIPELINE, ids, owner=owner, lasting=LASTING)


async def by_key(database: Database, *keys: str, owner: str = "a") -> dict[str, Link]:
    async with database.tenant(BERLIN) as session:
        return await link_store.lease_by_keys(session, PIPELINE, keys, owner=owner, lasting=LASTING)


async def save(database: Database, *links: Link) -> None:
    async with database.tenant(BERLIN) as session:
        await link_store.check(session, links)
        await link_store.save(session, links)


async def test_a_record_has_one_writer(database: Database) -> None:
    first = await by_record(database, "1", "2")
    assert set(await by_record(database, "1", "2", "3", owner="b")) == {"3"}
    async with database.tenant(BERLIN) as session:
        await link_store.give_back(session, [first["1"]])
    assert set(await by_record(database, "1", "2", owner="b")) == {"1"}


@pytest.mark.parametrize(("direction", "lease"), [("to_ameise", by_record), ("to_zoho", by_key)])
async def test_links_are_held_on_to_and_given_back_with_the_work_that_they_are_leased_for(
    database: Database,
    all_tenants: Database,
    rows: "Rows",
    direction: WorkDirection,
    lease: Callable[..., Awaitable[dict[str, Link]]],
) -> None:
    async with database.tenant(BERLIN) as session:
        await pipeline_store.create(
            session, BERLIN, name="Kunde", table=PIPELINE.table, module=PIPELINE.module,
            ameise_connection=PIPELINE.ameise_connection, zoho_connection=PIPELINE.zoho_connection,
            enabled=True, definition=PIPELINE.definition,
        )  # fmt: skip
        await work_store.intake(
            session, BERLIN, pipeline=PIPELINE.id, direction=direction, lane=Lane.CHUNK,
            objects=dict.fromkeys(("1", "2"), Cause.of_service(Service.SYNC, BERLIN)),
        )  # fmt: skip
    async with all_tenants.unbound() as session:
        works = await work_store.take(
            session, direction=direction, turn=Turn(BERLIN, PIPELINE.id, Lane.CHUNK), owner="a",
            lasting=LASTING, count=2,
        )  # fmt: skip
    mine, other = await lease(database, "1", owner=works[0].owner), await lease(database, "2", owner="b")
    async with all_tenants.unbound() as session:
        await link_store.extend(session, works, lasting=timedelta(hours=1))
    long = rows.select("SELECT id FROM link WHERE lease_until > now() + interval '30 minutes'")
    assert long == [{"id": mine["1"].id}]
    async with database.tenant(BERLIN) as session:
        await link_store.give_back_all(session, works)
    held = rows.select("SELECT id FROM link WHERE lease_owner IS NOT NULL")
    assert held == [{"id": other["2"].id}]


async def test_a_result_that_comes_after_the_lease_is_refused(database: Database, rows: "Rows") -> None:
    first = await by_record(database, "1")
    rows.change("UPDATE link SET lease_until = now() - interval '1 second'")
    second = await by_record(database, "1", owner="b")
    with pytest.raises(LeaseLost):
        await save(database, first["1"])
    await save(database, replace(second["1"], ameise_key="5001"))
    [row] = rows.links()
    assert (row["ameise_key"], row["lease_owner"]) == ("5001", None)
    assert row["linked_at"] is not None


async def test_halves_that_turn_out_to_be_one_are_merged(database: Database, rows: "Rows") -> None:
    waiting = await by_key(database, "5001", owner="b")
    async with database.tenant(BERLIN) as session:
        await link_store.give_back(session, list(waiting.values()))
    record = await by_record(database, "1")
    await save(database, replace(record["1"], ameise_key="5001"))
    assert [(row["zoho_id"], row["ameise_key"]) for row in rows.links()] == [("1", "5001")]


async def test_a_half_that_somebody_works_on_is_not_taken_away(database: Database) -> None:
    await by_key(database, "5001", owner="b")
    record = await by_record(database, "1")
    with pytest.raises(IntegrityError):
        await save(database, replace(record["1"], ameise_key="5001"))


async def test_two_records_cannot_have_one_kunde(database: Database) -> None:
    links = await by_record(database, "1", "2")
    await save(database, replace(links["1"], ameise_key="5001"))
    with pytest.raises(IntegrityError):
        await save(database, replace(links["2"], ameise_key="5001"))


async def test_bases_survive_and_move_field_by_field(database: Database) -> None:
    link = (await by_record(database, "1"))["1"]
    assert link.ameise_base is None
    based = link.with_bases(ameise={"a": "1", "b": None}, zoho={"z": True})
    await save(database, replace(based, ameise_key="5001").having_seen(["a"]))
    again = (await by_record(database, "1"))["1"]
    assert (again.ameise_base, again.zoho_base) == ({"a": "1", "b": None}, {"z": True})
    assert again.with_bases(ameise={"b": "2"}, zoho={}).ameise_base == {"a": "1", "b": "2"}
    now = datetime.now(UTC)
    assert again.written_after(now - timedelta(days=1)) == {"a"}
    assert again.written_after(now + timedelta(seconds=1)) == set()


async def test_a_lookup_finds_linked_records_that_are_still_there(database: Database) -> None:
    links = await by_record(database, "1", "2", "3")
    gone = replace(links["2"], ameise_key="5002", gone_in_zoho=True)
    await save(database, replace(links["1"], ameise_key="5001"), gone, links["3"])
    async with database.tenant(BERLIN) as session:
        found = await link_store.zoho_ids_of(
            session, PIPELINE, "Contacts", Table.KUNDE, ["5001", "5002", "5003"]
        )
    assert found == {"5001": "1"}
