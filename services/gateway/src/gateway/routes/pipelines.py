"""The admin's API about pipelines: made from nothing or a template, changed, switched, deleted; conflicts."""

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field

from contracts.ids import AmeiseKey, PipelineId, ZohoId
from contracts.names import System
from contracts.rpc import Empty
from contracts.rpc.pipeline_definition import AmeiseName, PipelineDefinition
from contracts.rpc.sync_pipelines import (
    CREATE_PIPELINE,
    DECIDE_CONFLICT,
    DELETE_PIPELINE,
    GET_PIPELINE,
    LIST_CONFLICTS,
    LIST_TEMPLATES,
    PIPELINE_NAME_LENGTH,
    SWITCH_PIPELINE,
    UPDATE_PIPELINE,
    CreatePipeline,
    DecideConflict,
    DeletePipeline,
    ListConflicts,
    OpenConflicts,
    PipelineDetail,
    PipelineGone,
    PipelineRequest,
    PipelineTemplates,
    SwitchPipeline,
    UpdatePipeline,
)
from contracts.rpc.sync_preview import PREVIEW, Preview, PreviewRequest
from contracts.rpc.sync_values import SUGGEST_VALUES, FieldName, SuggestedValues, SuggestValues
from gateway.asking import ApiAsking
from gateway.routes import admin_router, tells

router = admin_router("Pipelines")


class ChangedPipeline(BaseModel):
    """`version`: of the definition that was changed, as it was read. Without a name it keeps its own."""

    name: str | None = Field(default=None, min_length=1, max_length=PIPELINE_NAME_LENGTH)
    version: str = Field(max_length=64)
    definition: PipelineDefinition


class Switch(BaseModel):
    enabled: bool


class Decision(BaseModel):
    winner: System


@router.get("/{tenant}/pipelines/templates")
async def templates(asking: ApiAsking) -> PipelineTemplates:
    """The ready pipelines, to be created as they are or changed before."""
    return await asking.call(LIST_TEMPLATES, Empty())


@router.post("/{tenant}/pipelines", status_code=201, openapi_extra=tells(CREATE_PIPELINE))
async def create(asking: ApiAsking, new: CreatePipeline) -> PipelineDetail:
    """Make a pipeline; it gets all objects that are stored."""
    return await asking.call(CREATE_PIPELINE, new)


@router.get("/{tenant}/pipelines/{pipeline}")
async def get(asking: ApiAsking, pipeline: PipelineId) -> PipelineDetail:
    """A pipeline with its definition."""
    return await asking.call(GET_PIPELINE, PipelineRequest(pipeline=pipeline))


@router.get("/{tenant}/pipelines/{pipeline}/values")
async def values(asking: ApiAsking, pipeline: PipelineId, field: FieldName) -> SuggestedValues:
    """The values of a mapped picklist: equal texts in Ameise's list and in Zoho, and what is left over."""
    return await asking.call(SUGGEST_VALUES, SuggestValues(pipeline=pipeline, field=field))


@router.put("/{tenant}/pipelines/{pipeline}", openapi_extra=tells(UPDATE_PIPELINE))
async def update(asking: ApiAsking, pipeline: PipelineId, changed: ChangedPipeline) -> PipelineDetail:
    """Give a pipeline another definition, and another name if there is one; all objects are judged anew."""
    request = UpdatePipeline(
        pipeline=pipeline, name=changed.name, version=changed.version, definition=changed.definition
    )
    return await asking.call(UPDATE_PIPELINE, request)


@router.put("/{tenant}/pipelines/{pipeline}/enabled", openapi_extra=tells(SWITCH_PIPELINE))
async def switch(asking: ApiAsking, pipeline: PipelineId, wanted: Switch) -> PipelineDetail:
    """Switch a pipeline on or off."""
    return await asking.call(SWITCH_PIPELINE, SwitchPipeline(pipeline=pipeline, enabled=wanted.enabled))


@router.delete("/{tenant}/pipelines/{pipeline}", openapi_extra=tells(DELETE_PIPELINE))
async def delete(
    asking: ApiAsking, pipeline: PipelineId, links_too: Annotated[bool, Query()] = False
) -> PipelineGone:
    """Delete a pipeline; one with links only if they may go too. Nothing is deleted in Zoho or Ameise."""
    return await asking.call(DELETE_PIPELINE, DeletePipeline(pipeline=pipeline, links_too=links_too))


@router.get("/{tenant}/pipelines/{pipeline}/preview")
async def preview(
    asking: ApiAsking,
    pipeline: PipelineId,
    key: Annotated[AmeiseKey | None, Query()] = None,
    zoho_id: Annotated[ZohoId | None, Query()] = None,
) -> Preview:
    """What would be written for an object of Ameise, a Zoho record, or ten at random. Nothing is sent."""
    return await asking.call(PREVIEW, PreviewRequest(pipeline=pipeline, key=key, zoho_id=zoho_id))


@router.get("/{tenant}/conflicts")
async def conflicts(asking: ApiAsking, wanted: Annotated[ListConflicts, Query()]) -> OpenConflicts:
    """Fields that both sides changed and that wait for a decision."""
    return await asking.call(LIST_CONFLICTS, wanted)


@router.put("/{tenant}/conflicts/{link}/{field}", status_code=204, openapi_extra=tells(DECIDE_CONFLICT))
async def decide(asking: ApiAsking, link: int, field: AmeiseName, decision: Decision) -> None:
    """Say which side's value holds; the record is looked at right away."""
    await asking.call(DECIDE_CONFLICT, DecideConflict(link=link, field=field, winner=decision.winner))
