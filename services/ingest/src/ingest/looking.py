"""Answers from what is stored: the state of the deliveries, and composed objects."""

from collections.abc import Sequence
from dataclasses import dataclass

from chassis.database import Database
from contracts.events import TableCounts
from contracts.ids import AmeiseKey, TenantId, Uuid
from contracts.names import Table
from contracts.rpc.ingest import (
    ComposedObject,
    DailyUpStatus,
    DeliveryReport,
    DeliveryState,
    DeliveryStatus,
    Objects,
)
from contracts.rpc.ingest_format import ProblemFound
from ingest import store
from ingest.access import shown
from ingest.composing import check_is_object_table
from ingest.format_overrides import Formats
from ingest.progress import table_states
from ingest.settings import IngestSettings
from ingest.tables import DeliveryRow, OverdueRow


@dataclass(frozen=True, slots=True)
class Looking:
    """Reads, as the tenant who asks."""

    settings: IngestSettings
    formats: Formats
    database: Database

    async def status(self, tenant: TenantId) -> DailyUpStatus:
        """The tenant's way in, its newest deliveries, and how many rows are stored."""
        form = await self.formats.of(tenant)
        async with self.database.tenant(tenant) as session:
            user = await store.ftp_user(session, tenant)
            deliveries = await store.newest_deliveries(session, tenant)
            tables = await store.delivered_tables(session, tenant)
            overdue = await session.get(OverdueRow, tenant)
        superseded = _superseded(deliveries)
        return DailyUpStatus(
            ftp=shown(self.settings, user.user_name, plain_allowed=user.plain_allowed) if user else None,
            deliveries=tuple(shown_delivery(row, superseded=row.id in superseded) for row in deliveries),
            stored={table: row.rows for table, row in tables.items()},
            tables=table_states(deliveries[0], form) if deliveries else {},
            overdue_since=overdue.since if overdue else None,
        )

    async def report(self, tenant: TenantId, delivery: Uuid) -> DeliveryReport:
        """One delivery with its first problems. Raises NotFound."""
        async with self.database.tenant(tenant) as session:
            row = await store.delivery(session, tenant, delivery)
            superseded = row.state == DeliveryState.HELD and await store.is_superseded(session, row)
        return DeliveryReport(
            delivery=shown_delivery(row, superseded=superseded),
            tables=table_states(row, await self.formats.of(tenant)),
            problems=tuple(ProblemFound.model_validate(problem) for problem in row.problems),
        )

    async def objects(self, tenant: TenantId, table: Table, keys: Sequence[AmeiseKey]) -> Objects:
        """The objects as they are stored now, in the order of `keys`. Raises Invalid for parts of a Kunde."""
        check_is_object_table(table)
        form = self.formats.base  # objects are stored alike for all tenants
        async with self.database.tenant(tenant) as session:
            found = await store.composed_objects(session, form, table, tenant=tenant, keys=keys)
            delivered = await store.delivered_tables(session, tenant)
        if (as_of := store.as_of_objects(table, delivered)) is None:
            return Objects(objects=())
        return Objects(
            objects=tuple(
                ComposedObject(
                    key=key,
                    version=row["version"],
                    as_of=as_of,
                    gone=row["gone"],
                    fields=row["fields"] or {},
                    unknown=tuple(row["unknown"] or ()),
                )
                for key in keys
                if (row := found.get(key)) is not None
            )
        )


_IMPORTED = (DeliveryState.IMPORTED, DeliveryState.IMPORTED_WITH_WARNINGS)


def _superseded(newest_first: Sequence[DeliveryRow]) -> set[str]:
    """Held deliveries with an imported one after them."""
    found: set[str] = set()
    newer_imported = False
    for row in newest_first:
        if newer_imported and row.state == DeliveryState.HELD:
            found.add(row.id)
        newer_imported = newer_imported or row.state in _IMPORTED
    return found


def shown_delivery(row: DeliveryRow, *, superseded: bool = False) -> DeliveryStatus:
    """One delivery as it is told to people."""
    return DeliveryStatus(
        id=Uuid(row.id),
        state=DeliveryState(row.state),
        received_from=row.received_from,
        as_of=row.as_of,
        started_at=row.started_at,
        finished_at=row.finished_at,
        files=row.files,
        bytes_=row.bytes_,
        missing=tuple(map(Table, row.missing)),
        counts={Table(table): TableCounts.model_validate(n) for table, n in row.counts.items()},
        problems=row.problem_count,
        reason=row.reason,
        superseded=superseded,
    )
