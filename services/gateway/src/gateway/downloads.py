"""Files for people, never kept here: from the object store, where ingest puts them, or made as they go."""

from collections.abc import AsyncGenerator

from fastapi.responses import StreamingResponse

from chassis import objects
from contracts.ids import Uuid
from contracts.names import Table
from contracts.rpc.ingest import DOWNLOAD, DOWNLOAD_PROBLEMS, DeliveryRequest, Download, DownloadRequest
from contracts.streams import DOWNLOADS
from gateway.asking import Asking


async def table(asking: Asking, table: Table) -> StreamingResponse:
    """The stored rows of a table as CSV."""
    return as_file(asking, await asking.call(DOWNLOAD, DownloadRequest(table=table)))


async def problems(asking: Asking, delivery: Uuid) -> StreamingResponse:
    """The problems of a delivery as CSV."""
    return as_file(asking, await asking.call(DOWNLOAD_PROBLEMS, DeliveryRequest(delivery=delivery)))


def as_file(asking: Asking, made: Download) -> StreamingResponse:
    """A file that ingest made, as an attachment."""
    pieces = objects.read(asking.parts.base.broker.js, DOWNLOADS, asking.tenant, made.object)
    headers = {
        "Content-Disposition": f'attachment; filename="{made.file_name}"',
        # A reader that gets less knows that something went wrong on the way.
        "Content-Length": str(made.size),
        "Cache-Control": "no-store",
    }
    return StreamingResponse(pieces, media_type="text/csv; charset=utf-8", headers=headers)


def as_csv(pieces: AsyncGenerator[bytes], file_name: str) -> StreamingResponse:
    """A file that is made while it is sent, as an attachment."""
    headers = {"Content-Disposition": f'attachment; filename="{file_name}"', "Cache-Control": "no-store"}
    return StreamingResponse(pieces, media_type="text/csv; charset=utf-8", headers=headers)
