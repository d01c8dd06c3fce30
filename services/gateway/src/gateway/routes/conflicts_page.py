"""The page of conflicts and its form."""

from dataclasses import replace

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from contracts.ids import PipelineId
from contracts.problems import Conflict, Invalid, NotFound
from contracts.rpc.sync_pipelines import DECIDE_CONFLICT
from gateway import conflicts_page, rendering
from gateway.asking import PageAsking
from gateway.routes import tells
from gateway.session import leave_note
from gateway.signing_in import require_csrf
from gateway.waiting_counts import MOST_CONFLICTS
from gateway.wording import label

router = APIRouter(include_in_schema=False)


@router.get("/teams/{tenant}/conflicts")
async def conflicts(request: Request, asking: PageAsking) -> Response:
    """`pipeline` restricts it to one, `after` begins behind a page; what is neither means nothing."""
    wanted, after = _pipeline(request.query_params.get("pipeline", "")), request.query_params.get("after")
    try:
        view = await conflicts_page.gather(asking, wanted, after)
    except ValueError:
        after = None
        view = await conflicts_page.gather(asking, wanted, after)
    if wanted is None and after is None and view.records.problem is None:
        count = asking.parts.conflict_counts.note(asking.tenant, min(view.count, MOST_CONFLICTS))
        asking = replace(asking, open_conflicts=count)
    return rendering.page(
        request, "conflicts.html", team=asking, tab="conflicts", wanted=wanted, view=view,
        after=after,
    )  # fmt: skip


@router.post(
    "/teams/{tenant}/conflicts",
    dependencies=[Depends(require_csrf)],
    openapi_extra=tells(DECIDE_CONFLICT),
)
async def decide(request: Request, asking: PageAsking) -> Response:
    form = await request.form(max_files=0)
    link, button = form.get("link"), form.get("decide")
    fields = [name for name in form.getlist("fields") if isinstance(name, str)]
    try:
        wanted = conflicts_page.decision_of(
            link if isinstance(link, str) else None, fields, button if isinstance(button, str) else None
        )
    except ValueError as error:
        raise Invalid("Das Formular ist nicht vollständig.") from error
    try:
        await asking.call(DECIDE_CONFLICT, wanted)
    except Conflict as problem:
        leave_note(request, f"Noch nicht entschieden: {problem.detail}, {problem.remedy}.")
    except NotFound:
        leave_note(request, "Dieser Konflikt hat sich inzwischen erledigt.")
    else:
        names = ", ".join((wanted.field, *wanted.also))
        leave_note(request, f"Entschieden: {names}. Es gilt {label(wanted.winner)}; beide Seiten folgen.")
    asking.parts.conflict_counts.forget(asking.tenant)
    pipeline = _pipeline(request.query_params.get("pipeline", ""))
    query = f"?pipeline={pipeline}" if pipeline else ""
    return RedirectResponse(f"/teams/{asking.tenant}/conflicts{query}", status_code=303)


def _pipeline(typed: str) -> PipelineId | None:
    return PipelineId(typed) if PipelineId.pattern.fullmatch(typed) else None
