"""Silence is an alarm: a tenant whose delivery does not come is told once, and once again when it came.

What was told stands in the table `overdue`, so that restarts and other replicas do not tell it again: whoever
inserts or deletes the row tells it in the same transaction.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from chassis.cause import Cause
from chassis.database import fetch_all, is_unreachable, run_sql
from chassis.process import Foundation
from contracts.events import DeliveryOverdue, DeliveryOverdueOver
from contracts.ids import TenantId
from contracts.names import Service
from ingest.settings import IngestSettings

log: structlog.stdlib.BoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Expected:
    """A tenant that blau direkt delivers to: when the last delivery had come, or the way in was made; and
    whether it was told that the next one is overdue."""

    tenant: TenantId
    last: datetime
    told: bool


def overdue_since(last: datetime, *, now: datetime, after: timedelta) -> datetime | None:
    """Since when the next delivery is overdue; None if there is still time."""
    due = last + after
    return due if now > due else None


_EXPECTED = """
SELECT u.tenant, coalesce(max(d.received_from), u.created_at) AS last, o.tenant IS NOT NULL AS told
FROM ftp_user u
LEFT JOIN delivery d ON d.tenant = u.tenant AND d.state <> 'receiving'
LEFT JOIN overdue o ON o.tenant = u.tenant
GROUP BY u.tenant, o.tenant ORDER BY u.tenant
"""


@dataclass(frozen=True, slots=True)
class OverdueWatch:
    """Every replica watches; the row decides who tells it."""

    base: Foundation
    settings: IngestSettings

    async def run(self) -> None:
        """Look again and again, for ever."""
        while True:
            try:
                await self.look()
            except Exception as error:
                if not is_unreachable(error):
                    raise
                log.warning("overdue.postponed", reason="PostgreSQL is away")
            await asyncio.sleep(self.settings.overdue_check.total_seconds())

    async def look(self) -> None:
        """Tell what has changed since the last look. Asked as the all-tenants role, told as each tenant."""
        async with self.base.all_tenants.unbound() as session:
            rows = await fetch_all(session, _EXPECTED)
        now = datetime.now(UTC)
        for expected in (Expected(TenantId(row["tenant"]), row["last"], row["told"]) for row in rows):
            since = overdue_since(expected.last, now=now, after=self.settings.overdue_after)
            if since and not expected.told:
                await self._tell(expected.tenant, since)
            elif expected.told and not since:
                await self._all_clear(expected.tenant)

    async def _tell(self, tenant: TenantId, since: datetime) -> None:
        async with self.base.database.tenant(tenant) as session:
            is_new = await run_sql(
                session,
                "INSERT INTO overdue (tenant, since) VALUES (:tenant, :since) ON CONFLICT DO NOTHING",
                tenant=tenant,
                since=since,
            )
            if is_new:
                hours = self.settings.overdue_after.total_seconds() / 3600
                reason = f"Seit {hours:.0f} Stunden kam keine Lieferung."
                cause = Cause.of_service(Service.INGEST, tenant)
                await self.base.outbox.tell(session, cause, DeliveryOverdue(since=since, reason=reason))
                log.warning("delivery.overdue", tenant=tenant, since=since.isoformat())

    async def _all_clear(self, tenant: TenantId) -> None:
        async with self.base.database.tenant(tenant) as session:
            rows = await fetch_all(
                session, "DELETE FROM overdue WHERE tenant = :tenant RETURNING since", tenant=tenant
            )
            for row in rows:
                cause = Cause.of_service(Service.INGEST, tenant)
                await self.base.outbox.tell(session, cause, DeliveryOverdueOver(since=row["since"]))
                log.info("delivery.overdue_over", tenant=tenant)
