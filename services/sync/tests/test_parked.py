"""Parked work as people meet it: looked through, retried, and decided."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from parked_work import ANNA, ask, listed, park, unsure

from contracts.actor import Role
from contracts.ids import Kundennummer
from contracts.names import Table
from contracts.problems import Forbidden
from contracts.rpc.sync_parked import (
    ADOPT_CANDIDATE,
    DISCARD_PARKED,
    GROUP_PARKED,
    LIST_PARKED,
    RETRY_ALL_PARKED,
    RETRY_PARKED,
    AdoptCandidate,
    DiscardParked,
    ListParked,
    ParkedCause,
    ParkedFilter,
    ParkedWork,
    RetryAllParked,
    RetryParked,
)
from sync.parked import fitting

if TYPE_CHECKING:
    from conftest import Team


async def test_a_discarded_object_stays_away_until_it_changes(team: "Team") -> None:
    number = await team.world.add_kunde(Nachname="Verworfen")
    await team.ingest.store([number])
    fields = team.ingest.objects[Table.KUNDE, number].fields
    team.ingest.put(Table.KUNDE, number, fields, unknown=("juristische_person",))
    await team.chunk(Table.KUNDE, [number])
    assert len(await team.idle()) == 2  # both pipelines ask for the Anrede
    ids = tuple(work.id for work in (await listed(team)).works)
    done = await ask(team, DISCARD_PARKED, DiscardParked(ids=ids, reason="Testkunde"))
    assert done.discarded == 2
    told = team.rows.events("work_discarded")
    assert {(e["actor_id"], e["data"]["reason"], e["data"]["object"]["key"]) for e in told} == {
        ("anna", "Testkunde", number)
    }
    assert {row["outcome"] for row in team.rows.select("SELECT outcome FROM judged")} == {"discarded"}

    await team.chunk(Table.KUNDE, [number])
    assert await team.idle() == []
    assert await team.world.contact_of(number) is None

    team.ingest.put(Table.KUNDE, number, fields)
    await team.chunk(Table.KUNDE, [number])
    assert await team.idle() == []
    assert await team.world.contact_of(number) is not None


async def test_a_discarded_record_comes_again_when_it_is_saved_again(team: "Team") -> None:
    _, record, work = await unsure(team, "Nochmal")
    assert (await ask(team, DISCARD_PARKED, DiscardParked(ids=(work.id,), reason="doppelt"))).discarded == 1
    assert (await listed(team)).total == 0
    [told] = team.rows.events("work_discarded")
    assert told["data"]["zoho_id"] == record
    await team.webhook(record)
    assert len(await team.idle()) == 1


async def test_a_retry_does_not_wait_for_the_automatic_one_and_attempts_go_on(team: "Team") -> None:
    await team.world.fault("status", "/Contacts/", method="GET", status=503)
    record = await team.world.add(Last_Name="Gleich", Salutation="Frau", First_Name="Anna")
    await team.webhook(record)
    await team.postponed("Zoho antwortet nicht")
    team.rows.change("UPDATE work SET due_at = now() + interval '1 hour', attempts = 7")
    await team.world.well_again()
    assert (await listed(team)).total == 0
    [work] = (await listed(team, postponed=True)).works
    assert (work.cause, work.attempts) == (None, 7)
    assert work.due_at is not None
    assert (await ask(team, RETRY_PARKED, RetryParked(ids=(work.id,)))).retried == 1
    assert await team.idle() == []
    assert len(await team.world.named("Gleich")) == 1


async def test_what_waits_for_a_person_to_reconnect_need_not_wait_on(team: "Team") -> None:
    team.auth.connected = False
    await team.webhook(await team.world.add(Last_Name="Warte", Salutation="Frau", First_Name="Anna"))
    await team.postponed("nicht verbunden")
    team.auth.connected = True
    [work] = (await listed(team, postponed=True)).works
    assert (work.cause, work.attempts, work.reason) == (None, 0, "Zoho ist nicht verbunden")
    assert (await ask(team, RETRY_PARKED, RetryParked(ids=(work.id,)))).retried == 1
    assert await team.idle() == []
    assert len(await team.world.named("Warte")) == 1


async def test_a_kunde_whose_creation_was_not_answered_can_be_named_at_once(team: "Team") -> None:
    """By a person who looked into Ameise, while the connector still waits for it to settle."""
    await team.world.fault("timeout_after_write", "/kunden$", method="POST", seconds=5, times=1)
    await team.world.knobs(ameise_search_lag_seconds=600)
    record = await team.world.add(Last_Name="Schwebt", **ANNA)
    await team.webhook(record)
    await team.postponed("Ausgang der Anlage in Ameise unbekannt")
    await team.world.knobs(ameise_search_lag_seconds=0)
    [number] = await team.world.named("Schwebt")
    await team.world.knobs(ameise_search_lag_seconds=600)
    [work] = (await listed(team, postponed=True)).works
    await ask(team, ADOPT_CANDIDATE, AdoptCandidate(id=work.id, kunde=Kundennummer(number)))
    assert await team.idle() == []
    assert (await team.world.record(record))["Kundennummer"] == number
    assert [row["outcome"] for row in team.rows.select("SELECT outcome FROM intent")] == ["adopted"]
    await team.world.knobs(ameise_search_lag_seconds=0)
    assert await team.world.named("Schwebt") == [number]


async def test_what_is_in_hand_is_not_retried(team: "Team") -> None:
    park(team.rows, "1")
    [work] = (await listed(team)).works
    team.rows.change("UPDATE work SET lease_owner = 'x', lease_until = now() + interval '1 minute'")
    assert (await ask(team, RETRY_PARKED, RetryParked(ids=(work.id,)))).retried == 0


async def test_all_of_a_cause_are_retried_each_once_and_the_others_stay(
    team: "Team", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.parked.RETRIED_AT_ONCE", 7)
    team.rows.change("UPDATE pipeline SET enabled = false")  # nothing is done meanwhile
    park(team.rows, *(str(n) for n in range(1, 31)), cause="unreachable")
    park(team.rows, "99")
    done = await ask(team, RETRY_ALL_PARKED, RetryAllParked(cause=ParkedCause.UNREACHABLE))
    assert done.retried == 30
    assert [work.object for work in (await listed(team)).works] == ["99"]
    told = team.rows.events("parked_retried")
    assert sum(event["data"]["works"] for event in told) == 30
    assert {event["data"]["cause"] for event in told} == {"unreachable"}
    assert {row["attempts"] for row in team.rows.work()} == {3}


async def test_groups_count_by_cause(team: "Team") -> None:
    park(team.rows, "1", "2", cause="unreachable")
    park(team.rows, "3", direction="to_zoho")
    groups = (await ask(team, GROUP_PARKED, ParkedFilter())).groups
    assert [(group.cause, group.count) for group in groups] == [("unreachable", 2), ("rule_undecided", 1)]
    only = (await ask(team, GROUP_PARKED, ParkedFilter(direction="to_zoho"))).groups
    assert [(group.cause, group.count) for group in only] == [("rule_undecided", 1)]


async def test_pages_show_each_once_oldest_first(team: "Team") -> None:
    park(team.rows, *(str(n) for n in range(10)))
    seen: list[str] = []
    after: int | None = 0
    while after is not None:
        page = await listed(team, limit=4, after=after)
        assert page.total == 10
        seen += [work.object for work in page.works]
        after = page.next_page
    assert seen == [str(n) for n in range(10)]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"pipeline": "1"}, 3),
        ({"pipeline": "2"}, 0),
        ({"direction": "to_zoho"}, 1),
        ({"cause": ParkedCause.UNREACHABLE}, 1),
        ({"text": "47"}, 2),
        ({"text": "UNKLAR"}, 3),
        ({"text": "%"}, 0),
        ({"since": datetime.now(UTC) - timedelta(hours=1)}, 3),
        ({"since": datetime.now(UTC) + timedelta(hours=1)}, 0),
    ],
)
async def test_the_list_is_filtered(team: "Team", wanted: dict[str, Any], found: int) -> None:
    park(team.rows, "4711")
    park(team.rows, "4712", cause="unreachable")
    park(team.rows, "5001", direction="to_zoho")
    assert (await listed(team, **wanted)).total == found


async def test_only_admins_see_the_outside_systems_words_and_decide(team: "Team") -> None:
    park(team.rows, "1")
    [seen] = (await ask(team, LIST_PARKED, ListParked(), Role.USER)).works
    assert seen.words is None
    assert (await listed(team)).works[0].words == "er sagt Meier"
    for rpc, request in (
        (RETRY_PARKED, RetryParked(ids=(seen.id,))),
        (RETRY_ALL_PARKED, RetryAllParked()),
        (DISCARD_PARKED, DiscardParked(ids=(seen.id,), reason="weil")),
        (ADOPT_CANDIDATE, AdoptCandidate(id=seen.id, kunde=Kundennummer("1"))),
    ):
        with pytest.raises(Forbidden):
            await ask(team, rpc, request, Role.USER)
    assert (await listed(team)).total == 1


def test_a_page_is_cut_to_what_travels_in_one_reply() -> None:
    work = ParkedWork(id=1, pipeline="1", object="1", reason="x" * 1000, attempts=1, since=datetime.now(UTC))
    page = fitting([work] * 1000)
    assert 300 < len(page) < 400
    assert fitting([work]) == (work,)
    assert fitting([]) == ()
