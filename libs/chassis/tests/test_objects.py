"""Objects go in as files and come out in pieces, for their own tenant."""

import io
import os
from collections.abc import AsyncIterator

import nats
import pytest
from nats.js import JetStreamContext

from chassis import objects
from chassis.broker import stream_config
from contracts.ids import TenantId, new_id
from contracts.problems import NotFound
from contracts.streams import DOWNLOADS

BERLIN, HAMBURG = TenantId("berlin"), TenantId("hamburg")


@pytest.fixture
async def js(nats_url: str) -> AsyncIterator[JetStreamContext]:
    client = await nats.connect(nats_url)
    js = client.jetstream()
    await js.add_stream(stream_config(DOWNLOADS))
    yield js
    await client.close()


async def read(js: JetStreamContext, tenant: TenantId, object_: str) -> list[bytes]:
    return [piece async for piece in objects.read(js, DOWNLOADS, tenant, object_)]  # type: ignore[arg-type]


async def test_a_file_comes_out_as_it_went_in(js: JetStreamContext) -> None:
    other = await objects.store(js, DOWNLOADS, BERLIN, io.BytesIO(b"another"))
    content = os.urandom(300_000)
    stored = await objects.store(js, DOWNLOADS, BERLIN, io.BytesIO(content))
    pieces = await read(js, BERLIN, stored)
    assert b"".join(pieces) == content
    assert len(pieces) > 1
    assert await read(js, BERLIN, other) == [b"another"]
    empty = await objects.store(js, DOWNLOADS, BERLIN, io.BytesIO(b""))
    assert await read(js, BERLIN, empty) == []


async def test_an_object_that_is_not_there_or_anothers_is_not_found(js: JetStreamContext) -> None:
    stored = await objects.store(js, DOWNLOADS, BERLIN, io.BytesIO(b"x"))
    for tenant, object_ in ((HAMBURG, stored), (BERLIN, new_id())):
        with pytest.raises(NotFound):
            await read(js, tenant, object_)


async def test_what_breaks_off_leaves_nothing_behind(js: JetStreamContext) -> None:
    async def cut_off() -> AsyncIterator[bytes]:
        yield os.urandom(300_000)
        raise ConnectionResetError

    before = (await js.stream_info(DOWNLOADS.name)).state.messages
    with pytest.raises(ConnectionResetError):
        await objects.store_pieces(js, DOWNLOADS, BERLIN, cut_off())
    assert (await js.stream_info(DOWNLOADS.name)).state.messages == before


async def test_an_object_is_forgotten_and_again(js: JetStreamContext) -> None:
    stored = await objects.store(js, DOWNLOADS, BERLIN, io.BytesIO(b"abc"))
    assert await objects.size(js, DOWNLOADS, BERLIN, stored) == 3
    for _ in range(2):
        await objects.forget(js, DOWNLOADS, BERLIN, stored)
    with pytest.raises(NotFound):
        await objects.size(js, DOWNLOADS, BERLIN, stored)


async def test_nats_own_client_reads_what_we_store(js: JetStreamContext) -> None:
    stored = await objects.store(js, DOWNLOADS, BERLIN, io.BytesIO(content := os.urandom(300_000)))
    found = await (await js.object_store("downloads")).get(f"{BERLIN}/{stored}")
    assert found.data == content


async def test_all_objects_of_a_tenant_are_forgotten_and_no_others(js: JetStreamContext) -> None:
    mine = [await objects.store(js, DOWNLOADS, BERLIN, io.BytesIO(b"x")) for _ in range(2)]
    theirs = await objects.store(js, DOWNLOADS, HAMBURG, io.BytesIO(b"y"))
    assert await objects.forget_all_of(js, DOWNLOADS, BERLIN) == 2
    for object_ in mine:
        with pytest.raises(NotFound):
            await read(js, BERLIN, object_)
    assert await read(js, HAMBURG, theirs) == [b"y"]
    assert await objects.forget_all_of(js, DOWNLOADS, BERLIN) == 0
