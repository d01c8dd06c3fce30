"""Audit as a whole: events go in by EVENTS, the Aktivitätslog comes out by RPC."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from chassis.rpc import RpcClient
from contracts.actor import Actor, ActorKind, Role
from contracts.events import (
    AlreadyEqual,
    DeliveryImported,
    Event,
    ObjectChange,
    ObjectsCompared,
    RequestsRefused,
    SignedIn,
    WorkParked,
    WrittenToAmeise,
    WrittenToZoho,
)
from contracts.ids import TenantId, new_id
from contracts.names import Service
from contracts.problems import Forbidden, Invalid, Unavailable
from contracts.rpc.audit import INSTALLATION_LOG, InstallationLog

KUNDE_1 = ObjectChange(table="kunde", key="500000001", action="created")
KUNDE_2 = ObjectChange(table="kunde", key="500000002", action="updated", fields=("plz",))
VERTRAG_1 = ObjectChange(table="vertrag", key="77001", action="created")
DELIVERY = new_id()


@pytest.fixture
async def audit(audit_with: Callable[..., Any]) -> Any:
    """Audit with an ordinary store."""
    async with audit_with() as base:
        yield base


async def test_an_event_becomes_searchable_as_it_was_told(audit, outside, event_of, eventually) -> None:
    event = event_of(WrittenToZoho(pipeline="1", module="Contacts", zoho_id="7", object=KUNDE_1))
    await outside.tell(event)
    await eventually(outside.all_is_taken)
    page = await outside.page()
    assert page.events == (event,)
    assert (page.total, page.total_is_exact, page.next_page, page.oldest_kept) == (1, True, None, None)


async def test_the_same_event_twice_is_found_once(audit, outside, event_of, eventually) -> None:
    event = event_of(SignedIn())
    await outside.tell(event, event, number=1)
    await eventually(outside.all_is_taken)
    assert await outside.ids() == [event.id]


async def test_garbage_is_parked_and_told_and_blocks_nobody(
    audit, outside, event_of, eventually, urls
) -> None:
    await outside.client.jetstream().publish("event.nord.sync.written_to_zoho", b"{no json")
    event = event_of(SignedIn())
    await outside.tell(event)

    async def told() -> bool:
        return set(await outside.counts("type")) == {"signed_in", "message_parked"}

    await eventually(told)
    with psycopg.connect(urls.superuser) as connection:
        assert connection.execute("SELECT tenant, body FROM parked_message").fetchall() == [
            ("nord", b"{no json")
        ]


async def test_what_the_mapping_refuses_is_parked_and_blocks_nobody(
    audit, outside, event_of, eventually, urls
) -> None:
    refused = event_of(SignedIn(), data={"reason": {"no": "text"}})
    good = event_of(SignedIn())
    await outside.tell(refused, good)

    async def told() -> bool:
        return await outside.counts("type") == {"signed_in": 1, "message_parked": 1}

    await eventually(told)
    with psycopg.connect(urls.superuser) as connection:
        ((body,),) = connection.execute("SELECT body FROM parked_message").fetchall()
    assert Event.model_validate_json(body) == refused


async def test_refused_words_about_parking_are_parked_in_silence(
    audit, outside, event_of, eventually, urls
) -> None:
    await outside.tell(event_of(SignedIn(), source=Service.AUDIT, type="message_parked", data={"reason": {}}))
    await eventually(outside.all_is_taken)
    with psycopg.connect(urls.superuser) as connection:
        assert connection.execute("SELECT count(*) FROM parked_message").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM outbox").fetchone() == (0,)


async def test_each_filter_finds_its_events(audit, outside, event_of, eventually) -> None:
    began = datetime(2026, 5, 1, tzinfo=UTC)
    told = {
        "kunde": event_of(WrittenToZoho(pipeline="1", module="Contacts", zoho_id="7", object=KUNDE_1)),
        "vertrag": event_of(WrittenToAmeise(pipeline="2", module="Vertraege", zoho_id="8", object=VERTRAG_1)),
        "parked": event_of(WorkParked(pipeline="2", module="Contacts", reason="kein Nachname")),
        "chunk": event_of(ObjectsCompared(delivery=DELIVERY, objects=(KUNDE_2, VERTRAG_1))),
        "imported": event_of(DeliveryImported(delivery=DELIVERY, counts={})),
    }
    told = {
        name: event.model_copy(update={"time": began + timedelta(hours=hour)})
        for hour, (name, event) in enumerate(told.items())
    }
    await outside.tell(*told.values())
    await eventually(outside.all_is_taken)

    async def found(**by: Any) -> set[str]:
        ids = await outside.ids(**by)
        return {name for name, event in told.items() if event.id in ids}

    assert await found(since=began + timedelta(hours=1), until=began + timedelta(hours=3)) == {
        "vertrag", "parked",
    }  # fmt: skip
    assert await found(services=("ingest",)) == {"chunk", "imported"}
    assert await found(types=("work_parked", "delivery_imported")) == {"parked", "imported"}
    assert await found(outcomes=("error",)) == {"parked"}
    assert await found(direction="to_ameise") == {"vertrag"}
    assert await found(table="vertrag") == {"vertrag", "chunk"}
    assert await found(key="77001") == {"vertrag", "chunk"}
    assert await found(table="kunde", key="500000001") == {"kunde"}
    assert await found(table="kunde", key="77001") == set()
    assert await found(zoho_id="8") == {"vertrag"}
    assert await found(pipeline="2") == {"vertrag", "parked"}
    assert await found(delivery=DELIVERY) == {"chunk", "imported"}
    assert await found(correlationid=told["parked"].correlationid) == {"parked"}
    assert await found(pipeline="2", outcomes=("error", "retry")) == {"parked"}


async def test_counts_by_action_count_the_objects_that_are_meant(
    audit, outside, event_of, eventually
) -> None:
    await outside.tell(
        event_of(ObjectsCompared(delivery=DELIVERY, objects=(KUNDE_1, KUNDE_2, VERTRAG_1))),
        event_of(AlreadyEqual(pipeline="1", module="Contacts", object=KUNDE_2)),
    )
    await eventually(outside.all_is_taken)
    assert await outside.counts("action") == {"created": 2, "updated": 2}
    assert await outside.counts("action", table="kunde") == {"created": 1, "updated": 2}
    assert await outside.counts("action", key="500000002") == {"updated": 2}
    assert await outside.counts("type") == {"objects_compared": 1, "already_equal": 1}
    assert await outside.counts("direction") == {"to_zoho": 1, "internal": 1}


async def test_pages_have_neither_gap_nor_repeat(audit, outside, event_of, eventually) -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    events = [event_of(SignedIn(), time=now + timedelta(milliseconds=n // 5)) for n in range(23)]
    await outside.tell(*events)
    await eventually(outside.all_is_taken)
    seen: list[Event] = []
    after = None
    while True:
        page = await outside.page(limit=5, after=after)
        seen += page.events
        await outside.tell(event_of(SignedIn()))  # what comes meanwhile changes nothing
        if (after := page.next_page) is None:
            break
    assert seen == sorted(events, key=lambda e: (e.time, e.id), reverse=True)


async def test_a_page_too_large_for_a_reply_is_shorter(audit_with, outside, event_of, eventually) -> None:
    async with audit_with(page_bytes=10_000):
        await outside.tell(*(event_of(SignedIn(reason="x" * 4000)) for _ in range(5)))
        await eventually(outside.all_is_taken)
        first = await outside.page()
        assert len(first.events) == 2
        assert first.total == 5
        assert len((await outside.page(after=first.next_page)).events) == 2


async def test_a_made_up_page_end_is_told_as_invalid(audit, outside) -> None:
    with pytest.raises(Invalid):
        await outside.page(after="made-up")


async def test_nobody_sees_another_tenant_or_the_system(audit, outside, event_of, eventually) -> None:
    await outside.tell(event_of(SignedIn()), event_of(SignedIn(), tenant="_system"))
    await eventually(outside.all_is_taken)
    assert len(await outside.ids()) == 1
    assert await outside.ids(tenant="sued") == []
    assert await outside.counts("type", tenant="sued") == {}


async def test_who_signed_in_and_what_was_refused_is_told_to_our_own_services_alone(
    audit, outside, event_of, eventually
) -> None:
    refused = RequestsRefused(counts={"unauthorized": {"192.0.2.0/24": 3}})
    told = [event_of(data, tenant="_system") for data in (SignedIn(), refused)]
    await outside.tell(*told, event_of(SignedIn()))
    await eventually(outside.all_is_taken)
    await outside.ids()  # refreshes
    ask = RpcClient(outside.client)
    nord = TenantId("nord")
    service = Actor.of_service(Service.GATEWAY, nord)
    user = Actor(kind=ActorKind.USER, id="anna", tenant=nord, role=Role.ADMIN)
    page = await ask.call(INSTALLATION_LOG, InstallationLog(), actor=service)
    assert {event.id for event in page.events} == {event.id for event in told}
    with pytest.raises(Forbidden):
        await ask.call(INSTALLATION_LOG, InstallationLog(), actor=user)


async def test_numbers_that_never_came_are_counted(
    audit_with, outside, event_of, eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit import retention

    monkeypatch.setattr(retention, "EVERY_SECONDS", 0.1)

    async def missing() -> int:
        return retention.missing_events.labels("gateway")._value.get()

    async with audit_with():
        await outside.tell(event_of(SignedIn()), number=1)
        await outside.tell(event_of(SignedIn()), number=5)

        async def three() -> bool:
            return await missing() == 3

        await eventually(three)
        for number in (4, 3, 3, 2):
            await outside.tell(event_of(SignedIn()), number=number)

        async def none() -> bool:
            return await missing() == 0

        await eventually(none)


async def test_months_past_the_retention_are_deleted(
    audit_with, outside, event_of, eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit import retention

    monkeypatch.setattr(retention, "EVERY_SECONDS", 0.1)
    async with audit_with(retention=3):
        old, new = event_of(SignedIn(), time=datetime(2020, 2, 1, tzinfo=UTC)), event_of(SignedIn())
        await outside.tell(old, new)
        await eventually(outside.all_is_taken)

        async def only_new() -> bool:
            return await outside.ids() == [new.id]

        await eventually(only_new)
        assert len(await outside.opensearch.indices.get(index=f"{outside.prefix}-events-*")) == 1


async def test_opensearch_away_at_start_and_later_loses_nothing(
    audit_with, outside, event_of, eventually, cable
) -> None:
    first, second = event_of(SignedIn()), event_of(SignedIn())
    async with audit_with(ready=False, opensearch_url=f"http://127.0.0.1:{cable.port}") as base:

        async def says_what_is_missing() -> bool:
            return "opensearch" in await base.health.problems()

        async def is_ready() -> bool:
            return not await base.health.problems()

        for event in (first, second):
            await eventually(says_what_is_missing)
            await outside.tell(event)
            await eventually(outside.one_is_in_hand)
            with pytest.raises(Unavailable):
                await outside.page(refreshed=False)
            await cable.plug_in()
            await eventually(outside.all_is_taken)
            await eventually(is_ready)
            await cable.cut()
        await cable.plug_in()
        await eventually(is_ready)
        assert set(await outside.ids()) == {first.id, second.id}


async def test_a_stop_is_quick_while_opensearch_is_away(
    audit_with, outside, event_of, eventually, cable
) -> None:
    async with audit_with(ready=False, opensearch_url=f"http://127.0.0.1:{cable.port}"):
        await outside.tell(event_of(SignedIn()))
        await eventually(outside.one_is_in_hand)
        asked = time.monotonic()
    assert time.monotonic() - asked < 5
    assert await outside.unacknowledged() == 1
