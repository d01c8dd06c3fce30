"""One Kunde as a person, in all services that hold something about him: erased, told, let in again."""

import json
from collections.abc import AsyncGenerator
from typing import Any

from fastapi.responses import JSONResponse, StreamingResponse
from starlette.responses import Response

from chassis import objects
from contracts.ids import Kundennummer, ZohoId
from contracts.names import Service
from contracts.problems import NotFound
from contracts.rpc import Empty, Rpc
from contracts.rpc.ingest import FORGET, INFORM, LIFT_STOP, Download, Information, KundeRequest
from contracts.rpc.sync_people import (
    SYNC_FORGET,
    SYNC_INFORM,
    SYNC_LIFT_STOP,
    LiftSyncStop,
    SyncInformRequest,
)
from contracts.streams import DOWNLOADS
from gateway.asking import Asking, Req
from gateway.models import Forgotten


async def forget(asking: Asking, kunde: Kundennummer) -> Forgotten:
    """Erase him everywhere, and keep him away. Asked again, it finishes what a service could not do then."""
    # ingest first: it refuses while an import runs, and then nothing has happened yet.
    delivered = await asking.call(FORGET, KundeRequest(kunde=kunde))
    synced = await asking.call(SYNC_FORGET, KundeRequest(kunde=kunde))
    return Forgotten(
        kunde=kunde,
        at=synced.at,
        erased={Service.INGEST: delivered.erased, Service.SYNC: synced.erased},
        stopped_zoho_ids=synced.stopped,
    )


async def lift_stop(asking: Asking, kunde: Kundennummer, zoho_ids: tuple[ZohoId, ...]) -> None:
    """Raises NotFound if no service keeps him away."""
    of_deliveries = await _lifted(asking, LIFT_STOP, KundeRequest(kunde=kunde))
    of_webhooks = await _lifted(asking, SYNC_LIFT_STOP, LiftSyncStop(kunde=kunde, zoho_ids=zoho_ids))
    if not (of_deliveries or of_webhooks):
        raise NotFound("Dieser Kunde steht auf keiner Sperrliste.")


async def _lifted(asking: Asking, rpc: Rpc[Req, Empty], request: Req) -> bool:
    try:
        await asking.call(rpc, request)
    except NotFound:
        return False
    return True


async def inform(asking: Asking, kunde: Kundennummer) -> Response:
    """All that is held about him, by service; raises NotFound if that is nothing."""
    synced = await _of_sync(asking, kunde)
    delivered = await _of_ingest(asking, kunde)
    if synced is None and delivered is None:
        raise NotFound("Über diesen Kunden ist nichts gespeichert.")
    if delivered is not None and delivered.file is not None:
        return _as_file(asking, delivered.file, synced)
    about = delivered.about if delivered is not None else None
    return JSONResponse({Service.INGEST.value: about, Service.SYNC.value: synced})


async def _of_ingest(asking: Asking, kunde: Kundennummer) -> Information | None:
    try:
        return await asking.call(INFORM, KundeRequest(kunde=kunde))
    except NotFound:
        return None


async def _of_sync(asking: Asking, kunde: Kundennummer) -> dict[str, list[Any]] | None:
    """All pages."""
    about: dict[str, list[Any]] = {}
    page: int | None = 0
    while page is not None:
        try:
            told = await asking.call(SYNC_INFORM, SyncInformRequest(kunde=kunde, page=page))
        except NotFound:  # of a later page: he was forgotten meanwhile
            return about or None
        for place, rows in told.about.items():
            about.setdefault(place, []).extend(rows)
        page = told.next_page
    return about


def _as_file(asking: Asking, file: Download, synced: dict[str, list[Any]] | None) -> StreamingResponse:
    """The JSON that ingest made, with what sync holds behind it."""
    before = json.dumps({Service.INGEST.value: 0})[:-2].encode()
    after = f', "{Service.SYNC}": {json.dumps(synced, ensure_ascii=False)}}}'.encode()

    async def pieces() -> AsyncGenerator[bytes]:
        yield before
        async for piece in objects.read(asking.parts.base.broker.js, DOWNLOADS, asking.tenant, file.object):
            yield piece
        yield after

    headers = {
        "Content-Disposition": f'attachment; filename="{file.file_name}"',
        # A reader that gets less knows that something went wrong on the way.
        "Content-Length": str(len(before) + file.size + len(after)),
        "Cache-Control": "no-store",
    }
    return StreamingResponse(pieces(), media_type="application/json", headers=headers)
