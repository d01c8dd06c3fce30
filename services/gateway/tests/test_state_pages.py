"""The pages of how pipelines, connections and links are doing."""

from datetime import UTC, datetime

import pytest

from contracts.actor import ActorKind
from contracts.events import ObjectAction, ObjectChange, WrittenToAmeise, new_event
from contracts.ids import AmeiseKey, Kundennummer, PipelineId, TenantId, ZohoId, new_id
from contracts.names import Service, System, Table
from contracts.problems import NotFound, Unavailable
from contracts.rpc.audit import SEARCH, LogPage
from contracts.rpc.auth import LIST_CONNECTIONS, Connections, ConnectionState
from contracts.rpc.ingest import OBJECT_AS_OF, ObjectAsOf, Presence
from contracts.rpc.pipeline_definition import FieldMapping, PipelineDefinition
from contracts.rpc.sync import LIST_PIPELINES, Pipelines
from contracts.rpc.sync_capabilities import CAPABILITIES, SET_CAPABILITIES, AmeiseCapabilities
from contracts.rpc.sync_limits import CONNECTION_LIMITS, SET_CONNECTION_LIMITS, ConnectionLimits
from contracts.rpc.sync_pipelines import GET_PIPELINE, PipelineDetail
from contracts.rpc.sync_state import (
    LINK_STATE,
    SYNC_STATE,
    FieldState,
    LinkState,
    PipelineState,
    SeenValue,
    SyncState,
)

NOON = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
KUNDE, RECORD = Kundennummer("5001234567"), ZohoId("77001")
FORM = {"daily_credits": "50000", "share_percent": "60", "simultaneous_calls": "10"}


def known(value) -> SeenValue:
    return SeenValue(known=True, value=value)


@pytest.fixture
def zoho(a_connection):
    return a_connection(api_url="https://www.zohoapis.eu", account="200")


@pytest.fixture
async def browser(fake_services, browser_of_a_team, a_pipeline, a_connection, zoho):
    state = PipelineState(
        id=PipelineId("1"), name="Kunden <A>", enabled=False, zoho_connection=zoho.id, linked=1000, waiting=3,
        parked=2, oldest_waiting=NOON, last_run=NOON, last_error="<weg>", written_last_hour=4321,
    )  # fmt: skip
    limits = ConnectionLimits(
        connection=zoho.id, system=System.ZOHO, daily_credits=50_000, share_percent=80, simultaneous_calls=10,
        bulk_write_allowed=True, credits_spent=1234, credits_left=0, paused_until=NOON,
    )  # fmt: skip
    fields = (
        FieldState(
            ameise="beruf", zoho="Beruf", ameise_base=known("Koch"), ameise_now=known("Koch <1>"),
            zoho_base=known(None), zoho_now=SeenValue(known=False),
        ),
        FieldState(
            ameise="geburtsdatum", zoho="Geburtsdatum", ameise_base=known("1980-01-02"),
            ameise_now=known("1980-02-01"), zoho_base=known("1980-01-02"), zoho_now=known("1980-01-02"),
        ),
    )  # fmt: skip
    link = LinkState(
        pipeline=PipelineId("1"), key=AmeiseKey(KUNDE), zoho_id=RECORD, module="Contacts", linked_at=NOON,
        ameise_link="https://ameise.example/?kunde", ameise_from="ingest", zoho_reached=False, fields=fields,
        written={"beruf": NOON},
    )  # fmt: skip
    pipeline = a_pipeline(zoho_connection=zoho.id)
    definition = PipelineDefinition(
        unique_field="Kundennummer", fields=(FieldMapping(ameise="beruf", zoho="Beruf"),)
    )
    ameise = a_connection(system=System.AMEISE)
    fake_services.answer(SYNC_STATE, SyncState(pipelines=(state,)))
    fake_services.answer(LIST_CONNECTIONS, Connections(connections=(zoho, ameise)))
    fake_services.answer(CONNECTION_LIMITS, limits)
    fake_services.answer(SET_CONNECTION_LIMITS, limits)
    able = AmeiseCapabilities(connection=ameise.id, creates_vertraege=True, changes_vertraege=False)
    fake_services.answer(CAPABILITIES, able)
    fake_services.answer(SET_CAPABILITIES, able)
    fake_services.answer(GET_PIPELINE, PipelineDetail(pipeline=pipeline, version="v", definition=definition))
    fake_services.answer(LIST_PIPELINES, Pipelines(pipelines=(pipeline,)))
    fake_services.answer(LINK_STATE, link)
    fake_services.answer(SEARCH, LogPage(events=(an_event(),), total=1, total_is_exact=True))
    fake_services.answer(OBJECT_AS_OF, ObjectAsOf(presence=Presence.NOT_THERE))
    return await browser_of_a_team()


def an_event():
    change = ObjectChange(table=Table.KUNDE, key=KUNDE, action=ObjectAction.UPDATED, fields=("beruf",))
    data = WrittenToAmeise(pipeline=PipelineId("1"), module="Contacts", zoho_id=RECORD, object=change)
    return new_event(
        data, service=Service.SYNC, tenant=TenantId("team-eins"), actor_kind=ActorKind.ZOHO, actor_id="w",
        correlationid=new_id(),
    )  # fmt: skip


async def test_the_state_shows_pipelines_and_what_zoho_still_gives(browser):
    page = await browser.get("/state")
    for words in (
        "Kunden &lt;A&gt;", "&lt;weg&gt;", "1.000", "4.321", "24.11.2026 12:00:00", "/parked?pipeline=1",
        "1.234 von 40.000 Credits", "mehr als die Hälfte", "Hat um eine Pause gebeten",
    ):  # fmt: skip
        assert words in page
    assert page.count("Grenzen speichern") == 1  # Ameise has none


async def test_a_connection_that_waits_for_a_person_says_so(browser, fake_services, a_connection):
    waits = a_connection(system=System.AMEISE, state=ConnectionState.RECONNECT_NEEDED)
    able = AmeiseCapabilities(connection=waits.id, creates_vertraege=True, changes_vertraege=False)
    calm = ConnectionLimits(
        connection=waits.id, system=System.AMEISE, daily_credits=1, share_percent=1, simultaneous_calls=1,
        bulk_write_allowed=False, credits_spent=0, credits_left=0,
    )  # fmt: skip
    fake_services.answer(LIST_CONNECTIONS, Connections(connections=(waits,)))
    fake_services.answer(CAPABILITIES, able)
    fake_services.answer(CONNECTION_LIMITS, calm)
    page = await browser.get("/state")
    assert "nimmt unsere Anmeldung nicht mehr an" in page
    assert "Keine Störung" not in page


async def test_an_admin_changes_the_limits_of_a_connection(browser, fake_services, zoho):
    await browser.get("/state")
    address = f"/connections/{zoho.id}/limits"
    page = await browser.post(address, **FORM)
    assert "Die Grenzen sind gespeichert" in page
    await browser.post(address, daily_credits="", bulk_write_allowed="ja")
    first, second = fake_services.requests(SET_CONNECTION_LIMITS)
    assert (first.connection, first.daily_credits, first.share_percent) == (zoho.id, 50_000, 60)
    assert (first.simultaneous_calls, first.bulk_write_allowed) == (10, False)
    assert (second.daily_credits, second.bulk_write_allowed) == (None, True)


async def test_an_admin_says_what_is_done_with_vertraege_over_a_connection_to_ameise(browser, fake_services):
    page = await browser.get("/state")
    assert page.count("/capabilities") == 1  # Zoho has none
    assert 'name="creates_vertraege" value="ja" checked' in page
    assert 'name="changes_vertraege" value="ja">' in page
    [asked] = fake_services.requests(CAPABILITIES)
    page = await browser.post(f"/connections/{asked.connection}/capabilities", changes_vertraege="ja")
    assert "Es gilt für den nächsten Vertrag" in page
    [told] = fake_services.requests(SET_CAPABILITIES)
    assert (told.connection, told.creates_vertraege, told.changes_vertraege) == (
        asked.connection,
        False,
        True,
    )


async def test_a_limit_that_cannot_be_stays_typed_with_words_beside_it(browser, fake_services, zoho):
    await browser.get("/state")
    typed = FORM | {"share_percent": "101", "daily_credits": "viele"}
    page = await browser.post(f"/connections/{zoho.id}/limits", status=422, **typed)
    assert "höchstens 100" in page
    assert "muss eine ganze Zahl sein" in page
    assert 'value="viele"' in page
    assert fake_services.requests(SET_CONNECTION_LIMITS) == []
    await browser.post(f"/connections/{zoho.id}/limits", status=403, csrf="falsch", **FORM)
    assert fake_services.requests(SET_CONNECTION_LIMITS) == []


async def test_a_service_that_does_not_answer_hides_only_its_part(browser, fake_services):
    fake_services.answer(SYNC_STATE, Unavailable("weg"))
    page = await browser.get("/state")
    assert "Der Dienst „Abgleich“ antwortet zurzeit nicht." in page
    assert "Grenzen speichern" in page


@pytest.mark.parametrize(("side", "number"), [("ameise", KUNDE), ("zoho", RECORD)])
async def test_a_link_shows_both_sides_and_its_history(browser, fake_services, side, number):
    page = await browser.get(f"/pipelines/1/link?seite={side}&nummer={number}")
    for words in (
        "Koch &lt;1&gt;", "geändert", "leer", "unbekannt", "nach der letzten Lieferung", "nicht zu erfahren",
        "Nach Ameise geschrieben", "https://crm.zoho.eu/crm/org200/tab/Contacts/77001",
        "https://ameise.example/?kunde", "02.01.1980", "01.02.1980",
    ):  # fmt: skip
        assert words in page
    assert "1980-0" not in page
    [asked] = fake_services.requests(LINK_STATE)
    assert (asked.side, asked.id) == (side, number)
    [search] = fake_services.requests(SEARCH)
    assert {search.filter.key, search.filter.zoho_id} == {number, None}


async def test_what_is_not_linked_says_so_and_still_has_a_history(browser, fake_services):
    fake_services.answer(LINK_STATE, NotFound("Dazu gibt es in dieser Pipeline keine Verknüpfung."))
    page = await browser.get(f"/pipelines/1/link?nummer={KUNDE}")
    assert "keine Verknüpfung" in page
    assert "Nach Ameise geschrieben" in page


@pytest.mark.parametrize("query", ["seite=zoho&nummer=abc", "seite=x&nummer=1", "nummer=<b>"])
async def test_what_is_no_number_is_said(browser, fake_services, query):
    assert "Das ist keine Nummer." in await browser.get(f"/pipelines/1/link?{query}", status=422)
    assert "Das ist keine Nummer." not in await browser.get("/pipelines/1/link")
    assert fake_services.requests(LINK_STATE) == []


async def test_a_kunde_leads_to_his_links(browser):
    page = await browser.get(f"/kunden/{KUNDE}")
    assert f"/pipelines/1/link?seite=ameise&amp;nummer={KUNDE}" in page
