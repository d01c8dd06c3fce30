"""A Kunde is erased from everything, does not come back, and can be told before what is held about him."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from nats.errors import Error as NatsError
from pydantic import SecretStr

from chassis import leases, objects
from chassis.stop_list import WrongKey
from contracts.actor import Role
from contracts.events import ObjectAction
from contracts.ids import Kundennummer, Uuid
from contracts.names import Table
from contracts.problems import Conflict, Forbidden, NotFound
from contracts.rpc.ingest import (
    DOWNLOAD,
    FORGET,
    INFORM,
    LIFT_STOP,
    PREVIEW_DELIVERY,
    REJECT_DELIVERY,
    RELEASE_DELIVERY,
    DeliveryRequest,
    DeliveryState,
    Download,
    DownloadRequest,
    KundeRequest,
)  # fmt: skip
from contracts.streams import DOWNLOADS
from ingest import importing
from ingest.forgetting import Forgetting

ANNA = KundeRequest(kunde=Kundennummer("5000000001"))
KEY = SecretStr("a-long-random-text")


def a_book_with_anna(kit: Any) -> Any:
    book = kit.a_book(3)
    book.tables[Table.KUNDE][0] |= {"vorname": "Annabella", "ort": "Kleinkleckersdorf"}
    book.detail(ANNA.kunde, "1", "Segeln")
    book.vertrag("2001", "5000000002", risiko="Yacht")
    return book


async def content(ingest: Any, kit: Any, file: Download) -> bytes:
    js = ingest.base.broker.js
    return b"".join([piece async for piece in objects.read(js, DOWNLOADS, kit.tenant, file.object)])


async def everything_stored(ingest: Any) -> str:
    """All tables of the database and all files of the spool, as text."""
    tables = await ingest.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    found = ""
    for (table,) in tables:
        column = "convert_from(body, 'UTF8')" if table == "outbox" else "to_jsonb(t)::text"
        found += f"\n{table}: {await ingest.sql(f'SELECT {column} FROM {table} t')}"
    for path in ingest.settings.spool_dir.rglob("*"):
        if path.is_file():
            found += f"\n{path.name}: {path.read_bytes().decode(errors='replace')}"
    return found


async def test_a_forgotten_kunde_is_nowhere_and_does_not_come_back(start: Any, kit: Any) -> None:
    async with start(stop_list_key=KEY) as ingest:
        book = a_book_with_anna(kit)
        await ingest.deliver(book.files())
        book.tables[Table.VERTRAG][0]["risiko"] = "Wohnmobil"
        book.tables[Table.VERTRAG][3]["kunde_id"] = ANNA.kunde
        await ingest.deliver(book.files())
        book.tables[Table.VERTRAG][3]["kunde_id"] = "5000000002"
        await ingest.deliver(book.files())
        download = await ingest.call(DOWNLOAD, DownloadRequest(table=Table.KUNDE))
        assert "Kleinkleckersdorf" in await everything_stored(ingest)

        receipt = await ingest.call(FORGET, ANNA, role=Role.ADMIN)

        assert receipt.erased == {
            "kunde": 1, "kundenkommunikation": 1, "kundendetail": 1, "vertrag": 1,
            "history": 3, "original_rows": 13, "original_files": 0, "objects": 1,
        }  # fmt: skip
        assert ANNA.kunde not in (await everything_stored(ingest)).split("\noutbox:")[0]
        for trace in ("Annabella", "Kleinkleckersdorf", "anna1@example.org", "Segeln", "Wohnmobil"):
            assert trace not in await everything_stored(ingest)
        with pytest.raises(NotFound):
            await content(ingest, kit, download)
        assert await ingest.objects(Table.KUNDE, ANNA.kunde) == {}
        assert set(await ingest.objects(Table.KUNDE, "5000000002", "5000000003")) == {
            "5000000002",
            "5000000003",
        }
        told = (await ingest.events())[-1]
        assert (told.type, told.data["kunde"]) == ("kunde_forgotten", ANNA.kunde)

        await ingest.work()
        again = await ingest.deliver(book.files())
        assert {table: n.stopped for table, n in again.counts.items() if n.stopped} == {
            Table.KUNDE: 1, Table.KUNDENKOMMUNIKATION: 1, Table.KUNDENDETAIL: 1, Table.VERTRAG: 1,
        }  # fmt: skip
        assert again.counts[Table.KUNDE].unchanged == 2
        assert all(n.new == n.changed == n.gone == 0 for n in again.counts.values())
        assert await ingest.objects(Table.KUNDE, ANNA.kunde) == {}
        assert await ingest.work() == []
        assert "Kleinkleckersdorf" not in await everything_stored(ingest)

        await ingest.call(LIFT_STOP, ANNA, role=Role.ADMIN)
        back = await ingest.deliver(book.files())
        assert (back.counts[Table.KUNDE].new, back.counts[Table.VERTRAG].new) == (1, 1)
        assert set(await ingest.objects(Table.KUNDE, ANNA.kunde)) == {ANNA.kunde}


async def test_a_held_delivery_forgets_him_too_and_can_still_be_released(start: Any, kit: Any) -> None:
    async with start(stop_list_key=KEY) as ingest:
        book = a_book_with_anna(kit)
        await ingest.deliver(book.files())
        book.tables[Table.KUNDE][0]["nachname"] = "Schmidt"
        book.tables[Table.KUNDE][1]["nachname"] = "Schmidt"
        book.tables[Table.KUNDENDETAIL].clear()
        held = await ingest.deliver(book.files())
        assert held.state is DeliveryState.HELD

        await ingest.call(FORGET, ANNA, role=Role.ADMIN)

        assert ANNA.kunde not in (await everything_stored(ingest)).split("\noutbox:")[0]
        request = DeliveryRequest(delivery=held.id)
        preview = await ingest.call(PREVIEW_DELIVERY, request, role=Role.ADMIN)
        assert preview.tables[Table.KUNDE].keys == {ObjectAction.UPDATED: ("5000000002",)}
        await ingest.call(RELEASE_DELIVERY, request, role=Role.ADMIN)
        released = await ingest.ended(2)
        assert released.state in (DeliveryState.IMPORTED, DeliveryState.IMPORTED_WITH_WARNINGS)
        kunden = await ingest.objects(Table.KUNDE, ANNA.kunde, "5000000002")
        assert {key: kunde.fields["nachname"] for key, kunde in kunden.items()} == {"5000000002": "Schmidt"}


async def test_a_delivery_that_is_not_decided_yet_keeps_its_files_until_it_is(start: Any, kit: Any) -> None:
    async with start(stop_list_key=KEY) as ingest:
        book = kit.a_book(3)
        await ingest.deliver(book.files())
        book.tables[Table.VERTRAG].clear()
        held = await ingest.deliver({"alles.zip": b"PK"} | book.files())  # the last table ends the delivery
        assert held.state is DeliveryState.HELD
        folder = ingest.spool.delivery(kit.tenant, held.id)
        before = {path.name: path.read_bytes() for path in folder.iterdir()}

        await ingest.call(FORGET, ANNA, role=Role.ADMIN)

        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
        await ingest.call(REJECT_DELIVERY, DeliveryRequest(delivery=held.id), role=Role.ADMIN)
        left = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert "alles.zip" not in left
        assert ANNA.kunde.encode() not in b"".join(left.values())
        assert b"5000000002" in b"".join(left.values())


async def test_a_row_that_does_not_say_whose_it_is_is_left_out_once_somebody_was_forgotten(
    start: Any, kit: Any
) -> None:
    async with start(stop_list_key=KEY) as ingest:
        book = kit.a_book(3)
        book.vertrag("2001", "", risiko="Boot")
        assert (await ingest.deliver(book.files())).counts[Table.VERTRAG].stopped == 0
        await ingest.call(FORGET, ANNA, role=Role.ADMIN)
        book.tables[Table.VERTRAG][1] |= {"kunde_id": "", "risiko": "Yacht"}
        book.vertrag("2002", "", risiko="Wohnmobil")

        delivery = await ingest.deliver(book.files())

        counts = delivery.counts[Table.VERTRAG]
        assert (counts.stopped, counts.new, counts.changed, counts.gone, counts.unchanged) == (3, 0, 0, 0, 2)
        assert await ingest.sql("SELECT key, kunde_id, risiko, gone_since FROM vertrag ORDER BY key") == [
            ("1002", "5000000002", "PKW", None),
            ("1003", "5000000003", "PKW", None),
            ("2001", None, "Boot", None),
        ]


async def test_while_the_stop_list_lacks_entries_nothing_is_imported_nor_forgotten(
    start: Any, kit: Any
) -> None:
    async with start(stop_list_key=KEY) as ingest:
        await ingest.deliver(kit.a_book(2).files())
        await ingest.call(FORGET, ANNA, role=Role.ADMIN)
        folder = ingest.settings.stop_list_folder
        folder.rename(away := folder.with_name("_away"))

        failed = await ingest.deliver(kit.a_book(2).files())

        assert (failed.state, failed.reason) == (
            DeliveryState.FAILED, "Die Sperrliste hat 0 statt 1 Einträge: sie muss zurückgespielt werden.",
        )  # fmt: skip
        for rpc in (FORGET, LIFT_STOP):
            with pytest.raises(Conflict, match="0 statt 1 Einträge"):
                await ingest.call(rpc, ANNA, role=Role.ADMIN)
        assert not folder.exists()
        assert await ingest.objects(Table.KUNDE, ANNA.kunde) == {}
        away.rename(folder)
        assert (await ingest.deliver(kit.a_book(2).files())).counts[Table.KUNDE].stopped == 1


@pytest.mark.parametrize("error", [NatsError(), OSError(), WrongKey()], ids=repr)
async def test_what_hinders_one_tenant_ends_no_process_and_keeps_no_other_waiting(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    looked_at: list[str] = []

    async def fails(_: Forgetting, tenant: str) -> None:
        looked_at.append(tenant)
        raise error

    monkeypatch.setattr(Forgetting, "_forget_returned_of", fails)
    listed: Any = SimpleNamespace(tenants=lambda: ["berlin", "hamburg"])
    unused: Any = None
    await Forgetting(unused, unused, unused, unused, listed).forget_returned()
    assert looked_at == ["berlin", "hamburg"]


async def test_a_stop_list_that_cannot_be_read_ends_no_process() -> None:
    def unreadable() -> None:
        raise WrongKey

    listed: Any = SimpleNamespace(tenants=unreadable)
    unused: Any = None
    await Forgetting(unused, unused, unused, unused, listed).forget_returned()


async def test_while_an_import_runs_nobody_is_forgotten(
    start: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.forgetting.PATIENCE_SECONDS", 0.2)
    async with start(stop_list_key=KEY) as ingest:
        await ingest.deliver(kit.a_book(1).files())
        lasting = ingest.settings.import_lease
        async with ingest.base.database.tenant(kit.tenant) as session:
            assert await leases.take(
                session, kit.tenant, importing.LEASE, owner=ingest.settings.replica, lasting=lasting
            )
        with pytest.raises(Conflict, match="wird eine Lieferung importiert"):
            await ingest.call(FORGET, ANNA, role=Role.ADMIN)
        assert ANNA.kunde in await ingest.objects(Table.KUNDE, ANNA.kunde)


async def test_without_a_stop_list_nothing_is_erased_and_imports_go_on(ingest: Any, kit: Any) -> None:
    await ingest.deliver(kit.a_book(1).files())
    with pytest.raises(Conflict, match="Ohne Sperrliste"):
        await ingest.call(FORGET, ANNA, role=Role.ADMIN)
    assert ANNA.kunde in await ingest.objects(Table.KUNDE, ANNA.kunde)
    await ingest.deliver(kit.a_book(1).files())


async def test_a_stop_that_is_not_there_cannot_be_lifted(start: Any) -> None:
    async with start(stop_list_key=KEY) as ingest:
        with pytest.raises(NotFound):
            await ingest.call(LIFT_STOP, ANNA, role=Role.ADMIN)


@pytest.mark.parametrize("rpc", [FORGET, LIFT_STOP, INFORM], ids=lambda rpc: rpc.name)
async def test_only_an_admin_may(ingest: Any, rpc: Any) -> None:
    with pytest.raises(Forbidden):
        await ingest.call(rpc, ANNA, role=Role.USER)


async def test_everything_about_a_kunde_is_told(
    ingest: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = a_book_with_anna(kit)
    first = await ingest.deliver(book.files())
    book.tables[Table.VERTRAG][0]["risiko"] = "Wohnmobil"
    second = await ingest.deliver(book.files())

    about = (await ingest.call(INFORM, ANNA, role=Role.ADMIN)).about

    assert {table: len(rows) for table, rows in about["tables"].items()} == {
        "kunde": 1, "kundenkommunikation": 1, "kundendetail": 1, "vertrag": 1,
    }  # fmt: skip
    assert about["tables"]["kunde"][0]["ort"] == "Kleinkleckersdorf"
    assert [(c["before"], c["after"]) for c in about["history"]] == [
        ({"risiko": "PKW"}, {"risiko": "Wohnmobil"})
    ]
    assert [Uuid(delivery["id"]) for delivery in about["deliveries"]] == [first.id, second.id]
    told = (await ingest.events())[-1]
    assert (told.type, told.data["kunde"]) == ("kunde_informed", ANNA.kunde)

    monkeypatch.setattr("ingest.informing.MAX_INLINE_BYTES", 10)
    large = await ingest.call(INFORM, ANNA, role=Role.ADMIN)
    assert (large.about, large.file.file_name) == (None, f"berlin_kunde_{ANNA.kunde}.json")
    assert json.loads(await content(ingest, kit, large.file)) == about


async def test_where_only_history_is_left_it_is_told(ingest: Any, kit: Any) -> None:
    book = kit.a_book(2)
    first = await ingest.deliver(book.files())
    book.tables[Table.VERTRAG][0]["kunde_id"] = "5000000002"
    await ingest.deliver(book.files())
    await ingest.sql("DELETE FROM kunde WHERE key = %s", ANNA.kunde)
    await ingest.sql("DELETE FROM kundenkommunikation WHERE kunde_id = %s", ANNA.kunde)

    about = (await ingest.call(INFORM, ANNA, role=Role.ADMIN)).about

    assert about["tables"] == {}
    assert [change["before"] for change in about["history"]] == [{"kunde_id": ANNA.kunde}]
    named = {files["delivery"]: files["files"] for files in about["original_files"]}
    assert "DEMO01_20261124_vertraege.csv" in named[first.id]


async def test_about_nobody_nothing_is_told(ingest: Any, kit: Any) -> None:
    await ingest.deliver(kit.a_book(1).files())
    with pytest.raises(NotFound):
        await ingest.call(INFORM, KundeRequest(kunde=Kundennummer("4711")), role=Role.ADMIN)
    assert "kunde_informed" not in [event.type for event in await ingest.events()]
