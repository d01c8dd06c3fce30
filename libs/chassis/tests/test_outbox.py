"""Telling and asking join the caller's transaction, under its tenant."""

from datetime import UTC, datetime

import pytest
from sqlalchemy.exc import DBAPIError

from chassis.cause import Cause
from chassis.database import Database, fetch_all
from chassis.outbox import Chunks, Outbox
from contracts.actor import ActorKind
from contracts.events import Adopted, Event, SignedIn
from contracts.ids import PipelineId, TenantId, Uuid, new_id
from contracts.names import Service, Table
from contracts.work import KeyVersion, ObjectsChanged

BERLIN, HAMBURG = TenantId("berlin"), TenantId("hamburg")
OUTBOX = Outbox(Service.SYNC)


async def test_an_event_carries_its_cause(database: Database) -> None:
    correlationid, causationid = new_id(), new_id()
    cause = Cause(BERLIN, ActorKind.ZOHO, "webhook", correlationid, causationid)
    async with database.tenant(BERLIN) as session:
        (event,) = await OUTBOX.tell(session, cause, Adopted(pipeline=PipelineId("1"), module="Contacts"))
        (row,) = await fetch_all(session, "SELECT id, subject, body, kind, number FROM outbox")
    assert Event.model_validate_json(bytes(row["body"])) == event
    assert (event.actor_kind, event.actor_id) == (ActorKind.ZOHO, "webhook")
    assert (event.correlationid, event.causationid) == (correlationid, causationid)
    assert (Uuid(str(row["id"])), row["subject"], row["kind"]) == (event.id, event.subject_, "event")
    assert row["number"] is None


async def test_work_goes_to_the_subject_of_its_table(database: Database) -> None:
    now = datetime.now(UTC)
    work = ObjectsChanged(
        id=new_id(), tenant=BERLIN, correlationid=new_id(), time=now, table=Table.KUNDE, delivery=new_id(),
        as_of=now, objects=(KeyVersion.model_validate({"key": "5000000001", "version": "0" * 32}),),
    )  # fmt: skip
    async with database.tenant(BERLIN) as session:
        await OUTBOX.ask(session, work)
        (row,) = await fetch_all(session, "SELECT subject, body FROM outbox")
    assert row["subject"] == "work.to_zoho.berlin.kunde"
    assert ObjectsChanged.model_validate_json(bytes(row["body"])) == work


async def test_postgresql_puts_together_what_many_messages_are_about(database: Database) -> None:
    now, one = datetime.now(UTC), KeyVersion.model_validate({"key": "0", "version": "0" * 32})
    sample = ObjectsChanged(
        id=new_id(), tenant=BERLIN, correlationid=new_id(), time=now, table=Table.KUNDE, delivery=new_id(),
        as_of=now, objects=(one,),
    )  # fmt: skip
    query = """
        SELECT chunk, string_agg(
            '{"key":"' || chunk || n || '","version":"' || repeat('a', 32) || '"}', ',') AS x
        FROM generate_series(1, :chunks) chunk, generate_series(1, 2) n GROUP BY chunk
    """
    async with database.tenant(BERLIN) as session:
        await OUTBOX.put_chunks(session, query, 3, Chunks(sample, one.model_dump_json(), "x"), chunks=3)
        rows = await fetch_all(session, "SELECT id, subject, body, kind FROM outbox ORDER BY position")
    works = [ObjectsChanged.model_validate_json(bytes(row["body"])) for row in rows]
    assert [sorted(changed.key for changed in work.objects) for work in works] == [
        ["11", "12"], ["21", "22"], ["31", "32"]
    ]  # fmt: skip
    assert [Uuid(str(row["id"])) for row in rows] == [work.id for work in works]
    assert len({sample.id, *(work.id for work in works)}) == 4
    assert {work.model_copy(update={"id": sample.id, "objects": (one,)}) for work in works} == {sample}
    assert {(row["subject"], row["kind"]) for row in rows} == {("work.to_zoho.berlin.kunde", "work")}


async def test_nothing_is_told_for_another_tenant_than_the_transactions(database: Database) -> None:
    async def tell_for_hamburg() -> None:
        async with database.tenant(BERLIN) as session:
            cause = Cause.of_service(Service.SYNC, HAMBURG)
            await OUTBOX.tell(session, cause, Adopted(pipeline=PipelineId("1"), module="Contacts"))

    with pytest.raises(DBAPIError, match="row-level security"):
        await tell_for_hamburg()


async def test_nothing_is_told_in_another_services_name(database: Database) -> None:
    async with database.tenant(BERLIN) as session:
        with pytest.raises(ValueError, match="gateway does"):
            await OUTBOX.tell(session, Cause.of_service(Service.SYNC, BERLIN), SignedIn())


async def test_telling_nothing_writes_nothing(database: Database) -> None:
    async with database.tenant(BERLIN) as session:
        assert await OUTBOX.tell(session, Cause.of_service(Service.SYNC, BERLIN)) == []
        assert await fetch_all(session, "SELECT 1 FROM outbox") == []
