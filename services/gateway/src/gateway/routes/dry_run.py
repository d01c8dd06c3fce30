"""Trying a whole pipeline: by the API, and on a page that loads itself anew until it is over."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from contracts.ids import PipelineId
from contracts.rpc.sync_dry_run import DRY_RUN, GET_DRY_RUN, DryRun, DryRunAnswer, DryRunState
from contracts.rpc.sync_pipelines import GET_PIPELINE, PipelineRequest
from gateway import rendering
from gateway.asking import ApiAsking, PageAsking
from gateway.routes import admin_router, silent
from gateway.signing_in import require_csrf

api = admin_router("Pipelines")
page = APIRouter(include_in_schema=False)

_LOOKS = silent("counts what would be done, and writes nothing")


@api.post("/{tenant}/pipelines/{pipeline}/dry-run", status_code=202, openapi_extra=_LOOKS)
async def start(asking: ApiAsking, pipeline: PipelineId) -> DryRun:
    """Begin to try a pipeline on all that the deliveries brought; one under way is given up."""
    return await asking.call(DRY_RUN, PipelineRequest(pipeline=pipeline))


@api.get("/{tenant}/pipelines/{pipeline}/dry-run")
async def last(asking: ApiAsking, pipeline: PipelineId) -> DryRunAnswer:
    """How far the last one is, what it counted, and what it would cost at Zoho."""
    return await asking.call(GET_DRY_RUN, PipelineRequest(pipeline=pipeline))


@page.post(
    "/teams/{tenant}/pipelines/{pipeline}/dry-run", dependencies=[Depends(require_csrf)], openapi_extra=_LOOKS
)
async def start_by_form(asking: PageAsking, pipeline: PipelineId) -> Response:
    await asking.call(DRY_RUN, PipelineRequest(pipeline=pipeline))
    return RedirectResponse(f"/teams/{asking.tenant}/pipelines/{pipeline}/dry-run", status_code=303)


@page.get("/teams/{tenant}/pipelines/{pipeline}/dry-run")
async def show(request: Request, asking: PageAsking, pipeline: PipelineId) -> Response:
    wanted = PipelineRequest(pipeline=pipeline)
    detail = await asking.call(GET_PIPELINE, wanted)
    run = (await asking.call(GET_DRY_RUN, wanted)).run
    is_under_way = run is not None and run.state is DryRunState.RUNNING
    return rendering.page(
        request, "dry_run.html", team=asking, tab="pipelines", detail=detail, run=run,
        is_under_way=is_under_way,
    )  # fmt: skip
