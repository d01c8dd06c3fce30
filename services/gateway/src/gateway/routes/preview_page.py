"""The page that shows what a pipeline would write, before it does."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from contracts.ids import AmeiseKey, PipelineId, ZohoId
from contracts.names import System
from contracts.problems import Problem
from contracts.rpc.sync_pipelines import GET_PIPELINE, PipelineRequest
from contracts.rpc.sync_preview import PREVIEW, PreviewRequest
from gateway import rendering
from gateway.asking import PageAsking

router = APIRouter(include_in_schema=False)


@router.get("/teams/{tenant}/pipelines/{pipeline}/preview")
async def preview(request: Request, asking: PageAsking, pipeline: PipelineId) -> Response:
    """Of one object or record (`seite`, `nummer`), or of ten at random."""
    detail = await asking.call(GET_PIPELINE, PipelineRequest(pipeline=pipeline))
    side = request.query_params.get("seite", System.AMEISE)
    number = request.query_params.get("nummer", "").strip()
    objects, wrong, status = (), None, 200
    try:
        objects = (await asking.call(PREVIEW, _wanted(pipeline, side, number))).objects
    except ValueError:
        wrong, status = "Das ist keine Nummer.", 422
    except Problem as problem:  # also an outside system that does not answer
        wrong = problem.detail
    return rendering.page(
        request, "preview.html", status_code=status, team=asking, tab="pipelines", detail=detail, side=side,
        number=number, wrong=wrong, objects=objects, sides=list(System),
    )  # fmt: skip


def _wanted(pipeline: PipelineId, side: str, number: str) -> PreviewRequest:
    """Raises ValueError."""
    if not number:
        return PreviewRequest(pipeline=pipeline)
    if System(side) is System.AMEISE:
        return PreviewRequest(pipeline=pipeline, key=AmeiseKey(number))
    return PreviewRequest(pipeline=pipeline, zoho_id=ZohoId(number))
