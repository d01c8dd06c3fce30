"""The admin's API about pipelines."""

import pytest

from contracts.ids import Uuid
from contracts.names import System, Table
from contracts.rpc import Empty
from contracts.rpc.pipeline_definition import FieldMapping, PipelineDefinition, Way
from contracts.rpc.sync_pipelines import (
    CREATE_PIPELINE,
    DECIDE_CONFLICT,
    DELETE_PIPELINE,
    GET_PIPELINE,
    LIST_CONFLICTS,
    LIST_TEMPLATES,
    SWITCH_PIPELINE,
    UPDATE_PIPELINE,
    OpenConflicts,
    PipelineDetail,
    PipelineGone,
    PipelineTemplates,
)
from contracts.rpc.sync_preview import PREVIEW, Preview
from contracts.rpc.sync_values import SUGGEST_VALUES, SuggestedValues

TENANT = "team-eins"
CONNECTION = Uuid("00000000-0000-7000-8000-000000000001")
DEFINITION = PipelineDefinition(
    unique_field="Kundennummer",
    fields=(
        FieldMapping(ameise="ameise_id", zoho="Kundennummer", way=Way.TO_ZOHO),
        FieldMapping(ameise="nachname", zoho="Last_Name", max_length=80, required=True),
    ),
)
DETAILED = (CREATE_PIPELINE, GET_PIPELINE, UPDATE_PIPELINE, SWITCH_PIPELINE)


@pytest.fixture
def detail(a_pipeline):
    return PipelineDetail(pipeline=a_pipeline(), version="v1", definition=DEFINITION)


@pytest.fixture
async def admin(gateway, fake_services, detail):
    for rpc in DETAILED:
        fake_services.answer(rpc, detail)
    fake_services.answer(LIST_TEMPLATES, PipelineTemplates(pipelines=(), picklists=()))
    fake_services.answer(LIST_CONFLICTS, OpenConflicts(conflicts=()))
    fake_services.answer(DECIDE_CONFLICT, Empty())
    fake_services.answer(PREVIEW, Preview(objects=()))
    fake_services.answer(
        SUGGEST_VALUES, SuggestedValues(table=Table.ANREDE, values={"1": "Herr"}, unused=("Dr.",))
    )
    fake_services.answer(DELETE_PIPELINE, PipelineGone(links=2, works=1))
    await fake_services.start()
    client = await gateway.admin()
    made = await client.post("/api/tenants", json={"id": TENANT, "name": "Maklerbüro Süd"})
    assert made.status_code == 201
    return client


async def test_a_pipeline_is_made_looked_at_changed_switched_and_deleted(admin, fake_services):
    new = {
        "name": "Kunden", "table": "kunde", "module": "Contacts", "ameise_connection": CONNECTION,
        "zoho_connection": CONNECTION, "definition": DEFINITION.model_dump(mode="json"),
    }  # fmt: skip
    made = await admin.post(f"/api/{TENANT}/pipelines", json=new)
    assert (made.status_code, made.json()["version"]) == (201, "v1")
    assert fake_services.requests(CREATE_PIPELINE)[0].table is Table.KUNDE
    shown = await admin.get(f"/api/{TENANT}/pipelines/1")
    assert PipelineDefinition.model_validate(shown.json()["definition"]) == DEFINITION
    changed = {"name": "Neu", "version": "v1", "definition": shown.json()["definition"]}
    assert (await admin.put(f"/api/{TENANT}/pipelines/1", json=changed)).status_code == 200
    assert (await admin.put(f"/api/{TENANT}/pipelines/1", json=changed | {"name": ""})).status_code == 422
    del changed["name"]
    assert (await admin.put(f"/api/{TENANT}/pipelines/1", json=changed)).status_code == 200
    asked = [(request.name, request.version) for request in fake_services.requests(UPDATE_PIPELINE)]
    assert asked == [("Neu", "v1"), (None, "v1")]
    assert (await admin.put(f"/api/{TENANT}/pipelines/1/enabled", json={"enabled": False})).is_success
    assert fake_services.requests(SWITCH_PIPELINE)[0].enabled is False
    gone = await admin.delete(f"/api/{TENANT}/pipelines/1", params={"links_too": True})
    assert gone.json() == {"links": 2, "works": 1}
    assert fake_services.requests(DELETE_PIPELINE)[0].links_too is True


async def test_templates_are_no_pipeline(admin):
    assert (await admin.get(f"/api/{TENANT}/pipelines/templates")).json() == {
        "pipelines": [],
        "picklists": [],
    }


async def test_conflicts_are_listed_and_decided(admin, fake_services):
    listed = await admin.get(f"/api/{TENANT}/conflicts", params={"limit": 5})
    assert listed.json() == {"conflicts": [], "next_page": None}
    decided = await admin.put(f"/api/{TENANT}/conflicts/7/beruf", json={"winner": "zoho"})
    assert decided.status_code == 204
    [request] = fake_services.requests(DECIDE_CONFLICT)
    assert (request.link, request.field, request.winner) == (7, "beruf", System.ZOHO)


async def test_a_preview_is_of_one_object_or_record_or_of_some(admin, fake_services):
    address = f"/api/{TENANT}/pipelines/1/preview"
    assert (await admin.get(address)).json() == {"objects": []}
    assert (await admin.get(address, params={"key": "5001"})).is_success
    assert (await admin.get(address, params={"zoho_id": "77001"})).is_success
    asked = [(request.key, request.zoho_id) for request in fake_services.requests(PREVIEW)]
    assert asked == [(None, None), ("5001", None), (None, "77001")]
    assert (await admin.get(address, params={"zoho_id": "x"})).status_code in {400, 422}


@pytest.mark.parametrize(
    "wrong", [{}, {"unique_field": "a b", "fields": []}, {"unique_field": "A", "fields": []}]
)
async def test_a_definition_of_the_wrong_form_does_not_get_past_the_door(admin, fake_services, wrong):
    changed = {"name": "Neu", "version": "v1", "definition": wrong}
    assert (await admin.put(f"/api/{TENANT}/pipelines/1", json=changed)).status_code in {400, 422}
    assert fake_services.requests(UPDATE_PIPELINE) == []


async def test_nobody_gets_in_without_a_password(gateway):
    client = await gateway.client()
    assert (await client.delete(f"/api/{TENANT}/pipelines/1")).status_code == 401


async def test_the_values_of_a_picklist_are_suggested(admin, fake_services):
    found = await admin.get(f"/api/{TENANT}/pipelines/1/values", params={"field": "anrede_id"})
    assert (found.json()["values"], found.json()["unused"]) == ({"1": "Herr"}, ["Dr."])
    assert fake_services.requests(SUGGEST_VALUES)[0].field == "anrede_id"
    assert (await admin.get(f"/api/{TENANT}/pipelines/1/values", params={"field": "a b"})).status_code == 422
