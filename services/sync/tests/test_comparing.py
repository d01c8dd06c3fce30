"""What ingest has, compared with what was judged: differences become work, and equal states cost none."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outside import md5
from redefining import redefine

from chassis.process import Foundation
from chassis.rpc import RpcClient
from contracts.actor import Role
from contracts.ids import AmeiseKey
from contracts.names import Difference, Outcome, Table
from contracts.problems import Conflict, Forbidden
from contracts.rpc.ingest import BucketDigest
from contracts.rpc.sync_reconcile import COMPARE, CompareRequest, Comparison
from contracts.work import KeyVersion
from sync.comparing import difference, differing
from sync.comparison_store import Judged
from sync.comparison_words import in_words, outcome_of

if TYPE_CHECKING:
    from conftest import Team


async def compare(team: "Team", *, role: Role = Role.ADMIN, links: bool = False) -> Comparison:
    return await RpcClient(team.client).call(COMPARE, CompareRequest(links=links), actor=team.actor(role))


def put(team: "Team", *keys: str, **fields: Any) -> None:
    for key in keys:
        team.ingest.put(Table.KUNDE, key, {"nachname": f"N{key}", "juristische_person": False} | fields)


def one(key: str, version: str = "a", *, gone: bool = False, current: bool = True) -> Judged:
    return Judged(KeyVersion(key=AmeiseKey(key), version=md5(version), gone=gone), current)


@pytest.mark.parametrize(
    ("ours", "found"),
    [
        (None, Difference.NEVER_JUDGED),
        (one("1", "b"), Difference.STALE),
        (one("1", gone=True), Difference.STALE),
        (one("1", current=False), Difference.OUTDATED),
        (one("1"), None),
    ],
)
def test_how_one_object_differs(ours: Judged | None, found: Difference | None) -> None:
    assert difference(one("1").object, ours) is found


BUCKETS = st.dictionaries(st.sampled_from(["000", "0a3", "fff"]), st.sampled_from("ab"))


@given(BUCKETS, BUCKETS)
def test_buckets_differ_where_either_side_has_another_digest_or_none(
    theirs: dict[str, str], ours: dict[str, str]
) -> None:
    def digests(side: dict[str, str]) -> list[BucketDigest]:
        return [BucketDigest(bucket=b, objects=1, digest=md5(text)) for b, text in side.items()]

    found = differing(digests(theirs), digests(ours))
    assert set(found) == {b for b in theirs.keys() | ours.keys() if theirs.get(b) != ours.get(b)}


def test_nothing_found_is_said_and_something_lost_is_a_warning() -> None:
    assert in_words({}) == "alles gleich"
    assert in_words({Difference.PARKED: 1, Difference.NEVER_JUDGED: 3}) == "3 nie gemeldet, 1 geparkt"
    assert outcome_of({Difference.PARKED: 1, Difference.VOID: 2}) is Outcome.OK
    assert outcome_of({Difference.STALE: 1}) is Outcome.WARNING


async def test_equal_states_are_nothing_and_it_says_so(team: "Team") -> None:
    await team.delivery(await team.world.seed(10, 20))
    await team.idle()
    vertraege = len(team.ingest.of_table(Table.VERTRAG))
    kunden = len(team.ingest.of_table(Table.KUNDE))
    found = await compare(team)
    assert (found.objects, found.counts) == (2 * kunden + vertraege, {})  # two pipelines take Kunden
    [told] = team.rows.events("compared")
    assert (told["data"]["outcome"], told["data"]["reason"]) == ("ok", "alles gleich")
    assert team.rows.work() == []


async def test_a_chunk_that_nats_lost_is_found(team: "Team") -> None:
    put(team, *(f"500{n}" for n in range(8)))
    await team.chunk(Table.KUNDE, ["5000"])
    await team.idle()
    found = await compare(team)
    assert found.counts == {Difference.NEVER_JUDGED: 14}
    assert await team.idle() == []
    assert len(await team.world.records()) == 8
    assert (await compare(team)).counts == {}


async def test_a_change_that_was_lost_is_found(team: "Team") -> None:
    put(team, "5001", "5002")
    await team.chunk(Table.KUNDE, ["5001", "5002"])
    await team.idle()
    put(team, "5001", beruf="Ärztin")
    team.ingest.put(Table.KUNDE, "5002", {}, gone=True)
    assert (await compare(team)).counts == {Difference.STALE: 4}
    assert await team.idle() == []
    contact = await team.world.contact_of("5001")
    assert contact is not None
    assert contact["Beruf"] == "Ärztin"
    assert (await compare(team)).counts == {}


async def test_a_database_set_back_by_a_day_converges(team: "Team") -> None:
    put(team, "5001", "5002", "5003")
    await team.chunk(Table.KUNDE, ["5001", "5002"])
    await team.idle()
    yesterday = {table: team.rows.select(f"SELECT * FROM {table}") for table in ("judged", "link")}
    put(team, "5001", beruf="Ärztin")
    await team.chunk(Table.KUNDE, ["5001", "5003"])
    await team.idle()
    for row in yesterday["judged"]:
        team.rows.change(
            "UPDATE judged SET version = %s, judged_at = %s WHERE pipeline = %s AND key = %s",
            row["version"], row["judged_at"], row["pipeline"], row["key"],
        )  # fmt: skip
    for table in ("judged", "link"):
        column = "key" if table == "judged" else "ameise_key"
        team.rows.change(f"DELETE FROM {table} WHERE {column} = '5003'")
    found = await compare(team)
    assert found.counts == {Difference.STALE: 2, Difference.NEVER_JUDGED: 2}
    assert await team.idle() == []
    assert (await compare(team)).counts == {}
    assert len(await team.world.records()) == 3


async def test_what_an_older_definition_judged_is_judged_again(team: "Team") -> None:
    put(team, "5001")
    await team.chunk(Table.KUNDE, ["5001"])
    await team.idle()
    team.rows.change("UPDATE judged SET pipeline_version = 'older' WHERE pipeline = 1")
    assert (await compare(team)).counts == {Difference.OUTDATED: 1}
    assert await team.idle() == []
    assert (await compare(team)).counts == {}


async def test_parked_work_is_left_to_the_person_it_waits_for(team: "Team") -> None:
    put(team, "5001", email="keine Adresse")
    await team.chunk(Table.KUNDE, ["5001"])
    [before] = await team.idle()
    assert (await compare(team)).counts == {Difference.PARKED: 1}
    assert await team.idle() == [before]


async def test_what_ingest_no_longer_knows_is_looked_at(team: "Team") -> None:
    put(team, "5001", "5002")
    await team.chunk(Table.KUNDE, ["5001", "5002"])
    await team.idle()
    del team.ingest.objects[Table.KUNDE, "5001"]
    assert (await compare(team)).counts == {Difference.UNKNOWN: 2}
    parked = await team.idle()
    assert {row["reason"] for row in parked} == {"abgelehnt: Kunde 5001 war in keiner Lieferung"}


async def test_an_ingest_that_lost_everything_makes_no_work(
    sync_with: Callable[..., AbstractAsyncContextManager[Foundation]], team_of: Any
) -> None:
    async with sync_with(compare_unknown_limit=2):
        team = await team_of_berlin(team_of)
        put(team, *(f"500{n}" for n in range(5)))
        await team.chunk(Table.KUNDE, [f"500{n}" for n in range(5)])
        await team.idle()
        team.ingest.objects.clear()
        assert (await compare(team)).counts == {Difference.UNKNOWN: 10}
        assert team.rows.work() == []
        [told] = team.rows.events("compared")
        assert "die Lieferungen kennen 5 beurteilte Objekte nicht mehr" in told["data"]["reason"]
        assert told["data"]["outcome"] == "warning"


async def test_a_table_that_differs_altogether_is_told_again_by_ingest(
    sync_with: Callable[..., AbstractAsyncContextManager[Foundation]], team_of: Any
) -> None:
    async with sync_with(compare_objects_limit=3):
        team = await team_of_berlin(team_of)
        put(team, *(f"500{n}" for n in range(5)))
        asked = len(team.ingest.asked_again)
        assert (await compare(team)).counts == {Difference.WHOLE_TABLE: 10}
        assert team.ingest.asked_again[asked:] == [(Table.KUNDE,)]


async def test_what_we_wrote_to_ameise_is_merged_again_once_a_delivery_shows_it(team: "Team") -> None:
    number = await team.world.add_kunde(Nachname="Alt")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    await team.delivery([number], as_of=yesterday)
    await team.idle()
    contact = await team.world.contact_of(number)
    assert contact is not None
    await team.world.edit(contact["id"], Last_Name="Neu")
    await team.webhook(contact["id"])
    await team.idle()
    assert (await compare(team)).counts == {}  # the delivery is older than our write: nothing to see yet

    old = team.ingest.objects[Table.KUNDE, number]
    later = datetime.now(UTC) + timedelta(days=1)
    team.ingest.put(Table.KUNDE, number, old.fields, as_of=later)  # the same version, of a later moment
    assert (await compare(team)).counts == {Difference.VOID: 1}
    assert await team.idle() == []
    assert (await compare(team)).counts == {}


async def test_only_an_admin_compares_and_one_at_a_time(team: "Team") -> None:
    with pytest.raises(Forbidden):
        await compare(team, role=Role.USER)
    team.rows.change(
        "INSERT INTO lease (tenant, name, owner, until, fence) "
        "VALUES ('berlin', 'comparison:', 'another', now() + interval '1 minute', 1)"
    )
    with pytest.raises(Conflict):
        await compare(team)


async def team_of_berlin(team_of: Any) -> "Team":
    from contracts.ids import TenantId

    made = await team_of(TenantId("berlin"))
    await made.create_pipelines()
    return made


async def test_what_does_not_take_deliveries_is_not_compared_with_them(team: "Team") -> None:
    for module in ("Contacts", "Accounts"):
        await redefine(team, module, direction="to_ameise")
    put(team, "5001")
    assert (await compare(team)).counts == {}
    assert await team.idle() == []
    assert team.rows.select("SELECT * FROM judged") == []
