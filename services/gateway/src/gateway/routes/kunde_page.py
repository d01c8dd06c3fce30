"""The pages of one Kunde: what is held about him, how a row was, and erasing him with a receipt."""

from datetime import date, datetime, time
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from contracts.ids import AmeiseKey, Kundennummer
from contracts.names import Service, Table
from contracts.rpc.ingest import (
    FORGET,
    INFORM,
    LIFT_STOP,
    OBJECT_AS_OF,
    KundeRequest,
    ObjectAsOf,
    ObjectAsOfRequest,
)
from gateway import downloads, overview, rendering
from gateway.asking import PageAsking
from gateway.routes import tells
from gateway.session import leave_note
from gateway.signing_in import require_csrf

router = APIRouter(include_in_schema=False)
_csrf = [Depends(require_csrf)]


@router.get("/teams/{tenant}/kunden")
async def look_up(
    request: Request, asking: PageAsking, kunde: Annotated[str, Query(max_length=100)] = ""
) -> Response:
    if not kunde.strip():
        return _found(request, asking, None)
    try:
        number = Kundennummer(kunde.strip())
    except ValueError:
        return _found(request, asking, None, typed=kunde, wrong="Das ist keine Kundennummer.")
    return RedirectResponse(f"/teams/{asking.tenant}/kunden/{number}", status_code=303)


@router.get("/teams/{tenant}/kunden/{kunde}")
async def kunde(request: Request, asking: PageAsking, kunde: Kundennummer) -> Response:
    """With `stand`, a day, also how a row was when it ended; else that is only asked for."""
    query = request.query_params
    table, key, day = (
        query.get("tabelle", Table.KUNDE),
        query.get("schluessel", kunde),
        query.get("stand", ""),
    )
    asked = {"table": table, "key": key, "day": day}
    if not day:
        return _found(request, asking, kunde, asked=asked)
    try:
        row = ObjectAsOfRequest(table=Table(table), key=AmeiseKey(key), moment=end_of(day))
    except ValueError:
        wrong = "Bitte eine Tabelle, einen Schlüssel und einen Tag angeben."
        return _found(request, asking, kunde, asked=asked, wrong=wrong)
    part = await overview.part_of(Service.INGEST, asking.call(OBJECT_AS_OF, row))
    return _found(request, asking, kunde, asked=asked, part=part)


@router.get("/teams/{tenant}/kunden/{kunde}/information", openapi_extra=tells(INFORM))
async def information(asking: PageAsking, kunde: Kundennummer) -> Response:
    """As a file, however small."""
    held = await asking.call(INFORM, KundeRequest(kunde=kunde))
    if held.file is not None:
        return downloads.as_file(asking, held.file, media_type="application/json")
    headers = {"Content-Disposition": f'attachment; filename="auskunft-{kunde}.json"'}
    return JSONResponse(held.about, headers=headers)


@router.post("/teams/{tenant}/kunden/{kunde}/forget", dependencies=_csrf, openapi_extra=tells(FORGET))
async def forget(request: Request, asking: PageAsking, kunde: Kundennummer) -> Response:
    """Only if the number was typed once more: there is no way back."""
    if str((await request.form()).get("confirmed", "")).strip() != kunde:
        wrong = "Zum Löschen bitte die Kundennummer genau so noch einmal eingeben."
        return _found(request, asking, kunde, wrong=wrong)
    receipt = await asking.call(FORGET, KundeRequest(kunde=kunde))
    return rendering.page(request, "kunde_forgotten.html", team=asking, tab="kunden", receipt=receipt)


@router.post("/teams/{tenant}/kunden/{kunde}/lift-stop", dependencies=_csrf, openapi_extra=tells(LIFT_STOP))
async def lift_stop(request: Request, asking: PageAsking, kunde: Kundennummer) -> Response:
    await asking.call(LIFT_STOP, KundeRequest(kunde=kunde))
    leave_note(request, "Die Sperre ist aufgehoben: die nächste Lieferung darf ihn wieder bringen.")
    return RedirectResponse(f"/teams/{asking.tenant}/kunden/{kunde}", status_code=303)


def end_of(day: str) -> datetime:
    """The last moment of a day in Germany. Raises ValueError."""
    return datetime.combine(date.fromisoformat(day), time.max, tzinfo=rendering.BERLIN)


def _found(
    request: Request,
    asking: PageAsking,
    kunde: Kundennummer | None,
    *,
    typed: str = "",
    wrong: str | None = None,
    asked: dict[str, str] | None = None,
    part: overview.Part[ObjectAsOf] | None = None,
) -> Response:
    return rendering.page(
        request,
        "kunde.html",
        status_code=422 if wrong else 200,
        team=asking,
        tab="kunden",
        kunde=kunde,
        typed=kunde or typed,
        wrong=wrong,
        asked=asked or {"table": Table.KUNDE, "key": kunde or "", "day": ""},
        part=part,
        tables=list(Table),
    )
