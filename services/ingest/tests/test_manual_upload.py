"""A delivery that a person uploads."""

import asyncio
import gzip
import io
from typing import Any

import pytest

from chassis import objects
from chassis.outbox import Outbox
from contracts.actor import Role
from contracts.ids import TenantId, new_id
from contracts.names import Table
from contracts.problems import Forbidden, Internal, Invalid, NotFound
from contracts.rpc.ingest import UPLOAD, DeliveryState, UploadedFile, UploadRequest
from contracts.rpc.ingest_format import SET_FORMAT, FormatChanges, SetFormat, TableChange
from contracts.streams import UPLOADS
from ingest.manual_upload import ManualUpload

PERSONEN = FormatChanges(tables={Table.KUNDE: TableChange(files=("personen*.csv",))})


async def put(ingest: Any, tenant: TenantId, files: dict[str, bytes]) -> tuple[UploadedFile, ...]:
    """Put files into the object store, as the gateway does."""
    js = ingest.client.jetstream()
    return tuple(
        [
            UploadedFile(object=await objects.store(js, UPLOADS, tenant, io.BytesIO(content)), name=name)
            for name, content in files.items()
        ]
    )


async def upload(ingest: Any, request: UploadRequest, *, tenant: TenantId, role: Role = Role.ADMIN) -> Any:
    return await ingest.call(UPLOAD, request, tenant=tenant, role=role)


def spooled(ingest: Any) -> list[str]:
    return [path.name for path in ingest.settings.spool_dir.rglob("*") if path.is_file()]


async def test_uploaded_files_are_a_delivery_of_their_own(ingest: Any, kit: Any) -> None:
    files = kit.a_book(2).files()
    files |= {"kunden.csv.gz": gzip.compress(files.pop("DEMO01_20261124_kunden.csv"))}
    request = UploadRequest(delivery=new_id(), files=await put(ingest, kit.tenant, files))
    taken = await upload(ingest, request, tenant=kit.tenant)
    assert (taken.delivery, taken.files) == (request.delivery, 13)
    assert taken.bytes_ == sum(map(len, files.values()))
    delivery = await ingest.ended(1)
    assert (delivery.id, delivery.state) == (request.delivery, DeliveryState.IMPORTED)
    assert delivery.counts[Table.KUNDE].new == 2
    [told] = [event for event in await ingest.events() if event.type == "delivery_uploaded"]
    assert (told.actor_id, told.data["delivery"]) == ("anna", request.delivery)
    [imported] = [event for event in await ingest.events() if event.type == "delivery_imported"]
    assert imported.actor_id == "anna", "what an upload leads to is on behalf of who uploaded it"
    with pytest.raises(NotFound):
        await objects.size(ingest.client.jetstream(), UPLOADS, kit.tenant, request.files[0].object)
    assert await upload(ingest, request, tenant=kit.tenant) == taken, "asked twice, it is still one"
    assert len(await ingest.deliveries()) == 1


async def test_what_an_upload_does_not_bring_is_missing(ingest: Any, kit: Any) -> None:
    """By the tenant's own names of files, and by what is in an archive."""
    await ingest.call(SET_FORMAT, SetFormat(changes=PERSONEN), role=Role.ADMIN)
    files = kit.a_book(1).files()
    kunden, sparten = files["DEMO01_20261124_kunden.csv"], files["DEMO01_20261124_sparten.csv"]
    brought = await put(
        ingest, kit.tenant, {"personen.csv": kunden, "sparten.csv.gz": gzip.compress(sparten)}
    )
    await upload(ingest, UploadRequest(delivery=new_id(), files=brought), tenant=kit.tenant)
    delivery = await ingest.ended(1)
    assert set(Table) - set(delivery.missing) == {Table.KUNDE, Table.SPARTE}
    assert delivery.missing == tuple(table for table in Table if table in delivery.missing)


async def test_an_upload_that_cannot_be_taken_leaves_nothing_behind(start: Any, kit: Any) -> None:
    async with start(upload_file_bytes=100) as ingest:
        good, large = await put(ingest, kit.tenant, {"sparten.csv": b"id;text", "kunden.csv": bytes(101)})
        missing = UploadedFile(object=new_id(), name="kunden.csv")
        for files, problem in (
            ((good, large), Invalid),
            ((good, missing), NotFound),
            ((good, good), Invalid),
            ((good.model_copy(update={"name": "../sparten.csv"}),), Invalid),
        ):
            with pytest.raises(problem):
                await upload(ingest, UploadRequest(delivery=new_id(), files=files), tenant=kit.tenant)
        assert spooled(ingest) == []
        assert await ingest.deliveries() == ()


async def test_nobody_uploads_another_tenants_files_or_without_the_right(ingest: Any, kit: Any) -> None:
    request = UploadRequest(delivery=new_id(), files=await put(ingest, kit.tenant, {"kunden.csv": b"x"}))
    with pytest.raises(NotFound):
        await upload(ingest, request, tenant=TenantId("hamburg"))
    with pytest.raises(Forbidden):
        await upload(ingest, request, tenant=kit.tenant, role=Role.USER)


async def test_an_upload_that_broke_off_can_be_asked_for_again(
    ingest: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = await put(ingest, kit.tenant, kit.a_book(1).files())
    request = UploadRequest(delivery=new_id(), files=files)

    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(Outbox, "tell", broken)
        with pytest.raises(Internal):
            await upload(ingest, request, tenant=kit.tenant)
    assert await ingest.deliveries() == (), "what is not told has not happened"
    await upload(ingest, request, tenant=kit.tenant)
    assert (await ingest.ended(1)).state is DeliveryState.IMPORTED


async def test_an_upload_asked_for_several_times_at_once_is_one(
    ingest: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two fetch the files together; the third comes to it when they are no longer in the object store."""
    fetch, forget = ManualUpload._fetch, ManualUpload._forget
    all_have_begun, objects_are_gone, calls = asyncio.Barrier(3), asyncio.Event(), iter(range(3))

    async def fetch_together(*args: Any) -> int:
        call = next(calls)
        await all_have_begun.wait()
        if call == 2:
            await objects_are_gone.wait()
        return await fetch(*args)

    async def forget_and_say_so(*args: Any) -> None:
        await forget(*args)
        objects_are_gone.set()

    monkeypatch.setattr(ManualUpload, "_fetch", fetch_together)
    monkeypatch.setattr(ManualUpload, "_forget", forget_and_say_so)
    files = await put(ingest, kit.tenant, kit.a_book(1).files())
    request = UploadRequest(delivery=new_id(), files=files)
    replies = await asyncio.gather(*(upload(ingest, request, tenant=kit.tenant) for _ in range(3)))
    assert [reply.files for reply in replies] == [13, 13, 13]
    delivery = await ingest.ended(1)
    assert (delivery.state, delivery.counts[Table.KUNDE].new) == (DeliveryState.IMPORTED, 1)
    folders = {path.parent.name for path in ingest.settings.spool_dir.rglob("*.csv")}
    assert folders == {delivery.id}
