"""The admin's API about parked work, the state of pipelines, and one link; and the CSV file."""

import csv
import io
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.ids import AmeiseKey, Kundennummer, PipelineId, Uuid, ZohoId
from contracts.names import Difference, System
from contracts.rpc.sync import LIST_PIPELINES, Pipelines
from contracts.rpc.sync_parked import (
    ADOPT_CANDIDATE,
    DISCARD_PARKED,
    GROUP_PARKED,
    LIST_PARKED,
    RETRY_ALL_PARKED,
    RETRY_PARKED,
    CandidateAdopted,
    Discarded,
    ParkedCause,
    ParkedGroup,
    ParkedGroups,
    ParkedWork,
    ParkedWorks,
    Retried,
)
from contracts.rpc.sync_reconcile import COMPARE, Comparison
from contracts.rpc.sync_state import LINK_STATE, SYNC_STATE, LinkState, PipelineState, SyncState
from gateway.parked_csv import HEADER, line

TENANT = "team-eins"
AT = datetime(2026, 11, 24, 7, 15, 3, tzinfo=UTC)


def work(id_: int, **changed) -> ParkedWork:
    about = {
        "id": id_, "pipeline": PipelineId("1"), "object": str(id_), "reason": "abgelehnt: so", "attempts": 2,
        "since": AT, "cause": ParkedCause.REFUSED_BY_ZOHO, "direction": "to_zoho",
    }  # fmt: skip
    return ParkedWork(**(about | changed))


@pytest.fixture
def begin(gateway, fake_services, a_pipeline):
    """`await begin()`: a signed-in admin of a team, once the fake services know their answers."""
    fake_services.answer(LIST_PIPELINES, Pipelines(pipelines=(a_pipeline(),)))

    async def signed_in():
        await fake_services.start()
        client = await gateway.admin()
        await client.post("/api/tenants", json={"id": TENANT, "name": "Maklerbüro Süd"})
        return client

    return signed_in


async def test_parked_work_is_listed_and_grouped(fake_services, begin):
    fake_services.answer(LIST_PARKED, ParkedWorks(total=3, works=(work(7),), next_page=7))
    group = ParkedGroup(cause=ParkedCause.UNREACHABLE, count=3, oldest=AT)
    fake_services.answer(GROUP_PARKED, ParkedGroups(groups=(group,)))
    admin = await begin()
    query = {"pipeline": "1", "cause": "refused_by_zoho", "text": "5001", "limit": 5, "after": 2}
    listed = (await admin.get(f"/api/{TENANT}/parked", params=query)).json()
    assert (listed["total"], listed["works"][0]["id"], listed["next_page"]) == (3, 7, 7)
    [asked] = fake_services.requests(LIST_PARKED)
    assert (asked.pipeline, asked.cause, asked.text, asked.limit, asked.after) == (
        "1", "refused_by_zoho", "5001", 5, 2,
    )  # fmt: skip
    groups = (await admin.get(f"/api/{TENANT}/parked/groups")).json()["groups"]
    assert [(g["cause"], g["count"]) for g in groups] == [("unreachable", 3)]
    assert (await admin.get(f"/api/{TENANT}/parked", params={"cause": "x"})).status_code == 422


async def test_decisions_reach_sync(fake_services, begin):
    fake_services.answer(RETRY_PARKED, Retried(retried=2))
    fake_services.answer(RETRY_ALL_PARKED, Retried(retried=60))
    fake_services.answer(DISCARD_PARKED, Discarded(discarded=1))
    fake_services.answer(ADOPT_CANDIDATE, CandidateAdopted(zoho_id=ZohoId("77"), kunde=Kundennummer("5001")))
    admin = await begin()
    path = f"/api/{TENANT}/parked"
    assert (await admin.post(f"{path}/retry", json={"ids": [1, 2]})).json() == {"retried": 2}
    assert (await admin.post(f"{path}/retry-all", json={"cause": "unreachable"})).json() == {"retried": 60}
    discard = {"ids": [7], "reason": "doppelt"}
    assert (await admin.post(f"{path}/discard", json=discard)).json() == {"discarded": 1}
    adopted = await admin.post(f"{path}/7/adopt", json={"kunde": "5001"})
    assert adopted.json() == {"zoho_id": "77", "kunde": "5001", "vertrag": None}
    [asked] = fake_services.requests(ADOPT_CANDIDATE)
    assert (asked.id, asked.kunde) == (7, "5001")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("retry", {"ids": []}),
        ("retry-all", {"cause": "x"}),
        ("discard", {"ids": [7], "reason": ""}),
        ("discard", {"ids": [7], "reason": "zwei\nZeilen"}),
        ("7/adopt", {"kunde": "5001-x"}),
        ("7/adopt", {"kunde": "5001", "vertrag": "1"}),
        ("7/adopt", {}),
        ("x/adopt", {"kunde": "5001"}),
        (f"{2**63}/adopt", {"kunde": "5001"}),
    ],
)
async def test_a_decision_that_cannot_be_does_not_reach_sync(fake_services, begin, path, body):
    admin = await begin()
    assert (await admin.post(f"/api/{TENANT}/parked/{path}", json=body)).status_code in {400, 404, 422}


async def test_decisions_are_for_those_who_signed_in(gateway, fake_services, begin):
    await begin()
    stranger = await gateway.client()
    for path in ("retry", "retry-all", "discard", "7/adopt"):
        assert (await stranger.post(f"/api/{TENANT}/parked/{path}", json={})).status_code == 401


async def test_the_file_holds_all_pages_and_no_formula(fake_services, begin):
    pages = {0: ParkedWorks(total=2, works=(work(7, words="=1+1"),), next_page=7),
             7: ParkedWorks(total=2, works=(work(8),))}  # fmt: skip
    fake_services.answer(LIST_PARKED, lambda request: pages[request.after])
    admin = await begin()
    answer = await admin.get(f"/api/{TENANT}/parked.csv", params={"cause": "refused_by_zoho"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="{TENANT}_geparkt.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""), delimiter=";"))
    assert [row["nummer"] for row in rows] == ["7", "8"]
    assert rows[0]["worte"] == "'=1+1"
    assert rows[0]["seit"] == "24.11.2026 08:15:03"
    assert rows[0]["pipeline"] == "Kunden (natürlich)"
    assert rows[0]["ursache"] == "von Zoho abgelehnt"
    assert {asked.cause for asked in fake_services.requests(LIST_PARKED)} == {"refused_by_zoho"}


@given(
    words=st.text(st.characters(exclude_categories=["Cs"])),
    candidates=st.lists(st.integers(1, 10**9).map(lambda n: Kundennummer(str(n))), max_size=3),
)
def test_any_row_of_the_file_can_be_read_back_and_begins_with_no_formula(words, candidates):
    text = line(work(7, words=words, candidates=tuple(candidates)), {})
    [row] = csv.reader(io.StringIO(text, newline=""), delimiter=";")
    assert len(row) == len(HEADER)
    assert row[HEADER.index("kandidaten")] == ", ".join(candidates)
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)


async def test_how_the_pipelines_are_doing_and_how_one_link_stands(fake_services, begin):
    connection = Uuid("01957a3c-5c00-7000-8000-000000000001")
    state = PipelineState(
        id=PipelineId("1"), name="Kunden", enabled=True, zoho_connection=connection, linked=3, waiting=0,
        parked=1, written_last_hour=4, zoho_credits_left=0,
    )  # fmt: skip
    link = LinkState(pipeline=PipelineId("1"), key=AmeiseKey("5001"), zoho_id=ZohoId("77"), module="Contacts")
    fake_services.answer(SYNC_STATE, SyncState(pipelines=(state,)))
    fake_services.answer(LINK_STATE, link)
    admin = await begin()
    [shown] = (await admin.get(f"/api/{TENANT}/state")).json()["pipelines"]
    assert (shown["written_last_hour"], shown["zoho_credits_left"]) == (4, 0)
    answer = await admin.get(f"/api/{TENANT}/pipelines/1/links/ameise/5001")
    assert answer.json()["zoho_id"] == "77"
    [asked] = fake_services.requests(LINK_STATE)
    assert (asked.side, asked.id) == (System.AMEISE, "5001")


async def test_both_ends_are_compared_on_demand(fake_services, begin):
    found = Comparison(objects=9, counts={Difference.STALE: 1})
    fake_services.answer(COMPARE, found)
    admin = await begin()
    assert (await admin.post(f"/api/{TENANT}/compare")).json() == {"objects": 9, "counts": {"stale": 1}}
    await admin.post(f"/api/{TENANT}/compare", json={"links": True})
    assert [asked.links for asked in fake_services.requests(COMPARE)] == [False, True]
