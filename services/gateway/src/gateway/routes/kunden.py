"""The admin's API about one Kunde, and about one row: what is held, how it was, and erasing it."""

from typing import Annotated

from fastapi import Query
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import AwareDatetime
from starlette.responses import Response

from contracts.ids import AmeiseKey, Kundennummer
from contracts.names import Table
from contracts.rpc.ingest import (
    FORGET,
    INFORM,
    LIFT_STOP,
    OBJECT_AS_OF,
    ForgetReceipt,
    KundeRequest,
    ObjectAsOf,
    ObjectAsOfRequest,
)
from gateway import downloads
from gateway.asking import ApiAsking
from gateway.routes import admin_router, tells

router = admin_router("Kunden")


@router.get(
    "/{tenant}/kunden/{kunde}/information",
    openapi_extra=tells(INFORM),
    response_class=StreamingResponse,
    responses={200: {"content": {"application/json": {}}}},
)
async def inform(asking: ApiAsking, kunde: Kundennummer) -> Response:
    """Everything that deliveries brought about a Kunde and that is still held (right of access)."""
    information = await asking.call(INFORM, KundeRequest(kunde=kunde))
    if information.file is None:
        return JSONResponse(information.about)
    return downloads.as_file(asking, information.file, media_type="application/json")


@router.post("/{tenant}/kunden/{kunde}/forget", openapi_extra=tells(FORGET))
async def forget(asking: ApiAsking, kunde: Kundennummer) -> ForgetReceipt:
    """Erase a Kunde from everything that deliveries brought, and keep later ones from bringing him back."""
    return await asking.call(FORGET, KundeRequest(kunde=kunde))


@router.post("/{tenant}/kunden/{kunde}/lift-stop", status_code=204, openapi_extra=tells(LIFT_STOP))
async def lift_stop(asking: ApiAsking, kunde: Kundennummer) -> None:
    """Let the next delivery bring a forgotten Kunde back."""
    await asking.call(LIFT_STOP, KundeRequest(kunde=kunde))


@router.get("/{tenant}/tables/{table}/rows/{key}")
async def row_as_of(
    asking: ApiAsking, table: Table, key: AmeiseKey, moment: Annotated[AwareDatetime, Query()]
) -> ObjectAsOf:
    """How a row of a delivery looked at a moment."""
    return await asking.call(OBJECT_AS_OF, ObjectAsOfRequest(table=table, key=key, moment=moment))
