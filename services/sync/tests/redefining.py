"""Changing a pipeline's definition as an admin does."""

from typing import TYPE_CHECKING, Any

from chassis.rpc import RpcClient
from contracts.rpc.pipeline_definition import PipelineDefinition
from contracts.rpc.sync_pipelines import GET_PIPELINE, UPDATE_PIPELINE, PipelineRequest, UpdatePipeline

if TYPE_CHECKING:
    from conftest import Team


async def definition_of(team: "Team", module: str) -> PipelineDefinition:
    request = PipelineRequest(pipeline=team.pipelines[module].id)
    return (await RpcClient(team.client).call(GET_PIPELINE, request, actor=team.actor())).definition


async def redefine(team: "Team", module: str = "Contacts", **changes: Any) -> None:
    rpc, number = RpcClient(team.client), team.pipelines[module].id
    now = await rpc.call(GET_PIPELINE, PipelineRequest(pipeline=number), actor=team.actor())
    definition = PipelineDefinition.model_validate(now.definition.model_dump() | changes)
    update = UpdatePipeline(
        pipeline=number, name=now.pipeline.name, version=now.version, definition=definition
    )
    await rpc.call(UPDATE_PIPELINE, update, actor=team.actor())
