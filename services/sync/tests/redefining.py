"""Changing a pipeline's definition as an admin does."""

from collections.abc import Mapping
from typing import Any, Protocol

from nats.aio.client import Client

from chassis.rpc import RpcClient
from contracts.actor import Actor
from contracts.rpc.pipeline_definition import PipelineDefinition
from contracts.rpc.sync import Pipeline
from contracts.rpc.sync_pipelines import GET_PIPELINE, UPDATE_PIPELINE, PipelineRequest, UpdatePipeline

BOTH_WAYS = ("versicherungsscheinnummer", "risiko", "beitrag_netto", "beginn", "ablauf")


class Admin(Protocol):
    """Whoever has pipelines, by module, and may change them."""

    @property
    def client(self) -> Client: ...

    @property
    def pipelines(self) -> Mapping[str, Pipeline]: ...

    def actor(self) -> Actor: ...


async def definition_of(team: Admin, module: str) -> PipelineDefinition:
    request = PipelineRequest(pipeline=team.pipelines[module].id)
    return (await RpcClient(team.client).call(GET_PIPELINE, request, actor=team.actor())).definition


async def redefine(team: Admin, module: str = "Contacts", **changes: Any) -> None:
    rpc, number = RpcClient(team.client), team.pipelines[module].id
    now = await rpc.call(GET_PIPELINE, PipelineRequest(pipeline=number), actor=team.actor())
    definition = PipelineDefinition.model_validate(now.definition.model_dump() | changes)
    update = UpdatePipeline(
        pipeline=number, name=now.pipeline.name, version=now.version, definition=definition
    )
    await rpc.call(UPDATE_PIPELINE, update, actor=team.actor())


async def vertraege_both_ways(team: Admin) -> None:
    """The ready pipeline, taken to Ameise too; the Sparte by its code, as Ameise wants it."""
    fields = [m.model_dump(mode="json") for m in (await definition_of(team, "Vertraege")).fields]
    for mapping in fields:
        if mapping["ameise"] in BOTH_WAYS:
            mapping["way"] = "both"
    fields = [m for m in fields if m["ameise"] != "sparte"]
    sparte = {"ameise": "sparte_id", "zoho": "Sparte", "converter": "picklist", "values": {"050": "Hausrat"}}
    await redefine(team, "Vertraege", direction="both", fields=[*fields, sparte])


async def policy_of_fields(team: Admin, module: str, **policies: str) -> None:
    """Who wins, for fields by Ameise's names; the others go by the pipeline."""
    fields = [m.model_dump(mode="json") for m in (await definition_of(team, module)).fields]
    await redefine(team, module, fields=[m | {"policy": policies.get(m["ameise"])} for m in fields])
