"""The pages as a browser without JavaScript sees them."""

import re
from datetime import UTC, datetime

import pytest

from contracts.actor import ActorKind
from contracts.events import (
    Event,
    ObjectAction,
    ObjectChange,
    RequestsRefused,
    SignedIn,
    TableCounts,
    WrittenToAmeise,
    new_event,
)
from contracts.ids import AmeiseKey, Kundennummer, PipelineId, TenantId, Vertragsnummer, ZohoId, new_id
from contracts.names import Service, System, Table
from contracts.problems import Conflict, Forbidden, Unavailable
from contracts.rpc.audit import INSTALLATION_LOG, SEARCH, LogPage
from contracts.rpc.auth import LIST_CONNECTIONS, START_CONNECTION, Connections, ConnectionState
from contracts.rpc.ingest import (
    PREVIEW_DELIVERY,
    REJECT_DELIVERY,
    RELEASE_DELIVERY,
    SET_UP_FTP,
    STATUS,
    DailyUpStatus,
    DeliveryPreview,
    DeliveryState,
    DeliveryStatus,
    FtpAccess,
    TablePreview,
)
from contracts.rpc.pipeline_definition import FieldMapping, PipelineDefinition, Way
from contracts.rpc.sync import CREATE_DEFAULT_PIPELINES, LIST_PIPELINES, Pipelines
from contracts.rpc.sync_drift import DriftFinding, DriftKind, DriftState
from contracts.rpc.sync_dry_run import (
    DRY_RUN,
    GET_DRY_RUN,
    DryRun,
    DryRunAnswer,
    DryRunCounts,
    DryRunCredits,
    DryRunState,
)
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
from contracts.rpc.sync_pipelines import GET_PIPELINE, SWITCH_PIPELINE, PipelineDetail
from contracts.rpc.sync_preview import PREVIEW, FieldPreview, Finding, Foreseen, ObjectPreview, Preview
from contracts.rpc.sync_state import SeenValue

TENANT = "team-eins"
PASSWORD = "ein-langes-passwort"


class Browser:
    """Follows redirects, keeps cookies, and sends a form with the token that its page holds."""

    def __init__(self, client) -> None:
        self.client = client
        self.html = ""

    async def get(self, path: str, *, status: int = 200) -> str:
        return self._seen(await self.client.get(path), status)

    async def post(self, path: str, *, status: int = 200, **fields) -> str:
        fields.setdefault("csrf", re.search(r'name="csrf" value="([^"]+)"', self.html).group(1))
        return self._seen(await self.client.post(path, data=fields), status)

    def _seen(self, answer, status: int) -> str:
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"].startswith("text/html")
        assert "script" not in answer.text.lower()
        self.html = answer.text
        return self.html


async def new_browser(gateway) -> Browser:
    return Browser(await gateway.client(headers={"Accept": "text/html"}, follow_redirects=True))


async def signed_in(gateway) -> Browser:
    browser = await new_browser(gateway)
    await browser.get("/")
    await browser.post("/login", user="admin", password=PASSWORD)
    return browser


async def with_team(gateway) -> Browser:
    browser = await signed_in(gateway)
    await browser.post("/teams", name="Maklerbüro <Süd>", id=TENANT)
    return browser


async def test_every_page_leads_to_the_form_until_one_has_signed_in(gateway):
    browser = await new_browser(gateway)
    for path in ("/", "/teams", f"/teams/{TENANT}", f"/teams/{TENANT}/log", "/status"):
        assert "<h1>Anmelden</h1>" in await browser.get(path)


async def test_signing_in_is_told_and_signing_out_ends_it(gateway):
    browser = await signed_in(gateway)
    assert "<h1>Teams</h1>" in browser.html
    [event] = await gateway.events("signed_in")
    assert (event["tenant"], event["actor_id"]) == ("_system", "admin")
    await browser.post("/logout")
    assert "<h1>Anmelden</h1>" in await browser.get("/teams")


async def test_who_had_to_sign_in_gets_to_the_page_that_he_asked_for(gateway):
    browser = await with_team(gateway)
    await browser.post("/logout")
    await browser.get(f"/teams/{TENANT}/log?nummer=5001")
    await browser.post("/login", user="admin", password=PASSWORD)
    assert 'name="nummer" value="5001"' in browser.html
    await browser.post("/logout")
    assert "<h1>Anmelden</h1>" in await browser.post(f"/teams/{TENANT}/dailyup")
    assert "<h1>Teams</h1>" in await browser.post("/login", user="admin", password=PASSWORD)


async def test_the_cookie_is_kept_from_scripts_and_other_sites(start_gateway):
    gateway = await start_gateway(public_url="https://mvp.example")
    answer = await (await gateway.client()).get("/login")
    cookie = answer.headers["set-cookie"].lower()
    for flag in ("httponly", "samesite=lax", "secure"):
        assert flag in cookie
    assert "strict-transport-security" in answer.headers
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"


async def test_a_wrong_password_says_so_and_soon_has_to_wait(gateway):
    browser = await new_browser(gateway)
    await browser.get("/login")
    for _ in range(3):
        page = await browser.post("/login", status=401, user="admin", password="falsch")
        assert "Benutzer oder Passwort ist falsch." in page
    assert "Zu viele Fehlversuche" in await browser.post(
        "/login", status=429, user="admin", password=PASSWORD
    )
    assert await gateway.events("signed_in") == []


async def test_a_form_without_its_token_is_refused(gateway):
    browser = await signed_in(gateway)
    for csrf in ("", "falsch"):
        page = await browser.post("/teams", status=403, csrf=csrf, name="x", id="x")
        assert "Formular ist abgelaufen" in page
    stranger = await new_browser(gateway)
    await stranger.get("/login")
    await stranger.post("/login", status=403, csrf="", user="admin", password=PASSWORD)


async def test_a_form_that_outlives_its_session_is_sent_once_he_has_signed_in_again(gateway):
    browser = await signed_in(gateway)
    token = re.search(r'name="csrf" value="([^"]+)"', browser.html).group(1)
    form = {"csrf": token, "name": "Maklerbüro Süd", "id": TENANT}
    browser.client.cookies.clear()
    page = await browser.post("/teams", status=403, **form)
    assert "Die Anmeldung ist abgelaufen." in page
    assert '<a class="button" href="/login" target="_blank"' in page
    await browser.get("/login")
    await browser.post("/login", user="admin", password=PASSWORD)
    assert "Maklerbüro Süd" in await browser.post("/teams", **form)


async def test_a_session_signed_with_another_key_is_none(gateway, start_gateway):
    browser = await signed_in(gateway)
    other = await start_gateway(admin_password="ein-anderes-passwort")
    stranger = await new_browser(other)
    stranger.client.cookies.update(browser.client.cookies)
    assert "<h1>Anmelden</h1>" in await stranger.get("/teams")


async def test_a_new_team_is_shown_and_names_are_escaped(gateway):
    browser = await with_team(gateway)
    assert "Maklerbüro &lt;Süd&gt;" in browser.html
    assert "ist angelegt" in browser.html
    await browser.get("/teams")
    assert "gibt es schon" in await browser.post("/teams", status=422, name="x", id=TENANT)
    assert "Kürzel aus Kleinbuchstaben" in await browser.post("/teams", status=422, name="x", id="A b")


async def test_the_overview_names_the_services_that_do_not_answer(gateway, fake_services, a_pipeline):
    fake_services.answer(LIST_PIPELINES, Pipelines(pipelines=(a_pipeline(),)))
    await fake_services.start()
    browser = await with_team(gateway)
    page = await browser.get(f"/teams/{TENANT}")
    assert "Der Dienst „Verbindungen“ antwortet zurzeit nicht." in page
    assert "Der Dienst „DailyUp“ antwortet zurzeit nicht." in page
    assert "Kunden (natürlich)" in page


async def test_the_overview_shows_connections_pipelines_and_deliveries(
    gateway, fake_services, a_pipeline, a_connection
):
    dead = a_connection(
        system=System.AMEISE, state=ConnectionState.RECONNECT_NEEDED, last_error="invalid_grant"
    )
    fake_services.answer(LIST_CONNECTIONS, Connections(connections=(a_connection(), dead)))
    fake_services.answer(LIST_PIPELINES, Pipelines(pipelines=(a_pipeline(),)))
    fake_services.answer(STATUS, a_dailyup_status())
    await fake_services.start()
    page = await (await with_team(gateway)).get(f"/teams/{TENANT}")
    for words in ("Zoho CRM", "aktiv", "neu verbinden", "invalid_grant", "Kunden ↔ Contacts", "1.000"):
        assert words in page
    assert "24.11.2026 08:15:03" in page  # 07:15:03 UTC by the clock in Berlin
    assert "mit Warnungen importiert" in page
    assert "Es fehlen: Sparten." in page


def a_held_delivery() -> DeliveryStatus:
    at = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
    return DeliveryStatus(id=new_id(), state=DeliveryState.HELD, received_from=at, as_of=at, files=13)


def a_preview(held: DeliveryStatus, *, superseded: bool = False) -> DeliveryPreview:
    would = TablePreview(
        counts=TableCounts(gone=1234), keys={ObjectAction.GONE: (Kundennummer("5000000001"),)}
    )
    return DeliveryPreview(
        delivery=held.id, reasons=("kunde: <empty>",), superseded=superseded, tables={Table.KUNDE: would}
    )


async def test_a_held_delivery_is_explained_and_decided_on(gateway, fake_services):
    held = a_held_delivery()
    status = a_dailyup_status().model_copy(update={"deliveries": (held,)})
    fake_services.answer(STATUS, status)
    fake_services.answer(PREVIEW_DELIVERY, a_preview(held))
    fake_services.answer(RELEASE_DELIVERY, held)
    fake_services.answer(REJECT_DELIVERY, held)
    await fake_services.start()
    browser = await with_team(gateway)
    page = await browser.get(f"/teams/{TENANT}")
    for words in ("Angehaltene Lieferung vom 24.11.2026 06:00:00", "Kunden: &lt;empty&gt;", "1.234"):
        assert words in page
    assert "5000000001" in page
    assert "ist freigegeben" in await browser.post(f"/teams/{TENANT}/deliveries/{held.id}/release")
    assert "ist abgelehnt" in await browser.post(f"/teams/{TENANT}/deliveries/{held.id}/reject")
    for rpc in (RELEASE_DELIVERY, REJECT_DELIVERY):
        assert [request.delivery for request in fake_services.requests(rpc)] == [held.id]


async def test_a_superseded_delivery_is_offered_for_rejection_only(gateway, fake_services):
    held = a_held_delivery()
    fake_services.answer(STATUS, a_dailyup_status().model_copy(update={"deliveries": (held,)}))
    fake_services.answer(PREVIEW_DELIVERY, a_preview(held, superseded=True))
    await fake_services.start()
    page = await (await with_team(gateway)).get(f"/teams/{TENANT}")
    assert "kann nur noch abgelehnt werden" in page
    assert "Ablehnen" in page
    assert "Freigeben" not in page


async def test_connecting_leads_to_the_outside_system(gateway, fake_services, fake_auth):
    await fake_services.start()
    browser = await with_team(gateway)
    assert "Mit Ameise verbinden" in await browser.get(f"/teams/{TENANT}")
    page = await browser.post(f"/teams/{TENANT}/connections", system="ameise")
    assert f"https://accounts.example/auth?client_id=x&amp;state={fake_auth.states[0]}" in page
    [request] = fake_services.requests(START_CONNECTION)
    assert request.system is System.AMEISE
    await browser.get(f"/oauth/callback?state={fake_auth.states[0]}&code=c")
    assert "<h1>Übersicht</h1>" in browser.html
    assert "Zoho CRM ist verbunden." in browser.html
    page = await browser.get(f"/oauth/callback?state={fake_auth.states[0]}&code=c", status=400)
    assert "schon benutzt" in page


async def test_the_ftp_password_and_the_webhook_token_are_shown_when_made(gateway, fake_services, a_pipeline):
    fake_services.answer(
        SET_UP_FTP, FtpAccess(host="ftp.example", port=2121, user=TENANT, password="<geheim>")
    )
    fake_services.answer(LIST_PIPELINES, Pipelines(pipelines=(a_pipeline(),)))
    await fake_services.start()
    browser = await with_team(gateway)
    assert "&lt;geheim&gt;" in await browser.post(f"/teams/{TENANT}/dailyup")
    assert "auch ohne TLS erlaubt</span>" not in browser.html
    page = await browser.post(f"/teams/{TENANT}/pipelines/1/webhook")
    assert f"{gateway.url}/api/{TENANT}/pipeline/1/trigger-from-crm" in page
    assert f"<h1>Webhook: {a_pipeline().name}</h1>" in page
    assert f"${{!{a_pipeline().module}.Id}}" in page


async def test_that_plain_ftp_is_allowed_is_asked_for_and_told(gateway, fake_services):
    access = FtpAccess(host="ftp.example", port=2121, user=TENANT, plain_allowed=True, sftp_port=2222)
    fake_services.answer(SET_UP_FTP, access)
    fake_services.answer(STATUS, DailyUpStatus(ftp=access, deliveries=(), stored={}))
    await fake_services.start()
    browser = await with_team(gateway)
    page = await browser.get(f"/teams/{TENANT}")
    assert "auch ohne TLS erlaubt</span>" in page
    assert "ftp.example:2222" in page
    page = await browser.post(f"/teams/{TENANT}/dailyup", plain_allowed="1")
    assert "kann jeder auf dem Weg die Kundendaten mitlesen" in page
    assert "2222" in page
    await browser.get(f"/teams/{TENANT}")
    await browser.post(f"/teams/{TENANT}/dailyup")
    assert [request.plain_allowed for request in fake_services.requests(SET_UP_FTP)] == [True, False]


async def test_default_pipelines_are_offered_once_both_systems_are_connected(
    gateway, fake_services, a_connection
):
    ameise, zoho = a_connection(system=System.AMEISE), a_connection()
    fake_services.answer(LIST_CONNECTIONS, Connections(connections=(ameise, zoho)))
    fake_services.answer(LIST_PIPELINES, Pipelines(pipelines=()))
    fake_services.answer(CREATE_DEFAULT_PIPELINES, Pipelines(pipelines=()))
    await fake_services.start()
    browser = await with_team(gateway)
    assert "Standard-Pipelines anlegen" in await browser.get(f"/teams/{TENANT}")
    page = await browser.post(
        f"/teams/{TENANT}/pipelines/defaults", ameise_connection=ameise.id, zoho_connection=zoho.id
    )
    assert "Die Standard-Pipelines sind angelegt." in page
    [request] = fake_services.requests(CREATE_DEFAULT_PIPELINES)
    assert (request.ameise_connection, request.zoho_connection) == (ameise.id, zoho.id)


async def test_a_problem_of_a_service_is_a_page(gateway, fake_services):
    fake_services.answer(SET_UP_FTP, Forbidden("Das darf nur ein Admin.", remedy="Einen Admin fragen."))
    await fake_services.start()
    browser = await with_team(gateway)
    page = await browser.post(f"/teams/{TENANT}/dailyup", status=403)
    assert "Das darf nur ein Admin." in page
    assert "Einen Admin fragen." in page
    assert "Nicht gefunden" in await browser.get("/teams/unbekannt", status=404)


async def test_the_log_is_filtered_by_its_form_and_paged(gateway, fake_services, a_pipeline):
    event = an_event()
    fake_services.answer(LIST_PIPELINES, Pipelines(pipelines=(a_pipeline(name="Kunden <A>"),)))
    fake_services.answer(
        SEARCH, LogPage(events=(event,), total=1234, total_is_exact=False, next_page="weiter/=&")
    )
    await fake_services.start()
    browser = await with_team(gateway)
    page = await browser.get(
        f"/teams/{TENANT}/log?von=2026-11-24&bis=2026-11-24&richtung=to_ameise&ereignis=written_to_ameise"
        "&ergebnis=ok&nummer=5000000001&zoho_id="
    )
    [search] = fake_services.requests(SEARCH)
    assert search.filter.since == datetime(2026, 11, 23, 23, tzinfo=UTC)
    assert search.filter.until == datetime(2026, 11, 24, 23, tzinfo=UTC)
    assert search.filter.types == ("written_to_ameise",)
    assert search.filter.zoho_id is None
    assert "Mehr als 1.234 Ereignisse" in page
    assert "Nach Ameise geschrieben" in page
    assert "Felder: ort, plz; Pipeline „Kunden &lt;A&gt;“" in page
    assert "after=weiter%2F%3D%26" in page
    await browser.get(f"/teams/{TENANT}/log?after=weiter")
    assert fake_services.requests(SEARCH)[-1].after == "weiter"


async def test_an_overdue_delivery_is_shown_with_what_to_do(gateway, fake_services):
    since = datetime(2026, 11, 24, 7, 15, 3, tzinfo=UTC)
    fake_services.answer(STATUS, a_dailyup_status().model_copy(update={"overdue_since": since}))
    await fake_services.start()
    browser = await with_team(gateway)
    assert "ist seit 24.11.2026 08:15:03 überfällig" in await browser.get(f"/teams/{TENANT}")
    fake_services.answer(STATUS, a_dailyup_status())
    assert "überfällig" not in await browser.get(f"/teams/{TENANT}")


async def test_tables_and_problems_are_there_as_files(gateway, fake_services):
    status = a_dailyup_status()
    [delivery] = status.deliveries
    fake_services.answer(STATUS, status)
    await fake_services.start()
    browser = await with_team(gateway)
    page = await browser.get(f"/teams/{TENANT}")
    assert f'href="/teams/{TENANT}/tables/kunde.csv"' in page
    assert "/problems.csv" not in page
    with_problems = delivery.model_copy(update={"problems": 1234})
    fake_services.answer(STATUS, status.model_copy(update={"deliveries": (with_problems,)}))
    page = await browser.get(f"/teams/{TENANT}")
    assert (
        f'href="/teams/{TENANT}/deliveries/{delivery.id}/problems.csv" download>1.234 Probleme (CSV)' in page
    )


async def test_a_log_that_does_not_go_back_to_the_beginning_says_so(gateway, fake_services):
    oldest = datetime(2026, 11, 24, 7, 15, 3, tzinfo=UTC)
    fake_services.answer(
        SEARCH, LogPage(events=(an_event(),), total=1, total_is_exact=False, oldest_kept=oldest)
    )
    await fake_services.start()
    page = await (await with_team(gateway)).get(f"/teams/{TENANT}/log")
    assert "1 Ereignis; was vor dem 24.11.2026 08:15:03 war, fehlt hier" in page
    assert "Mehr als" not in page


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("nummer=*", "Kunden- oder Vertragsnummer"),
        ("zoho_id=x", "Zoho-Id"),
        ("von=gestern", "Von"),
        ("bis=9999-12-31", "Bis"),
        ("von=2026-12-02&bis=2026-12-01", "Von liegt nach Bis"),
        ("ergebnis=gut", "Ergebnis"),
        ("vorgang=1", "Vorgang"),
    ],
)
async def test_a_filter_that_cannot_be_is_named_on_the_page(gateway, query, field):
    browser = await with_team(gateway)
    assert f"Das kann nicht stimmen: {field}." in await browser.get(f"/teams/{TENANT}/log?{query}")


@pytest.fixture
def parked_work(fake_services, a_pipeline):
    """sync has one row parked, with a candidate, of 60 that there are."""
    work = ParkedWork(
        id=7, pipeline=PipelineId("1"), object="77001", zoho_id="77001", module="Contacts",
        direction="to_ameise", table=Table.KUNDE, cause=ParkedCause.SIMILAR_KUNDEN,
        reason="unklar: könnte Kunde 5001 sein", words="<INVALID_DATA>",
        candidates=(AmeiseKey("5001"),), attempts=3, since=datetime(2026, 11, 24, 7, 15, 3, tzinfo=UTC),
    )  # fmt: skip
    group = ParkedGroup(cause=work.cause, count=60, oldest=work.since)
    fake_services.answer(LIST_PARKED, ParkedWorks(total=60, works=(work,), next_page=7))
    fake_services.answer(GROUP_PARKED, ParkedGroups(groups=(group,)))
    fake_services.answer(LIST_PIPELINES, Pipelines(pipelines=(a_pipeline(),)))
    fake_services.answer(RETRY_PARKED, Retried(retried=1))
    fake_services.answer(RETRY_ALL_PARKED, Retried(retried=60))
    fake_services.answer(DISCARD_PARKED, Discarded(discarded=1))
    fake_services.answer(
        ADOPT_CANDIDATE, CandidateAdopted(zoho_id=ZohoId("77001"), kunde=Kundennummer("5001"))
    )
    return fake_services


async def test_parked_work_is_explained_and_retried(gateway, parked_work):
    await parked_work.start()
    browser = await with_team(gateway)
    page = await browser.get(f"/teams/{TENANT}/parked")
    assert "unklar: könnte Kunde 5001 sein" in page
    assert "&lt;INVALID_DATA&gt;" in page
    assert "60 geparkt, 1 davon gezeigt" in page
    page = await browser.post(f"/teams/{TENANT}/parked/retry", ids=["7", "x"])
    assert "Erneut versucht: 1." in page
    page = await browser.post(f"/teams/{TENANT}/parked/retry", ids=["8", "9"], only="7")
    assert [asked.ids for asked in parked_work.requests(RETRY_PARKED)] == [(7,), (7,)]
    assert "nichts ausgewählt" in await browser.post(f"/teams/{TENANT}/parked/retry")


async def test_the_navigation_counts_parked_work_on_every_page_and_anew_after_a_decision(
    gateway, parked_work
):
    await parked_work.start()
    browser = await with_team(gateway)
    assert 'Geparkte Arbeit <span class="badge bad">60</span>' in await browser.get(f"/teams/{TENANT}/kunden")
    parked_work.answer(GROUP_PARKED, ParkedGroups(groups=()))
    assert 'Geparkte Arbeit <span class="badge bad">60</span>' in await browser.get(f"/teams/{TENANT}/kunden")
    await browser.post(f"/teams/{TENANT}/parked/retry", ids=["7"])
    assert ">Geparkte Arbeit</a>" in await browser.get(f"/teams/{TENANT}/kunden")
    group = ParkedGroup(cause=ParkedCause.NO_NUMBER, count=1200, oldest=datetime(2026, 11, 24, tzinfo=UTC))
    parked_work.answer(GROUP_PARKED, ParkedGroups(groups=(group,)))
    assert 'Geparkte Arbeit <span class="badge bad">1.200</span>' in await browser.get(
        f"/teams/{TENANT}/parked"
    )


async def test_parked_work_is_filtered_page_by_page_and_stays_filtered(gateway, parked_work):
    await parked_work.start()
    browser = await with_team(gateway)
    query = "pipeline=1&richtung=to_ameise&ursache=similar_kunden&text=5001&seit=2026-11-24"
    page = await browser.get(f"/teams/{TENANT}/parked?{query}&after=3")
    [asked] = parked_work.requests(LIST_PARKED)
    assert (asked.pipeline, asked.direction, asked.cause) == ("1", "to_ameise", "similar_kunden")
    assert (asked.text, asked.after) == ("5001", 3)
    assert asked.since == datetime(2026, 11, 23, 23, tzinfo=UTC)
    escaped = query.replace("&", "&amp;")
    assert f"?{escaped}&amp;after=7" in page
    assert f"/parked/retry?{escaped}" in page
    assert f"/parked.csv?{escaped}" in page
    await browser.post(f"/teams/{TENANT}/parked/retry?{query}", ids=["7"])
    assert parked_work.requests(LIST_PARKED)[-1].text == "5001"
    assert "Das kann nicht stimmen: Ursache." in await browser.get(f"/teams/{TENANT}/parked?ursache=x")


async def test_a_candidate_is_taken_over_and_what_hinders_it_is_said(gateway, parked_work):
    await parked_work.start()
    browser = await with_team(gateway)
    page = await browser.get(f"/teams/{TENANT}/parked")
    assert 'name="adopt" value="7:kunde:5001">Übernehmen' in page
    page = await browser.post(f"/teams/{TENANT}/parked/adopt", adopt="7:kunde:5001")
    assert "Datensatz 77001 gehört jetzt zu Kunde 5001." in page
    [asked] = parked_work.requests(ADOPT_CANDIDATE)
    assert (asked.id, asked.kunde) == (7, "5001")
    parked_work.answer(ADOPT_CANDIDATE, Conflict("Kunde 5001 gehört schon zu Datensatz 88."))
    assert "gehört schon zu Datensatz 88" in await browser.post(
        f"/teams/{TENANT}/parked/adopt", adopt="7:kunde:5001"
    )
    await browser.get(f"/teams/{TENANT}/parked")
    parked_work.answer(
        ADOPT_CANDIDATE, CandidateAdopted(zoho_id=ZohoId("77001"), vertrag=Vertragsnummer("9"))
    )
    page = await browser.post(f"/teams/{TENANT}/parked/adopt", adopt="7:vertrag:9")
    assert "Datensatz 77001 gehört jetzt zu Vertrag 9." in page
    assert parked_work.requests(ADOPT_CANDIDATE)[-1].vertrag == "9"
    for broken in ("7", "x:kunde:5001", "7:kunde:5001-x", "7:id:5001", "7:sparte:5001", ""):
        await browser.post(f"/teams/{TENANT}/parked/adopt", status=400, adopt=broken)
        await browser.get(f"/teams/{TENANT}/parked")


async def test_parked_work_is_discarded_only_for_a_reason(gateway, parked_work):
    await parked_work.start()
    browser = await with_team(gateway)
    await browser.get(f"/teams/{TENANT}/parked")
    page = await browser.post(f"/teams/{TENANT}/parked/discard", ids=["7"], reason=" ")
    assert "gehört ein Grund" in page
    page = await browser.post(f"/teams/{TENANT}/parked/discard", ids=["7"], reason="doppelt")
    assert "Verworfen: 1." in page
    [asked] = parked_work.requests(DISCARD_PARKED)
    assert (asked.ids, asked.reason) == ((7,), "doppelt")


async def test_all_of_a_cause_are_retried(gateway, parked_work):
    await parked_work.start()
    browser = await with_team(gateway)
    page = await browser.get(f"/teams/{TENANT}/parked")
    assert "könnte ein vorhandener Kunde sein" in page
    page = await browser.post(f"/teams/{TENANT}/parked/retry-all", cause="similar_kunden", pipeline="")
    assert "Erneut versucht: 60." in page
    [asked] = parked_work.requests(RETRY_ALL_PARKED)
    assert (asked.cause, asked.pipeline) == ("similar_kunden", None)
    await browser.post(f"/teams/{TENANT}/parked/retry-all", status=400, cause="x")


@pytest.mark.parametrize("form", ["retry", "retry-all", "discard", "adopt"])
async def test_a_decision_on_parked_work_needs_the_token_of_its_page(gateway, parked_work, form):
    await parked_work.start()
    browser = await with_team(gateway)
    fields = {"ids": ["7"], "adopt": "7:kunde:5001", "reason": "doppelt", "cause": "similar_kunden"}
    await browser.post(f"/teams/{TENANT}/parked/{form}", status=403, csrf="", **fields)
    decisions = (RETRY_PARKED, RETRY_ALL_PARKED, DISCARD_PARKED, ADOPT_CANDIDATE)
    assert all(parked_work.requests(rpc) == [] for rpc in decisions)


async def test_the_page_shows_each_pipeline_with_its_mapping_and_switches_it(
    gateway, fake_services, a_pipeline
):
    fake_services.answer(LIST_PIPELINES, Pipelines(pipelines=(a_pipeline(),)))
    fields = (
        FieldMapping(ameise="ameise_id", zoho="Kundennummer", way=Way.TO_ZOHO),
        FieldMapping(ameise="nachname", zoho="Last_Name", max_length=80, required=True),
    )
    definition = PipelineDefinition(unique_field="Kundennummer", fields=fields)
    detail = PipelineDetail(pipeline=a_pipeline(), version="v1", definition=definition)
    fake_services.answer(GET_PIPELINE, detail)
    fake_services.answer(SWITCH_PIPELINE, detail)
    await fake_services.start()
    browser = await with_team(gateway)
    page = await browser.get(f"/teams/{TENANT}/pipelines")
    for words in (
        "Kunden (natürlich)",
        "eingeschaltet",
        "nachname",
        "Last_Name",
        "Pflicht, höchstens 80 Zeichen",
    ):
        assert words in page
    page = await browser.post(f"/teams/{TENANT}/pipelines/1/switch", enabled="false")
    assert "Die Pipeline „Kunden (natürlich)“ ist" in page
    assert fake_services.requests(SWITCH_PIPELINE)[0].enabled is False


async def test_the_page_warns_of_each_field_that_no_longer_fits_zoho(gateway, fake_services, a_pipeline):
    definition = PipelineDefinition(
        unique_field="Kundennummer", fields=(FieldMapping(ameise="titel", zoho="Titel"),)
    )
    titel = DriftFinding(kind=DriftKind.FIELD_GONE, field="Titel", words="gibt es in Zoho nicht mehr")
    drift = DriftState(findings=(titel,), since=datetime(2026, 11, 24, 5, 0, tzinfo=UTC), held_back=1200)
    detail = PipelineDetail(pipeline=a_pipeline(), version="v1", definition=definition, drift=drift)
    fake_services.answer(LIST_PIPELINES, Pipelines(pipelines=(a_pipeline(),)))
    fake_services.answer(GET_PIPELINE, detail)
    await fake_services.start()
    page = await (await with_team(gateway)).get(f"/teams/{TENANT}/pipelines")
    assert "gibt es in Zoho nicht mehr" in page
    assert "1.200 Werte wurden deswegen nicht geschrieben" in page


async def test_one_pipeline_that_cannot_be_shown_does_not_hide_the_page(gateway, fake_services, a_pipeline):
    fake_services.answer(LIST_PIPELINES, Pipelines(pipelines=(a_pipeline(),)))
    fake_services.answer(GET_PIPELINE, Conflict("gerade nicht"))
    await fake_services.start()
    page = await (await with_team(gateway)).get(f"/teams/{TENANT}/pipelines")
    assert "gerade nicht" in page


async def test_the_preview_shows_what_would_be_written_and_why(gateway, fake_services, a_pipeline):
    beruf = FieldPreview(
        ameise="beruf", zoho="Beruf", finding=Finding.CONFLICT_TO_ZOHO,
        ameise_now=SeenValue(known=True, value="Ärztin <A>"), zoho_now=SeenValue(known=False),
        to_zoho=SeenValue(known=True, value="Ärztin <A>"),
    )  # fmt: skip
    shown = ObjectPreview(
        key="5001",
        zoho_id=ZohoId("77001"),
        foreseen=Foreseen.UPDATE,
        fields=(beruf,),
        besides={"Status": "aktiv"},
    )
    parked = ObjectPreview(key=None, zoho_id=ZohoId("77002"), foreseen=Foreseen.PARKED, reason="unklar: wer?")
    definition = PipelineDefinition(
        unique_field="Kundennummer", fields=(FieldMapping(ameise="beruf", zoho="Beruf"),)
    )
    fake_services.answer(
        GET_PIPELINE, PipelineDetail(pipeline=a_pipeline(), version="v1", definition=definition)
    )
    fake_services.answer(PREVIEW, Preview(objects=(shown, parked)))
    await fake_services.start()
    browser = await with_team(gateway)
    address = f"/teams/{TENANT}/pipelines/1/preview"
    page = await browser.get(address)
    for words in (
        "Vorschau: Kunden (natürlich)", "Ärztin &lt;A&gt;", "unbekannt", "Konflikt: es gilt Ameise",
        "würde geändert", "Außerdem", "würde geparkt", "unklar: wer?",
    ):  # fmt: skip
        assert words in page
    await browser.get(f"{address}?seite=ameise&nummer=5001")
    await browser.get(f"{address}?seite=zoho&nummer=77001")
    asked = [(request.key, request.zoho_id) for request in fake_services.requests(PREVIEW)]
    assert asked == [(None, None), ("5001", None), (None, "77001")]
    assert "Das ist keine Nummer." in await browser.get(f"{address}?seite=zoho&nummer=x", status=422)
    fake_services.answer(PREVIEW, Unavailable("zoho antwortet zurzeit nicht"))
    assert "Zoho antwortet zurzeit nicht" in await browser.get(address)


async def test_a_dry_run_is_begun_and_shown_until_it_is_over(gateway, fake_services, a_pipeline):
    definition = PipelineDefinition(
        unique_field="Kundennummer", fields=(FieldMapping(ameise="titel", zoho="Titel"),)
    )
    detail = PipelineDetail(pipeline=a_pipeline(), version="v1", definition=definition)
    counts = DryRunCounts(
        outcomes={Foreseen.CREATE_RECORD: 1200}, parked={"abgelehnt: <Email>": 4}, held_back=7, conflicts=2
    )
    run = DryRun(
        id=new_id(), pipeline=PipelineId("1"), state=DryRunState.RUNNING, total=5000, done=1500,
        started_at=datetime(2026, 11, 24, 5, 0, tzinfo=UTC), counts=counts,
        credits=DryRunCredits(reads=3, writes=120, by_bulk=623),
    )  # fmt: skip
    fake_services.answer(GET_PIPELINE, detail)
    fake_services.answer(LIST_PIPELINES, Pipelines(pipelines=(a_pipeline(),)))
    fake_services.answer(GET_DRY_RUN, DryRunAnswer(run=None))
    fake_services.answer(DRY_RUN, run)
    await fake_services.start()
    browser = await with_team(gateway)
    address = f"/teams/{TENANT}/pipelines/1/dry-run"
    assert address in await browser.get(f"/teams/{TENANT}/pipelines")
    page = await browser.get(address)
    assert "Probelauf beginnen" in page
    assert "refresh" not in page
    fake_services.answer(GET_DRY_RUN, DryRunAnswer(run=run))
    page = await browser.post(address)
    for words in (
        "1.500 von 5.000", "würde in Zoho angelegt", "1.200", "abgelehnt: &lt;Email&gt;: 4", "Mindestens 123",
        "zusammen 623", "7 Werte würden zurückgehalten", 'http-equiv="refresh"', "Neu beginnen",
    ):  # fmt: skip
        assert words in page
    failed = run.model_copy(update={"state": DryRunState.FAILED, "reason": "zoho ist nicht verbunden"})
    fake_services.answer(GET_DRY_RUN, DryRunAnswer(run=failed))
    page = await browser.get(address)
    assert "Zoho ist nicht verbunden" in page
    assert "refresh" not in page
    await browser.post(address, status=403, csrf="")
    assert len(fake_services.requests(DRY_RUN)) == 1


async def test_the_status_page_names_every_service(gateway, fake_services, fake_auth):
    await fake_services.start()
    page = await (await signed_in(gateway)).get("/status")
    assert page.count("antwortet nicht") == 3


def a_dailyup_status() -> DailyUpStatus:
    at = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
    return DailyUpStatus(
        ftp=FtpAccess(host="ftp.example", port=2121, user=TENANT),
        deliveries=(
            DeliveryStatus(
                id=new_id(), state=DeliveryState.IMPORTED_WITH_WARNINGS, received_from=at, as_of=at, files=12,
                missing=(Table.SPARTE,),
                counts={Table.KUNDE: TableCounts(new=10, changed=25, gone=3, unchanged=965)},
            ),
        ),
        stored={Table.KUNDE: 1007, Table.VERTRAG: 2500},
    )  # fmt: skip


def an_event() -> Event:
    change = ObjectChange(
        table=Table.KUNDE, key=Kundennummer("5000000001"), action=ObjectAction.UPDATED, fields=("ort", "plz")
    )
    data = WrittenToAmeise(
        pipeline=PipelineId("1"), module="Contacts", zoho_id=ZohoId("5725767000000524157"), object=change
    )
    return new_event(
        data, service=Service.SYNC, tenant=TenantId(TENANT), actor_kind=ActorKind.ZOHO, actor_id="webhook-1",
        correlationid=new_id(),
    )  # fmt: skip


async def test_who_signed_in_and_what_was_refused_is_told_beside_the_services(gateway, fake_services):
    def told(data, **more):
        return new_event(
            data, service=Service.GATEWAY, tenant="_system", actor_id="admin", correlationid=new_id(), **more
        )

    somebody = told(SignedIn(), actor_kind=ActorKind.USER)
    refused = told(
        RequestsRefused(counts={"unauthorized": {"192.0.2.0/24": 3, "<sonst>": 1, "other": 1, "unknown": 1}}),
        actor_kind=ActorKind.SERVICE,
    )
    page = LogPage(events=(refused, somebody), total=2, total_is_exact=True)
    fake_services.answer(INSTALLATION_LOG, page)
    await fake_services.start()
    browser = await signed_in(gateway)
    shown = await browser.get("/status")
    assert "Angemeldet" in shown
    assert "Benutzer admin" in shown
    assert "Anmeldung oder Token falsch: 6 (192.0.2.0/24, &lt;sonst&gt;, andere, unbekannt)" in shown
    assert "Die neuesten 2 Ereignisse." in shown
    fake_services.answer(INSTALLATION_LOG, LogPage(events=(somebody,), total=1, total_is_exact=True))
    assert "Die neuesten" not in await browser.get("/status")
