"""The page of a team's file format: what is expected, what differs, and what a sample would give."""

import base64

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import UploadFile
from starlette.responses import RedirectResponse, Response

from contracts.problems import Conflict, Invalid, Unavailable
from contracts.rpc import Empty
from contracts.rpc.ingest_format import (
    DRY_RUN,
    GET_FORMAT,
    MAX_SAMPLE_BYTES,
    SET_FORMAT,
    DryRun,
    FormatChanges,
    FormatView,
    SampleRead,
    SetFormat,
)
from gateway import rendering
from gateway.asking import Asking, PageAsking
from gateway.format_text import as_text, from_text
from gateway.rendering import number
from gateway.routes import silent, tells
from gateway.session import leave_note
from gateway.signing_in import require_csrf_beside_a_file

router = APIRouter(include_in_schema=False)
_form = [Depends(require_csrf_beside_a_file)]


@router.get("/teams/{tenant}/format")
async def show(request: Request, asking: PageAsking) -> Response:
    return await _page(request, asking)


@router.post("/teams/{tenant}/format", dependencies=_form, openapi_extra=tells(SET_FORMAT))
async def save(request: Request, asking: PageAsking) -> Response:
    typed, _ = await _typed(request)
    try:
        await asking.call(SET_FORMAT, SetFormat(changes=from_text(typed)))
    except (Invalid, Conflict, Unavailable) as problem:
        return await _page(request, asking, typed=typed, wrong=problem.detail)
    leave_note(request, "Die Abweichungen sind gespeichert und gelten ab der nächsten Lieferung.")
    return RedirectResponse(f"/teams/{asking.tenant}/format", status_code=303)


@router.post(
    "/teams/{tenant}/format/try",
    dependencies=_form,
    openapi_extra=silent("reads a sample and keeps nothing of it"),
)
async def try_sample(request: Request, asking: PageAsking) -> Response:
    typed, file = await _typed(request)
    try:
        sample, cut = await _sample(file, from_text(typed))
        read = await asking.call(DRY_RUN, sample)
    except (Invalid, Conflict, Unavailable) as problem:
        return await _page(request, asking, typed=typed, wrong=problem.detail)
    return await _page(request, asking, typed=typed, sample=read, file=sample.file, cut=cut)


@router.get("/teams/{tenant}/format/try")
async def tried(asking: PageAsking) -> Response:
    """The answer to a sample has this address: whoever goes back to it wants the page."""
    return RedirectResponse(f"/teams/{asking.tenant}/format", status_code=303)


async def _typed(request: Request) -> tuple[str, UploadFile | None]:
    """The text of the changes, and the sample."""
    form = await request.form(max_files=1)
    text, file = form.get("changes"), form.get("sample")
    return text if isinstance(text, str) else "", file if isinstance(file, UploadFile) else None


async def _sample(file: UploadFile | None, changes: FormatChanges) -> tuple[DryRun, bool]:
    """The file's first whole lines, as many as a sample may have; whether there are more."""
    if file is None or not file.filename:
        raise Invalid("Es ist keine Datei zum Ausprobieren ausgewählt.")
    if len(file.filename) > 255:
        raise Invalid("Der Dateiname ist zu lang.")
    content = await file.read(MAX_SAMPLE_BYTES + 1)
    cut = len(content) > MAX_SAMPLE_BYTES
    if cut:
        content = content[: content.rfind(b"\n", 0, MAX_SAMPLE_BYTES) + 1]
    if cut and not content:
        raise Invalid(f"Die Datei hat in ihren ersten {number(MAX_SAMPLE_BYTES)} Bytes kein Zeilenende.")
    return DryRun(file=file.filename, content=base64.b64encode(content).decode(), changes=changes), cut


async def _page(
    request: Request,
    asking: Asking,
    *,
    typed: str | None = None,
    wrong: str | None = None,
    sample: SampleRead | None = None,
    file: str = "",
    cut: bool = False,
) -> Response:
    """What was typed is shown also while ingest does not say what applies."""
    view: FormatView | None = None
    try:
        view = await asking.call(GET_FORMAT, Empty())
    except Unavailable:
        if typed is None:
            raise
    return rendering.page(
        request,
        "format.html",
        status_code=422 if wrong else 200,
        team=asking,
        tab="format",
        view=view,
        typed=as_text(view.changes) if view and typed is None else typed,
        wrong=wrong,
        sample=sample,
        file=file,
        cut=cut,
        most_bytes=MAX_SAMPLE_BYTES,
        largest_file=asking.parts.settings.max_form_bytes,
    )
