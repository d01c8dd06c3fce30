# ruff: noqa: S608 (tables are an enum, columns are identifiers by the format's own check)
"""Downloads: the rows of a table as a CSV file, from PostgreSQL through a file into an object.

Rows come by a server-side cursor in the tenant's own transaction, so a table of any size costs no memory.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis import objects
from chassis.broker import Broker
from chassis.cause import Cause
from chassis.database import Database, driver_connection
from chassis.german_csv import BOM, csv_line
from chassis.outbox import Outbox
from contracts.events import TableDownloaded
from contracts.ids import TenantId, Uuid
from contracts.names import Table
from contracts.problems import NotFound
from contracts.rpc.ingest import Download
from contracts.streams import DOWNLOADS
from ingest import store
from ingest.table_format import Format

log: structlog.stdlib.BoundLogger = structlog.get_logger()

ROWS_AT_ONCE = 5000
_BERLIN = ZoneInfo("Europe/Berlin")

PROBLEM_COLUMNS = {
    "datei": "file", "datensatz": "row", "zeile": "line", "spalte": "column", "regel": "rule",
    "wert_sieht_aus_wie": "value",
}  # fmt: skip
"""Heading → what of a problem stands below it. Of a value its class, never itself."""


@dataclass(frozen=True, slots=True)
class Downloads:
    """Makes files for people, as the tenant who asks."""

    form: Format
    database: Database
    outbox: Outbox
    broker: Broker

    async def table(self, cause: Cause, tenant: TenantId, table: Table) -> Download:
        """The living rows of a table. Raises NotFound if it was never delivered."""
        columns = [f"CASE WHEN NOT '{n}' = ANY(s.unknown) THEN s.{n} END" for n in self.form[table].names]
        query = f"""
            SELECT {", ".join(columns)}, CASE WHEN s.extra <> '{{}}' THEN CAST(s.extra AS text) END,
                   array_to_string(s.unknown, ', ')
            FROM {table} s WHERE s.tenant = %(tenant)s AND s.gone_since IS NULL ORDER BY s.key
        """
        header = [*self.form[table].names, "weitere_spalten", "unbekannt"]
        today = datetime.now(UTC).astimezone(_BERLIN).date()
        async with self.database.tenant(tenant) as session:
            if table not in await store.delivered_tables(session, tenant):
                raise NotFound(f"{table} wurde noch nie geliefert.")
        made = await self._made(tenant, header, query, {"tenant": tenant}, f"{tenant}_{table}_{today}.csv")
        async with self.database.tenant(tenant) as session:
            await self.outbox.tell(session, cause, TableDownloaded(table=table, rows=made.rows))
        log.info("table.downloaded", table=table, rows=made.rows, bytes=made.size)
        return made

    async def problems(self, tenant: TenantId, delivery: Uuid) -> Download:
        """All kept problems of a delivery. Raises NotFound."""
        picked = ", ".join(f"problem ->> '{column}'" for column in PROBLEM_COLUMNS.values())
        query = f"SELECT {picked} FROM delivery_problem WHERE delivery = %(delivery)s ORDER BY position"
        async with self.database.tenant(tenant) as session:
            await store.delivery(session, tenant, delivery)
        name = f"{tenant}_{delivery}_problems.csv"
        return await self._made(tenant, list(PROBLEM_COLUMNS), query, {"delivery": delivery}, name)

    async def _made(
        self, tenant: TenantId, header: Sequence[str], query: str, parameters: dict[str, Any], file_name: str
    ) -> Download:
        """The file first and then the object, so that no transaction waits for NATS."""
        with tempfile.TemporaryFile() as file:
            async with self.database.tenant(tenant) as session:
                rows = await _write_rows(session, file, header, query, parameters)
            size = file.tell()
            file.seek(0)
            object_ = await objects.store(self.broker.js, DOWNLOADS, tenant, file)
        return Download(object=object_, size=size, rows=rows, file_name=file_name)


async def _write_rows(
    session: AsyncSession, file: BinaryIO, header: Sequence[str], query: str, parameters: dict[str, Any]
) -> int:
    connection = await driver_connection(session)
    file.write(BOM + csv_line(header).encode())
    written = 0
    async with connection.cursor(name="download") as cursor:
        await cursor.execute(query.encode(), parameters)
        while rows := await cursor.fetchmany(ROWS_AT_ONCE):
            await asyncio.to_thread(_write_lines, file, rows)
            written += len(rows)
    return written


def _write_lines(file: BinaryIO, rows: Sequence[Sequence[Any]]) -> None:
    file.writelines(csv_line(row).encode() for row in rows)
