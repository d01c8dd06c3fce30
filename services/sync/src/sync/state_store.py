"""Queries on how pipelines are doing, and on one link as it stands."""

from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import fetch_all
from contracts.names import System
from sync.drift_store import DRIFT_COLUMNS
from sync.pipelines import Pipeline
from sync.throughput import LAST_HOUR

_STATES = f"""
SELECT CAST(p.id AS text) AS id, p.name, p.enabled, p.last_success,
       CAST(p.zoho_connection AS text) AS zoho_connection, p.last_error,
       t.last_run, coalesce(t.written, 0) AS written_last_hour, {DRIFT_COLUMNS},
       coalesce(w.waiting, 0) AS waiting, coalesce(w.parked, 0) AS parked, w.oldest_waiting,
       (SELECT count(*) FROM link l WHERE l.zoho_connection = p.zoho_connection AND l.module = p.module
            AND l.table_name = p.table_name AND l.linked_at IS NOT NULL) AS linked
FROM pipeline p
LEFT JOIN (
    SELECT pipeline, count(*) FILTER (WHERE NOT parked AND direction <> 'deletion') AS waiting,
           count(*) FILTER (WHERE parked) AS parked,
           min(created_at) FILTER (WHERE NOT parked AND direction <> 'deletion') AS oldest_waiting
    FROM work GROUP BY pipeline
) w ON w.pipeline = p.id
LEFT JOIN ({LAST_HOUR}) t ON t.pipeline = p.id
ORDER BY p.id
"""  # noqa: S608 (a constant)


async def states(session: AsyncSession) -> list[dict[str, Any]]:
    """All pipelines of the session's tenant."""
    return await fetch_all(session, _STATES)


async def link(session: AsyncSession, pipeline: Pipeline, side: System, id_: str) -> dict[str, Any] | None:
    """The link of an object or of a record."""
    column = "ameise_key" if side is System.AMEISE else "zoho_id"
    rows = await fetch_all(
        session,
        "SELECT zoho_id, ameise_key, ameise_base, zoho_base, written, gone_in_zoho, linked_at FROM link "  # noqa: S608
        "WHERE zoho_connection = :connection AND module = :module AND table_name = :table "
        f"AND {column} = :id",
        connection=pipeline.zoho_connection, module=pipeline.module, table=pipeline.table.value, id=id_,
    )  # fmt: skip
    return rows[0] if rows else None
