"""The admin uploads a delivery: it is streamed into the object store, and nothing stays of what fails."""

import asyncio
import re
from datetime import timedelta

import pytest

from chassis import objects
from contracts.ids import TenantId, new_id
from contracts.problems import Invalid
from contracts.rpc.ingest import (
    DELIVERY_REPORT,
    UPLOAD,
    DeliveryReport,
    DeliveryState,
    DeliveryStatus,
    UploadReply,
)
from contracts.streams import UPLOADS

TENANT, PASSWORD = TenantId("team-eins"), "ein-langes-passwort"
PATH, PAGE = f"/api/{TENANT}/dailyup/upload", f"/teams/{TENANT}/dailyup/upload"
BOOK = [("files", ("kunden.csv", b"id;name\n" * 60_000)), ("files", ("sparten.csv", b"id;text\n"))]


@pytest.fixture
def taken(fake_services):
    """What ingest takes: the request, with what it finds in the object store while it is asked."""
    fake_services.answer(UPLOAD, lambda r: UploadReply(delivery=r.delivery, files=len(r.files), bytes_=1))
    return fake_services


async def with_team(gateway, services):
    await services.start()
    admin = await gateway.admin()
    assert (await admin.post("/api/tenants", json={"id": TENANT, "name": "Süd"})).status_code == 201
    return admin


async def content_of(gateway, file) -> bytes:
    pieces = objects.read(gateway.base.broker.js, UPLOADS, TENANT, file.object)
    return b"".join([piece async for piece in pieces])


async def stored_messages(gateway) -> int:
    """Of files; the description of one that is gone stays for its time."""
    info = await gateway.base.broker.js.stream_info(UPLOADS.name, subjects_filter="$O.uploads.C.>")
    return sum((info.state.subjects or {}).values())


async def test_files_larger_than_other_requests_become_one_delivery(gateway, taken):
    admin = await with_team(gateway, taken)
    answer = await admin.post(PATH, files=BOOK)
    assert (answer.status_code, answer.json()["files"]) == (202, 2)
    [request] = taken.requests(UPLOAD)
    assert answer.json()["delivery"] == request.delivery
    assert [file.name for file in request.files] == ["kunden.csv", "sparten.csv"]
    assert [await content_of(gateway, file) for file in request.files] == [c for _, (_, c) in BOOK]


async def test_only_the_admin_uploads_and_hears_it_though_nobody_read_the_files(gateway, taken):
    await with_team(gateway, taken)
    stranger = await gateway.client()
    large = [("files", ("kunden.csv", bytes(3_000_000)))]
    assert (await stranger.post(PATH, files=large)).status_code == 401
    assert (await stranger.post(PAGE, files=large)).status_code == 303, "to the form for signing in"
    other_site = await gateway.admin(headers={"Sec-Fetch-Site": "cross-site"})
    assert (await other_site.post(PATH, files=large)).status_code == 403
    assert taken.requests(UPLOAD) == []


@pytest.mark.parametrize("streamed", [False, True])
async def test_too_much_is_refused_and_nothing_stays(start_gateway, taken, streamed):
    gateway = await start_gateway(max_upload_bytes=400_000)
    admin = await with_team(gateway, taken)
    before = await stored_messages(gateway)
    request = admin.build_request("POST", PATH, files=BOOK)

    async def pieces():
        yield request.read()

    content = pieces() if streamed else request.read()
    headers = {"Content-Type": request.headers["content-type"]}
    answer = await admin.post(PATH, content=content, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (413, "too-large")
    assert (taken.requests(UPLOAD), await stored_messages(gateway)) == ([], before)


async def test_other_routes_keep_their_small_limit(gateway, taken):
    admin = await with_team(gateway, taken)
    for path in (f"/api/{TENANT}/dailyup/format/try", f"{PATH}/x", f"/teams/{TENANT}/format"):
        assert (await admin.post(path, files=BOOK)).status_code == 413
    assert (await admin.put(PATH, files=BOOK)).status_code == 413


async def test_what_comes_too_slowly_is_ended(start_gateway, taken):
    gateway = await start_gateway(upload_time=timedelta(milliseconds=300))
    admin = await with_team(gateway, taken)
    before = await stored_messages(gateway)
    request = admin.build_request("POST", PATH, files=BOOK)

    async def trickling():
        body = request.read()
        yield body[:300_000]
        await asyncio.sleep(1)
        yield body[300_000:]

    headers = {"Content-Type": request.headers["content-type"]}
    answer = await admin.post(PATH, content=trickling(), headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (408, "too-slow")
    assert (taken.requests(UPLOAD), await stored_messages(gateway)) == ([], before)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "multipart"),
        ([("files", ("", b"x"))], "keine Datei"),
        ([("files", ("k" * 201, b"x"))], "zu lang"),
        ([("files", (f"{n}.csv", b"x")) for n in range(51)], "Höchstens 50"),
    ],
)
async def test_what_is_no_delivery_is_refused_and_nothing_stays(gateway, taken, files, words):
    admin = await with_team(gateway, taken)
    before = await stored_messages(gateway)
    answer = await admin.post(PATH, files=files)
    assert answer.status_code == 400
    assert words in answer.json()["detail"]
    assert (taken.requests(UPLOAD), await stored_messages(gateway)) == ([], before)


async def test_what_ingest_refuses_does_not_stay(gateway, fake_services):
    asked = []
    fake_services.answer(UPLOAD, lambda request: asked.append(request) or Invalid("kunden.csv ist zu groß."))
    admin = await with_team(gateway, fake_services)
    answer = await admin.post(PATH, files=BOOK)
    assert (answer.status_code, answer.json()["detail"]) == (400, "kunden.csv ist zu groß.")
    for file in asked[0].files:
        with pytest.raises(Exception, match="nicht mehr da"):
            await content_of(gateway, file)


def a_report(delivery: str, state: DeliveryState) -> DeliveryReport:
    status = DeliveryStatus(
        id=delivery, state=state, received_from="2026-11-24T07:00:00Z", as_of="2026-11-23T07:00:00Z",
        files=1, bytes_=12,
    )  # fmt: skip
    return DeliveryReport(delivery=status, tables={}, problems=())


async def test_the_form_leads_to_the_delivery_which_is_shown_until_it_has_ended(gateway, taken):
    taken.answer(DELIVERY_REPORT, lambda r: a_report(r.delivery, DeliveryState.WAITING))
    await with_team(gateway, taken)
    browser = await gateway.client(headers={"Accept": "text/html"}, follow_redirects=True)
    token = csrf_of(await browser.get("/login"))
    await browser.post("/login", data={"user": "admin", "password": PASSWORD, "csrf": token})
    token = csrf_of(await browser.get(f"/teams/{TENANT}"))
    form = [("csrf", (None, token)), BOOK[1]]
    page = await browser.post(PAGE, files=form)
    [request] = taken.requests(UPLOAD)
    assert page.url.path == f"/teams/{TENANT}/deliveries/{request.delivery}"
    assert "Hochgeladen" in page.text
    assert 'http-equiv="refresh"' in page.text
    taken.answer(DELIVERY_REPORT, lambda r: a_report(r.delivery, DeliveryState.IMPORTED))
    assert "refresh" not in (await browser.get(page.url.path)).text
    for wrong in ([BOOK[1]], [("csrf", (None, "falsch")), BOOK[1]], [BOOK[1], ("csrf", (None, token))]):
        refused = await browser.post(PAGE, files=wrong)
        assert (refused.status_code, "abgelaufen" in refused.text) == (403, True)
    nothing = await browser.post(PAGE, files=[("csrf", (None, token)), ("files", ("", b""))])
    assert (nothing.status_code, "keine Datei" in nothing.text) == (400, True)
    assert len(taken.requests(UPLOAD)) == 1


async def test_a_team_that_there_is_not_gets_nothing(gateway, taken):
    admin = await with_team(gateway, taken)
    assert (await admin.post("/api/nirgends/dailyup/upload", files=BOOK)).status_code == 404
    assert (await admin.get(f"/teams/{TENANT}/deliveries/{new_id()}")).status_code == 303


def csrf_of(page) -> str:
    return re.search(r'name="csrf" value="([^"]+)"', page.text).group(1)
