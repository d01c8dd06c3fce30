"""A Kunde who asks to be forgotten is gone from sync and stays away; one who asks what is held is told."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from redefining import definition_of, redefine

from chassis.rpc import RpcClient
from chassis.stop_list import FILE
from contracts.actor import Role
from contracts.ids import Kundennummer, TenantId, ZohoId
from contracts.names import Table
from contracts.problems import Conflict, Forbidden, NotFound
from contracts.rpc import Rpc
from contracts.rpc.ingest import KundeRequest
from contracts.rpc.sync_people import (
    SYNC_FORGET,
    SYNC_INFORM,
    SYNC_LIFT_STOP,
    LiftSyncStop,
    SyncForgetReceipt,
    SyncInformRequest,
)
from sync.people_store import mentions, pages

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Rows, Team

BERLIN = TenantId("berlin")
HOLDS_NOBODY = {
    "outbox": "events carry ids and are the Aktivitätslog, work for others carries ids until it is sent",
    "outbox_counter": "numbers",
    "lease": "names of leases",
    "throughput": "numbers",
    "stop_list_size": "numbers",
    "connection_limit": "numbers of a connection",
    "credit_spent": "numbers",
    "call_share": "numbers",
    "bulk_job": "numbers, and the id of Zoho's job",
    "flow": "moments",
    "pipeline_number": "numbers",
    "alembic_version": "a number",
}


async def ask(team: "Team", rpc: Rpc[Any, Any], request: Any, role: Role = Role.ADMIN) -> Any:
    return await RpcClient(team.client).call(rpc, request, actor=team.actor(role))


async def forget(team: "Team", number: str) -> SyncForgetReceipt:
    return await ask(team, SYNC_FORGET, KundeRequest(kunde=Kundennummer(number)))


async def linked_kunde(team: "Team") -> tuple[str, str]:
    """Somebody who came by a form, with a Vertrag since: (Kundennummer, Zoho id)."""
    record = await team.world.add(
        Salutation="Frau", First_Name="Anna", Last_Name="Vergiss", Email="anna@example.org"
    )
    await team.webhook(record)
    await team.idle()
    number = (await team.world.record(record))["Kundennummer"]
    await team.delivery([number])
    team.ingest.put(Table.VERTRAG, "77001", {"ameise_id": "77001", "kunde_id": number, "sparte": "PKW"})
    await team.chunk(Table.VERTRAG, ["77001"])
    await team.idle()
    return number, record


def everything(rows: "Rows") -> str:
    """All that sync's database says, but for events and numbers."""
    tables = rows.select("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    names = [t["tablename"] for t in tables if t["tablename"] not in HOLDS_NOBODY]
    return str([rows.select(f"SELECT * FROM {name}") for name in names])


async def test_nothing_of_a_kunde_is_left_and_a_receipt_says_what_went(team: "Team") -> None:
    number, record = await linked_kunde(team)
    vertrag = (await team.world.records("Vertraege"))[0]["id"]
    team.rows.change(
        "INSERT INTO parked_message (id, tenant, stream, sequence, subject, body, reason) VALUES "
        "('01957a3c-5c00-7000-8000-000000000001', 'berlin', 'TO_AMEISE', 1, %s, '\\x00ff', 'unreadable')",
        f"work.to_ameise.berlin.1.{record}",
    )
    team.rows.change("UPDATE pipeline SET last_error = %s", f"unklar: könnte Kunde {number} sein")
    team.rows.change(
        "INSERT INTO zoho_position (tenant, zoho_connection, module, changed_since, links_after) "
        "SELECT tenant, zoho_connection, module, now(), %s FROM pipeline WHERE id = 1",
        record,
    )
    team.rows.change(
        "INSERT INTO dry_run (tenant, pipeline, id, version, due_at, done, after) SELECT tenant, id, "
        "'01957a3c-5c00-7000-8000-000000000002', version, now() + interval '1 hour', 7, %s FROM pipeline "
        "WHERE id = 1",
        number,
    )
    before = everything(team.rows)
    for trace in (number, record, "77001", vertrag, "anna@example.org"):
        assert trace in before

    receipt = await forget(team, number)
    assert receipt.stopped == tuple(sorted([ZohoId(record), ZohoId(vertrag)]))
    assert receipt.erased["intent"] == 1
    assert team.rows.select("SELECT after, done FROM dry_run") == [{"after": "", "done": 0}]
    assert receipt.erased["parked_message"] == 1
    assert receipt.erased["link"] >= 2
    assert receipt.erased["judged"] >= 2
    after = everything(team.rows)
    for trace in (number, record, "77001", vertrag, "anna@example.org", "Vergiss"):
        assert trace not in after
    [told] = team.rows.events("links_forgotten")
    assert told["data"]["counts"] == receipt.erased
    assert (await forget(team, number)).erased["link"] == 0


async def test_a_vertrag_is_found_under_whatever_name_its_pipeline_keeps_whose_it_is(team: "Team") -> None:
    mapped = (await definition_of(team, "Vertraege")).fields
    others = [m.model_dump() for m in mapped if m.ameise not in {"kunde_id", "kunde_id_firma"}]
    owner = next(m.model_dump() for m in mapped if m.ameise == "kunde_id")
    await redefine(team, "Vertraege", fields=[*others, owner | {"ameise": "inhaber", "parts": ["kunde_id"]}])
    number, _record = await linked_kunde(team)
    assert "77001" in everything(team.rows)
    await forget(team, number)
    assert "77001" not in everything(team.rows)


async def test_a_webhook_of_somebody_forgotten_is_skipped_and_told_until_it_is_lifted(team: "Team") -> None:
    number, record = await linked_kunde(team)
    posted = await team.world.erstanlagen()
    await forget(team, number)
    await team.webhook(record)
    await team.chunk(Table.KUNDE, [number])
    assert await team.idle() == []
    assert number not in everything(team.rows)
    told = [event["data"] for event in team.rows.events("stopped_skipped")]
    assert [data.get("zoho_id") for data in told if "zoho_id" in data] == [record]
    assert [data["object"]["key"] for data in told if "object" in data] == [number]
    assert all("Vergiss" not in str(data) for data in told)

    lift = LiftSyncStop(kunde=Kundennummer(number), zoho_ids=(ZohoId(record),))
    await ask(team, SYNC_LIFT_STOP, lift)
    assert len(team.rows.events("sync_stop_lifted")) == 1
    await team.webhook(record)
    assert await team.idle() == []
    assert [link["ameise_key"] for link in team.rows.links() if link["zoho_id"] == record] == [number]
    assert await team.world.erstanlagen() == posted
    with pytest.raises(NotFound):
        await ask(team, SYNC_LIFT_STOP, lift)


async def test_work_that_a_restored_backup_brings_back_is_not_done(team: "Team") -> None:
    number, record = await linked_kunde(team)
    calls = len(await team.world.calls("GET", "/Contacts/"))
    await forget(team, number)
    for direction, object_ in (("to_ameise", record), ("to_zoho", number)):
        team.rows.change(
            "INSERT INTO work (tenant, pipeline, direction, object, lane, correlationid) "
            "SELECT tenant, id, %s, %s, 2, '01957a3c-5c00-7000-8000-000000000001' FROM pipeline "
            "WHERE module = 'Contacts'", direction, object_,
        )  # fmt: skip
    team.hurry()
    assert await team.idle() == []
    assert team.rows.work() == []
    assert len(team.rows.events("stopped_skipped")) == 2
    assert len(await team.world.calls("GET", "/Contacts/")) == calls


async def test_links_that_a_restored_backup_brings_back_are_erased_at_the_next_start(
    team: "Team", sync_with: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.people_store.KEYS_AT_ONCE", 1)
    number, _ = await linked_kunde(team)
    other = await team.world.add_kunde(Nachname="Bleibt")
    await team.delivery([other])
    await team.idle()
    backup = team.rows.select("SELECT * FROM link WHERE ameise_key = %s", number)[0]
    await forget(team, number)
    names = "tenant, zoho_connection, module, ameise_connection, table_name, zoho_id, ameise_key"
    values = [backup[name] for name in names.split(", ")]
    team.rows.change(f"INSERT INTO link ({names}) VALUES (%s, %s, %s, %s, %s, %s, %s)", *values)
    async with sync_with(), asyncio.timeout(10):
        while any(link["ameise_key"] == number for link in team.rows.links()):
            await asyncio.sleep(0.05)
    assert other in {link["ameise_key"] for link in team.rows.links()}
    assert [event["actor_id"] for event in team.rows.events("links_forgotten")] == ["anna", "sync"]


async def test_a_vertrag_that_has_the_number_of_somebody_forgotten_travels(team: "Team") -> None:
    await forget(team, "5001")
    team.ingest.put(Table.VERTRAG, "5001", {"ameise_id": "5001", "kunde_id": None, "sparte": "PKW"})
    await team.chunk(Table.VERTRAG, ["5001"])
    assert await team.idle() == []
    assert len(await team.world.records("Vertraege")) == 1


async def test_others_who_were_asked_about_him_are_looked_at_anew(team: "Team") -> None:
    number = await team.world.add_kunde(Vorname="Anna", Nachname="Namens")
    other = await team.world.add(
        Salutation="Frau", First_Name="Anna", Last_Name="Namens", Date_of_Birth="1980-01-02"
    )
    await team.webhook(other)
    [parked] = await team.idle()
    assert parked["candidates"] == [number]
    team.rows.change("UPDATE pipeline SET enabled = false")  # so that it is not parked again at once
    assert (await forget(team, number)).erased["work_of_others"] == 1
    [row] = team.rows.work()
    assert (row["object"], row["parked"], row["candidates"]) == (other, False, [])


async def test_work_that_waits_for_his_record_is_found_by_it(team: "Team") -> None:
    number, record = await linked_kunde(team)
    team.rows.change("UPDATE pipeline SET enabled = false")
    for object_, parked in (("77", True), ("78", False)):  # 78: tried again since, for somebody else maybe
        team.rows.change(
            "INSERT INTO work (tenant, pipeline, direction, object, lane, correlationid, parked, cause, "
            "details) SELECT tenant, id, 'to_ameise', %s, 2, '01957a3c-5c00-7000-8000-000000000001', %s, "
            "'kunde_not_linked', jsonb_build_object('field', 'Kunde', 'record', %s::text) FROM pipeline "
            "WHERE module = 'Vertraege'", object_, parked, record,
        )  # fmt: skip
    erased = (await forget(team, number)).erased
    assert (erased["work"], erased["work_of_others"]) == (1, 1)
    [row] = team.rows.work()
    assert (row["object"], row["details"]) == ("78", {})
    assert record not in everything(team.rows)


async def test_what_is_in_hand_is_waited_for(team: "Team", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.people.PATIENCE_SECONDS", 0.5)
    number, _ = await linked_kunde(team)
    team.rows.change(
        "UPDATE link SET lease_until = now() + interval '1 minute' WHERE ameise_key = %s", number
    )
    with pytest.raises(Conflict, match="wird gerade abgeglichen"):
        await forget(team, number)
    assert number in everything(team.rows)
    team.rows.change("UPDATE link SET lease_until = NULL")
    assert (await forget(team, number)).erased["link"] >= 2


async def test_another_team_loses_nothing(
    team: "Team", team_of: "Callable[[TenantId], Awaitable[Team]]"
) -> None:
    number, _ = await linked_kunde(team)
    wien = await team_of(TenantId("wien"))
    await wien.create_pipelines()
    assert (await forget(wien, number)).erased["link"] == 0
    assert number in everything(team.rows)
    await team.delivery([number])
    assert await team.idle() == []
    assert team.rows.events("stopped_skipped") == []


async def test_a_lost_stop_list_lets_nobody_in_until_it_is_back(
    team: "Team", tmp_path: "Path", monkeypatch: pytest.MonkeyPatch
) -> None:
    number, record = await linked_kunde(team)
    await forget(team, number)
    file = tmp_path / "stop-list" / FILE
    kept = file.read_bytes()
    file.unlink()
    monkeypatch.setattr("sync.stopping.MISSING_IS_BELIEVED_SECONDS", 0.0)
    await team.webhook(record)
    with pytest.raises(Conflict, match="Sperrliste"):
        await forget(team, number)
    assert team.rows.work() == []
    file.write_bytes(kept)
    assert await team.idle() == []
    assert [event["data"]["zoho_id"] for event in team.rows.events("stopped_skipped")] == [record]
    assert number not in everything(team.rows)


async def test_without_a_key_nobody_is_forgotten(
    sync_with: Callable[..., Any], team_of: "Callable[[TenantId], Awaitable[Team]]"
) -> None:
    async with sync_with(stop_list_key=SecretStr("")):
        team = await team_of(BERLIN)
        await team.create_pipelines()
        with pytest.raises(Conflict, match="Sperrliste"):
            await forget(team, "5001")


async def test_who_asks_is_told_everything_that_is_held(team: "Team") -> None:
    number, record = await linked_kunde(team)
    told = await ask(team, SYNC_INFORM, SyncInformRequest(kunde=Kundennummer(number)))
    assert told.next_page is None
    assert set(told.about) == {"link", "intent", "judged"}
    [contact] = [link for link in told.about["link"] if link["zoho_id"] == record]
    assert contact["ameise_base"]["nachname"] == "Vergiss"
    assert contact["zoho_base"]["Email"] == "anna@example.org"
    assert "77001" in {link["ameise_key"] for link in told.about["link"]}
    assert len(team.rows.events("links_informed")) == 1
    with pytest.raises(NotFound):
        await ask(team, SYNC_INFORM, SyncInformRequest(kunde=Kundennummer("999")))


async def test_people_are_for_admins(team: "Team") -> None:
    kunde = Kundennummer("5001")
    for rpc, request in (
        (SYNC_FORGET, KundeRequest(kunde=kunde)),
        (SYNC_INFORM, SyncInformRequest(kunde=kunde)),
        (SYNC_LIFT_STOP, LiftSyncStop(kunde=kunde)),
    ):
        with pytest.raises(Forbidden):
            await ask(team, rpc, request, Role.USER)


def test_every_table_is_searched_for_people_or_holds_nobody(rows: "Rows") -> None:
    searched = {
        "dismissed",
        "dry_run",
        "zoho_position",
        "bulk_row",
        "link",
        "work",
        "intent",
        "judged",
        "parked_message",
        "pipeline",
    }
    tables = {
        t["tablename"] for t in rows.select("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    }
    assert tables - searched - set(HOLDS_NOBODY) == set(), "see `sync.people_store`"


@given(number=st.integers(1, 10**14).map(str), before=st.binary(max_size=8), after=st.binary(max_size=8))
def test_a_number_is_found_where_it_stands_whole(number: str, before: bytes, after: bytes) -> None:
    whole = not before[-1:].isdigit() and not after[:1].isdigit()
    assert mentions("", before + number.encode() + after, [number]) or not whole
    assert not mentions("", b"9" + number.encode() + b"9", [number])


@given(
    st.lists(st.tuples(st.sampled_from(["link", "work"]), st.fixed_dictionaries({"t": st.text(max_size=40)})))
)
def test_pages_hold_every_row_once_and_are_of_bounded_size(rows: list[tuple[str, dict[str, str]]]) -> None:
    made = pages(rows, most_bytes=100)
    flat = [(place, row) for page in made for place, of_place in page.items() for row in of_place]
    assert sorted(map(str, flat)) == sorted(map(str, rows))
    assert all(len(str(list(page.values()))) < 2000 for page in made)
    assert len(made) >= 1
