"""Queries on records that wait to be deleted in Zoho: rows of work of the direction `deletion`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.cause import Cause
from chassis.database import fetch_all, run_sql
from contracts.rpc.sync_parked import ParkedCause
from sync.link_store import Link
from sync.pipelines import Pipeline
from sync.work_store import Lane, Work

WAITING = "in Ameise entfallen; der Zoho-Datensatz wird gelöscht, wenn die Wartezeit um ist"

# Joined with the links, so that nothing is ever deleted that nobody linked. Told again, the waiting goes on;
# another waiting time of the pipeline counts from where it began. What a person wants deleted now stays due.
_PLAN = """
INSERT INTO work AS w (tenant, pipeline, direction, object, lane, correlationid, causationid, due_at, reason)
SELECT :tenant, :pipeline, 'deletion', l.ameise_key, :lane, o.correlationid, o.causationid,
       now() + make_interval(days => :days), :reason
FROM unnest(CAST(:keys AS text[]), CAST(:correlationids AS uuid[]), CAST(:causationids AS uuid[]))
     AS o (key, correlationid, causationid)
JOIN link l ON l.zoho_connection = :connection AND l.module = :module AND l.table_name = :table
    AND l.ameise_key = o.key
WHERE l.zoho_id IS NOT NULL AND l.linked_at IS NOT NULL AND NOT l.gone_in_zoho AND l.kept_at IS NULL
ORDER BY l.ameise_key
ON CONFLICT (tenant, pipeline, direction, object) DO UPDATE
SET due_at = w.created_at + make_interval(days => :days)
WHERE NOT w.parked AND w.attempts = 0 AND w.lease_owner IS NULL AND w.lane <> :hurried
"""


async def plan(
    session: AsyncSession, pipeline: Pipeline, gone: Mapping[str, Cause], *, after_days: int
) -> None:
    """The records of these objects are to be deleted after so many days."""
    if gone:
        await run_sql(
            session, _PLAN,
            tenant=pipeline.tenant, pipeline=int(pipeline.id), lane=Lane.AFTER_CHUNK, days=after_days,
            reason=WAITING, keys=list(gone), correlationids=[cause.correlationid for cause in gone.values()],
            hurried=Lane.INTERACTIVE, causationids=[cause.causationid for cause in gone.values()],
            connection=pipeline.zoho_connection, module=pipeline.module, table=pipeline.table.value,
        )  # fmt: skip


async def cancel(session: AsyncSession, pipeline: Pipeline, keys: Collection[str]) -> None:
    """The records of these objects stay. Whoever is just deleting one finds its row gone before the call."""
    if keys:
        await run_sql(
            session,
            "DELETE FROM work WHERE id IN (SELECT id FROM work WHERE pipeline = :pipeline "
            "AND direction = 'deletion' AND object = ANY(CAST(:keys AS text[])) ORDER BY object FOR UPDATE)",
            pipeline=int(pipeline.id), keys=sorted(keys),
        )  # fmt: skip


async def there_again(session: AsyncSession, pipeline: Pipeline, keys: Collection[str]) -> None:
    """Who kept the records of these objects though they were gone is asked anew when they go again."""
    if keys:
        await run_sql(
            session,
            "UPDATE link SET kept_at = NULL WHERE kept_at IS NOT NULL AND zoho_connection = :connection "
            "AND module = :module AND ameise_key = ANY(CAST(:keys AS text[])) AND table_name = :table",
            connection=pipeline.zoho_connection, module=pipeline.module, keys=sorted(keys),
            table=pipeline.table.value,
        )  # fmt: skip


Overruled = Mapping[int, Mapping[ParkedCause, datetime]]
"""By row of work: what a person overruled, and when."""


async def overruled(session: AsyncSession, works: Sequence[Work]) -> Overruled:
    rows = await fetch_all(
        session,
        "SELECT id, released FROM work WHERE id = ANY(CAST(:ids AS bigint[])) AND released <> '{}'",
        ids=[work.id for work in works],
    )
    return {
        row["id"]: {ParkedCause(name): datetime.fromisoformat(at) for name, at in row["released"].items()}
        for row in rows
    }


@dataclass(frozen=True, slots=True)
class Standing:
    """`in_a_day`: records that were deleted in the last 24 h, are to be in the next, or are held; `linked`:
    how many there are. `held`: whether a person was asked already."""

    in_a_day: int
    linked: int
    held: bool


_STANDING = """
SELECT coalesce(w.in_a_day, 0) + l.deleted AS in_a_day, l.linked, coalesce(w.held, 0) > 0 AS held
FROM (
    SELECT count(*) FILTER (WHERE NOT gone_in_zoho) AS linked,
           count(*) FILTER (WHERE gone_in_zoho AND deleted_at > now() - interval '1 day') AS deleted
    FROM link WHERE zoho_connection = :connection AND module = :module AND table_name = :table
      AND linked_at IS NOT NULL
) l CROSS JOIN (
    SELECT count(*) FILTER (WHERE parked) AS held, count(*) AS in_a_day
    FROM work WHERE pipeline = :pipeline AND direction = 'deletion'
      AND CASE WHEN parked THEN cause = :held
               ELSE due_at < now() + interval '1 day' AND NOT released ? :held END
) w
"""


async def standing(session: AsyncSession, pipeline: Pipeline) -> Standing:
    """How much is being deleted; locks, so that one replica at a time asks a person, once."""
    await run_sql(
        session,
        "SELECT pg_advisory_xact_lock(hashtext('deletion:' || :tenant || ':' || :pipeline))",
        tenant=pipeline.tenant, pipeline=str(pipeline.id),
    )  # fmt: skip
    [row] = await fetch_all(
        session, _STANDING,
        pipeline=int(pipeline.id), connection=pipeline.zoho_connection, module=pipeline.module,
        table=pipeline.table.value, held=ParkedCause.TOO_MANY_DELETIONS.value,
    )  # fmt: skip
    return Standing(row["in_a_day"], row["linked"], row["held"])


async def about_to_delete(session: AsyncSession, links: Sequence[Link]) -> None:
    """Said before the call: should its answer get lost, the missing record was deleted by us."""
    await _set(session, links, "deleted_at = now()")


async def still_there(session: AsyncSession, links: Sequence[Link]) -> None:
    """Zoho refused to delete these records."""
    await _set(session, links, "deleted_at = NULL")


async def gone(session: AsyncSession, links: Sequence[Link]) -> None:
    """The records of these links are not in Zoho any more."""
    await _set(session, links, "gone_in_zoho = true")


async def _set(session: AsyncSession, links: Sequence[Link], change: str) -> None:
    await run_sql(
        session,
        f"UPDATE link l SET {change} FROM unnest(CAST(:ids AS bigint[]), CAST(:fences AS bigint[])) "  # noqa: S608
        "AS o (id, fence) WHERE l.id = o.id AND l.fence = o.fence",
        ids=[link.id for link in links], fences=[link.fence for link in links],
    )  # fmt: skip
