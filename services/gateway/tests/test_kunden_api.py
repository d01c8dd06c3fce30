"""The admin's API about one Kunde, and about one row."""

import io
from datetime import UTC, datetime

import pytest

from chassis import objects
from contracts.ids import AmeiseKey, Kundennummer, TenantId
from contracts.names import Table
from contracts.problems import Conflict
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


async def test_a_kunde_is_forgotten_with_a_receipt_and_let_in_again(fake_services, begin):
    fake_services.answer(FORGET, ForgetReceipt(kunde=KUNDE, at=NOON, erased={"kunde": 1, "vertrag": 2}))
    fake_services.answer(LIFT_STOP, Empty())
    admin = await begin()
    receipt = await admin.post(f"/api/{TENANT}/kunden/{KUNDE}/forget")
    assert (receipt.status_code, receipt.json()["erased"]) == (200, {"kunde": 1, "vertrag": 2})
    assert (await admin.post(f"/api/{TENANT}/kunden/{KUNDE}/lift-stop")).status_code == 204
    for rpc in (FORGET, LIFT_STOP):
        assert [request.kunde for request in fake_services.requests(rpc)] == [KUNDE]


async def test_nobody_is_forgotten_while_an_import_runs(fake_services, begin):
    fake_services.answer(FORGET, Conflict("import", remedy="later"))
    admin = await begin()
    answer = await admin.post(f"/api/{TENANT}/kunden/{KUNDE}/forget")
    assert (answer.status_code, answer.json()["remedy"]) == (409, "later")


@pytest.mark.parametrize("number", ["5001-x", "*", "1" * 15])
async def test_what_is_no_kundennummer_is_not_found(fake_services, begin, number):
    fake_services.answer(FORGET, ForgetReceipt(kunde=KUNDE, at=NOON, erased={}))
    admin = await begin()
    assert (await admin.post(f"/api/{TENANT}/kunden/{number}/forget")).status_code == 404
    assert fake_services.requests(FORGET) == []


async def test_information_comes_as_json(fake_services, begin):
    fake_services.answer(INFORM, Information(about={"kunde": [{"nachname": "Müller"}]}))
    admin = await begin()
    answer = await admin.get(f"/api/{TENANT}/kunden/{KUNDE}/information")
    assert answer.json() == {"kunde": [{"nachname": "Müller"}]}


async def test_much_information_is_streamed_as_a_file(gateway, fake_services, begin):
    content = b'{"kunde": ["' + b"x" * 600_000 + b'"]}'
    stored = await objects.store(gateway.base.broker.js, DOWNLOADS, TenantId(TENANT), io.BytesIO(content))
    file = Download(object=stored, size=len(content), rows=1, file_name="auskunft.json")
    fake_services.answer(INFORM, Information(file=file))
    admin = await begin()
    answer = await admin.get(f"/api/{TENANT}/kunden/{KUNDE}/information")
    assert (answer.headers["content-type"], answer.content) == ("application/json", content)


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
