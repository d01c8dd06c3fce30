"""Pipelines made, looked at, changed, switched and deleted by RPC."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import outside
import pytest

from chassis.rpc import RpcClient
from contracts.actor import Role
from contracts.ids import PipelineId, TenantId, new_id
from contracts.names import System, Table
from contracts.problems import Conflict, Forbidden, Invalid, NotFound, Unavailable
from contracts.rpc import Empty, Rpc, RpcModel
from contracts.rpc.pipeline_definition import PipelineDefinition
from contracts.rpc.sync_pipelines import (
    CREATE_PIPELINE,
    DELETE_PIPELINE,
    GET_PIPELINE,
    LIST_TEMPLATES,
    PIPELINE_FIELDS,
    SWITCH_PIPELINE,
    UPDATE_PIPELINE,
    CreatePipeline,
    DeletePipeline,
    PipelineDetail,
    PipelineRequest,
    SwitchPipeline,
    UpdatePipeline,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from conftest import Team

Req = TypeVar("Req", bound=RpcModel)
Res = TypeVar("Res", bound=RpcModel)

SPARTEN = PipelineDefinition.model_validate(
    {
        "unique_field": "Vertragsnummer",
        "direction": "to_zoho",
        "fields": [
            {"ameise": "key", "zoho": "Vertragsnummer", "way": "to_zoho"},
            {"ameise": "text", "zoho": "Name", "way": "to_zoho"},
        ],
    }
)


async def ask(team: "Team", rpc: Rpc[Req, Res], request: Req, role: Role = Role.ADMIN) -> Res:
    return await RpcClient(team.client).call(rpc, request, actor=team.actor(role))


def new(team: "Team", **changes: Any) -> CreatePipeline:
    values: dict[str, Any] = {
        "name": "Sparten", "table": Table.SPARTE, "module": "Vertraege",
        "ameise_connection": team.auth.ameise.id, "zoho_connection": team.auth.zoho.id,
        "definition": SPARTEN,
    }  # fmt: skip
    return CreatePipeline(**(values | changes))


def contacts(team: "Team") -> PipelineId:
    return team.pipelines["Contacts"].id


async def looked_at(team: "Team", pipeline: PipelineId) -> PipelineDetail:
    return await ask(team, GET_PIPELINE, PipelineRequest(pipeline=pipeline), Role.USER)


async def changed(team: "Team", detail: PipelineDetail, **changes: Any) -> PipelineDetail:
    definition = PipelineDefinition.model_validate(detail.definition.model_dump() | changes)
    update = UpdatePipeline(
        pipeline=detail.pipeline.id, name="Geändert", version=detail.version, definition=definition
    )
    return await ask(team, UPDATE_PIPELINE, update)


async def test_a_created_pipeline_is_there_as_it_was_defined_and_gets_what_is_stored(team: "Team") -> None:
    made = await ask(team, CREATE_PIPELINE, new(team))
    assert (made.pipeline.table, made.pipeline.module, made.definition) == (
        Table.SPARTE,
        "Vertraege",
        SPARTEN,
    )
    assert await looked_at(team, made.pipeline.id) == made
    assert team.ingest.asked_again[-1] == (Table.SPARTE,)
    assert team.rows.events("pipelines_created")[-1]["data"]["pipelines"] == [made.pipeline.id]


async def test_what_is_compared_has_its_clock_from_when_the_pipelines_were_made(team: "Team") -> None:
    """Not from the next look of a process: all could be down until then, and a backup be of before."""
    made = team.rows.select("SELECT min(made_at) AS at FROM pipeline")[0]["at"]
    flows = {row["name"]: row["made_at"] for row in team.rows.select("SELECT name, made_at FROM flow")}
    assert flows.keys() == {"comparison", "links", "reconciliation"}
    assert all(abs(at - made) < timedelta(seconds=2) for at in flows.values())


async def test_only_one_pipeline_leads_from_a_table_to_a_module(team: "Team") -> None:
    await ask(team, CREATE_PIPELINE, new(team))
    with pytest.raises(Conflict, match="gibt es schon"):
        await ask(team, CREATE_PIPELINE, new(team, name="Noch einmal"))


async def test_what_cannot_work_is_not_made(team: "Team") -> None:
    both_ways = PipelineDefinition.model_validate(SPARTEN.model_dump() | {"direction": "both"})
    with pytest.raises(Invalid, match="Ameise nimmt nur Kunden und Verträge an"):
        await ask(team, CREATE_PIPELINE, new(team, table=Table.LAND, definition=both_ways))
    with pytest.raises(NotFound, match="Zoho-Verbindung"):
        await ask(team, CREATE_PIPELINE, new(team, zoho_connection=new_id()))
    assert len(team.rows.select("SELECT * FROM pipeline")) == len(team.pipelines)


ORT = {"compare": "equals", "value": "Essen"}


async def test_a_mistyped_field_is_refused_when_it_is_saved(team: "Team") -> None:
    before = await looked_at(team, contacts(team))
    with pytest.raises(Invalid, match=r"^Regel für Objekte aus Ameise: ein Feld orrt .*ähnlich: ort"):
        await changed(team, before, ameise_rule={"field": "orrt", **ORT})
    with pytest.raises(Invalid, match=r"^Regel für Zoho-Datensätze: ein Feld MailingCity .*Mailing_City"):
        await changed(team, before, zoho_rule={"field": "MailingCity", **ORT})
    fields = [SPARTEN.fields[0].model_dump(), {"ameise": "text", "zoho": "Nmae", "way": "to_zoho"}]
    mistyped = PipelineDefinition.model_validate(SPARTEN.model_dump() | {"fields": fields})
    with pytest.raises(Invalid, match="text: ein Feld Nmae gibt es in Zoho nicht, ähnlich: Name"):
        await ask(team, CREATE_PIPELINE, new(team, definition=mistyped))
    with pytest.raises(NotFound, match="das Modul Vertrage gibt es in Zoho nicht"):
        await ask(team, CREATE_PIPELINE, new(team, module="Vertrage"))
    assert (await looked_at(team, contacts(team))).version == before.version
    assert len(team.rows.select("SELECT * FROM pipeline")) == len(team.pipelines)


async def test_a_field_that_was_just_made_in_zoho_is_known(team: "Team") -> None:
    rule = {"field": "Full_Name", **ORT}
    await team.world.customise("Contacts", {"fields": {"Full_Name": {"gone": True}}})
    before = await looked_at(team, contacts(team))
    with pytest.raises(Invalid, match="ein Feld Full_Name gibt es in Zoho nicht"):
        await changed(team, before, zoho_rule=rule)
    await team.world.customise("Contacts", {})
    assert (await changed(team, before, zoho_rule=rule)).unchecked == ()


async def test_what_vanished_in_zoho_since_holds_up_no_other_change(team: "Team") -> None:
    await team.world.customise("Contacts", {"fields": {"Beruf": {"gone": True}}})
    after = await changed(team, await looked_at(team, contacts(team)), policy="zoho")
    await team.world.customise("Contacts", {"gone": True})
    assert (await changed(team, after, policy="ask")).definition.policy == "ask"


async def test_where_zoho_does_not_answer_it_is_saved_and_said(team: "Team") -> None:
    await team.world.fault("status", "/settings/fields", status=503)
    before = await looked_at(team, contacts(team))
    after = await changed(team, before, zoho_rule={"field": "MailingCity", **ORT})
    assert (before.unchecked, after.unchecked) == ((), (System.ZOHO,))
    with pytest.raises(Invalid, match="ein Feld orrt"):  # Ameise's are known all the same
        await changed(team, after, ameise_rule={"field": "orrt", **ORT})


async def test_a_field_that_a_release_dropped_holds_up_no_other_change_but_a_rule(
    team: "Team", monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await looked_at(team, contacts(team))
    monkeypatch.setitem(outside.FIELDS, Table.KUNDE, outside.FIELDS[Table.KUNDE].replace("beruf ", ""))
    after = await changed(team, before, policy="zoho")
    with pytest.raises(Invalid, match="Regel für Objekte aus Ameise: ein Feld beruf"):
        await changed(team, after, ameise_rule={"field": "beruf", **ORT})


async def test_a_rule_over_a_field_that_a_release_dropped_holds_up_no_change_of_anything_else(
    team: "Team", monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = {"field": "beruf", **ORT}
    before = await changed(team, await looked_at(team, contacts(team)), ameise_rule=rule)
    monkeypatch.setitem(outside.FIELDS, Table.KUNDE, outside.FIELDS[Table.KUNDE].replace("beruf ", ""))
    after = await changed(team, before, policy="zoho")
    with pytest.raises(Invalid, match="Regel für Objekte aus Ameise: ein Feld beruf"):
        await changed(team, after, ameise_rule={"negate": rule})


async def test_where_ingest_does_not_say_which_fields_there_are_it_is_saved_and_said(
    team: "Team", monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await looked_at(team, contacts(team))
    monkeypatch.setitem(outside.FIELDS, Table.KUNDE, "")  # an older one
    after = await changed(team, before, ameise_rule={"field": "orrt", **ORT})
    assert after.unchecked == (System.AMEISE,)


async def test_a_person_chooses_from_the_fields_of_both_ends(team: "Team") -> None:
    fields = await ask(team, PIPELINE_FIELDS, PipelineRequest(pipeline=contacts(team)))
    assert "nachname" in {field.name for field in fields.ameise}
    assert "Last_Name" in {field.name for field in fields.zoho}
    assert {field.type for field in fields.zoho if field.name == "Date_of_Birth"} == {"date"}


async def test_an_end_that_does_not_say_offers_no_field(team: "Team") -> None:
    await team.world.fault("status", "/settings/fields", status=503)
    fields = await ask(team, PIPELINE_FIELDS, PipelineRequest(pipeline=contacts(team)))
    assert fields.zoho == ()
    assert fields.ameise != ()


async def test_a_changed_definition_judges_everything_anew(team: "Team") -> None:
    team.ingest.put(Table.KUNDE, "5001", {"nachname": "Groß", "plz": "10115", "juristische_person": False})
    await team.chunk(Table.KUNDE, ["5001"])
    await team.idle()
    before = await looked_at(team, contacts(team))
    asked = len(team.ingest.asked_again)
    rule = {"field": "plz", "compare": "begins_with", "value": "2"}
    after = await changed(team, before, ameise_rule=rule)
    assert (after.pipeline.name, after.version != before.version) == ("Geändert", True)
    assert team.ingest.asked_again[asked:] == [(Table.KUNDE,)]
    assert [e["data"]["pipeline"] for e in team.rows.events("pipeline_updated")] == [contacts(team)]
    await team.chunk(Table.KUNDE, ["5001"])  # the same version as before
    await team.idle()
    judged = team.rows.select("SELECT outcome FROM judged WHERE pipeline = %s", int(contacts(team)))
    assert judged == [{"outcome": "excluded"}]


async def test_without_a_name_it_keeps_its_own(team: "Team") -> None:
    before = await looked_at(team, contacts(team))
    update = UpdatePipeline(pipeline=before.pipeline.id, version=before.version, definition=before.definition)
    assert (await ask(team, UPDATE_PIPELINE, update)).pipeline.name == before.pipeline.name


async def test_a_definition_that_is_changed_back_judges_anew_what_was_parked_in_between(team: "Team") -> None:
    team.ingest.put(Table.KUNDE, "5001", {"nachname": "Groß", "juristische_person": False})
    await team.chunk(Table.KUNDE, ["5001"])
    await team.idle()
    undecided = {"field": "plz", "compare": "begins_with", "value": "2"}
    after = await changed(team, await looked_at(team, contacts(team)), ameise_rule=undecided)
    await team.chunk(Table.KUNDE, ["5001"])
    assert [parked["cause"] for parked in await team.idle()] == ["rule_undecided"]
    asked = len(team.ingest.asked_again)
    await changed(team, after, ameise_rule=None)
    assert team.ingest.asked_again[asked:] == [(Table.KUNDE,)]
    await team.chunk(Table.KUNDE, ["5001"])
    assert await team.idle() == []


async def test_saved_once_more_it_judges_anew_what_was_parked_if_ingest_did_not_answer(team: "Team") -> None:
    before = await changed(team, await looked_at(team, contacts(team)), ameise_rule=None)
    for key in ("5001", "5002"):
        team.ingest.put(Table.KUNDE, key, {"nachname": "Groß", "juristische_person": False})
    await team.chunk(Table.KUNDE, ["5001"])
    await team.idle()
    undecided = {"field": "plz", "compare": "begins_with", "value": "2"}
    await changed(team, before, ameise_rule=undecided)
    await team.chunk(Table.KUNDE, ["5002"])
    assert [parked["cause"] for parked in await team.idle()] == ["rule_undecided"]
    team.ingest.sends_again = False
    with pytest.raises(Unavailable):
        await changed(team, await looked_at(team, contacts(team)), ameise_rule=None)
    team.ingest.sends_again = True
    asked = len(team.ingest.asked_again)
    await changed(team, await looked_at(team, contacts(team)))
    assert team.ingest.asked_again[asked:] == [(Table.KUNDE,)]
    await team.chunk(Table.KUNDE, ["5002"])
    assert await team.idle() == []
    await changed(team, await looked_at(team, contacts(team)))
    assert len(team.ingest.asked_again) == asked + 1


async def test_two_who_change_at_once_do_not_overwrite_each_other(team: "Team") -> None:
    before = await looked_at(team, contacts(team))
    await changed(team, before, policy="zoho")
    with pytest.raises(Conflict, match="inzwischen geändert"):
        await changed(team, before, policy="ask")
    assert (await looked_at(team, contacts(team))).definition.policy == "zoho"


async def test_a_pipeline_with_links_is_deleted_only_with_consent_and_its_number_is_not_used_again(
    team: "Team",
) -> None:
    made = (await ask(team, CREATE_PIPELINE, new(team))).pipeline.id
    assert (await ask(team, DELETE_PIPELINE, DeletePipeline(pipeline=made))).links == 0
    team.ingest.put(Table.KUNDE, "5001", {"nachname": "Groß", "juristische_person": False})
    await team.chunk(Table.KUNDE, ["5001"])
    await team.idle()
    with pytest.raises(Conflict, match="hat 1 Verknüpfungen"):
        await ask(team, DELETE_PIPELINE, DeletePipeline(pipeline=contacts(team)))
    gone = await ask(team, DELETE_PIPELINE, DeletePipeline(pipeline=contacts(team), links_too=True))
    assert gone.links == 1
    assert team.rows.links() == []
    assert len(await team.world.records()) == 1  # nothing is deleted in Zoho
    with pytest.raises(NotFound):
        await looked_at(team, contacts(team))
    assert [e["data"]["links"] for e in team.rows.events("pipeline_deleted")] == [0, 1]
    again = await ask(team, CREATE_PIPELINE, new(team))
    assert int(again.pipeline.id) == int(made) + 1


async def test_what_was_missed_while_off_is_asked_for_when_on(team: "Team") -> None:
    off = await ask(team, SWITCH_PIPELINE, SwitchPipeline(pipeline=contacts(team), enabled=False))
    assert off.pipeline.enabled is False
    asked = len(team.ingest.asked_again)
    on = await ask(team, SWITCH_PIPELINE, SwitchPipeline(pipeline=contacts(team), enabled=True))
    assert on.pipeline.enabled is True
    assert team.ingest.asked_again[asked:] == [(Table.KUNDE,)]
    told = [e["type"] for e in team.rows.events("pipeline_disabled", "pipeline_enabled")]
    assert told == ["pipeline_disabled", "pipeline_enabled"]


async def test_the_templates_can_be_created_as_they_are(team: "Team") -> None:
    found = await ask(team, LIST_TEMPLATES, Empty(), Role.USER)
    contact = next(t for t in found.pipelines if t.module == "Contacts")
    made = await ask(
        team, CREATE_PIPELINE,
        new(team, name=contact.name, table=contact.table, module="Vertraege", definition=contact.definition),
    )  # fmt: skip
    assert made.definition == contact.definition
    assert {p.table for p in found.picklists} >= {Table.SPARTE, Table.GESELLSCHAFT, Table.STATUS}


async def test_users_look_and_admins_change_and_nobody_sees_another_team(
    team: "Team", team_of: "Callable[[TenantId], Awaitable[Team]]"
) -> None:
    with pytest.raises(Forbidden):
        await ask(team, DELETE_PIPELINE, DeletePipeline(pipeline=contacts(team)), Role.USER)
    other = await team_of(TenantId("hamburg"))
    with pytest.raises(NotFound):
        await looked_at(other, contacts(team))
    with pytest.raises(NotFound):
        await ask(other, DELETE_PIPELINE, DeletePipeline(pipeline=contacts(team), links_too=True))
    assert await looked_at(team, contacts(team))
