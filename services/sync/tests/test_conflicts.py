"""A field that both sides changed, and that a person decides: asked once, both sides stay."""

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from redefining import definition_of, redefine

from chassis.rpc import RpcClient
from contracts.actor import Role
from contracts.ids import TenantId
from contracts.names import System, Table
from contracts.problems import Conflict, NotFound
from contracts.rpc.sync_pipelines import (
    DECIDE_CONFLICT,
    LIST_CONFLICTS,
    DecideConflict,
    ListConflicts,
    OpenConflict,
)
from sync import conflict_admin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from conftest import Team


IN_ESSEN = {"field": "Mailing_City", "compare": "equals", "value": "Essen"}


async def open_conflicts(team: "Team") -> tuple[OpenConflict, ...]:
    listed = await RpcClient(team.client).call(LIST_CONFLICTS, ListConflicts(), actor=team.actor(Role.USER))
    return listed.conflicts


async def decide(team: "Team", conflict: OpenConflict, winner: System) -> None:
    decision = DecideConflict(link=conflict.link, field=conflict.field, winner=winner)
    await RpcClient(team.client).call(DECIDE_CONFLICT, decision, actor=team.actor())


@pytest.fixture
async def asked(team: "Team") -> "tuple[Team, str, str]":
    """A team with one Kunde whose Beruf both sides changed; (team, Kundennummer, Zoho id)."""
    await redefine(team, policy="ask")
    kunde = await team.world.add_kunde(Nachname="Groß", Beruf="Ärztin")
    await team.delivery([kunde])
    await team.idle()
    record = await team.world.contact_of(kunde)
    assert record is not None
    await team.world.edit_kunde(kunde, Beruf="Ärztin in A")
    await team.world.edit(record["id"], Beruf="Ärztin in Z", Titel="Dr.")
    await team.webhook(record["id"])
    assert await team.idle() == []
    return team, kunde, record["id"]


async def test_both_sides_stay_and_it_is_told_once_while_other_fields_go_on(
    asked: "tuple[Team, str, str]",
) -> None:
    team, kunde, zoho_id = asked
    [conflict] = await open_conflicts(team)
    assert (conflict.key, conflict.zoho_id, conflict.field) == (kunde, zoho_id, "beruf")
    assert (conflict.ameise, conflict.zoho) == ("Ärztin in A", "Ärztin in Z")
    person = (await team.world.kunde(kunde))["Person"]
    assert (person["Beruf"], person["Titel"]) == ("Ärztin in A", "Dr.")
    await team.webhook(zoho_id)
    await team.delivery([kunde])
    assert await team.idle() == []
    assert (await team.world.record(zoho_id))["Beruf"] == "Ärztin in Z"
    [told] = team.rows.events("conflict_found")
    assert told["data"]["reason"] == "beide Seiten geändert; ein Mensch entscheidet: beruf"
    assert len(await open_conflicts(team)) == 1


@pytest.mark.parametrize("winner", list(System))
async def test_what_was_decided_holds_on_both_sides(asked: "tuple[Team, str, str]", winner: System) -> None:
    team, kunde, zoho_id = asked
    [conflict] = await open_conflicts(team)
    await decide(team, conflict, winner)
    assert await team.idle() == []
    beruf = "Ärztin in A" if winner is System.AMEISE else "Ärztin in Z"
    assert (await team.world.kunde(kunde))["Person"]["Beruf"] == beruf
    assert (await team.world.record(zoho_id))["Beruf"] == beruf
    assert await open_conflicts(team) == ()
    assert [link["asked"] for link in team.rows.links()] == [{}]
    [told] = team.rows.events("conflict_decided")
    assert told["data"]["object"]["fields"] == ["beruf"]
    with pytest.raises(NotFound):
        await decide(team, conflict, winner)


@pytest.mark.parametrize("decided_first", [True, False])
async def test_an_edit_that_nobody_saw_when_he_decided_is_asked_about_anew(
    asked: "tuple[Team, str, str]", decided_first: bool
) -> None:
    team, _kunde, zoho_id = asked
    [conflict] = await open_conflicts(team)
    team.rows.change("UPDATE pipeline SET enabled = false")
    if decided_first:
        await decide(team, conflict, System.AMEISE)
    await team.world.edit(zoho_id, Beruf="Chefärztin")
    if not decided_first:
        await decide(team, conflict, System.AMEISE)
    team.rows.change("UPDATE pipeline SET enabled = true")
    assert await team.hurried() == []
    assert (await team.world.record(zoho_id))["Beruf"] == "Chefärztin"
    [anew] = await open_conflicts(team)
    assert (anew.ameise, anew.zoho) == ("Ärztin in A", "Chefärztin")
    assert len(team.rows.events("conflict_found")) == 2
    await decide(team, anew, System.AMEISE)
    assert await team.hurried() == []
    assert (await team.world.record(zoho_id))["Beruf"] == "Ärztin in A"


async def test_an_old_delivery_does_not_carry_out_what_was_decided(asked: "tuple[Team, str, str]") -> None:
    """What it shows of the field may be older than what the person saw."""
    team, kunde, zoho_id = asked
    shown = team.ingest.objects[Table.KUNDE, kunde].fields
    [conflict] = await open_conflicts(team)
    before_it = conflict.since - timedelta(seconds=1)
    team.rows.change(
        "UPDATE link SET asked = jsonb_set(asked, '{beruf,decision}', '\"ameise\"')"
    )  # and the work that comes of it is not done yet
    team.ingest.put(Table.KUNDE, kunde, shown | {"beruf": "Ärztin früher", "titel": "Prof."}, as_of=before_it)
    await team.chunk(Table.KUNDE, [kunde])
    assert await team.idle() == []
    record = await team.world.record(zoho_id)
    assert (record["Beruf"], await open_conflicts(team)) == ("Ärztin in A", ())


async def decide_though_left_out(asked: "tuple[Team, str, str]", winner: System) -> "tuple[Team, str, str]":
    """Decided when the rule already lets nothing of the record travel to Ameise; what `asked` gave."""
    team, _kunde, _zoho_id = asked
    [conflict] = await open_conflicts(team)
    await redefine(team, zoho_rule=IN_ESSEN)
    await decide(team, conflict, winner)
    assert await team.idle() == []
    return asked


async def test_where_the_rule_leaves_the_record_out_a_delivery_carries_out_what_was_decided(
    asked: "tuple[Team, str, str]",
) -> None:
    team, kunde, zoho_id = await decide_though_left_out(asked, System.AMEISE)
    told = len(team.rows.events("excluded"))
    for beruf in ("Chefärztin", "Chefärztin a. D."):
        await team.world.edit_kunde(kunde, Beruf=beruf)
        await team.delivery([kunde])
        assert await team.idle() == []
        assert (await team.world.record(zoho_id))["Beruf"] == beruf
    assert [link["asked"] for link in team.rows.links()] == [{}]
    assert not team.rows.select("SELECT FROM judged WHERE outcome = 'void'")
    assert len(team.rows.events("excluded")) == told


async def test_what_was_decided_for_a_record_that_the_rule_leaves_out_is_asked_about_anew(
    asked: "tuple[Team, str, str]",
) -> None:
    """Zoho's value may not travel to Ameise any more: no change of Ameise's overrules it without a word."""
    team, kunde, zoho_id = await decide_though_left_out(asked, System.ZOHO)
    await team.world.edit_kunde(kunde, Beruf="Chefärztin")
    await team.delivery([kunde])
    assert await team.idle() == []
    assert (await team.world.record(zoho_id))["Beruf"] == "Ärztin in Z"
    [anew] = await open_conflicts(team)
    assert (anew.ameise, anew.zoho) == ("Chefärztin", "Ärztin in Z")


async def test_a_record_that_our_own_write_brings_into_the_rule_is_looked_at(team: "Team") -> None:
    await redefine(team, zoho_rule=IN_ESSEN)
    kunde = await team.world.add_kunde(Nachname="Groß", Beruf="Ärztin")
    await team.delivery([kunde])
    await team.idle()
    record = await team.world.contact_of(kunde)
    assert record is not None
    await team.world.edit(record["id"], Titel="Dr.")
    await team.webhook(record["id"])
    await team.idle()
    assert (await team.world.kunde(kunde))["Person"]["Titel"] is None
    await team.world.move_kunde(kunde, Ort="Essen")
    await team.delivery([kunde])
    assert await team.idle() == []
    assert (await team.world.kunde(kunde))["Person"]["Titel"] == "Dr."


async def test_all_fields_of_a_record_are_decided_at_once(asked: "tuple[Team, str, str]") -> None:
    team, kunde, zoho_id = asked
    await team.world.edit_kunde(kunde, Titel="Prof.")
    await team.world.edit(zoho_id, Titel="Dr. Dr.")
    await team.webhook(zoho_id)
    await team.idle()
    first, second = await open_conflicts(team)
    assert first.ameise_link is not None
    assert first.ameise_link.endswith(kunde)
    decision = DecideConflict(
        link=first.link, field=first.field, winner=System.ZOHO, also=(second.field, "mapped_no_more")
    )
    await RpcClient(team.client).call(DECIDE_CONFLICT, decision, actor=team.actor())
    assert await team.idle() == []
    person = (await team.world.kunde(kunde))["Person"]
    assert (person["Beruf"], person["Titel"]) == ("Ärztin in Z", "Dr. Dr.")
    [told] = team.rows.events("conflict_decided")
    assert set(told["data"]["object"]["fields"]) == {"beruf", "titel"}


HOBBY = {"ameise": "hobby", "zoho": "Beruf", "detail": {"field": "1", "name": "Hobby"}}


@pytest.fixture
async def not_shown(team: "Team") -> "tuple[Team, str, str]":
    """A conflict over a field that Ameise does not show, decided for Zoho; (team, Kundennummer, Zoho id)."""
    fields = [m.model_dump(mode="json") for m in (await definition_of(team, "Contacts")).fields]
    await redefine(team, policy="ask", fields=[*(m for m in fields if m["ameise"] != "beruf"), HOBBY])
    kunde = await team.world.add_kunde(Nachname="Segler")
    await team.world.edit_detail(kunde, "1", "Segeln")
    await team.delivery([kunde])
    await team.idle()
    record = await team.world.contact_of(kunde)
    assert record is not None
    await team.world.fault("status", "/details/1$", method="GET", status=404)
    await team.world.edit(record["id"], Beruf="Reiten")
    await team.world.edit_detail(kunde, "1", "Rudern")
    await team.delivery([kunde])
    await team.idle()
    [conflict] = await open_conflicts(team)
    assert conflict.readable
    await decide(team, conflict, System.ZOHO)
    assert await team.idle() == []
    return team, kunde, record["id"]


async def test_what_ameise_does_not_show_is_not_decided_for_zoho_and_that_is_said_once(
    not_shown: "tuple[Team, str, str]",
) -> None:
    team, kunde, zoho_id = not_shown
    reason = "es kann nicht Zoho gelten, da Ameise nicht zeigt, was es hat: hobby"
    [again] = await open_conflicts(team)
    assert not again.readable
    await team.world.edit_detail(kunde, "1", "Paddeln")
    await team.delivery([kunde])
    await team.webhook(zoho_id)
    assert await team.idle() == []
    assert [e["data"]["reason"] for e in team.rows.events("conflict_found")][1:] == [reason]
    assert (await team.world.kunde(kunde))["Details"]["1"] == "Paddeln"


async def test_once_ameise_shows_the_field_zoho_may_win(not_shown: "tuple[Team, str, str]") -> None:
    team, kunde, _zoho_id = not_shown
    await team.world.well_again()
    [again] = await open_conflicts(team)
    await decide(team, again, System.ZOHO)
    assert await team.idle() == []
    assert (await team.world.kunde(kunde))["Details"]["1"] == "Reiten"
    assert await open_conflicts(team) == ()


async def test_a_look_that_finds_the_field_says_so(not_shown: "tuple[Team, str, str]") -> None:
    team, _kunde, zoho_id = not_shown
    await team.world.well_again()
    await team.webhook(zoho_id)
    await team.idle()
    [shown] = await open_conflicts(team)
    assert shown.readable


async def test_ameise_may_win_where_it_does_not_show_the_field(not_shown: "tuple[Team, str, str]") -> None:
    team, kunde, zoho_id = not_shown
    [conflict] = await open_conflicts(team)
    await decide(team, conflict, System.AMEISE)
    await team.idle()
    await team.world.edit_kunde(kunde, Titel="Dr.")
    await team.delivery([kunde])
    assert await team.idle() == []
    assert (await team.world.record(zoho_id))["Beruf"] == "Rudern"
    assert await open_conflicts(team) == ()


async def test_what_somebody_typed_in_ameise_himself_ends_it(not_shown: "tuple[Team, str, str]") -> None:
    team, kunde, _zoho_id = not_shown
    await team.world.edit_detail(kunde, "1", "Reiten")
    await team.delivery([kunde])
    assert await team.idle() == []
    assert await open_conflicts(team) == ()


async def test_a_conflict_is_over_when_the_values_agree(asked: "tuple[Team, str, str]") -> None:
    team, _kunde, zoho_id = asked
    await team.world.edit(zoho_id, Beruf="Ärztin in A")
    await team.webhook(zoho_id)
    await team.idle()
    assert await open_conflicts(team) == ()


async def test_nothing_is_decided_while_the_record_is_in_hand(asked: "tuple[Team, str, str]") -> None:
    team, _kunde, _zoho_id = asked
    [conflict] = await open_conflicts(team)
    team.rows.change("UPDATE link SET lease_owner = 'x', lease_until = now() + interval '1 minute'")
    with pytest.raises(Conflict):
        await decide(team, conflict, System.ZOHO)
    assert len(await open_conflicts(team)) == 1


async def test_another_team_neither_sees_nor_decides_it(
    asked: "tuple[Team, str, str]", team_of: "Callable[[TenantId], Awaitable[Team]]"
) -> None:
    team, _kunde, _zoho_id = asked
    [conflict] = await open_conflicts(team)
    other = await team_of(TenantId("hamburg"))
    assert await open_conflicts(other) == ()
    with pytest.raises(NotFound):
        await decide(other, conflict, System.ZOHO)


async def test_the_list_goes_on_where_the_page_before_ended(team: "Team") -> None:
    insert_asked(team, links=3)
    rpc, seen, after = RpcClient(team.client), list[tuple[int, str]](), None
    while True:
        wanted = ListConflicts(limit=4, after=after)
        page = await rpc.call(LIST_CONFLICTS, wanted, actor=team.actor(Role.USER))
        seen += [(conflict.link, conflict.field) for conflict in page.conflicts]
        assert len(page.conflicts) <= 4
        if (after := page.next_page) is None:
            break
    links = sorted({link for link, _ in seen})
    # The oldest first: all were asked about `beruf` before anybody was about `titel`.
    assert seen == [(link, field) for field in ("beruf", "titel") for link in links]
    assert len(links) == 3


async def test_links_of_which_nothing_is_asked_are_passed_by(team: "Team") -> None:
    insert_asked(team, links=2)
    team.rows.change(
        "INSERT INTO link (tenant, zoho_connection, module, ameise_connection, table_name, zoho_id, "
        "ameise_key) "
        f"SELECT 'berlin', '{team.auth.zoho.id}', 'Contacts', '{team.auth.ameise.id}', 'kunde', n, n "
        "FROM generate_series(100000, 120000) n"
    )
    team.rows.change("ANALYZE link")
    plan = team.rows.select("EXPLAIN " + as_first_page(conflict_admin._OPEN))
    assert any("link_asked" in line["QUERY PLAN"] for line in plan)
    assert len(await open_conflicts(team)) == 4


def insert_asked(team: "Team", *, links: int) -> None:
    for n in range(links):
        asked = {
            field: {"ameise": "a", "zoho": "z", "since": f"2026-11-2{day}T07:00:00+00:00", "decision": None}
            for field, day in (("beruf", 1), ("titel", 2))
        }
        team.rows.change(
            "INSERT INTO link (tenant, zoho_connection, module, ameise_connection, table_name, zoho_id, "
            f"ameise_key, linked_at, asked) VALUES ('berlin', '{team.auth.zoho.id}', 'Contacts', "
            f"'{team.auth.ameise.id}', 'kunde', '{n + 1}', '{n + 1}', now(), '{json.dumps(asked)}')"
        )


def as_first_page(statement: str) -> str:
    """The statement with its parameters as a first page of one pipeline has them."""
    for name, value in {
        ":pipeline": "NULL",
        ":since": "NULL",
        ":link": "0",
        ":field": "NULL",
        ":limit": "101",
    }.items():
        statement = statement.replace(name, value)
    return statement
