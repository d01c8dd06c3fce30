"""The pages of one Kunde: what is held about him, how a row was, and erasing him with a receipt."""

from datetime import date, datetime, time
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from contracts.ids import AmeiseKey, Kundennummer, ZohoId
from contracts.names import Service, Table
from contracts.problems import NotFound
from contracts.rpc import Empty
from contracts.rpc.ingest import (
    FORGET,
    INFORM,
    LIFT_STOP,
    OBJECT_AS_OF,
    ObjectAsOf,
    ObjectAsOfRequest,
)
from contracts.rpc.sync import LIST_PIPELINES
from contracts.rpc.sync_people import SYNC_FORGET, SYNC_INFORM, SYNC_LIFT_STOP
from gateway import kunden, overview, rendering
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
        return await _found(request, asking, None)
    try:
        number = Kundennummer(kunde.strip())
    except ValueError:
        return await _found(request, asking, None, typed=kunde, wrong="Das ist keine Kundennummer.")
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
        return await _found(request, asking, kunde, asked=asked)
    try:
        row = ObjectAsOfRequest(table=Table(table), key=AmeiseKey(key), moment=end_of(day))
    except ValueError:
        wrong = "Bitte eine Tabelle, einen Schlüssel und einen Tag angeben."
        return await _found(request, asking, kunde, asked=asked, wrong=wrong)
    part = await overview.part_of(Service.INGEST, asking.call(OBJECT_AS_OF, row))
    return await _found(request, asking, kunde, asked=asked, part=part)


@router.get("/teams/{tenant}/kunden/{kunde}/information", openapi_extra=tells(INFORM, SYNC_INFORM))
async def information(request: Request, asking: PageAsking, kunde: Kundennummer) -> Response:
    """As a file, however small."""
    try:
        told = await kunden.inform(asking, kunde)
    except NotFound as nobody:
        return await _found(request, asking, kunde, wrong=nobody.detail, status=nobody.status)
    told.headers.setdefault("Content-Disposition", f'attachment; filename="auskunft-{kunde}.json"')
    return told


@router.post(
    "/teams/{tenant}/kunden/{kunde}/forget", dependencies=_csrf, openapi_extra=tells(FORGET, SYNC_FORGET)
)
async def forget(request: Request, asking: PageAsking, kunde: Kundennummer) -> Response:
    """Only if the number was typed once more: there is no way back."""
    if str((await request.form()).get("confirmed", "")).strip() != kunde:
        wrong = "Zum Löschen bitte die Kundennummer genau so noch einmal eingeben."
        return await _found(request, asking, kunde, wrong=wrong)
    receipt = await kunden.forget(asking, kunde)
    return rendering.page(request, "kunde_forgotten.html", team=asking, tab="kunden", receipt=receipt)


@router.post(
    "/teams/{tenant}/kunden/{kunde}/lift-stop",
    dependencies=_csrf,
    openapi_extra=tells(LIFT_STOP, SYNC_LIFT_STOP),
)
async def lift_stop(request: Request, asking: PageAsking, kunde: Kundennummer) -> Response:
    """`zoho_ids`: his records, separated by blanks or commas, as the receipt names them."""
    typed = str((await request.form()).get("zoho_ids", "")).replace(",", " ").split()
    try:
        zoho_ids = tuple(map(ZohoId, typed))
    except ValueError:
        return await _found(request, asking, kunde, wrong="Das sind keine IDs von Zoho-Datensätzen.")
    try:
        await kunden.lift_stop(asking, kunde, zoho_ids)
    except NotFound as nobody:
        return await _found(request, asking, kunde, wrong=nobody.detail, status=nobody.status)
    leave_note(request, "Die Sperre ist aufgehoben: die nächste Lieferung darf ihn wieder bringen.")
    return RedirectResponse(f"/teams/{asking.tenant}/kunden/{kunde}", status_code=303)


def end_of(day: str) -> datetime:
    """The last moment of a day in Germany. Raises ValueError."""
    return datetime.combine(date.fromisoformat(day), time.max, tzinfo=rendering.BERLIN)


async def _found(
    request: Request,
    asking: PageAsking,
    kunde: Kundennummer | None,
    *,
    typed: str = "",
    wrong: str | None = None,
    status: int = 422,
    asked: dict[str, str] | None = None,
    part: overview.Part[ObjectAsOf] | None = None,
) -> Response:
    pipelines = await overview.part_of(Service.SYNC, asking.call(LIST_PIPELINES, Empty()))
    known = pipelines.value.pipelines if pipelines.value else ()
    return rendering.page(
        request,
        "kunde.html",
        status_code=status if wrong else 200,
        team=asking,
        tab="kunden",
        kunde=kunde,
        typed=kunde or typed,
        wrong=wrong,
        asked=asked or {"table": Table.KUNDE, "key": kunde or "", "day": ""},
        part=part,
        tables=list(Table),
        pipelines=[p for p in known if p.table is Table.KUNDE],
    )
