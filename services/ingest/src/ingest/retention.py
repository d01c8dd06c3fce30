"""What has stayed long enough goes: originals, problems, history, old deliveries; and who shall not be here.

One replica looks once in a while: it takes a lease that lasts as long as the pause, and lets it run out. It
works as the all-tenants role, since it serves all tenants at once.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import structlog

from chassis import leases
from chassis.database import fetch_all, is_unreachable, run_sql
from chassis.process import Foundation
from contracts.ids import TenantId, Uuid
from contracts.rpc.ingest import DeliveryState
from contracts.subjects import SYSTEM_TENANT
from ingest.forgetting import Forgetting
from ingest.settings import IngestSettings
from ingest.spool import Spool
from ingest.store import UNDECIDED

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LEASE = "retention"
BATCH = 20_000
"""Rows that go by one statement."""

_OLD_HISTORY = """
DELETE FROM history WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM history WHERE changed_at < :before LIMIT :batch))
"""
_OLD_PROBLEMS = """
DELETE FROM delivery_problem WHERE (delivery, position) IN (
    SELECT p.delivery, p.position FROM delivery d JOIN delivery_problem p ON p.delivery = d.id
    WHERE d.state <> ALL(CAST(:undecided AS text[])) AND d.finished_at < :before LIMIT :batch)
"""
_OLD_DELIVERIES = """
DELETE FROM delivery WHERE id IN (
    SELECT id FROM delivery
    WHERE state <> ALL(CAST(:undecided AS text[])) AND finished_at < :before LIMIT :batch)
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How and when a delivery ended, if it did."""

    state: DeliveryState
    finished_at: datetime | None


def files_may_go(delivery: Ended | None, *, changed_at: datetime, before: datetime) -> bool:
    """Whether the files of a delivery have stayed long enough; `changed_at` is when the last of them came.
    None: nobody knows the delivery any more, or not yet."""
    if delivery is None:
        return changed_at < before
    ended = None if delivery.state in UNDECIDED else delivery.finished_at
    return ended is not None and ended < before


@dataclass(frozen=True, slots=True)
class Retention:
    """Looks through the database and the spool."""

    base: Foundation
    settings: IngestSettings
    spool: Spool
    forgetting: Forgetting

    async def run(self) -> None:
        """Look again and again, for ever."""
        while True:
            try:
                if await self._is_our_turn():
                    await self.look()
            except Exception as error:
                if not is_unreachable(error):
                    raise
                log.warning("retention.postponed", reason="PostgreSQL is away")
            await asyncio.sleep(self.settings.retention_pause.total_seconds())

    async def _is_our_turn(self) -> bool:
        async with self.base.database.tenant(SYSTEM_TENANT) as session:
            lease = await leases.take(
                session, cast("TenantId", SYSTEM_TENANT), LEASE,
                owner=self.settings.replica, lasting=self.settings.retention_pause,
            )  # fmt: skip
        return lease is not None

    async def look(self) -> None:
        """Let go what is old."""
        now, chosen = datetime.now(UTC), self.settings
        counts = {
            "files": await self._remove_files(now - chosen.originals_retention),
            "problems": await self._delete(_OLD_PROBLEMS, now - chosen.originals_retention),
            "history": await self._delete(_OLD_HISTORY, now - chosen.history_retention),
            "deliveries": await self._delete(_OLD_DELIVERIES, now - chosen.delivery_retention),
        }
        if any(counts.values()):
            log.info("retention.done", **counts)
        await self.forgetting.forget_returned()

    async def _remove_files(self, before: datetime) -> int:
        """Returns of how many deliveries."""
        there = await asyncio.to_thread(lambda: list(self.spool.deliveries()))
        ended = await self._ended([delivery for _, delivery in there])
        removed = 0
        for tenant, delivery in there:
            try:
                changed_at = self.spool.delivery_changed_at(tenant, delivery)
                if files_may_go(ended.get(delivery), changed_at=changed_at, before=before):
                    await asyncio.to_thread(self.spool.remove_delivery, tenant, delivery)
                    removed += 1
            except OSError as error:  # somebody else works in it; what is left goes at the next look
                log.warning(
                    "retention.files_stay", tenant=tenant, delivery=delivery, error=str(error.strerror)
                )
        return removed

    async def _ended(self, deliveries: list[Uuid]) -> Mapping[Uuid, Ended]:
        async with self.base.all_tenants.unbound() as session:
            rows = await fetch_all(
                session,
                "SELECT CAST(id AS text) AS id, state, finished_at FROM delivery "
                "WHERE id = ANY(CAST(:deliveries AS uuid[]))",
                deliveries=deliveries,
            )
        return {Uuid(row["id"]): Ended(DeliveryState(row["state"]), row["finished_at"]) for row in rows}

    async def _delete(self, statement: str, before: datetime) -> int:
        parameters = {"undecided": list(UNDECIDED)} if ":undecided" in statement else {}
        deleted = 0
        while True:
            async with self.base.all_tenants.unbound() as session:
                gone = await run_sql(session, statement, before=before, batch=BATCH, **parameters)
            deleted += gone
            if gone < BATCH:
                return deleted
