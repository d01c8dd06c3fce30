"""How much each pipeline wrote in the last hour, and when it last ran: a ring of one row per minute.

Counted in memory and stored once a second: all workers would meet at that row otherwise, and wait for each
other's commits. A process that dies takes a second of the count with it, which is only shown to people.
"""

import asyncio
from collections import Counter

import structlog
from sqlalchemy.exc import SQLAlchemyError

from chassis.database import Database, run_sql
from contracts.ids import PipelineId, TenantId
from sync.pipelines import Pipeline

log: structlog.stdlib.BoundLogger = structlog.get_logger()

EVERY_SECONDS = 1.0

_STORE = """
INSERT INTO throughput AS t (tenant, pipeline, slot, last_at, written)
VALUES (:tenant, :pipeline, extract(minute FROM clock_timestamp()), clock_timestamp(), :written)
ON CONFLICT (tenant, pipeline, slot) DO UPDATE SET
    last_at = excluded.last_at,
    written = excluded.written
        + CASE WHEN t.last_at > excluded.last_at - interval '1 minute' THEN t.written ELSE 0 END
"""

LAST_HOUR = """
SELECT pipeline, max(last_at) AS last_run,
       coalesce(sum(written) FILTER (WHERE last_at > now() - interval '1 hour'), 0) AS written
FROM throughput GROUP BY pipeline
"""
"""Per pipeline of the session's tenant; `written` of the last 60 minutes."""


class Throughput:
    """Counts of this process that are not stored yet."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: Counter[tuple[TenantId, PipelineId]] = Counter()

    def note(self, pipeline: Pipeline, *, written: int) -> None:
        """Work of this pipeline came to an end; `written` objects were written to the other side."""
        self._noted[pipeline.tenant, pipeline.id] += written

    async def run(self) -> None:
        """Store what was noted until cancelled, and then once more."""
        try:
            while True:
                await asyncio.sleep(EVERY_SECONDS)
                await self._store()
        finally:
            await self._store()

    async def _store(self) -> None:
        noted, self._noted = self._noted, Counter()
        for (tenant, pipeline), written in noted.items():
            try:
                async with self._database.tenant(tenant) as session:
                    await run_sql(
                        session, _STORE, tenant=tenant, pipeline=int(pipeline), written=written
                    )  # fmt: skip
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("throughput.waits", error=type(error).__name__)
                self._noted[tenant, pipeline] += written
