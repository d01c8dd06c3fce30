"""The page of records that wait to be deleted in Zoho: who and when; kept, or deleted now."""

from datetime import UTC, datetime

import pytest

from contracts.ids import AmeiseKey, PipelineId, ZohoId
from contracts.problems import Unavailable
from contracts.rpc.auth import LIST_CONNECTIONS, Connections
from contracts.rpc.sync import LIST_PIPELINES, Pipelines
from contracts.rpc.sync_waiting import (
    DELETE_NOW,
    KEEP_RECORDS,
    LIST_DELETIONS,
    DeletionsDecided,
    WaitingDeletion,
    WaitingDeletions,
)

POSITION = "2026-12-24T11:00:00+00:00~7"


def a_deletion(id_: int, name: str | None = "Anna <Groß>") -> WaitingDeletion:
    return WaitingDeletion(
        id=id_, pipeline=PipelineId("1"), module="Contacts", key=AmeiseKey("5001234567"), name=name,
        zoho_id=ZohoId("77001"), since=datetime(2026, 11, 24, 11, 0, tzinfo=UTC),
        due_at=datetime(2026, 12, 24, 11, 0, tzinfo=UTC), reason="in Ameise entfallen",
        ameise_link="https://ameise.example/?kunde",
    )  # fmt: skip


@pytest.fixture
async def browser(fake_services, browser_of_a_team, a_pipeline, a_connection):
    zoho = a_connection(api_url="https://www.zohoapis.eu", account="200")
    pipelines = (a_pipeline(zoho_connection=zoho.id), a_pipeline(id=PipelineId("2")))
    page = WaitingDeletions(total=120, deletions=(a_deletion(7), a_deletion(8, None)), next_page=POSITION)
    fake_services.answer(LIST_DELETIONS, page)
    fake_services.answer(LIST_PIPELINES, Pipelines(pipelines=pipelines))
    fake_services.answer(LIST_CONNECTIONS, Connections(connections=(zoho,)))
    fake_services.answer(KEEP_RECORDS, DeletionsDecided(decided=1))
    fake_services.answer(DELETE_NOW, DeletionsDecided(decided=2))
    return await browser_of_a_team()


async def test_it_shows_who_and_when(browser, fake_services):
    page = await browser.get("/deletions?pipeline=1")
    for words in (
        "24.12.2026 12:00:00", "Anna &lt;Groß&gt;", "5001234567", "vorgemerkt seit 24.11.2026 12:00:00",
        "120 vorgemerkt, 2 davon",
        "https://crm.zoho.eu/crm/org200/tab/Contacts/77001", "https://ameise.example/?kunde",
        "pipeline=1&amp;after=2026-12-24T11%3A00%3A00%2B00%3A00~7",
    ):  # fmt: skip
        assert words in page
    await browser.get("/deletions?after=unsinn&pipeline=x")
    assert [(r.pipeline, r.after) for r in fake_services.requests(LIST_DELETIONS)] == [
        ("1", None),
        (None, None),
    ]


async def test_one_or_all_chosen_are_kept(browser, fake_services):
    await browser.get("/deletions")
    page = await browser.post("/deletions/keep", only="7", ids=["8"])
    assert "Behalten: 1." in page
    page = await browser.post("/deletions/keep", ids=["7", "8", "x"])
    assert "Behalten: 1. 1 hatten sich inzwischen erledigt." in page
    assert [request.ids for request in fake_services.requests(KEEP_RECORDS)] == [(7,), (7, 8)]
    assert "Es war nichts ausgewählt." in await browser.post("/deletions/keep")


async def test_nothing_is_deleted_without_the_tick(browser, fake_services):
    await browser.get("/deletions")
    page = await browser.post("/deletions/now", ids=["7", "8"])
    assert "bitte das Häkchen" in page
    assert fake_services.requests(DELETE_NOW) == []
    page = await browser.post("/deletions/now", ids=["7", "8"], sure="ja")
    assert "Wird jetzt gelöscht: 2." in page
    assert [request.ids for request in fake_services.requests(DELETE_NOW)] == [(7, 8)]
    await browser.post("/deletions/now", status=403, csrf="falsch", ids=["7"], sure="ja")


async def test_nothing_waits_or_nobody_answers(browser, fake_services):
    fake_services.answer(LIST_DELETIONS, WaitingDeletions(total=0, deletions=()))
    assert "Nichts ist vorgemerkt." in await browser.get("/deletions")
    fake_services.answer(LIST_DELETIONS, Unavailable("weg"))
    assert "Der Dienst „Abgleich“ antwortet zurzeit nicht." in await browser.get("/deletions")


async def test_the_api_does_the_same(gateway, fake_services, browser):
    admin = await gateway.admin()
    listed = await admin.get("/api/team-eins/deletions", params={"limit": 5, "after": POSITION})
    assert listed.json()["total"] == 120
    assert (await admin.post("/api/team-eins/deletions/keep", json={"ids": [7]})).json() == {"decided": 1}
    assert (await admin.post("/api/team-eins/deletions/now", json={"ids": [7]})).json() == {"decided": 2}
