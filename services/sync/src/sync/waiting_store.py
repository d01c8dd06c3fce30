"""Queries on records that wait to be deleted in Zoho, for people who look through them and decide.

A record that somebody kept is not planned to be deleted again until its object comes back (`link.kept_at`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import fetch_all, run_sql
from contracts.ids import PipelineId
from sync.pipelines import Pipeline
from sync.work_store import Lane, channel

_WAITING = """
FROM work w JOIN pipeline p ON p.id = w.pipeline
JOIN link l ON l.zoho_connection = p.zoho_connection AND l.module = p.module
    AND l.table_name = p.table_name AND l.ameise_key = w.object AND l.zoho_id IS NOT NULL
WHERE w.direction = 'deletion' AND NOT w.parked
"""
_IDLE = "(w.lease_until IS NULL OR w.lease_until < now())"

_PAGE = f"""
SELECT w.id, w.pipeline, w.object, w.created_at, w.due_at, w.reason, p.module, p.table_name, l.zoho_id,
       nullif(concat_ws(' ', l.ameise_base ->> 'vorname', l.ameise_base ->> 'nachname'), '') AS name
{_WAITING} AND (CAST(:pipeline AS integer) IS NULL OR w.pipeline = :pipeline)
  AND (CAST(:due AS timestamptz) IS NULL OR (w.due_at, w.id) > (:due, :after))
ORDER BY w.due_at, w.id LIMIT :limit
"""


async def page(
    session: AsyncSession,
    *,
    pipeline: PipelineId | None,
    after: tuple[datetime, int] | None,
    limit: int,
) -> tuple[int, list[dict[str, Any]]]:
    """(how many wait, the rows of one page and one more if there is a next one)."""
    number = int(pipeline) if pipeline is not None else None
    [total] = await fetch_all(
        session,
        f"SELECT count(*) AS n {_WAITING} AND (CAST(:pipeline AS integer) IS NULL OR w.pipeline = :pipeline)",
        pipeline=number,
    )
    due, id_ = after or (None, 0)
    rows = await fetch_all(session, _PAGE, pipeline=number, due=due, after=id_, limit=limit + 1)
    return total["n"], rows


async def lock(session: AsyncSession, ids: Sequence[int]) -> list[dict[str, Any]]:
    """Those that wait and that nobody has in hand: id, pipeline, object (its key), zoho_id and link."""
    return await fetch_all(
        session,
        "SELECT w.id, w.pipeline, w.object, l.zoho_id, l.id AS link "
        f"{_WAITING} AND {_IDLE} AND w.id = ANY(CAST(:ids AS bigint[])) "
        "ORDER BY w.object FOR UPDATE OF w SKIP LOCKED",
        ids=list(ids),
    )


async def keep(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    """The records of these locked rows stay."""
    await run_sql(
        session,
        "UPDATE link SET kept_at = now() WHERE id = ANY(CAST(:links AS bigint[]))",
        links=[row["link"] for row in rows],
    )
    await run_sql(
        session,
        "DELETE FROM work WHERE id = ANY(CAST(:ids AS bigint[]))",
        ids=[row["id"] for row in rows],
    )


async def keep_of(session: AsyncSession, pipeline: Pipeline, keys: Sequence[str]) -> None:
    """The records of these objects stay, whose rows go elsewhere."""
    await run_sql(
        session,
        "UPDATE link SET kept_at = now() WHERE zoho_connection = :connection AND module = :module "
        "AND table_name = :table AND ameise_key = ANY(CAST(:keys AS text[]))",
        connection=pipeline.zoho_connection, module=pipeline.module, table=pipeline.table.value,
        keys=list(keys),
    )  # fmt: skip


async def hurry(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    """These locked rows are due now."""
    await run_sql(
        session,
        "UPDATE work SET due_at = now(), lane = :lane WHERE id = ANY(CAST(:ids AS bigint[]))",
        lane=int(Lane.INTERACTIVE), ids=[row["id"] for row in rows],
    )  # fmt: skip
    await run_sql(session, f"NOTIFY {channel('deletion')}")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to become of a record whose object is gone: deleted then, or None: somebody kept it."""

    due_at: datetime | None


async def plans_for(session: AsyncSession, pipeline: Pipeline, keys: Sequence[str]) -> dict[str, Plan]:
    """Of the records of these objects, by key; those without a plan are absent."""
    rows = await fetch_all(
        session,
        "SELECT l.ameise_key, w.due_at FROM link l LEFT JOIN work w ON w.object = l.ameise_key "
        "AND w.pipeline = :pipeline AND w.direction = 'deletion' AND NOT w.parked "
        "WHERE l.zoho_connection = :connection AND l.module = :module AND l.table_name = :table "
        "AND l.ameise_key = ANY(CAST(:keys AS text[])) AND (w.id IS NOT NULL OR l.kept_at IS NOT NULL)",
        pipeline=int(pipeline.id), connection=pipeline.zoho_connection, module=pipeline.module,
        table=pipeline.table.value, keys=list(keys),
    )  # fmt: skip
    return {row["ameise_key"]: Plan(row["due_at"]) for row in rows}
