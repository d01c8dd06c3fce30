"""Files that the admin uploads: they go into the object store while they come in, and become a delivery."""

import asyncio
from collections.abc import AsyncIterable, Callable

import structlog
from fastapi import Request
from nats.errors import Error as NatsError
from starlette.requests import ClientDisconnect

from chassis import objects
from contracts.ids import new_id
from contracts.problems import Invalid, Unavailable
from contracts.rpc.ingest import (
    MOST_NAME_CHARACTERS,
    MOST_UPLOADED_FILES,
    UPLOAD,
    UploadedFile,
    UploadReply,
    UploadRequest,
)
from contracts.streams import UPLOADS
from gateway.asking import Asking
from gateway.multipart import Part, parts
from gateway.problems import TooSlow
from gateway.signing_in import form_expired

log: structlog.stdlib.BoundLogger = structlog.get_logger()

MULTIPART = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {"type": "array", "items": {"type": "string", "format": "binary"}}
                    },
                }
            }
        },
    }
}


async def take(
    asking: Asking, request: Request, *, token_fits: Callable[[str], bool] | None = None
) -> UploadReply:
    """Every file of the form becomes an object, all of them one delivery. With `token_fits` the field `csrf`
    must come before them.

    Raises Forbidden, Invalid, TooSlow, Unavailable, and what ingest says; then nothing stays of the files.
    """
    files: list[UploadedFile] = []
    try:
        await _receive(asking, request, files, token_fits)
        return await asking.call(UPLOAD, _all_of(files))
    except BaseException:
        await _forget(asking, files)
        raise


def _all_of(files: list[UploadedFile]) -> UploadRequest:
    if not files:
        raise Invalid("Es ist keine Datei ausgewählt.")
    return UploadRequest(delivery=new_id(), files=tuple(files))


async def _receive(
    asking: Asking, request: Request, files: list[UploadedFile], token_fits: Callable[[str], bool] | None
) -> None:
    """Add to `files` what is stored, one by one: who calls takes it away where the rest does not come."""
    most = asking.parts.settings.upload_time.total_seconds()
    limit = asyncio.timeout(most)
    try:
        async with limit:
            form = parts(request.headers.get("content-type", ""), request.stream())
            await _store(asking, form, files, token_fits)
    except (NatsError, TimeoutError) as error:
        if limit.expired():
            raise TooSlow(f"Das Hochladen darf höchstens {most:.0f} s dauern.") from error
        raise Unavailable("Der Zwischenspeicher antwortet nicht.", remedy="Später noch einmal.") from error
    except ClientDisconnect as error:
        raise Invalid("Die Übertragung brach ab.") from error


async def _store(
    asking: Asking,
    form: AsyncIterable[Part],
    files: list[UploadedFile],
    token_fits: Callable[[str], bool] | None,
) -> None:
    admitted = token_fits is None
    async for part in form:
        if part.file_name is None:
            if token_fits is not None and part.name == "csrf":
                admitted = token_fits(await part.text())
        elif part.file_name:
            if not admitted:
                raise form_expired()
            if len(files) == MOST_UPLOADED_FILES:
                raise Invalid(f"Höchstens {MOST_UPLOADED_FILES} Dateien auf einmal.")
            js = asking.parts.base.broker.js
            if len(part.file_name) > MOST_NAME_CHARACTERS:
                raise Invalid("Ein Dateiname ist zu lang.")
            object_ = await objects.store_pieces(js, UPLOADS, asking.tenant, part.pieces)
            files.append(UploadedFile(object=object_, name=part.file_name))


async def _forget(asking: Asking, files: list[UploadedFile]) -> None:
    """Where that fails, their time takes them away."""
    try:
        for file in files:
            await objects.forget(asking.parts.base.broker.js, UPLOADS, asking.tenant, file.object)
    except (NatsError, TimeoutError) as error:
        log.info("upload.objects_left", error=type(error).__name__)
