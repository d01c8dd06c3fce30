"""The page of parked work and its forms."""

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from contracts.names import Direction
from contracts.problems import Conflict, Invalid, NotConnected, NotFound, Unavailable
from contracts.rpc.sync_parked import (
    ADOPT_CANDIDATE,
    DISCARD_PARKED,
    RETRY_ALL_PARKED,
    RETRY_PARKED,
    AdoptCandidate,
    DiscardParked,
    ParkedCause,
    ParkedFilter,
    RetryAllParked,
    RetryParked,
)
from gateway import parked_page, rendering
from gateway.asking import Asking, PageAsking
from gateway.downloads import as_csv
from gateway.parked_csv import parked_csv
from gateway.routes import tells
from gateway.session import leave_note
from gateway.signing_in import require_csrf

router = APIRouter(include_in_schema=False)
_csrf = [Depends(require_csrf)]


@router.get("/teams/{tenant}/parked")
async def parked(request: Request, asking: PageAsking) -> Response:
    form = parked_page.ParkedForm.of(request.query_params)
    wrong: str | None = None
    try:
        wanted = parked_page.filter_of(form)
    except ValueError as error:
        wrong, wanted = str(error), ParkedFilter()
    after = _number(request.query_params.get("after")) or 0
    view = await parked_page.gather(asking, wanted, after=after)
    if wanted.pipeline is None and view.groups.value is not None:
        count = sum(group.count for group in view.groups.value.groups)
        asking = replace(asking, parked=asking.parts.parked_counts.note(asking.tenant, count))
    return rendering.page(
        request,
        "parked.html",
        team=asking,
        tab="parked",
        form=form,
        wrong=wrong,
        view=view,
        is_first=after == 0,
        directions=[Direction.TO_AMEISE, Direction.TO_ZOHO],
        causes=list(ParkedCause),
        direction_of=Direction,
    )


@router.get("/teams/{tenant}/parked.csv")
async def parked_as_file(request: Request, asking: PageAsking) -> StreamingResponse:
    try:
        wanted = parked_page.filter_of(parked_page.ParkedForm.of(request.query_params))
    except ValueError as error:
        raise Invalid(str(error)) from error
    pieces = await parked_csv(asking, wanted, await parked_page.pipeline_names(asking))
    return as_csv(pieces, f"{asking.tenant}_geparkt.csv")


@router.post("/teams/{tenant}/parked/retry", dependencies=_csrf, openapi_extra=tells(RETRY_PARKED))
async def retry(request: Request, asking: PageAsking) -> Response:
    if not (ids := await _chosen(request)):
        return _back(request, asking, "Es war nichts ausgewählt.")
    done = await asking.call(RETRY_PARKED, RetryParked(ids=ids))
    return _back(request, asking, f"Erneut versucht: {done.retried}.")


@router.post("/teams/{tenant}/parked/retry-all", dependencies=_csrf, openapi_extra=tells(RETRY_ALL_PARKED))
async def retry_all(request: Request, asking: PageAsking) -> Response:
    form = await request.form(max_files=0)
    typed: dict[str, Any] = {name: form.get(name) or None for name in ("cause", "pipeline")}
    try:
        wanted = RetryAllParked.model_validate(typed)
    except ValidationError as error:
        raise Invalid("Diese Ursache oder Pipeline gibt es nicht.") from error
    done = await asking.call(RETRY_ALL_PARKED, wanted)
    return _back(request, asking, f"Erneut versucht: {done.retried}.")


@router.post("/teams/{tenant}/parked/discard", dependencies=_csrf, openapi_extra=tells(DISCARD_PARKED))
async def discard(request: Request, asking: PageAsking) -> Response:
    if not (ids := await _chosen(request)):
        return _back(request, asking, "Es war nichts ausgewählt.")
    reason = (await request.form(max_files=0)).get("reason")
    try:
        wanted = DiscardParked.model_validate({"ids": ids, "reason": str(reason or "").strip()})
    except ValidationError:
        return _back(request, asking, "Zum Verwerfen gehört ein Grund von 3 bis 200 Zeichen.")
    done = await asking.call(DISCARD_PARKED, wanted)
    return _back(request, asking, f"Verworfen: {done.discarded}.")


@router.post("/teams/{tenant}/parked/adopt", dependencies=_csrf, openapi_extra=tells(ADOPT_CANDIDATE))
async def adopt(request: Request, asking: PageAsking) -> Response:
    """`adopt` is the number of the work, `kunde` or `vertrag`, and its number, with colons between."""
    work, *chosen = str((await request.form(max_files=0)).get("adopt") or "").split(":", 2)
    try:
        wanted = AdoptCandidate.model_validate({"id": _number(work), chosen[0]: chosen[-1]} if chosen else {})
    except ValidationError as error:
        raise Invalid("Das Formular ist nicht vollständig: adopt.") from error
    try:
        done = await asking.call(ADOPT_CANDIDATE, wanted)
    except (Conflict, NotFound, NotConnected, Unavailable) as problem:
        return _back(request, asking, " ".join(filter(None, (problem.detail, problem.remedy))))
    which = f"Kunde {done.kunde}" if done.kunde else f"Vertrag {done.vertrag}"
    return _back(request, asking, f"Datensatz {done.zoho_id} gehört jetzt zu {which}.")


async def _chosen(request: Request) -> tuple[int, ...]:
    """The row whose own button was pressed, else those that are ticked."""
    form = await request.form(max_files=0)
    ids = [form.get("only")] if form.get("only") else form.getlist("ids")
    numbers = (_number(id_) for id_ in ids[: parked_page.LINES] if isinstance(id_, str))
    return tuple(number for number in numbers if number is not None)


def _number(typed: str | None) -> int | None:
    return int(typed) if typed and typed.isascii() and typed.isdecimal() and len(typed) < 19 else None


def _back(request: Request, asking: Asking, note: str) -> Response:
    """To the page as it was filtered; what is parked may have become less."""
    asking.parts.parked_counts.forget(asking.tenant)
    leave_note(request, note)
    query = parked_page.ParkedForm.of(request.query_params).query()
    return RedirectResponse(f"/teams/{asking.tenant}/parked{'?' + query if query else ''}", status_code=303)
