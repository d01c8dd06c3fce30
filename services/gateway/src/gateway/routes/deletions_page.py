"""The page of records that wait to be deleted in Zoho, and its form."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from contracts.ids import PipelineId
from contracts.rpc import Rpc
from contracts.rpc.sync_waiting import DELETE_NOW, KEEP_RECORDS, ChosenDeletions, DeletionsDecided
from gateway import deletions_page, rendering
from gateway.asking import Asking, PageAsking
from gateway.routes import tells
from gateway.session import leave_note
from gateway.signing_in import require_csrf

router = APIRouter(include_in_schema=False)
_csrf = [Depends(require_csrf)]


@router.get("/teams/{tenant}/deletions")
async def deletions(request: Request, asking: PageAsking) -> Response:
    """`pipeline` restricts it to one, `after` begins behind a page; what is neither means nothing."""
    wanted, after = _pipeline(request), request.query_params.get("after")
    try:
        view = await deletions_page.gather(asking, wanted, after)
    except ValueError:
        after = None
        view = await deletions_page.gather(asking, wanted, after)
    return rendering.page(
        request, "deletions.html", team=asking, tab="pipelines", wanted=wanted, after=after, view=view
    )


@router.post("/teams/{tenant}/deletions/keep", dependencies=_csrf, openapi_extra=tells(KEEP_RECORDS))
async def keep(request: Request, asking: PageAsking) -> Response:
    return await _decide(request, asking, KEEP_RECORDS, "Behalten")


@router.post("/teams/{tenant}/deletions/now", dependencies=_csrf, openapi_extra=tells(DELETE_NOW))
async def delete_now(request: Request, asking: PageAsking) -> Response:
    """Only with the tick beside the button: a slip of the finger deletes nothing."""
    if not (await request.form(max_files=0)).get("sure"):
        return _back(request, asking, "Nicht gelöscht: bitte das Häkchen vor dem Löschen setzen.")
    return await _decide(request, asking, DELETE_NOW, "Wird jetzt gelöscht")


async def _decide(
    request: Request, asking: Asking, rpc: Rpc[ChosenDeletions, DeletionsDecided], words: str
) -> Response:
    """About the row whose own button was pressed, else those that are ticked."""
    form = await request.form(max_files=0)
    chosen = [form.get("only")] if form.get("only") else form.getlist("ids")
    typed = [id_ for id_ in chosen if isinstance(id_, str) and id_.isascii() and id_.isdecimal()]
    ids = tuple(int(id_) for id_ in typed[: deletions_page.LINES] if len(id_) < 19)
    if not ids:
        return _back(request, asking, "Es war nichts ausgewählt.")
    done = await asking.call(rpc, ChosenDeletions(ids=ids))
    missed = len(ids) - done.decided
    rest = f" {missed} hatten sich inzwischen erledigt." if missed else ""
    return _back(request, asking, f"{words}: {done.decided}.{rest}")


def _pipeline(request: Request) -> PipelineId | None:
    typed = request.query_params.get("pipeline", "")
    return PipelineId(typed) if PipelineId.pattern.fullmatch(typed) else None


def _back(request: Request, asking: Asking, note: str) -> Response:
    leave_note(request, note)
    pipeline = _pipeline(request)
    query = f"?pipeline={pipeline}" if pipeline else ""
    return RedirectResponse(f"/teams/{asking.tenant}/deletions{query}", status_code=303)
