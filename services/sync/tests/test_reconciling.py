"""What changed in Zoho is found without webhooks, once, and our own writes cost the listing alone."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from test_people import forget

from chassis.leases import LeaseLost
from chassis.process import Foundation
from chassis.rpc import RpcClient
from chassis.stop_list import StopList
from contracts.ids import TenantId, new_id
from contracts.names import Difference, Flow
from contracts.rpc.sync_reconcile import COMPARE, CompareRequest
from sync import comparison_store, pipeline_store
from sync.app import schedule_of
from sync.comparison_schedule import Schedule
from sync.drift_watch import DriftWatch
from sync.gates import Gates
from sync.limit_settings import gate_settings
from sync.stopping import Stopping
from sync.systems import Systems

if TYPE_CHECKING:
    from conftest import Team

    from sync.settings import SyncSettings

DUE = (
    "UPDATE flow SET made_at = made_at - interval '1 day', tried_at = tried_at - interval '1 day', "
    "last_success = last_success - interval '1 day'"
)


@pytest.fixture
async def schedule_with(
    sync: Foundation, settings: Callable[..., "SyncSettings"], http: httpx.AsyncClient
) -> AsyncIterator[Callable[..., Schedule]]:
    """`schedule_with(**changes)`: another replica's schedule, at the running sync's parts."""
    made: list[Gates] = []

    def make(**changes: Any) -> Schedule:
        given, owner = settings(**changes), f"replica-{new_id()}"
        gates = Gates(sync.database, sync.outbox, gate_settings(given), owner)
        made.append(gates)
        stop_list = StopList(given.stop_list_dir, given.stop_list_key)
        stopping = Stopping(stop_list, sync.database, sync.outbox)
        systems = Systems(given, sync.rpc, http, gates)
        drift = DriftWatch(sync.database, sync.outbox, sync.rpc, systems, kept=given.zoho_metadata_kept)
        return schedule_of(given, sync, systems, stopping, drift, owner)

    yield make
    for gates in made:
        await gates.close()


@pytest.fixture
def schedule(schedule_with: Callable[..., Schedule]) -> Schedule:
    return schedule_with()


async def reconcile(team: "Team", *schedules: Schedule) -> None:
    """The next look at Zoho is due now, whoever gets it."""
    for one in schedules:
        await one.look()  # makes the rows of new flows
    team.rows.change(f"{DUE} WHERE name = 'reconciliation'")
    await asyncio.gather(*(one.look() for one in schedules))
    for one in schedules:
        await one.settled()


async def linked(team: "Team", *names: str) -> list[tuple[str, str]]:
    """Kunden who are in both, and in step: (Kundennummer, id of the Contact)."""
    numbers = [await team.world.add_kunde(Nachname=name) for name in names]
    await team.delivery(numbers)
    await team.idle()
    contacts = [await team.world.contact_of(number) for number in numbers]
    return [(n, c["id"]) for n, c in zip(numbers, contacts, strict=True) if c is not None]


def looks(team: "Team") -> int:
    return len(team.rows.events("already_equal"))


async def test_a_change_whose_webhook_was_lost_is_in_ameise(team: "Team", schedule: Schedule) -> None:
    [(number, contact), _] = await linked(team, "Verloren", "Ruhig")
    await team.world.edit(contact, Titel="Dr.")
    await reconcile(team, schedule)
    assert await team.idle() == []
    assert (await team.world.kunde(number))["Person"]["Titel"] == "Dr."
    assert len(await team.world.calls("PUT", f"/kunden/{number}")) == 1
    [told] = team.rows.events("reconciled")
    assert told["data"]["counts"] == {"changed": 1}


async def test_a_person_may_ask_for_the_look_at_zohos_changes(team: "Team") -> None:
    [(number, contact)] = await linked(team, "Gefragt")
    await team.world.edit(contact, Titel="Dr.")
    asked = CompareRequest(changes=True)
    found = await RpcClient(team.client).call(COMPARE, asked, actor=team.actor())
    assert found.counts == {Difference.CHANGED: 1}
    assert await team.idle() == []
    assert (await team.world.kunde(number))["Person"]["Titel"] == "Dr."


async def test_our_own_writes_of_the_night_cost_the_listing_and_nothing_more(
    team: "Team", schedule: Schedule
) -> None:
    await team.delivery(await team.world.seed(40, 40))
    await team.idle()
    reads = len(await team.world.calls("GET", "/crm/v8/Contacts/"))
    pages = len(await team.world.calls("GET", "/crm/v8/Contacts"))
    # Zoho keeps some of it in another form than we sent.
    team.rows.change("""UPDATE link SET zoho_base = zoho_base || '{"Last_Name": "wie gesendet"}'""")
    await reconcile(team, schedule)
    assert team.rows.work() == []
    assert looks(team) == 0
    assert "wie gesendet" not in str([r for r in team.rows.links() if r["module"] == "Contacts"])
    assert team.rows.events("reconciled") == []
    # One page of the listing, one of the deleted ones.
    assert len(await team.world.calls("GET", "/crm/v8/Contacts")) == pages + 2
    assert len(await team.world.calls("GET", "/crm/v8/Contacts/")) == reads + 1


async def test_what_somebody_has_in_hand_is_left_to_the_next_look(team: "Team", schedule: Schedule) -> None:
    """A bulk write holds its links for minutes: what it wrote is no edit, and a person's edit is not lost."""
    [(number, contact)] = await linked(team, "In Arbeit")
    await team.world.edit(contact, Titel="Dr.")
    team.rows.change("UPDATE link SET lease_owner = 'bulk', lease_until = now() + interval '1 hour'")
    await reconcile(team, schedule)
    assert team.rows.work() == []
    [position] = team.rows.select("SELECT changed_since FROM zoho_position WHERE module = 'Contacts'")
    modified = datetime.fromisoformat((await team.world.record(contact))["Modified_Time"])
    assert position["changed_since"] == modified

    team.rows.change("UPDATE link SET lease_owner = NULL, lease_until = NULL")
    await reconcile(team, schedule)
    await team.idle()
    assert (await team.world.kunde(number))["Person"]["Titel"] == "Dr."


async def test_what_the_overlap_shows_again_is_no_work_again(team: "Team", schedule: Schedule) -> None:
    [(_, contact)] = await linked(team, "Einmal")
    await team.world.edit(contact, Titel="Dr.")
    await reconcile(team, schedule)
    await team.idle()
    events = len(team.rows.events())
    await reconcile(team, schedule)
    assert team.rows.work() == []
    assert len(team.rows.events()) == events


async def test_a_record_that_nobody_told_us_of_becomes_a_kunde(team: "Team", schedule: Schedule) -> None:
    await schedule.look()
    record = await team.world.add(
        Salutation="Frau", First_Name="Änne", Last_Name="Groß", Email="aenne@example.org",
        Date_of_Birth="1980-01-02", Mailing_Street="Ring 1", Mailing_Zip="04109", Mailing_City="Leipzig",
    )  # fmt: skip
    await reconcile(team, schedule)
    assert await team.idle() == []
    assert (await team.world.record(record))["Kundennummer"]
    assert await team.world.erstanlagen() == 1
    [told] = team.rows.events("reconciled")
    assert told["data"]["counts"] == {"new": 1}


async def test_what_is_parked_is_left_alone_until_somebody_edits_it(team: "Team", schedule: Schedule) -> None:
    record = await team.world.add(Last_Name="Ohne", Titel="Dr.")  # no Vorname, so no Kunde
    await team.webhook(record)
    assert [row["cause"] for row in await team.idle()] == ["fields_missing"]
    await team.world.edit(record, Account_Name=None)  # not mapped
    for _ in range(2):
        await reconcile(team, schedule)
        assert len(await team.idle()) == 1
    assert len(team.rows.events("work_parked")) == 1
    assert team.rows.events("reconciled") == []
    await team.world.edit(record, First_Name="Anna", Salutation="Frau")
    await reconcile(team, schedule)
    assert await team.idle() == []
    assert (await team.world.record(record))["Kundennummer"]


async def test_what_an_outage_parked_is_left_alone_by_the_look_and_tried_again_by_a_delivery(
    team: "Team", schedule: Schedule
) -> None:
    [(number, record)] = await linked(team, "Groß")
    await team.world.fault("status", f"/kunden/{number}", status=503)
    await team.world.edit(record, Titel="Dr.")
    await team.webhook(record)
    await team.failed(1)
    team.rows.change("UPDATE work SET attempts = 1000, failing_since = now() - interval '2 days'")
    assert [row["cause"] for row in await team.hurried()] == ["unreachable"]
    await team.world.well_again()
    await reconcile(team, schedule)
    assert [row["cause"] for row in await team.idle()] == ["unreachable"]
    await team.world.edit_kunde(number, Beruf="Ärztin")
    await team.delivery([number])
    assert await team.hurried() == []
    person = (await team.world.kunde(number))["Person"]
    assert (person["Titel"], person["Beruf"]) == ("Dr.", "Ärztin")


async def test_somebody_forgotten_does_not_come_back_by_the_listing(team: "Team", schedule: Schedule) -> None:
    [(number, contact)] = await linked(team, "Vergiss")
    await forget(team, number)
    await team.world.edit(contact, Titel="Dr.")
    await reconcile(team, schedule)
    assert team.rows.work() == []
    assert team.rows.events("reconciled") == []
    assert contact not in str(team.rows.links())


async def test_more_new_records_than_allowed_wait_for_a_person(
    team: "Team", schedule_with: Callable[..., Schedule]
) -> None:
    schedule = schedule_with(reconcile_new_limit=1)
    await schedule.look()
    records = [await team.world.add(Last_Name=f"Neu {n}") for n in range(2)]
    await reconcile(team, schedule)
    parked = await team.idle()
    assert sorted(row["object"] for row in parked) == sorted(records)
    assert {row["reason"].split(":")[0] for row in parked} == {"unklar"}
    [told] = team.rows.events("reconciled")
    assert (told["data"]["counts"], told["data"]["outcome"]) == ({"held": 2}, "warning")
    assert await team.world.erstanlagen() == 0
    await reconcile(team, schedule)  # the overlap shows them again
    assert len(team.rows.events("work_parked")) == 2


async def test_a_record_deleted_in_zoho_is_told_once(team: "Team", schedule: Schedule) -> None:
    [(number, contact), _] = await linked(team, "Gelöscht", "Bleibt")
    await team.world.delete(contact)
    await reconcile(team, schedule)
    await reconcile(team, schedule)
    assert [link["gone_in_zoho"] for link in team.rows.links() if link["zoho_id"] == contact] == [True]
    [told] = team.rows.events("record_deleted")
    assert (told["data"]["zoho_id"], told["data"]["object"]["key"]) == (contact, number)
    assert team.rows.work() == []


async def test_a_webhook_that_failed_is_looked_after(team: "Team", schedule: Schedule) -> None:
    """Zoho lists it though the record changed before the last look: a webhook may fail late."""
    [(number, contact)] = await linked(team, "Spät")
    await team.world.edit(contact, Titel="Dr.")
    failure = {
        "id": "1", "failure_time": "2999-01-01T00:00:00+01:00", "failure_reason": "page_notfound",
        "entity_details": {"id": contact, "module": {"api_name": "Contacts"}},
    }  # fmt: skip
    await schedule.look()
    team.rows.change(
        "INSERT INTO zoho_position (tenant, zoho_connection, module, changed_since) "
        "SELECT 'berlin', zoho_connection, 'Contacts', now() + interval '1 hour' FROM pipeline WHERE id = 1"
    )
    body = {"webhook_failures": [failure], "info": {"more_records": False}}
    await team.world.fault("status", "webhook_failures", status=200, body=body, times=1)
    await reconcile(team, schedule)
    assert await team.idle() == []
    assert (await team.world.kunde(number))["Person"]["Titel"] == "Dr."


async def test_without_the_list_of_failures_the_listing_does(team: "Team", schedule: Schedule) -> None:
    [(number, contact)] = await linked(team, "Ohne Recht")
    await team.world.edit(contact, Titel="Dr.")
    body = {"code": "OAUTH_SCOPE_MISMATCH", "status": "error", "message": "no", "details": {}}
    await team.world.fault("status", "webhook_failures", status=401, body=body)
    await reconcile(team, schedule)
    await team.idle()
    assert (await team.world.kunde(number))["Person"]["Titel"] == "Dr."


async def test_more_than_zohos_listing_gives_is_read_by_coql(team: "Team", schedule: Schedule) -> None:
    [(number, contact)] = await linked(team, "Viele")
    await team.world.edit(contact, Titel="Dr.")
    body = {"code": "PAGINATION_LIMIT_EXCEEDED", "status": "error", "message": "no", "details": {}}
    await team.world.fault("status", "/crm/v8/Contacts$", method="GET", status=400, body=body, times=1)
    await reconcile(team, schedule)
    await team.idle()
    assert (await team.world.kunde(number))["Person"]["Titel"] == "Dr."
    assert len(await team.world.calls("POST", "/coql")) == 1


async def test_cut_off_between_the_work_and_the_position_it_repeats(
    team: "Team", schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    [(number, contact)] = await linked(team, "Zweimal")
    await team.world.edit(contact, Titel="Dr.")
    await schedule.look()
    [before] = team.rows.select("SELECT made_at FROM flow WHERE name = 'reconciliation'")
    team.rows.change("UPDATE pipeline SET made_at = made_at - interval '2 days'")
    moved = comparison_store.move

    async def cut_off(*_: Any, **__: Any) -> None:
        raise LeaseLost("cut off here")

    monkeypatch.setattr(comparison_store, "move", cut_off)
    await reconcile(team, schedule)
    await team.idle()
    [position] = team.rows.select("SELECT changed_since FROM zoho_position WHERE module = 'Contacts'")
    assert position["changed_since"] == before["made_at"] - timedelta(days=1)
    assert (await team.world.kunde(number))["Person"]["Titel"] == "Dr."  # the work was committed before

    monkeypatch.setattr(comparison_store, "move", moved)
    await reconcile_after_failure(team, schedule)
    await team.idle()
    [position] = team.rows.select("SELECT changed_since FROM zoho_position WHERE module = 'Contacts'")
    assert position["changed_since"] > before["made_at"]
    assert len(await team.world.calls("PUT", f"/kunden/{number}")) == 1


async def test_what_was_there_before_its_pipeline_is_no_news(team: "Team", schedule: Schedule) -> None:
    """The connection is compared for a year, its newest pipeline is made today."""
    await schedule.look()
    team.rows.change("UPDATE flow SET made_at = made_at - interval '1 year'")
    [row] = team.rows.select("SELECT made_at FROM pipeline WHERE module = 'Contacts'")
    async with schedule.database.tenant(TenantId("berlin")) as session:
        pipeline = await pipeline_store.load(session, team.pipelines["Contacts"].id)
        assert pipeline is not None
        position = await comparison_store.position(session, pipeline)
    assert position.changed_since == row["made_at"]


async def test_two_replicas_at_once_do_one_run(team: "Team", schedule_with: Callable[..., Schedule]) -> None:
    await linked(team, "Eins")
    before = len(await team.world.calls("GET", "/deleted"))
    await reconcile(team, schedule_with(), schedule_with(), schedule_with())
    assert len(await team.world.calls("GET", "/deleted")) == before + 2  # Contacts and Accounts, once each


LONG_AGO = "UPDATE flow SET clock_from = now() - interval '2 hours' WHERE name = 'reconciliation'"


async def test_a_dead_connection_is_no_alarm_of_ours(team: "Team", schedule: Schedule) -> None:
    await schedule.look()
    team.rows.change(LONG_AGO)
    team.auth.connected = False
    await reconcile(team, schedule)
    await schedule.look()
    assert team.rows.events("comparing_overdue") == []


async def test_zoho_away_for_long_is_an_alarm_once_and_an_all_clear(
    team: "Team", schedule_with: Callable[..., Schedule]
) -> None:
    schedule = schedule_with(breaker_failures=1000)
    await schedule.look()
    await team.world.fault("status", "/crm/v8", status=503)
    await reconcile(team, schedule)
    team.rows.change(LONG_AGO)
    await schedule.look()
    await schedule.look()
    [told] = team.rows.events("comparing_overdue")
    assert (told["data"]["flow"], told["data"]["outcome"]) == (Flow.RECONCILIATION, "error")
    assert told["data"]["connection"] == team.auth.zoho.id

    await team.world.well_again()
    await reconcile_after_failure(team, schedule)
    [over] = team.rows.events("comparing_overdue_over")
    assert over["data"]["since"] == told["data"]["since"]


async def reconcile_after_failure(team: "Team", schedule: Schedule) -> None:
    """Without the pause that a failed try is followed by."""
    team.rows.change("UPDATE flow SET tried_at = NULL WHERE name = 'reconciliation'")
    await schedule.look()
    await schedule.settled()


async def test_every_night_is_compared_and_the_links_too(team: "Team", schedule: Schedule, rows: Any) -> None:
    await linked(team, "Nachts")
    await schedule.look()
    assert rows.events("compared") == []
    rows.change(f"{DUE} WHERE name <> 'reconciliation'")
    await schedule.look()
    await schedule.settled()
    assert len(rows.events("compared")) == len(rows.events("links_compared")) == 1
    await schedule.look()
    await schedule.settled()
    assert len(rows.events("compared")) == 1
    assert "Nachts" not in json.dumps(rows.events())


async def test_a_tenants_flows_are_its_own(
    team: "Team", team_of: Callable[[TenantId], Awaitable["Team"]], schedule: Schedule
) -> None:
    wien = await team_of(TenantId("wien"))
    await wien.create_pipelines()
    [(_, contact)] = await linked(team, "Berliner")
    await team.world.edit(contact, Titel="Dr.")
    await reconcile(team, schedule)
    await team.idle()
    assert {event["tenant"] for event in team.rows.events("reconciled")} == {"berlin"}
    tenants = {row["tenant"] for row in team.rows.select("SELECT DISTINCT tenant FROM zoho_position")}
    assert tenants == {"berlin", "wien"}
