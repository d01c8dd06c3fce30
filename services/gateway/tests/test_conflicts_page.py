"""The page of conflicts: shown by record, decided by field or record, and what happened then."""

from datetime import UTC, datetime

import pytest

from contracts.actor import ActorKind
from contracts.events import ConflictDecided, ObjectAction, ObjectChange, WrittenToAmeise, new_event
from contracts.ids import Kundennummer, PipelineId, TenantId, ZohoId, new_id
from contracts.names import Service, System, Table
from contracts.problems import Conflict, NotFound, Unavailable
from contracts.rpc import Empty
from contracts.rpc.audit import SEARCH, LogPage, SearchLog
from contracts.rpc.auth import LIST_CONNECTIONS, Connections
from contracts.rpc.sync import LIST_PIPELINES, Pipelines
from contracts.rpc.sync_pipelines import DECIDE_CONFLICT, LIST_CONFLICTS, OpenConflict, OpenConflicts

KUNDE, RECORD = Kundennummer("5001234567"), ZohoId("77001")
OPERATION = new_id()


def a_conflict(field: str, *, link: int = 7, **values) -> OpenConflict:
    return OpenConflict(
        link=link, pipeline=PipelineId("1"), key=KUNDE, zoho_id=RECORD, field=field,
        since=datetime(2026, 11, 24, 7, 15, 3, tzinfo=UTC),
        ameise_link="https://ameise.example/?show=kunde", **values,
    )  # fmt: skip


def an_event(kind: type, **data):
    change = ObjectChange(
        table=Table.KUNDE, key=KUNDE, action=ObjectAction.UNCHANGED, fields=("beruf", "titel")
    )
    told = kind(pipeline=PipelineId("1"), module="Contacts", zoho_id=RECORD, object=change, **data)
    return new_event(
        told, service=Service.SYNC, tenant=TenantId("team-eins"), actor_kind=ActorKind.USER,
        actor_id="admin", correlationid=OPERATION,
    )  # fmt: skip


DECIDED = an_event(ConflictDecided, reason="es gilt Zoho")


def the_log(search: SearchLog) -> LogPage:
    of_operation = search.filter.correlationid is not None
    events = (an_event(WrittenToAmeise), DECIDED) if of_operation else (DECIDED,)
    return LogPage(events=events, total=len(events), total_is_exact=True)


@pytest.fixture
async def browser(fake_services, browser_of_a_team, a_pipeline, a_connection):
    zoho = a_connection(api_url="https://www.zohoapis.eu", account="200")
    pipeline = a_pipeline(zoho_connection=zoho.id)
    conflicts = (
        a_conflict("beruf", ameise="Ärztin <A>", zoho="Chefärztin"),
        a_conflict("titel", ameise=None, zoho="Dr."),
    )
    fake_services.answer(LIST_CONFLICTS, OpenConflicts(conflicts=conflicts))
    fake_services.answer(LIST_PIPELINES, Pipelines(pipelines=(pipeline, a_pipeline(id=PipelineId("2")))))
    fake_services.answer(LIST_CONNECTIONS, Connections(connections=(zoho,)))
    fake_services.answer(DECIDE_CONFLICT, Empty())
    fake_services.answer(SEARCH, the_log)
    return await browser_of_a_team()


async def test_a_record_is_shown_once_with_both_values_of_its_fields(browser):
    page = await browser.get("/conflicts")
    for words in ("Ärztin &lt;A&gt;", "Chefärztin", "leer", "24.11.2026 08:15:03", "Kunden (natürlich)"):
        assert words in page
    assert page.count("<h2>5001234567") == 1
    assert 'href="https://ameise.example/?show=kunde"' in page
    assert 'href="https://crm.zoho.eu/crm/org200/tab/Contacts/77001"' in page
    assert "Für alle 2 Felder gilt Zoho" in page


async def test_it_is_said_where_ameise_did_not_show_the_field(browser, fake_services):
    conflicts = (a_conflict("hobby", readable=False), a_conflict("beruf"))
    fake_services.answer(LIST_CONFLICTS, OpenConflicts(conflicts=conflicts))
    page = await browser.get("/conflicts")
    assert 'value="zoho:hobby"' in page
    assert page.count("Zoho konnte hier nicht gelten") == 1


async def test_the_navigation_counts_them_on_every_page_and_anew_after_a_decision(browser, fake_services):
    assert 'Konflikte <span class="badge bad">2</span>' in await browser.get("/kunden")
    fake_services.answer(LIST_CONFLICTS, OpenConflicts(conflicts=()))
    await browser.post("/conflicts", link="7", decide="zoho:beruf")
    page = await browser.get("/kunden")
    assert ">Konflikte</a>" in page
    fake_services.answer(
        LIST_CONFLICTS, OpenConflicts(conflicts=(a_conflict("beruf", ameise="a", zoho="z"),))
    )
    assert 'Konflikte <span class="badge bad">1</span>' in await browser.get("/conflicts")
    assert 'Konflikte <span class="badge bad">1</span>' in await browser.get("/kunden")
    fake_services.answer(LIST_CONFLICTS, Unavailable("weg"))
    page = await browser.post("/conflicts", link="7", decide="zoho:beruf")
    assert "Der Dienst „Abgleich“ antwortet zurzeit nicht." in page
    assert ">Konflikte</a>" in page


@pytest.mark.parametrize(
    ("button", "field", "also", "winner"),
    [
        ("zoho:titel", "titel", (), System.ZOHO),
        ("ameise", "beruf", ("titel",), System.AMEISE),
    ],
)
async def test_one_field_or_all_of_a_record_are_decided(browser, fake_services, button, field, also, winner):
    await browser.get("/conflicts")
    page = await browser.post("/conflicts", link="7", fields=["beruf", "titel"], decide=button)
    assert "beide Seiten folgen" in page
    [asked] = fake_services.requests(DECIDE_CONFLICT)
    assert (asked.link, asked.field, asked.also, asked.winner) == (7, field, also, winner)


async def test_what_hinders_a_decision_is_said_on_the_page(browser, fake_services):
    await browser.get("/conflicts")
    hindered = Conflict("der Datensatz wird gerade abgeglichen", remedy="bitte gleich noch einmal versuchen")
    fake_services.answer(DECIDE_CONFLICT, hindered)
    page = await browser.post("/conflicts?pipeline=1", link="7", decide="zoho:beruf")
    assert "Noch nicht entschieden: der Datensatz wird gerade abgeglichen" in page
    fake_services.answer(DECIDE_CONFLICT, NotFound("nichts"))
    page = await browser.post("/conflicts", link="7", decide="zoho:beruf")
    assert "inzwischen erledigt" in page


@pytest.mark.parametrize(
    "form",
    [
        {"link": "7"},
        {"link": "7", "decide": "zoho"},
        {"link": "x", "decide": "zoho:beruf"},
        {"link": "7", "decide": "niemand:beruf"},
        {"link": "7", "decide": "zoho:<b>"},
    ],
)
async def test_a_form_that_says_nothing_decides_nothing(browser, fake_services, form):
    await browser.get("/conflicts")
    await browser.post("/conflicts", status=400, **form)
    assert fake_services.requests(DECIDE_CONFLICT) == []


async def test_a_decision_needs_the_token_of_its_page(browser, fake_services):
    await browser.get("/conflicts")
    await browser.post("/conflicts", status=403, csrf="falsch", link="7", decide="zoho:beruf")
    assert fake_services.requests(DECIDE_CONFLICT) == []


async def test_what_happened_after_a_decision_is_shown(browser, fake_services):
    page = await browser.get("/conflicts?pipeline=1")
    for words in ("beruf, titel", "es gilt Zoho", "Nach Ameise geschrieben", f"vorgang={OPERATION}"):
        assert words in page
    assert "noch nichts" not in page
    decided, operation = (search.filter for search in fake_services.requests(SEARCH))
    assert (decided.types, decided.pipeline) == (("conflict_decided",), "1")
    assert operation.correlationid == OPERATION


async def test_more_than_a_page_of_them_goes_on_behind_it(browser, fake_services):
    position = "2026-11-24T07:15:03+00:00~7~titel"
    conflicts = (a_conflict("beruf", ameise="a", zoho="z"),)
    fake_services.answer(LIST_CONFLICTS, OpenConflicts(conflicts=conflicts, next_page=position))
    page = await browser.get("/conflicts?pipeline=1")
    assert "pipeline=1&amp;after=2026-11-24T07%3A15%3A03%2B00%3A00~7~titel" in page
    page = await browser.get("/conflicts?after=2026-11-24T07%3A15%3A03%2B00%3A00~7~titel")
    assert ">Anfang</a>" in page
    assert fake_services.requests(LIST_CONFLICTS)[-1].after == position
    await browser.get("/conflicts?after=unsinn")
    assert fake_services.requests(LIST_CONFLICTS)[-1].after is None
