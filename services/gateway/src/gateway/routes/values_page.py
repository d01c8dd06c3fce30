"""The page on which the values of a mapped picklist are chosen."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from contracts.ids import PipelineId
from contracts.problems import Conflict, Invalid, NotConnected, NotFound, Unavailable
from contracts.rpc.sync_pipelines import (
    GET_PIPELINE,
    UPDATE_PIPELINE,
    PipelineDetail,
    PipelineRequest,
    UpdatePipeline,
)
from contracts.rpc.sync_values import SUGGEST_VALUES, SuggestedValues, SuggestValues
from gateway import rendering, values_page
from gateway.asking import Asking, PageAsking
from gateway.problems import in_words, in_words_with_page
from gateway.routes import tells
from gateway.session import leave_note
from gateway.signing_in import require_csrf

router = APIRouter(include_in_schema=False)


@router.get("/teams/{tenant}/pipelines/{pipeline}/values/{field}")
async def values(request: Request, asking: PageAsking, pipeline: PipelineId, field: str) -> Response:
    return await _page(request, asking, await _detail(asking, pipeline), field)


@router.post(
    "/teams/{tenant}/pipelines/{pipeline}/values/{field}",
    dependencies=[Depends(require_csrf)],
    openapi_extra=tells(UPDATE_PIPELINE),
)
async def save(request: Request, asking: PageAsking, pipeline: PipelineId, field: str) -> Response:
    form = await request.form()
    typed = {name: value for name, value in form.items() if isinstance(value, str)}
    try:
        detail = await _detail(asking, pipeline)
    except Unavailable as problem:
        return _rendered(request, asking, pipeline, field, None, None, in_words(problem), typed)
    definition = values_page.with_values(detail.definition, field, values_page.chosen_of(typed))
    wanted = UpdatePipeline(
        pipeline=pipeline,
        name=detail.pipeline.name,
        version=typed.get("version", ""),
        definition=definition,
    )
    try:
        await asking.call(UPDATE_PIPELINE, wanted)
    except Conflict as problem:
        page = f"/teams/{asking.tenant}/pipelines/{pipeline}/values/{field}"
        return await _page(request, asking, detail, field, in_words_with_page(problem, page), typed)
    except (Invalid, Unavailable) as problem:
        return await _page(request, asking, detail, field, in_words(problem), typed)
    leave_note(request, f"Die Werte von {field} sind gespeichert; alle Objekte werden neu beurteilt.")
    return RedirectResponse(f"/teams/{asking.tenant}/pipelines/{pipeline}/edit", status_code=303)


async def _detail(asking: Asking, pipeline: PipelineId) -> PipelineDetail:
    return await asking.call(GET_PIPELINE, PipelineRequest(pipeline=pipeline))


async def _page(
    request: Request,
    asking: Asking,
    detail: PipelineDetail,
    field: str,
    wrong: str | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    if values_page.mapping_of(detail.definition, field) is None:
        raise NotFound(f"Die Pipeline „{detail.pipeline.name}“ ordnet kein Feld {field} zu.")
    suggested: SuggestedValues | None = None
    try:
        wanted = SuggestValues(pipeline=detail.pipeline.id, field=field)
        suggested = await asking.call(SUGGEST_VALUES, wanted)
    except (Invalid, NotConnected, NotFound, Unavailable) as problem:
        wrong = wrong or in_words(problem)
    return _rendered(request, asking, detail.pipeline.id, field, detail, suggested, wrong, typed)


def _rendered(
    request: Request,
    asking: Asking,
    pipeline: PipelineId,
    field: str,
    detail: PipelineDetail | None,
    suggested: SuggestedValues | None,
    wrong: str | None,
    typed: dict[str, str] | None,
) -> Response:
    """What sync does not say now is None; what was chosen is shown all the same."""
    mapping = values_page.mapping_of(detail.definition, field) if detail else None
    return rendering.page(
        request, "values.html", status_code=422 if wrong else 200, team=asking, tab="pipelines",
        pipeline=pipeline, field=field, mapping=mapping, wrong=wrong, suggested=suggested,
        name=detail.pipeline.name if detail else f"Pipeline {pipeline}",
        version=detail.version if detail else (typed or {}).get("version", ""),
        prefix=values_page.PREFIX, names=suggested.names if suggested else {},
        lines=values_page.lines_of(mapping, suggested, typed),
        options=values_page.options_of(suggested, typed),
        lost=values_page.lost_of(mapping, suggested) if mapping and suggested else {},
    )  # fmt: skip
