"""The pages of one Kunde."""

import io
import json
from datetime import UTC, datetime

import pytest

from chassis import objects
from contracts.ids import Kundennummer, TenantId, ZohoId
from contracts.names import Table
from contracts.problems import Conflict, NotFound
from contracts.rpc import Empty
from contracts.rpc.ingest import (
    FORGET,
    INFORM,
    LIFT_STOP,
    OBJECT_AS_OF,
    Download,
    ForgetReceipt,
    Information,
    ObjectAsOf,
    Presence,
)
from contracts.rpc.sync_people import (
    SYNC_FORGET,
    SYNC_INFORM,
    SYNC_LIFT_STOP,
    SyncForgetReceipt,
    SyncInformation,
)
from contracts.streams import DOWNLOADS

KUNDE = Kundennummer("5001234567")
NOON = datetime(2026, 10, 3, 12, tzinfo=UTC)
PAGE = f"/kunden/{KUNDE}"


@pytest.fixture
async def browser(fake_services, browser_of_a_team):
    row = ObjectAsOf(
        presence=Presence.THERE, first_seen=NOON, held_from=NOON, unknown=("plz",),
        fields={
            "nachname": "<Müller>", "verstorben": False, "ort": None, "geburtsdatum": "1980-01-02",
            "extra": {"Haarfarbe": "rot", "Führerschein seit": "1998-07-31", "Hund": None},
        },
    )  # fmt: skip
    erased = {"kunde": 1, "vertrag": 2, "original_rows": 3, "history": 0}
    fake_services.answer(FORGET, ForgetReceipt(kunde=KUNDE, at=NOON, erased=erased))
    fake_services.answer(
        SYNC_FORGET, SyncForgetReceipt(kunde=KUNDE, at=NOON, erased={"link": 1}, stopped=(ZohoId("4711"),))
    )
    fake_services.answer(SYNC_INFORM, SyncInformation(about={"link": [{"id": 1}]}))
    fake_services.answer(SYNC_LIFT_STOP, Empty())
    fake_services.answer(LIFT_STOP, Empty())
    fake_services.answer(INFORM, Information(about={"kunde": [{"nachname": "Müller"}]}))
    fake_services.answer(OBJECT_AS_OF, row)
    return await browser_of_a_team()


async def test_a_kunde_is_looked_up_by_his_number(browser):
    await browser.get("/kunden")
    assert f'<h1>Kunde <span class="code">{KUNDE}</span></h1>' in await browser.get(
        f"/kunden?kunde=+{KUNDE}+"
    )
    for wrong in ("abc", "1" * 15, "<b>"):
        page = await browser.get(f"/kunden?kunde={wrong}", status=422)
        assert "Das ist keine Kundennummer." in page
        assert "<b>" not in page


async def test_what_is_held_comes_as_a_file(browser, gateway, fake_services):
    small = await browser.client.get(f"{browser.team}{PAGE}/information")
    assert small.json() == {
        "ingest": {"kunde": [{"nachname": "Müller"}]},
        "sync": {"link": [{"id": 1}]},
    }
    assert small.headers["content-disposition"] == f'attachment; filename="auskunft-{KUNDE}.json"'
    content = json.dumps("x" * 600_000).encode()
    stored = await objects.store(
        gateway.base.broker.js, DOWNLOADS, TenantId("team-eins"), io.BytesIO(content)
    )
    file = Download(object=stored, size=len(content), rows=1, file_name="auskunft.json")
    fake_services.answer(INFORM, Information(file=file))
    large = await browser.client.get(f"{browser.team}{PAGE}/information")
    assert large.json() == {"ingest": "x" * 600_000, "sync": {"link": [{"id": 1}]}}
    fake_services.answer(SYNC_INFORM, NotFound("Über diesen Kunden ist nichts gespeichert."))
    fake_services.answer(INFORM, NotFound("Über diesen Kunden ist nichts gespeichert."))
    page = await browser.get(f"{PAGE}/information", status=404)
    assert "nichts gespeichert" in page
    assert "Endgültig löschen" in page


@pytest.mark.parametrize(
    ("day", "moment"),
    [("2026-10-03", "2026-10-03T21:59:59.999999Z"), ("2026-12-24", "2026-12-24T22:59:59.999999Z")],
)
async def test_a_row_is_shown_as_it_was_when_the_day_ended_in_germany(browser, fake_services, day, moment):
    page = await browser.get(f"{PAGE}?tabelle=vertrag&schluessel=77001&stand={day}")
    [asked] = fake_services.requests(OBJECT_AS_OF)
    assert (asked.table, asked.key) == (Table.VERTRAG, "77001")
    assert asked.moment == datetime.fromisoformat(moment)
    for shown in ("vorhanden", "&lt;Müller&gt;", "nein", "Haarfarbe: rot", "unbekannt", "02.01.1980"):
        assert shown in page
    assert "Führerschein seit: 31.07.1998" in page
    assert "1980-01-02" not in page


@pytest.mark.parametrize(
    "query", ["stand=gestern", "stand=2026-10-03&tabelle=x", "stand=2026-10-03&schluessel=+"]
)
async def test_what_cannot_be_asked_for_is_said(browser, fake_services, query):
    assert "Bitte eine Tabelle" in await browser.get(f"{PAGE}?{query}", status=422)
    assert fake_services.requests(OBJECT_AS_OF) == []


async def test_a_kunde_is_forgotten_once_his_number_was_typed_again_and_a_receipt_is_shown(
    browser, fake_services
):
    await browser.get(PAGE)
    for typed in ("", "5001234568"):
        page = await browser.post(f"{PAGE}/forget", status=422, confirmed=typed)
        assert "noch einmal eingeben" in page
    assert fake_services.requests(FORGET) == []
    receipt = await browser.post(f"{PAGE}/forget", confirmed=f" {KUNDE} ")
    for shown in (KUNDE, "03.10.2026 14:00:00", "Verträge", "Zeilen in aufgehobenen Originaldateien", "4711"):
        assert shown in receipt
    assert [request.kunde for request in fake_services.requests(FORGET)] == [KUNDE]


async def test_nobody_is_forgotten_while_an_import_runs_or_without_the_token(browser, fake_services):
    await browser.get(PAGE)
    await browser.post(f"{PAGE}/forget", status=403, csrf="falsch", confirmed=KUNDE)
    assert fake_services.requests(FORGET) == []
    fake_services.answer(FORGET, Conflict("Gerade wird eine Lieferung importiert.", remedy="Danach."))
    assert "Gerade wird eine" in await browser.post(f"{PAGE}/forget", status=409, confirmed=KUNDE)


async def test_the_stop_is_lifted(browser, fake_services):
    await browser.get(PAGE)
    assert "keine IDs" in await browser.post(f"{PAGE}/lift-stop", status=422, zoho_ids="abc")
    assert fake_services.requests(LIFT_STOP) == []
    assert "darf ihn wieder bringen" in await browser.post(f"{PAGE}/lift-stop", zoho_ids="4711, 4712")
    assert [request.zoho_ids for request in fake_services.requests(SYNC_LIFT_STOP)] == [("4711", "4712")]
    assert [request.kunde for request in fake_services.requests(LIFT_STOP)] == [KUNDE]


async def test_that_no_stop_is_there_to_be_lifted_is_said_on_the_page(browser, fake_services):
    for rpc in (LIFT_STOP, SYNC_LIFT_STOP):
        fake_services.answer(rpc, NotFound("Dieser Kunde steht auf keiner Sperrliste."))
    await browser.get(PAGE)
    page = await browser.post(f"{PAGE}/lift-stop", status=404)
    assert "auf keiner Sperrliste" in page
    assert "Endgültig löschen" in page
