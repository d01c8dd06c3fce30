"""The admin's API against stand-ins of the services behind it."""

import base64
import io
import json
from datetime import UTC, datetime

import pytest

from chassis import objects
from contracts.events import TableCounts
from contracts.ids import TenantId, new_id
from contracts.names import Outcome, Table
from contracts.problems import Conflict, NotConnected, NotFound
from contracts.rpc.audit import COUNT, SEARCH, LogCounts, LogPage
from contracts.rpc.auth import FINISH_CONNECTION, START_CONNECTION
from contracts.rpc.ingest import (
    DOWNLOAD,
    DOWNLOAD_PROBLEMS,
    PREVIEW_DELIVERY,
    REJECT_DELIVERY,
    RELEASE_DELIVERY,
    SET_UP_FTP,
    STATUS,
    DailyUpStatus,
    DeliveryPreview,
    DeliveryState,
    DeliveryStatus,
    Download,
    FtpAccess,
)
from contracts.rpc.ingest_format import (
    DRY_RUN,
    GET_FORMAT,
    MAX_SAMPLE_BYTES,
    SET_FORMAT,
    ColumnChange,
    FormatChanges,
    FormatView,
    SampleRead,
    TableChange,
)
from contracts.rpc.sync import CREATE_DEFAULT_PIPELINES, LIST_PIPELINES, Pipelines
from contracts.streams import DOWNLOADS

TENANT = "team-eins"


async def create_tenant(admin) -> None:
    answer = await admin.post("/api/tenants", json={"id": TENANT, "name": "Maklerbüro Süd"})
    assert answer.status_code == 201, answer.text


async def test_a_team_is_created_once_and_listed(gateway):
    admin = await gateway.admin()
    await create_tenant(admin)
    again = await admin.post("/api/tenants", json={"id": TENANT, "name": "Anderes"})
    assert (again.status_code, again.json()["type"]) == (409, "conflict")
    await admin.post("/api/tenants", json={"id": "team-zwei", "name": "Assekuranz Nord"})
    listed = (await admin.get("/api/tenants")).json()["tenants"]
    assert [(t["id"], t["name"]) for t in listed] == [
        ("team-zwei", "Assekuranz Nord"),
        (TENANT, "Maklerbüro Süd"),
    ]
    assert [e["tenant"] for e in await gateway.events("tenant_created")] == [TENANT, "team-zwei"]


@pytest.mark.parametrize(
    "body",
    [
        {"id": "Team.Eins", "name": "x"},
        {"id": "*", "name": "x"},
        {"id": "a" * 33, "name": "x"},
        {"id": "team", "name": ""},
        {"id": "team", "name": "a\x00b"},
        {"id": "team", "name": "x" * 101},
        {"id": "team", "name": "x", "more": 1},
        {"id": "team"},
    ],
)
async def test_a_team_that_cannot_be_is_refused(gateway, body):
    admin = await gateway.admin()
    answer = await admin.post("/api/tenants", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/tenants"),
        ("GET", "/api/tenants"),
        ("GET", "/api/status"),
        ("GET", f"/api/{TENANT}/connections"),
        ("POST", f"/api/{TENANT}/dailyup/ftp"),
        ("POST", f"/api/{TENANT}/deliveries/01957a3c-5c00-7000-8000-000000000001/release"),
        ("GET", f"/api/{TENANT}/log"),
    ],
)
@pytest.mark.parametrize("auth", [None, ("admin", "falsch"), ("root", "ein-langes-passwort")])
async def test_only_the_admin_may_use_the_api(gateway, method, path, auth):
    client = await gateway.client()
    answer = await client.request(method, path, auth=auth, json={"id": TENANT, "name": "x"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")
    assert answer.json()["type"] == "unauthorized"


async def test_after_failed_sign_ins_even_the_right_password_has_to_wait(gateway):
    guesser = await gateway.client(address="203.0.113.7")
    statuses = [
        (await guesser.get("/api/tenants", auth=("admin", f"guess {n}"))).status_code for n in range(5)
    ]
    assert statuses == [401, 401, 401, 429, 429]
    assert (await (await gateway.admin(address="203.0.113.99")).get("/api/tenants")).status_code == 429
    assert (await (await gateway.admin(address="198.51.100.1")).get("/api/tenants")).status_code == 200


async def test_a_page_of_another_site_cannot_use_remembered_credentials(gateway):
    admin = await gateway.admin(headers={"Sec-Fetch-Site": "cross-site"})
    answer = await admin.post("/api/tenants", json={"id": TENANT, "name": "x"})
    assert (answer.status_code, answer.json()["type"]) == (403, "forbidden")


async def test_an_unknown_team_is_not_found(gateway):
    admin = await gateway.admin()
    for tenant in ("unbekannt", "a.b", "*"):
        answer = await admin.get(f"/api/{tenant}/connections")
        assert (answer.status_code, answer.json()["type"]) == (404, "not-found")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nirgends", 404), ("DELETE", "/api/tenants", 405), ("GET", "/static/nirgends.css", 404)],
)
async def test_the_frameworks_own_errors_are_problems_too(gateway, method, path, status):
    answer = await (await gateway.admin()).request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["correlationid"]


async def test_a_fault_of_ours_is_a_problem_without_its_words(gateway, monkeypatch):
    async def broken(*_):
        raise RuntimeError("geheim")

    monkeypatch.setattr("gateway.tenants.listed", broken)
    answer = await (await gateway.admin()).get("/api/tenants")
    assert (answer.status_code, answer.json()["type"]) == (500, "internal")
    assert "geheim" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


# ── connections ──────────────────────────────────────────────────────────────


async def test_a_connection_is_begun_and_ended_by_the_redirect(gateway, fake_services, fake_auth):
    await fake_services.start()
    admin = await gateway.admin()
    await create_tenant(admin)
    started = await admin.post(f"/api/{TENANT}/connections", json={"system": "zoho"})
    assert started.status_code == 201
    [state] = fake_auth.states
    assert state in started.json()["authorize_url"]

    stranger = await gateway.client(headers={"Accept": "application/json"})
    redirect = {
        "state": state,
        "code": "c0de",
        "location": "eu",
        "accounts-server": "https://accounts.zoho.eu",
    }
    ended = await stranger.get("/oauth/callback", params=redirect)
    assert (ended.status_code, ended.json()["state"]) == (200, "active")
    [finish] = fake_services.requests(FINISH_CONNECTION)
    assert (finish.code, finish.location, finish.accounts_server) == (
        "c0de", "eu", "https://accounts.zoho.eu",
    )  # fmt: skip
    _, _, caller = fake_services.asked[-1]
    assert (caller.actor.tenant, caller.actor.id, caller.actor.role) == (TENANT, "admin", "admin")

    again = await stranger.get("/oauth/callback", params=redirect)
    assert (again.status_code, again.json()["type"]) == (400, "invalid")
    assert len(fake_services.requests(FINISH_CONNECTION)) == 1


async def test_a_browser_is_sent_to_the_teams_page(gateway, fake_services, fake_auth):
    await fake_services.start()
    admin = await gateway.admin()
    await create_tenant(admin)
    await admin.post(f"/api/{TENANT}/connections", json={"system": "ameise", "name": "Produktion"})
    [request] = fake_services.requests(START_CONNECTION)
    assert request.system == "ameise"
    browser = await gateway.client(headers={"Accept": "text/html"})
    answer = await browser.get("/oauth/callback", params={"state": fake_auth.states[0], "code": "c"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/teams/{TENANT}")


async def test_a_refusal_by_the_outside_system_is_told(gateway, fake_services, fake_auth):
    await fake_services.start()
    admin = await gateway.admin()
    await create_tenant(admin)
    await admin.post(f"/api/{TENANT}/connections", json={"system": "zoho"})
    answer = await admin.get(
        "/oauth/callback", params={"state": fake_auth.states[0], "error": "access_denied"}
    )
    assert answer.status_code == 400
    assert "access_denied" in answer.json()["detail"]


async def test_an_invented_state_reaches_nobody(gateway, fake_services, fake_auth):
    await fake_services.start()
    client = await gateway.client()
    assert (await client.get("/oauth/callback", params={"state": "x", "code": "y"})).status_code == 400
    assert (await client.get("/oauth/callback")).status_code == 422
    assert fake_services.asked == []


# ── what the other services answer ───────────────────────────────────────────


async def test_a_service_that_does_not_run_is_a_503(gateway):
    admin = await gateway.admin()
    await create_tenant(admin)
    answer = await admin.get(f"/api/{TENANT}/connections")
    assert (answer.status_code, answer.json()["type"]) == (503, "unavailable")


async def test_problems_of_services_come_through_with_their_status(gateway, fake_services):
    fake_services.answer(CREATE_DEFAULT_PIPELINES, NotConnected("Zoho ist nicht verbunden"))
    await fake_services.start()
    admin = await gateway.admin()
    await create_tenant(admin)
    body = {"ameise_connection": new_id(), "zoho_connection": new_id()}
    answer = await admin.post(f"/api/{TENANT}/pipelines/defaults", json=body)
    assert answer.status_code == 412
    assert answer.json()["detail"] == "Zoho ist nicht verbunden"
    fake_services.answer(CREATE_DEFAULT_PIPELINES, Conflict("gibt es schon"))
    assert (await admin.post(f"/api/{TENANT}/pipelines/defaults", json=body)).status_code == 409


async def test_dailyup_shows_the_password_once(gateway, fake_services):
    access = FtpAccess(host="ftp.example", port=2121, user="team-eins", password="pässwort")
    delivery = DeliveryStatus(
        id=new_id(), state=DeliveryState.IMPORTED, received_from=datetime.now(UTC), as_of=datetime.now(UTC),
        files=13, counts={Table.KUNDE: TableCounts(new=1000)},
    )  # fmt: skip
    status = DailyUpStatus(
        ftp=access.model_copy(update={"password": None}), deliveries=(delivery,), stored={Table.KUNDE: 1000}
    )
    fake_services.answer(SET_UP_FTP, access)
    fake_services.answer(STATUS, status)
    await fake_services.start()
    admin = await gateway.admin()
    await create_tenant(admin)
    assert (await admin.post(f"/api/{TENANT}/dailyup/ftp")).json()["password"] == "pässwort"
    await admin.post(f"/api/{TENANT}/dailyup/ftp", json={"plain_allowed": True})
    assert [asked.plain_allowed for asked in fake_services.requests(SET_UP_FTP)] == [None, True]
    shown = (await admin.get(f"/api/{TENANT}/dailyup")).json()
    assert shown["ftp"]["password"] is None
    assert shown["deliveries"][0]["counts"]["kunde"]["new"] == 1000


async def test_pipelines_are_listed(gateway, fake_services, a_pipeline):
    fake_services.answer(LIST_PIPELINES, Pipelines(pipelines=(a_pipeline(),)))
    await fake_services.start()
    admin = await gateway.admin()
    await create_tenant(admin)
    assert (await admin.get(f"/api/{TENANT}/pipelines")).json()["pipelines"][0]["linked"] == 1000


async def test_a_webhook_is_opened_only_for_a_pipeline_that_takes_one(gateway, fake_services, a_pipeline):
    fake_services.answer(
        LIST_PIPELINES, Pipelines(pipelines=(a_pipeline(id="1"), a_pipeline(id="2", takes_webhooks=False)))
    )
    await fake_services.start()
    admin = await gateway.admin()
    await create_tenant(admin)
    access = (await admin.post(f"/api/{TENANT}/pipelines/1/webhook")).json()
    assert access["url"] == f"{gateway.url}/api/{TENANT}/pipeline/1/trigger-from-crm"
    assert (access["method"], access["header"]) == ("POST", "X-Webhook-Token")
    assert len(access["token"]) > 40
    assert (await admin.post(f"/api/{TENANT}/pipelines/2/webhook")).status_code == 409
    assert (await admin.post(f"/api/{TENANT}/pipelines/3/webhook")).status_code == 404


async def test_the_log_is_filtered_by_query_parameters(gateway, fake_services):
    fake_services.answer(SEARCH, LogPage(events=(), total=0, total_is_exact=True))
    fake_services.answer(COUNT, LogCounts(counts={"created": 3}))
    await fake_services.start()
    admin = await gateway.admin()
    await create_tenant(admin)
    query = {
        "since": "2026-11-24T00:00:00+01:00", "until": "2026-11-25T00:00:00",
        "types": ["connected", "excluded"],
        "outcomes": "error", "direction": "to_zoho", "key": "5000000001", "limit": 7, "after": "abc",
    }  # fmt: skip
    assert (await admin.get(f"/api/{TENANT}/log", params=query)).status_code == 200
    [search] = fake_services.requests(SEARCH)
    assert search.filter.since == datetime(2026, 11, 23, 23, tzinfo=UTC)
    assert search.filter.until == datetime(2026, 11, 25, tzinfo=UTC)
    assert search.filter.types == ("connected", "excluded")
    assert search.filter.outcomes == (Outcome.ERROR,)
    assert (search.filter.key, search.limit, search.after) == ("5000000001", 7, "abc")

    counts = await admin.get(f"/api/{TENANT}/log/counts", params={"by": "action", "key": "5000000001"})
    assert counts.json() == {"counts": {"created": 3}}
    [count] = fake_services.requests(COUNT)
    assert (count.by, count.filter.key) == ("action", "5000000001")


@pytest.mark.parametrize(
    "query", ["key=*", "zoho_id=x", "limit=0", "kundennummer=1", "since=gestern", "by=x"]
)
async def test_a_filter_that_cannot_be_is_refused_and_not_ignored(gateway, query):
    admin = await gateway.admin()
    await create_tenant(admin)
    path = "log/counts" if query == "by=x" else "log"
    answer = await admin.get(f"/api/{TENANT}/{path}?{query}")
    assert (answer.status_code, answer.json()["type"]) == (422, "invalid")


async def test_status_says_which_services_answer(gateway, fake_services, fake_auth):
    await fake_services.start()
    status = (await (await gateway.admin()).get("/api/status")).json()
    answers = {s["service"]: s["answers"] for s in status["services"]}
    assert answers == {"gateway": True, "auth": True, "ingest": False, "sync": False, "audit": False}
    assert status["all_answer"] is False


# ── secrets stay inside ──────────────────────────────────────────────────────


async def test_no_password_or_token_is_in_the_outbox(gateway, open_webhook):
    webhook = await open_webhook(gateway)
    client = await gateway.client()
    await client.get(webhook.url, params={"id": "1", "_token": webhook.token})
    events = json.dumps([row["body"].decode() for row in await gateway.rows("SELECT body FROM outbox")])
    assert webhook.token not in events
    assert "ein-langes-passwort" not in events


async def test_another_tenants_rows_are_out_of_reach(gateway, open_webhook):
    await open_webhook(gateway)
    async with gateway.base.database.tenant("team-zwei") as session:
        connection = await session.connection()
        for table in ("tenant", "webhook_endpoint", "oauth_state", "outbox"):
            rows = await connection.exec_driver_sql(f"SELECT * FROM {table}")
            assert rows.all() == [], table


async def test_a_held_delivery_is_previewed_and_released_or_rejected(gateway, fake_services):
    at, held = datetime(2026, 11, 24, 5, 0, tzinfo=UTC), new_id()
    fake_services.answer(
        PREVIEW_DELIVERY,
        DeliveryPreview(delivery=held, reasons=("kunde: empty",), superseded=False, tables={}),
    )
    for rpc, state in (
        (RELEASE_DELIVERY, DeliveryState.WAITING),
        (REJECT_DELIVERY, DeliveryState.REJECTED),
    ):
        fake_services.answer(rpc, DeliveryStatus(id=held, state=state, received_from=at, as_of=at))
    await fake_services.start()
    admin = await gateway.admin()
    await create_tenant(admin)
    preview = (await admin.get(f"/api/{TENANT}/deliveries/{held}/preview")).json()
    assert preview["reasons"] == ["kunde: empty"]
    released = await admin.post(f"/api/{TENANT}/deliveries/{held}/release")
    assert (released.status_code, released.json()["state"]) == (200, "waiting")
    rejected = await admin.post(f"/api/{TENANT}/deliveries/{held}/reject")
    assert (rejected.status_code, rejected.json()["state"]) == (200, "rejected")
    assert [request.delivery for request in fake_services.requests(RELEASE_DELIVERY)] == [held]


async def test_a_delivery_that_cannot_be_released_says_why(gateway, fake_services):
    fake_services.answer(RELEASE_DELIVERY, Conflict("Eine neuere Lieferung ist schon importiert."))
    await fake_services.start()
    admin = await gateway.admin()
    await create_tenant(admin)
    answer = await admin.post(f"/api/{TENANT}/deliveries/{new_id()}/release")
    assert (answer.status_code, answer.json()["type"]) == (409, "conflict")
    assert "neuere Lieferung" in answer.json()["detail"]
    assert (await admin.post(f"/api/{TENANT}/deliveries/alle/release")).status_code == 404


async def test_the_format_of_the_files_is_shown_changed_and_tried(gateway, fake_services):
    changes = FormatChanges(
        tables={Table.KUNDE: TableChange(columns={"plz": ColumnChange(aliases=("zip",))})}
    )
    view = FormatView(base="dailyup-1", changes=changes, tables=())
    fake_services.answer(GET_FORMAT, view)
    fake_services.answer(SET_FORMAT, view)
    fake_services.answer(DRY_RUN, SampleRead(table=Table.KUNDE, rows=3))
    await fake_services.start()
    admin = await gateway.admin()
    await create_tenant(admin)
    assert (await admin.get(f"/api/{TENANT}/dailyup/format")).json()["base"] == "dailyup-1"
    body = {"tables": {"kunde": {"columns": {"plz": {"aliases": ["zip"]}}}}}
    assert (await admin.put(f"/api/{TENANT}/dailyup/format", json=body)).status_code == 200
    assert [request.changes for request in fake_services.requests(SET_FORMAT)] == [changes]
    wrong = {"tables": {"kunde": {"colums": {}}}}
    assert (await admin.put(f"/api/{TENANT}/dailyup/format", json=wrong)).status_code == 422
    largest = base64.b64encode(bytes(MAX_SAMPLE_BYTES)).decode()
    sample = {"file": "kunden.csv", "content": largest, "changes": body}
    assert (await admin.post(f"/api/{TENANT}/dailyup/format/try", json=sample)).json()["rows"] == 3


async def test_a_table_is_streamed_as_a_file(gateway, fake_services):
    content = b"x" * 300_000
    stored = await objects.store(gateway.base.broker.js, DOWNLOADS, TenantId(TENANT), io.BytesIO(content))
    made = Download(object=stored, size=len(content), rows=7, file_name="team-eins_kunde_2026-11-24.csv")
    fake_services.answer(DOWNLOAD, made)
    fake_services.answer(DOWNLOAD_PROBLEMS, made)
    await fake_services.start()
    admin = await gateway.admin()
    await create_tenant(admin)
    for path in ("tables/kunde.csv", f"deliveries/{new_id()}/problems.csv"):
        answer = await admin.get(f"/api/{TENANT}/{path}")
        assert answer.status_code == 200
        assert answer.content == content
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert (
            answer.headers["content-disposition"] == 'attachment; filename="team-eins_kunde_2026-11-24.csv"'
        )
    assert fake_services.requests(DOWNLOAD)[0].table is Table.KUNDE


async def test_a_table_that_there_is_not_is_not_found(gateway, fake_services):
    fake_services.answer(DOWNLOAD, NotFound("kunde was never delivered"))
    await fake_services.start()
    admin = await gateway.admin()
    await create_tenant(admin)
    for table in ("kunde", "passwoerter"):
        assert (await admin.get(f"/api/{TENANT}/tables/{table}.csv")).status_code == 404
