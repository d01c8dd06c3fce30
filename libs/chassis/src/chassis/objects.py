"""Objects in a JetStream object store bucket: what is too large for a message, for a short time.

Written by nats-py's object store; read message by message, so that no consumer is needed and a reader that
is slow, or goes away, leaves nothing behind. An object belongs to a tenant: its name begins with it.
"""

import base64
import hashlib
import hmac
from collections.abc import AsyncGenerator
from typing import BinaryIO, cast

from nats.js import JetStreamContext
from nats.js.errors import NotFoundError, ObjectNotFoundError

from contracts.ids import TenantId, Uuid, new_id
from contracts.problems import Internal, NotFound
from contracts.streams import Stream


async def store(js: JetStreamContext, bucket: Stream, tenant: TenantId, file: BinaryIO) -> Uuid:
    """Put the rest of `file` into a new object of this tenant; returns its id."""
    object_ = new_id()
    objects = await js.object_store(_name(bucket))
    await objects.put(_full_name(tenant, object_), file)  # pyright: ignore[reportArgumentType] (any reader)
    return object_


async def read(
    js: JetStreamContext, bucket: Stream, tenant: TenantId, object_: Uuid
) -> AsyncGenerator[bytes]:
    """Its bytes, piece by piece. Raises NotFound if it is not there (any more), Internal if it is damaged."""
    objects = await js.object_store(_name(bucket))
    try:
        info = await objects.get_info(_full_name(tenant, object_))
    except (NotFoundError, ObjectNotFoundError) as error:
        raise NotFound("the object is not there any more", remedy="ask for it again") from error
    chunks, hashed, sequence = f"$O.{bucket.bucket}.C.{info.nuid}", hashlib.sha256(), 1
    for _ in range(info.chunks or 0):
        try:
            chunk = await js.get_msg(bucket.name, seq=sequence, subject=chunks, direct=True, next=True)
        except NotFoundError as error:
            raise NotFound("the object ended while it was read", remedy="ask for it again") from error
        data = chunk.data or b""
        hashed.update(data)
        sequence = cast("int", chunk.seq) + 1
        yield data
    digest = base64.urlsafe_b64encode(hashed.digest()).decode()
    if not hmac.compare_digest(digest, (info.digest or "").split("=", 1)[-1]):
        raise Internal("the object is damaged")


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


def _name(bucket: Stream) -> str:
    assert bucket.bucket is not None
    return bucket.bucket


def _full_name(tenant: TenantId, object_: Uuid) -> str:
    return f"{tenant}/{object_}"
