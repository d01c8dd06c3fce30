"""A table leaves as a CSV file through an object; that it did is told."""

import csv
import io
from typing import Any

import pytest

from chassis import objects
from contracts.actor import Role
from contracts.ids import new_id
from contracts.names import Table
from contracts.problems import NotFound
from contracts.rpc.ingest import (
    DELIVERY_REPORT,
    DOWNLOAD,
    DOWNLOAD_PROBLEMS,
    DeliveryRequest,
    Download,
    DownloadRequest,
)
from contracts.rpc.ingest_format import ProblemFound
from contracts.streams import DOWNLOADS


async def content(ingest: Any, download: Download, tenant: Any) -> bytes:
    js = ingest.base.broker.js
    return b"".join([piece async for piece in objects.read(js, DOWNLOADS, tenant, download.object)])


def rows_of(raw: bytes) -> list[dict[str, str]]:
    text = raw.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=";"))


async def test_a_table_is_a_file_for_excel(ingest: Any, kit: Any) -> None:
    book = kit.a_book(3)
    book.tables[Table.VERTRAG][0]["risiko"] = "=1+1"
    book.tables[Table.VERTRAG][1]["ablauf"] = "irgendwann"
    await ingest.deliver(book.files())
    book.tables[Table.VERTRAG].pop()
    await ingest.deliver(book.files())

    made = await ingest.call(DOWNLOAD, DownloadRequest(table=Table.VERTRAG), role=Role.USER)

    raw = await content(ingest, made, kit.tenant)
    assert raw.startswith(b"\xef\xbb\xbfameise_id;kunde_id;")
    assert (made.size, made.rows) == (len(raw), 2)
    assert made.file_name.startswith("berlin_vertrag_20")
    first, second = rows_of(raw)
    assert first | {
        "ameise_id": "1001", "risiko": "'=1+1", "beitrag_netto": "1234,50", "beginn": "01.01.2020",
        "ablauf": "31.12.2030", "unbekannt": "", "weitere_spalten": "",
    } == first  # fmt: skip
    assert (second["ablauf"], second["unbekannt"]) == ("", "ablauf")
    told = (await ingest.events())[-1]
    assert (told.type, told.data["rows"], told.data["table"]) == ("table_downloaded", 2, "vertrag")


async def test_a_table_that_was_never_delivered_cannot_be_taken(ingest: Any) -> None:
    with pytest.raises(NotFound, match="noch nie geliefert"):
        await ingest.call(DOWNLOAD, DownloadRequest(table=Table.VERTRAG))


async def test_an_object_is_for_its_own_tenant(ingest: Any, kit: Any) -> None:
    await ingest.deliver(kit.a_book(1).files())
    made = await ingest.call(DOWNLOAD, DownloadRequest(table=Table.KUNDE))
    with pytest.raises(NotFound):
        await content(ingest, made, type(kit.tenant)("hamburg"))


async def test_all_problems_are_a_file_and_the_first_are_in_the_report(
    ingest: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.store.KEPT_PROBLEMS", 2)
    book = kit.a_book(4)
    for kunde in book.tables[Table.KUNDE][:3]:
        kunde["geburtsdatum"] = "gestern"
    delivery = await ingest.deliver(book.files())

    report = await ingest.call(DELIVERY_REPORT, DeliveryRequest(delivery=delivery.id))
    made = await ingest.call(DOWNLOAD_PROBLEMS, DeliveryRequest(delivery=delivery.id))

    assert (report.delivery.problems, len(report.problems)) == (3, 2)
    name = "DEMO01_20261124_kunden.csv"
    assert report.problems[0] == ProblemFound(
        file=name, rule="cell_unreadable", row=2, line=2, column="geburtsdatum", value="text"
    )
    rows = rows_of(await content(ingest, made, kit.tenant))
    about = {
        "datei": name,
        "spalte": "geburtsdatum",
        "regel": "cell_unreadable",
        "wert_sieht_aus_wie": "text",
    }
    assert rows == [about | {"datensatz": n, "zeile": n} for n in ("2", "3", "4")]
    assert "gestern" not in str(rows)


async def test_another_tenants_delivery_is_not_found(ingest: Any, kit: Any) -> None:
    delivery = await ingest.deliver(kit.a_book(1).files())
    other = type(kit.tenant)("hamburg")
    for rpc in (DELIVERY_REPORT, DOWNLOAD_PROBLEMS):
        with pytest.raises(NotFound):
            await ingest.call(rpc, DeliveryRequest(delivery=delivery.id), tenant=other)
        with pytest.raises(NotFound):
            await ingest.call(rpc, DeliveryRequest(delivery=new_id()))
