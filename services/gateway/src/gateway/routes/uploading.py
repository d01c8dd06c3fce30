"""A delivery by hand: the admin uploads its files, by the API or by the form on the team's page."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from contracts.rpc.ingest import UPLOAD, UploadReply
from gateway import uploads
from gateway.asking import ApiAsking, PageAsking
from gateway.rendering import number
from gateway.routes import admin_router, tells
from gateway.session import csrf_fits, leave_note
from gateway.signing_in import refuse_other_sites

api = admin_router("Verwaltung")
page = APIRouter(include_in_schema=False)

_API_EXTRA: dict[str, Any] = tells(UPLOAD) | uploads.MULTIPART


@api.post("/{tenant}/dailyup/upload", status_code=202, openapi_extra=_API_EXTRA)
async def upload(request: Request, asking: ApiAsking) -> UploadReply:
    """Upload the files of one delivery, or one archive of them. It waits for its import at once."""
    return await uploads.take(asking, request)


@page.post("/teams/{tenant}/dailyup/upload", openapi_extra=tells(UPLOAD))
async def upload_by_form(request: Request, asking: PageAsking) -> Response:
    """Its token is read with the form, before the first file."""
    refuse_other_sites(request)
    taken = await uploads.take(asking, request, token_fits=lambda token: csrf_fits(request, token))
    leave_note(request, f"Hochgeladen: Dateien: {taken.files}, Bytes: {number(taken.bytes_)}.")
    return RedirectResponse(f"/teams/{asking.tenant}/deliveries/{taken.delivery}", status_code=303)
