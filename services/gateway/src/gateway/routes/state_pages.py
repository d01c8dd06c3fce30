"""The pages of how pipelines, connections and single links are doing, and the limits of a connection."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from contracts.ids import PipelineId, Uuid
from contracts.names import System
from contracts.rpc.sync_capabilities import SET_CAPABILITIES
from contracts.rpc.sync_limits import SET_CONNECTION_LIMITS
from contracts.rpc.sync_pipelines import GET_PIPELINE, PipelineRequest
from gateway import link_page, rendering, state_page
from gateway.asking import Asking, PageAsking
from gateway.pipeline_form import FormError
from gateway.routes import tells
from gateway.session import leave_note
from gateway.signing_in import require_csrf

router = APIRouter(include_in_schema=False)


@router.get("/teams/{tenant}/state")
async def state(request: Request, asking: PageAsking) -> Response:
    return await _state_page(request, asking)


@router.post(
    "/teams/{tenant}/connections/{connection}/limits",
    dependencies=[Depends(require_csrf)],
    openapi_extra=tells(SET_CONNECTION_LIMITS),
)
async def set_limits(request: Request, asking: PageAsking, connection: Uuid) -> Response:
    form = await request.form(max_files=0)
    values = {name: value for name, value in form.items() if isinstance(value, str)}
    try:
        changes = state_page.changes_of(connection, values)
    except FormError as error:
        return await _state_page(request, asking, typed=(connection, values, error))
    await asking.call(SET_CONNECTION_LIMITS, changes)
    leave_note(request, "Die Grenzen sind gespeichert und gelten sofort.")
    return RedirectResponse(f"/teams/{asking.tenant}/state", status_code=303)


@router.post(
    "/teams/{tenant}/connections/{connection}/capabilities",
    dependencies=[Depends(require_csrf)],
    openapi_extra=tells(SET_CAPABILITIES),
)
async def set_capabilities(request: Request, asking: PageAsking, connection: Uuid) -> Response:
    form = await request.form(max_files=0)
    values = {name: value for name, value in form.items() if isinstance(value, str)}
    await asking.call(SET_CAPABILITIES, state_page.capabilities_of(connection, values))
    leave_note(request, "Gespeichert. Es gilt für den nächsten Vertrag aus Zoho.")
    return RedirectResponse(f"/teams/{asking.tenant}/state", status_code=303)


@router.get("/teams/{tenant}/pipelines/{pipeline}/link")
async def link(request: Request, asking: PageAsking, pipeline: PipelineId) -> Response:
    """Of an object or record (`seite`, `nummer`); without a number only the form that asks for one."""
    detail = await asking.call(GET_PIPELINE, PipelineRequest(pipeline=pipeline))
    side = request.query_params.get("seite", System.AMEISE)
    number = request.query_params.get("nummer", "").strip()
    view, wrong = None, None
    if number:
        try:
            wanted = link_page.request_of(pipeline, side, number)
        except ValueError:
            wrong = "Das ist keine Nummer."
        else:
            view = await link_page.gather(asking, detail.pipeline, wanted)
    return rendering.page(
        request, "link.html", status_code=422 if wrong else 200, team=asking, tab="pipelines",
        pipeline=detail.pipeline, side=side, number=number, wrong=wrong, view=view, sides=list(System),
    )  # fmt: skip


async def _state_page(
    request: Request, asking: Asking, *, typed: tuple[Uuid, dict[str, str], FormError] | None = None
) -> Response:
    connection, values, error = typed or (None, {}, None)
    view = await state_page.gather(asking, connection, values, error.faults if error else {})
    return rendering.page(
        request, "state.html", status_code=422 if error else 200, team=asking, tab="state", view=view,
        zoho=System.ZOHO,
    )  # fmt: skip
