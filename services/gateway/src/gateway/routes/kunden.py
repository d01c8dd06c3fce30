"""The admin's API about one Kunde, and about one row: what is held, how it was, and erasing it."""

from typing import Annotated

from fastapi import Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime
from starlette.responses import Response

from contracts.ids import AmeiseKey, Kundennummer, ZohoId
from contracts.names import Table
from contracts.rpc.ingest import (
    FORGET,
    INFORM,
    LIFT_STOP,
    OBJECT_AS_OF,
    ObjectAsOf,
    ObjectAsOfRequest,
)
from contracts.rpc.sync_people import SYNC_FORGET, SYNC_INFORM, SYNC_LIFT_STOP
from gateway import kunden
from gateway.asking import ApiAsking
from gateway.models import Forgotten
from gateway.routes import admin_router, tells

router = admin_router("Kunden")


@router.get(
    "/{tenant}/kunden/{kunde}/information",
    openapi_extra=tells(INFORM, SYNC_INFORM),
    response_class=StreamingResponse,
    responses={200: {"content": {"application/json": {}}}},
)
async def inform(asking: ApiAsking, kunde: Kundennummer) -> Response:
    """Everything that is held about a Kunde (right of access), by service: of deliveries, and of the
    connection with Zoho."""
    return await kunden.inform(asking, kunde)


@router.post("/{tenant}/kunden/{kunde}/forget", openapi_extra=tells(FORGET, SYNC_FORGET))
async def forget(asking: ApiAsking, kunde: Kundennummer) -> Forgotten:
    """Erase a Kunde from all that is held, and keep deliveries and webhooks from bringing him back."""
    return await kunden.forget(asking, kunde)


@router.post(
    "/{tenant}/kunden/{kunde}/lift-stop", status_code=204, openapi_extra=tells(LIFT_STOP, SYNC_LIFT_STOP)
)
async def lift_stop(
    asking: ApiAsking,
    kunde: Kundennummer,
    zoho_id: Annotated[list[ZohoId], Query(default_factory=list, max_length=100)],
) -> None:
    """Let the next delivery bring a forgotten Kunde back, and the next webhook these records of his."""
    await kunden.lift_stop(asking, kunde, tuple(zoho_id))


@router.get("/{tenant}/tables/{table}/rows/{key}")
async def row_as_of(
    asking: ApiAsking, table: Table, key: AmeiseKey, moment: Annotated[AwareDatetime, Query()]
) -> ObjectAsOf:
    """How a row of a delivery looked at a moment."""
    return await asking.call(OBJECT_AS_OF, ObjectAsOfRequest(table=table, key=key, moment=moment))
