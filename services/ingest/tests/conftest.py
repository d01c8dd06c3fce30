"""Shared by ingest's tests: a running service on parts of its own, small deliveries, and an FTP client."""

import asyncio
import csv
import ftplib
import io
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nats
import psycopg
import pytest
from nats.aio.msg import Msg

from chassis.database import Database
from chassis.outbox import Outbox
from chassis.process import Foundation
from chassis.rpc import RpcClient
from chassis.stop_list import StopList
from contracts.actor import Actor, ActorKind, Role
from contracts.events import Event
from contracts.ids import TenantId
from contracts.names import Service, Table
from contracts.rpc import Empty
from contracts.rpc.ingest import (
    OBJECTS,
    SET_UP_FTP,
    STATUS,
    DeliveryStatus,
    FtpAccess,
    ObjectsRequest,
    SetUpFtp,
)
from contracts.work import ObjectsChanged
from ingest import tls
from ingest.app import running
from ingest.format_overrides import Formats
from ingest.importing import Importer
from ingest.settings import IngestSettings
from ingest.spool import Spool
from ingest.table_format import load_format
from mvp_connector.ports import free_ports

FORMAT = load_format("dailyup-1")
TENANT = TenantId("berlin")
PATIENCE_SECONDS = 40.0
"""Only ever used up when something is wrong, or the machine very busy."""

LISTS: dict[Table, list[dict[str, str]]] = {
    Table.ANREDE: [
        {"id": "1", "text": "Herr", "juristische_person": "0"},
        {"id": "2", "text": "Frau", "juristische_person": "0"},
        {"id": "3", "text": "Firma", "juristische_person": "1"},
    ],
    Table.RECHTSFORM: [{"id": "1", "text": "GmbH"}],
    Table.LAND: [{"id": "DE", "text": "Deutschland"}, {"id": "AT", "text": "Österreich"}],
    Table.SPARTE: [{"id": "050", "text": "Kfz-Versicherung"}, {"id": "060", "text": "Hausrat"}],
    Table.GESELLSCHAFT: [{"id": "10330", "text": "Nordlicht Versicherung AG"}],
    Table.STATUS: [{"id": "F", "text": "Fremdvertrag"}],
    Table.ZAHLWEISE: [{"id": "1", "text": "jährlich"}],
    Table.VERMITTLER: [{"vermittler_id": "DEMO01", "name": "Makler Nord", "parent_id": ""}],
    Table.KUNDENDETAILFELD: [{"id": "1", "bezeichnung": "Hobby", "typ": "text"}],
}


def csv_bytes(
    columns: list[str], rows: list[dict[str, str]], *, delimiter: str = ";", encoding: str = "utf-8"
) -> bytes:
    """A file as blau direkt might write it."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([row.get(column, "") for column in columns] for row in rows)
    return out.getvalue().encode(encoding)


@dataclass
class Book:
    """All that a broker has in Ameise, as the rows of a delivery. Change `tables` and send it again."""

    tables: dict[Table, list[dict[str, str]]] = field(
        default_factory=lambda: {table: deepcopy(LISTS.get(table, [])) for table in Table}
    )

    def kunde(self, key: str, **cells: str) -> dict[str, str]:
        row = {
            "ameise_id": key, "vermittler_id": "DEMO01", "anrede_id": "2", "vorname": "Anna",
            "nachname": f"Müller {key}", "plz": "01067", "land_id": "DE", "geburtsdatum": "2.1.1980",
            "verstorben": "0", "created_at": "2020-03-01",
        } | cells  # fmt: skip
        self.tables[Table.KUNDE].append(row)
        return row

    def kontakt(self, key: str, kunde: str, art: str, wert: str, *, standard: str = "1") -> dict[str, str]:
        row = {
            "id": key,
            "kunde_id": kunde,
            "art": art,
            "kontext": "private",
            "wert": wert,
            "standard": standard,
        }
        self.tables[Table.KUNDENKOMMUNIKATION].append(row)
        return row

    def detail(self, kunde: str, feld: str, wert: str) -> dict[str, str]:
        row = {"kunde_id": kunde, "feld_id": feld, "wert": wert}
        self.tables[Table.KUNDENDETAIL].append(row)
        return row

    def vertrag(self, key: str, kunde: str, **cells: str) -> dict[str, str]:
        row = {
            "ameise_id": key, "kunde_id": kunde, "vermittler_id": "DEMO01", "sparte_id": "050",
            "gesellschaft_id": "10330", "status_id": "F", "zahlweise_id": "1", "risiko": "PKW",
            "beitrag_netto": "1.234,50", "beginn": "2020-01-01", "ablauf": "31.12.2030",
        } | cells  # fmt: skip
        self.tables[Table.VERTRAG].append(row)
        return row

    def files(self, *, without: tuple[Table, ...] = (), day: str = "20261124") -> dict[str, bytes]:
        """File name → content of every table."""
        made: dict[str, bytes] = {}
        for definition in FORMAT.tables:
            if definition.table not in without:
                stem = definition.files[0].removesuffix(".csv")
                made[f"DEMO01_{day}_{stem}.csv"] = csv_bytes(
                    list(definition.names), self.tables[definition.table]
                )
        return made


def a_book(kunden: int = 3) -> Book:
    """A few Kunden, each with an e-mail address and a Vertrag."""
    book = Book()
    for number in range(1, kunden + 1):
        key = f"50000000{number:02}" if number < 100 else f"5{number:09}"
        book.kunde(key)
        book.kontakt(str(number), key, "email", f"anna{number}@example.org")
        book.vertrag(str(1000 + number), key)
    return book


@dataclass
class RunningIngest:
    """A running ingest, seen from outside: FTP, RPC, NATS, and the database as superuser."""

    base: Foundation
    settings: IngestSettings
    client: nats.NATS
    session: psycopg.AsyncConnection
    told: asyncio.Event
    """Set whenever ingest has told something."""
    access: dict[TenantId, FtpAccess] = field(default_factory=dict)

    async def call(
        self, rpc: Any, request: Any, *, tenant: TenantId = TENANT, role: Role = Role.SYSTEM
    ) -> Any:
        actor = Actor(kind=ActorKind.USER, id="anna", tenant=tenant, role=role)
        return await RpcClient(self.client).call(rpc, request, actor=actor)

    @property
    def spool(self) -> Spool:
        return Spool(self.settings.spool_dir)

    async def set_up(self, tenant: TenantId = TENANT, *, plain_allowed: bool | None = None) -> FtpAccess:
        request = SetUpFtp(plain_allowed=plain_allowed)
        self.access[tenant] = await self.call(SET_UP_FTP, request, tenant=tenant, role=Role.ADMIN)
        return self.access[tenant]

    async def push(self, files: dict[str, bytes], *, tenant: TenantId = TENANT) -> None:
        """Send files by FTP, as blau direkt does; in the clear where nothing else was set up, since the
        handshakes take as long as the import, and FTP with TLS has tests of its own."""
        access = self.access.get(tenant) or await self.set_up(tenant, plain_allowed=True)

        def send() -> None:
            with logged_in(access, plain=access.plain_allowed) as ftp:
                for name, content in files.items():
                    ftp.storbinary(f"STOR {name}", io.BytesIO(content))

        await asyncio.to_thread(send)

    async def deliveries(self, tenant: TenantId = TENANT) -> tuple[DeliveryStatus, ...]:
        return (await self.call(STATUS, Empty(), tenant=tenant)).deliveries

    async def deliver(self, files: dict[str, bytes], *, tenant: TenantId = TENANT) -> DeliveryStatus:
        """Push, and wait until the delivery has ended somehow."""
        if tenant not in self.access:
            await self.set_up(tenant, plain_allowed=True)
        before = len(await self.deliveries(tenant))
        await self.push(files, tenant=tenant)

        async def ended() -> DeliveryStatus | None:
            found = await self.deliveries(tenant)
            return found[0] if len(found) > before and found[0].finished_at else None

        return await until(ended, told=self.told)

    async def ended(self, count: int, tenant: TenantId = TENANT) -> DeliveryStatus:
        """The newest delivery, once `count` of them have ended."""

        async def all_ended() -> DeliveryStatus | None:
            found = await self.deliveries(tenant)
            return found[0] if len(found) == count and all(d.finished_at for d in found) else None

        return await until(all_ended, told=self.told)

    async def objects(self, table: Table, *keys: str, tenant: TenantId = TENANT) -> dict[str, Any]:
        reply = await self.call(OBJECTS, ObjectsRequest(table=table, keys=keys), tenant=tenant)
        return {composed.key: composed for composed in reply.objects}

    async def work(self) -> list[ObjectsChanged]:
        """All work for sync since the last time this was asked, once the outbox is empty."""
        await until(self._outbox_is_empty)
        messages = await self._messages("TO_ZOHO")
        for message in messages:
            await self.client.jetstream().delete_msg("TO_ZOHO", message.seq)
        return [ObjectsChanged.model_validate_json(message.data) for message in messages]

    async def events(self) -> list[Event]:
        """All events so far, once the outbox is empty."""
        await until(self._outbox_is_empty)
        messages = await self._messages("EVENTS")
        return [Event.model_validate_json(message.data) for message in messages]

    async def _messages(self, stream: str) -> list[Any]:
        js = self.client.jetstream()
        state = (await js.stream_info(stream)).state
        found = []
        for sequence in range(state.first_seq, state.last_seq + 1):
            try:
                found.append(await js.get_msg(stream, sequence))
            except nats.js.errors.NotFoundError:
                continue
        return found

    async def _outbox_is_empty(self) -> bool:
        rows = await self.sql("SELECT count(*) FROM outbox WHERE published_at IS NULL AND refused IS NULL")
        return rows[0][0] == 0

    async def sql(self, statement: str, *parameters: Any) -> list[Any]:
        cursor = await self.session.execute(statement, parameters)
        return await cursor.fetchall() if cursor.description else []


def logged_in(access: FtpAccess, *, plain: bool = False) -> ftplib.FTP:
    """A client as blau direkt's. It takes any certificate; that it is the right one has a test of its own."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # the default one reads all certificates of the system
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    ftp = ftplib.FTP(timeout=10) if plain else ftplib.FTP_TLS(timeout=10, context=trusting)
    ftp.connect(access.host, access.port)
    ftp.login(access.user, access.password or "")
    if isinstance(ftp, ftplib.FTP_TLS):
        ftp.prot_p()
    return ftp


async def until(condition: Callable[[], Any], *, told: asyncio.Event | None = None) -> Any:
    """Wait for a state, not for a time. With `told`, look when something was told, and now and then: where a
    service is asked, looking costs more than all else."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if told:
                told.clear()
            if result := await condition():
                return result
            if told:
                with suppress(TimeoutError):
                    await asyncio.wait_for(told.wait(), 0.2)
            else:
                await asyncio.sleep(0.02)


@pytest.fixture
def kit() -> SimpleNamespace:
    """The builders, for test modules (which are imported apart from this one)."""
    return SimpleNamespace(
        Book=Book, a_book=a_book, csv_bytes=csv_bytes, until=until, logged_in=logged_in, tenant=TENANT,
        format=FORMAT,
    )  # fmt: skip


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is read in blocks of one row or a few."""
    for module in ("lines", "records"):
        monkeypatch.setattr(f"ingest.{module}.BLOCK_BYTES", 64)


@pytest.fixture
def urls(new_database: Any) -> Any:
    return new_database(Service.INGEST)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once for all tests: making a key takes its time."""
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    tls.keep(path, lambda: tls.self_signed("127.0.0.1"))
    return path


@pytest.fixture
def settings(nats_url: str, urls: Any, tmp_path: Path, certificate: Path) -> IngestSettings:
    """Settings that lose no time."""
    values: dict[str, Any] = {
        "nats_url": nats_url,
        "database_url": urls.runtime,
        "database_all_tenants_url": urls.all_tenants,
        "spool_dir": tmp_path / "spool",
        "ftp_port": free_ports(1)[0],
        "ftp_tls_certificate": certificate,
        "ftp_failed_login_seconds": 0.05,
        "quiet_seconds": 0.0,
        "as_of_lag": 0,
    }
    return IngestSettings(**values)


@pytest.fixture
def start(settings: IngestSettings, nats_url: str, urls: Any) -> Any:
    """`async with start() as ingest`: run the service; settings can be replaced by keyword."""

    @asynccontextmanager
    async def started(**changed: Any) -> AsyncIterator[RunningIngest]:
        chosen = settings.model_copy(update=changed)
        client, told = await nats.connect(nats_url), asyncio.Event()

        async def on_event(_: Msg) -> None:
            told.set()

        try:
            await client.subscribe("event.>", cb=on_event)
            async with (
                running(chosen) as base,
                await psycopg.AsyncConnection.connect(
                    urls.superuser, autocommit=True, prepare_threshold=None
                ) as session,
            ):
                yield RunningIngest(base, chosen, client, session, told)
        finally:
            await client.close()

    return started


@pytest.fixture
def lay_down(settings: IngestSettings) -> Callable[..., None]:
    """Put files into a home while nobody watches it, as if they had come by FTP."""

    def lay(files: dict[str, bytes], tenant: TenantId = TENANT) -> None:
        home = Spool(settings.spool_dir).create_home(tenant)
        for name, content in files.items():
            (home / name).write_bytes(content)

    return lay


@pytest.fixture
def importer(settings: IngestSettings) -> Importer:
    """The importer alone, without FTP and NATS: it imports when it is asked."""
    database, outbox = Database(settings.database_url), Outbox(Service.INGEST)
    base: Any = SimpleNamespace(
        database=database, all_tenants=Database(settings.database_all_tenants_url), outbox=outbox
    )
    stop_list = StopList(settings.stop_list_folder, settings.stop_list_key)
    return Importer(base, settings, Formats(FORMAT, database, outbox), Spool(settings.spool_dir), stop_list)


@pytest.fixture
async def ingest(start: Any) -> AsyncIterator[RunningIngest]:
    async with start() as service:
        yield service
