"""Objects in a JetStream object store bucket: what is too large for a message, for a short time.

In the form that nats-py's object store knows. Written and read message by message: what comes in pieces is
never whole in memory, no consumer is needed, and who is slow, or goes away, leaves nothing behind. An object
belongs to a tenant: its name begins with it.
"""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import BinaryIO, cast

from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import Header, ObjectInfo
from nats.js.errors import NotFoundError, ObjectNotFoundError

from contracts.ids import TenantId, Uuid, new_id
from contracts.problems import Internal, NotFound
from contracts.streams import Stream

CHUNK_BYTES = 128 * 1024


async def store(js: JetStreamContext, bucket: Stream, tenant: TenantId, file: BinaryIO) -> Uuid:
    """Put the rest of `file` into a new object of this tenant; returns its id."""
    return await store_pieces(js, bucket, tenant, _pieces_of(file))


async def store_pieces(
    js: JetStreamContext, bucket: Stream, tenant: TenantId, pieces: AsyncIterable[bytes]
) -> Uuid:
    """Put what comes into a new object of this tenant; returns its id. It is there once all has come; where
    `pieces` or NATS fails, nothing stays of it, and the failure goes on."""
    object_, nuid = new_id(), new_id()
    chunks, hashed, size, count = f"$O.{bucket.bucket}.C.{nuid}", hashlib.sha256(), 0, 0
    try:
        async for chunk in _chunks(pieces):
            await js.publish(chunks, chunk)
            hashed.update(chunk)
            size, count = size + len(chunk), count + 1
        name = _full_name(tenant, object_)
        info = ObjectInfo(
            name=name, bucket=_name(bucket), nuid=nuid, size=size, chunks=count,
            mtime=datetime.now(UTC).isoformat(),
            digest=f"SHA-256={base64.urlsafe_b64encode(hashed.digest()).decode()}",
        )  # fmt: skip
        described = f"$O.{bucket.bucket}.M.{base64.urlsafe_b64encode(name.encode()).decode()}"
        await js.publish(described, json.dumps(info.as_dict()).encode(), headers={Header.ROLLUP: "sub"})
    except BaseException:
        with suppress(NatsError, TimeoutError):  # else their time takes them away
            await js.purge_stream(bucket.name, subject=chunks)
        raise
    return object_


async def _pieces_of(file: BinaryIO) -> AsyncGenerator[bytes]:
    while piece := await asyncio.to_thread(file.read, CHUNK_BYTES):
        yield piece


async def _chunks(pieces: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
    """The same bytes in pieces of the size of one message."""
    buffer = bytearray()
    async for piece in pieces:
        buffer += piece
        while len(buffer) >= CHUNK_BYTES:
            yield bytes(buffer[:CHUNK_BYTES])
            del buffer[:CHUNK_BYTES]
    if buffer:
        yield bytes(buffer)


async def size(js: JetStreamContext, bucket: Stream, tenant: TenantId, object_: Uuid) -> int:
    """How many bytes it has. Raises NotFound if it is not there (any more)."""
    return (await _info(js, bucket, tenant, object_)).size or 0


async def read(
    js: JetStreamContext, bucket: Stream, tenant: TenantId, object_: Uuid
) -> AsyncGenerator[bytes]:
    """Its bytes, piece by piece. Raises NotFound if it is not there (any more), Internal if it is damaged."""
    info = await _info(js, bucket, tenant, object_)
    chunks, hashed, sequence = f"$O.{bucket.bucket}.C.{info.nuid}", hashlib.sha256(), 1
    for _ in range(info.chunks or 0):
        try:
            chunk = await js.get_msg(bucket.name, seq=sequence, subject=chunks, direct=True, next=True)
        except NotFoundError as error:
            raise NotFound("Die Datei ist beim Lesen abgelaufen.", remedy="Noch einmal anfordern.") from error
        data = chunk.data or b""
        hashed.update(data)
        sequence = cast("int", chunk.seq) + 1
        yield data
    digest = base64.urlsafe_b64encode(hashed.digest()).decode()
    if not hmac.compare_digest(digest, (info.digest or "").split("=", 1)[-1]):
        raise Internal("Die Datei ist beschädigt.")


async def forget(js: JetStreamContext, bucket: Stream, tenant: TenantId, object_: Uuid) -> None:
    """Delete it, if it is there."""
    objects = await js.object_store(_name(bucket))
    with suppress(ObjectNotFoundError):
        await objects.delete(_full_name(tenant, object_))


async def forget_all_of(js: JetStreamContext, bucket: Stream, tenant: TenantId) -> int:
    """Delete this tenant's objects; returns how many there were."""
    objects = await js.object_store(_name(bucket))
    described = f"$O.{bucket.bucket}.M."
    state = (await js.stream_info(bucket.name, subjects_filter=f"{described}>")).state
    deleted = 0
    for subject in state.subjects or {}:
        name = base64.urlsafe_b64decode(subject.removeprefix(described)).decode()
        if name.startswith(f"{tenant}/"):
            try:
                await objects.delete(name)
            except ObjectNotFoundError:
                continue  # deleted before: its description stays until the bucket's time is over
            deleted += 1
    return deleted


async def _info(js: JetStreamContext, bucket: Stream, tenant: TenantId, object_: Uuid) -> ObjectInfo:
    objects = await js.object_store(_name(bucket))
    try:
        return await objects.get_info(_full_name(tenant, object_))
    except (NotFoundError, ObjectNotFoundError) as error:
        raise NotFound("Die Datei ist nicht mehr da.", remedy="Noch einmal anfordern.") from error


def _name(bucket: Stream) -> str:
    assert bucket.bucket is not None
    return bucket.bucket


def _full_name(tenant: TenantId, object_: Uuid) -> str:
    return f"{tenant}/{object_}"
