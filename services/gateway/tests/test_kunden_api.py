"""The admin's API about one Kunde, and about one row."""

import io
import json
from datetime import UTC, datetime

import pytest

from chassis import objects
from contracts.ids import AmeiseKey, Kundennummer, TenantId, ZohoId
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

TENANT, KUNDE = "team-eins", Kundennummer("5001234567")
NOON = datetime(2026, 10, 3, 12, tzinfo=UTC)


@pytest.fixture
def begin(gateway, fake_services):
    """`await begin()`: a signed-in admin of a team, once the fake services know their answers."""

    async def signed_in():
        await fake_services.start()
        client = await gateway.admin()
        made = await client.post("/api/tenants", json={"id": TENANT, "name": "Maklerbüro Süd"})
        assert made.status_code == 201
        return client

    return signed_in


@pytest.fixture
def known(fake_services):
    """ingest and sync both hold something about the Kunde."""
    record = ZohoId("77001")
    synced = SyncForgetReceipt(kunde=KUNDE, at=NOON, erased={"link": 3}, stopped=(record,))
    pages = [
        SyncInformation(about={"link": ({"zoho_id": "77001"},)}, next_page=1),
        SyncInformation(about={"link": ({"zoho_id": "77002"},), "work": ({"id": 1},)}),
    ]
    fake_services.answer(FORGET, ForgetReceipt(kunde=KUNDE, at=NOON, erased={"kunde": 1, "vertrag": 2}))
    fake_services.answer(SYNC_FORGET, synced)
    fake_services.answer(LIFT_STOP, Empty())
    fake_services.answer(SYNC_LIFT_STOP, Empty())
    fake_services.answer(INFORM, Information(about={"kunde": [{"nachname": "Müller"}]}))
    fake_services.answer(SYNC_INFORM, lambda request: pages[request.page])
    return fake_services


IN_SYNC = {"link": [{"zoho_id": "77001"}, {"zoho_id": "77002"}], "work": [{"id": 1}]}


async def test_a_kunde_is_forgotten_everywhere_with_one_receipt_and_let_in_again(known, begin):
    admin = await begin()
    receipt = await admin.post(f"/api/{TENANT}/kunden/{KUNDE}/forget")
    assert (receipt.status_code, receipt.json()["erased"]) == (
        200, {"ingest": {"kunde": 1, "vertrag": 2}, "sync": {"link": 3}},
    )  # fmt: skip
    assert receipt.json()["stopped_zoho_ids"] == ["77001"]
    lifted = await admin.post(
        f"/api/{TENANT}/kunden/{KUNDE}/lift-stop", params={"zoho_id": ["77001", "77002"]}
    )
    assert lifted.status_code == 204
    for rpc in (FORGET, SYNC_FORGET, LIFT_STOP, SYNC_LIFT_STOP):
        assert [request.kunde for request in known.requests(rpc)] == [KUNDE]
    assert known.requests(SYNC_LIFT_STOP)[0].zoho_ids == ("77001", "77002")


async def test_nobody_is_forgotten_while_an_import_runs(known, begin):
    known.answer(FORGET, Conflict("import", remedy="later"))
    admin = await begin()
    answer = await admin.post(f"/api/{TENANT}/kunden/{KUNDE}/forget")
    assert (answer.status_code, answer.json()["remedy"]) == (409, "later")
    assert known.requests(SYNC_FORGET) == []


async def test_a_stop_of_one_service_is_lifted_and_that_of_none_is_not_found(known, begin):
    known.answer(LIFT_STOP, NotFound("not on the list"))
    admin = await begin()
    path = f"/api/{TENANT}/kunden/{KUNDE}/lift-stop"
    assert (await admin.post(path)).status_code == 204
    known.answer(SYNC_LIFT_STOP, NotFound("not on the list"))
    assert (await admin.post(path)).status_code == 404


@pytest.mark.parametrize("number", ["5001-x", "*", "1" * 15])
async def test_what_is_no_kundennummer_is_not_found(known, begin, number):
    admin = await begin()
    assert (await admin.post(f"/api/{TENANT}/kunden/{number}/forget")).status_code == 404
    assert known.requests(FORGET) == []


async def test_information_of_all_services_and_pages_comes_as_json(known, begin):
    admin = await begin()
    answer = await admin.get(f"/api/{TENANT}/kunden/{KUNDE}/information")
    assert answer.json() == {"ingest": {"kunde": [{"nachname": "Müller"}]}, "sync": IN_SYNC}


@pytest.mark.parametrize(
    ("silent", "status"), [((INFORM,), 200), ((SYNC_INFORM,), 200), ((INFORM, SYNC_INFORM), 404)]
)
async def test_only_who_is_known_nowhere_is_not_found(known, begin, silent, status):
    for rpc in silent:
        known.answer(rpc, NotFound("nothing is held"))
    admin = await begin()
    answer = await admin.get(f"/api/{TENANT}/kunden/{KUNDE}/information")
    assert answer.status_code == status
    if status == 200:
        assert answer.json()[silent[0].service] is None


async def test_much_information_is_streamed_as_a_file(gateway, known, begin):
    content = b'{"kunde": ["' + b"x" * 600_000 + b'"]}'
    stored = await objects.store(gateway.base.broker.js, DOWNLOADS, TenantId(TENANT), io.BytesIO(content))
    file = Download(object=stored, size=len(content), rows=1, file_name="auskunft.json")
    known.answer(INFORM, Information(file=file))
    admin = await begin()
    answer = await admin.get(f"/api/{TENANT}/kunden/{KUNDE}/information")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"ingest": json.loads(content), "sync": IN_SYNC}


async def test_a_row_is_shown_as_it_was(fake_services, begin):
    was = ObjectAsOf(presence=Presence.THERE, fields={"risiko": "PKW"})
    fake_services.answer(OBJECT_AS_OF, was)
    admin = await begin()
    path = f"/api/{TENANT}/tables/vertrag/rows/77001"
    answer = await admin.get(path, params={"moment": NOON.isoformat()})
    assert (answer.status_code, answer.json()["fields"]) == (200, {"risiko": "PKW"})
    [asked] = fake_services.requests(OBJECT_AS_OF)
    assert (asked.table, asked.key, asked.moment) == (Table.VERTRAG, AmeiseKey("77001"), NOON)
    assert (await admin.get(path, params={"moment": "gestern"})).status_code == 422
