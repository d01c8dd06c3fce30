"""How much each pipeline wrote in the last hour, and when it last ran: a ring of one row per minute."""

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import run_sql
from sync.pipelines import Pipeline

_NOTE = """
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


async def note_run(session: AsyncSession, pipeline: Pipeline, *, written: int) -> None:
    """Work of this pipeline came to an end; `written` objects were written to the other side.

    Last in its transaction: all workers of a pipeline meet at this row.
    """
    await run_sql(session, _NOTE, tenant=pipeline.tenant, pipeline=int(pipeline.id), written=written)
