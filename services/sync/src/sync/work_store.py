"""Queries on the work table, which is the queue: intake, taking by lease, finishing, parking.

Taking spans all tenants and therefore runs as the all-tenants role; it returns ids and versions only.
Everything else runs inside the tenant's own transaction. A row is finished only by whoever holds its
lease (`fence`), and only goes if nobody asked again (`asked`) since it was taken.
"""

import functools
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.cause import Cause
from chassis.database import Where, fetch_all, run_sql
from chassis.leases import LeaseLost
from contracts.actor import ActorKind
from contracts.ids import PipelineId, TenantId, Uuid
from contracts.names import Table
from sync.retry import Park, Postpone

WorkDirection = Literal["to_ameise", "to_zoho", "deletion"]
"""`deletion`: of a record in Zoho whose object is gone, due when it has waited long enough."""


def channel(direction: WorkDirection) -> str:
    """The NOTIFY channel that says: there is something to do."""
    return f"work_{direction}"


class Lane:
    """Who waits for it: a lower lane goes first."""

    INTERACTIVE = 0
    WEBHOOK = 1
    CHUNK = 2
    AFTER_CHUNK = 3
    """Verträge: their Kunden go first."""


def lane_of(table: Table) -> int:
    """The lane of what a delivery changed, or a comparison found."""
    return Lane.AFTER_CHUNK if table is Table.VERTRAG else Lane.CHUNK


@dataclass(frozen=True, slots=True)
class Work:
    """A row that we hold the lease of.

    `owner` names this one holding of it, and of all that it needs. Until `safe_until` (`time.monotonic()`)
    nobody can have taken it over, by the lease that it was taken with.
    """

    id: int
    tenant: TenantId
    pipeline: PipelineId
    object: str
    asked: int
    fence: int
    owner: str
    safe_until: float
    attempts: int
    failing_since: datetime | None
    correlationid: Uuid
    causationid: Uuid | None
    lane: int

    @property
    def cause(self) -> Cause:
        """On whose behalf: Zoho's webhook, or blau direkt's delivery."""
        kind = ActorKind.ZOHO if self.lane <= Lane.WEBHOOK else ActorKind.BLAUDIREKT
        return Cause(self.tenant, kind, kind.value, self.correlationid, self.causationid)


_INTAKE = """
WITH asked AS (
    INSERT INTO work AS w
        (tenant, pipeline, direction, object, lane, correlationid, causationid)
    SELECT :tenant, :pipeline, :direction, o.object, :lane, o.correlationid, o.causationid
    FROM unnest(CAST(:objects AS text[]), CAST(:correlationids AS uuid[]), CAST(:causationids AS uuid[]))
         AS o (object, correlationid, causationid)
    ORDER BY o.object -- two intakes that overlap must not wait for each other in a circle
    ON CONFLICT (tenant, pipeline, direction, object) DO UPDATE SET
        asked = w.asked + 1,
        lane = least(w.lane, excluded.lane),
        correlationid = excluded.correlationid,
        causationid = excluded.causationid,
        parked = false,
        not_in_bulk = false,
        attempts = CASE WHEN w.parked THEN 0 ELSE w.attempts END,
        failing_since = CASE WHEN w.parked THEN NULL ELSE w.failing_since END,
        due_at = now()
    RETURNING 1
)
SELECT pg_notify(:channel, '') FROM asked LIMIT 1
"""


async def intake(
    session: Where,
    tenant: TenantId,
    *,
    pipeline: PipelineId,
    direction: WorkDirection,
    lane: int,
    objects: Mapping[str, Cause],
) -> None:
    """Put work on the table; what is there already counts one up, and what was parked is tried again.

    `objects`: what to look at, each with on whose behalf.
    """
    await run_sql(
        session,
        _INTAKE,
        tenant=tenant,
        pipeline=int(pipeline),
        direction=direction,
        channel=channel(direction),
        lane=lane,
        objects=list(objects),
        correlationids=[cause.correlationid for cause in objects.values()],
        causationids=[cause.causationid for cause in objects.values()],
    )


_MAY_BE_TAKEN = "due_at <= now() AND (lease_until IS NULL OR lease_until <= now())"
"""A row that is not parked is due, and nobody holds it. What is held is due when its lease ends: the index
leads past it, however much it is."""

_FREE = f"""
(direction <> 'to_zoho' OR lane < {Lane.CHUNK} OR not_in_bulk OR (tenant, pipeline) NOT IN
 (SELECT tenant, pipeline FROM bulk_job WHERE state <> 'ended'))
"""  # noqa: S608 (a constant)
"""Not kept for a bulk write of its pipeline."""

# Every step goes along an index, to the first row that will do: with 200,000 rows waiting, to count them
# each time somebody finishes would cost more than the work.
_PLACES = """
WITH RECURSIVE place AS (
    (SELECT tenant, pipeline FROM work WHERE direction = :direction AND NOT parked
     ORDER BY tenant, pipeline LIMIT 1)
    UNION ALL
    SELECT further.tenant, further.pipeline FROM place, LATERAL (
        SELECT tenant, pipeline FROM work WHERE direction = :direction AND NOT parked
          AND (tenant, pipeline) > (place.tenant, place.pipeline)
        ORDER BY tenant, pipeline LIMIT 1
    ) AS further
)
"""
_QUEUE = f"""
{_PLACES}
SELECT place.tenant, place.pipeline, first.lane FROM place, LATERAL (
    SELECT lane FROM work
    WHERE direction = :direction AND tenant = place.tenant AND pipeline = place.pipeline AND NOT parked
      AND {_MAY_BE_TAKEN} AND {_FREE}
    ORDER BY lane, due_at LIMIT 1
) AS first
"""  # noqa: S608 (a constant)

_UNTIL_NEXT = f"""
{_PLACES}
SELECT CAST(extract(epoch FROM min(next.due_at) - now()) AS float) AS seconds
FROM place, generate_series({Lane.INTERACTIVE}, {Lane.AFTER_CHUNK}) AS of (lane), LATERAL (
    SELECT due_at FROM work
    WHERE direction = :direction AND tenant = place.tenant AND pipeline = place.pipeline AND NOT parked
      AND lane = of.lane AND due_at > now()
    ORDER BY due_at LIMIT 1
) AS next
"""  # noqa: S608 (constants)


@dataclass(frozen=True, slots=True)
class Turn:
    """A pipeline that has work to be taken; `lane` is the most urgent of it."""

    tenant: TenantId
    pipeline: PipelineId
    lane: int


async def turns(session: Where, direction: WorkDirection) -> list[Turn]:
    """Everything that may be taken now, by tenant and pipeline."""
    rows = await fetch_all(session, _QUEUE, direction=direction)
    return [Turn(TenantId(row["tenant"]), PipelineId(str(row["pipeline"])), row["lane"]) for row in rows]


async def seconds_until_next(session: Where, direction: WorkDirection) -> float | None:
    """When the next row that may not be taken yet will be due; None if there is none."""
    [until] = await fetch_all(session, _UNTIL_NEXT, direction=direction)
    return until["seconds"]


_TAKE = f"""
UPDATE work
SET lease_owner = :owner || ':' || id || ':' || fence + 1, fence = fence + 1,
    lease_until = now() + make_interval(secs => :seconds), due_at = now() + make_interval(secs => :seconds)
WHERE id IN (
    SELECT id FROM work
    WHERE direction = :direction AND tenant = :tenant AND pipeline = :pipeline AND NOT parked
      AND {_MAY_BE_TAKEN}
      AND CASE WHEN :for_bulk THEN lane >= {Lane.CHUNK} AND NOT not_in_bulk ELSE {_FREE} END
    ORDER BY lane, due_at LIMIT :count FOR UPDATE SKIP LOCKED
)
RETURNING id, tenant, pipeline, object, asked, fence, lease_owner, attempts, failing_since, lane,
          CAST(correlationid AS text) AS correlationid, CAST(causationid AS text) AS causationid
"""  # noqa: S608 (a constant)


async def take(
    session: Where,
    *,
    direction: WorkDirection,
    turn: Turn,
    owner: str,
    lasting: timedelta,
    count: int,
    for_bulk: bool = False,
) -> list[Work]:
    """Take up to `count` due rows of one pipeline for `lasting`; `for_bulk` those that may go in bulk."""
    safe_until = time.monotonic() + lasting.total_seconds() / 2  # half: clocks do not run alike
    rows = await fetch_all(
        session,
        _TAKE,
        direction=direction,
        tenant=turn.tenant,
        pipeline=int(turn.pipeline),
        owner=owner,
        seconds=lasting.total_seconds(),
        count=count,
        for_bulk=for_bulk,
    )
    return [work_of(row, safe_until) for row in rows]


_tenant_id = functools.lru_cache(maxsize=1024)(TenantId)
_pipeline_id = functools.lru_cache(maxsize=1024)(PipelineId)
_uuid = functools.lru_cache(maxsize=1024)(Uuid)
"""What the rows of one chunk share is looked at once."""


def work_of(row: dict[str, Any], safe_until: float) -> Work:
    """The work of a row that was taken."""
    return Work(
        id=row["id"],
        tenant=_tenant_id(row["tenant"]),
        pipeline=_pipeline_id(str(row["pipeline"])),
        object=row["object"],
        asked=row["asked"],
        fence=row["fence"],
        owner=row["lease_owner"],
        safe_until=safe_until,
        attempts=row["attempts"],
        failing_since=row["failing_since"],
        correlationid=_uuid(row["correlationid"]),
        causationid=_uuid(row["causationid"]) if row["causationid"] else None,
        lane=row["lane"],
    )


_EXTEND = """
UPDATE work
SET lease_until = now() + make_interval(secs => :seconds), due_at = now() + make_interval(secs => :seconds)
WHERE id IN (
    SELECT id FROM work
    WHERE id = ANY(CAST(:ids AS bigint[])) AND lease_owner = ANY(CAST(:owners AS text[]))
      AND lease_until > now()
    FOR UPDATE SKIP LOCKED
)
"""


async def extend(session: AsyncSession, works: Sequence[Work], *, lasting: timedelta) -> None:
    """Hold on to these rows, and to the named leases of their owners.

    A row that is locked is being stored or checked in this moment; the next call meets it.
    """
    owners, seconds = [work.owner for work in works], lasting.total_seconds()
    await run_sql(session, _EXTEND, ids=[work.id for work in works], owners=owners, seconds=seconds)
    await run_sql(
        session,
        "UPDATE lease SET until = now() + make_interval(secs => :seconds) "
        "WHERE owner = ANY(CAST(:owners AS text[])) AND until > now()",
        owners=owners, seconds=seconds,
    )  # fmt: skip


# Row by row along the primary key: PostgreSQL takes `tenant` for selective where it has no statistics, and
# would otherwise walk through all rows of the tenant.
_CHECK = """
SELECT held.id FROM (
    SELECT id, fence FROM unnest(CAST(:ids AS bigint[]), CAST(:fences AS bigint[]), CAST(:objects AS text[]))
        AS o (id, fence, object)
    ORDER BY object -- as `intake` takes them, so that the two cannot wait for each other in a circle
) AS o CROSS JOIN LATERAL (
    SELECT id FROM work WHERE id = o.id AND fence = o.fence AND lease_until > now() FOR UPDATE
) AS held
"""


async def check(session: AsyncSession, works: Sequence[Work]) -> None:
    """Lock the rows and make sure that we still hold them; right before an outside call, and at the end.

    Raises LeaseLost.
    """
    held = await run_sql(
        session, _CHECK,
        ids=[w.id for w in works], fences=[w.fence for w in works], objects=[w.object for w in works],
    )  # fmt: skip
    if held != len(works):
        raise LeaseLost(f"{len(works) - held} of {len(works)} rows of work")


_FINISH = """
DELETE FROM work WHERE ctid = ANY(ARRAY(
    SELECT as_taken.ctid FROM unnest(CAST(:ids AS bigint[]), CAST(:asked AS bigint[])) AS o (id, asked)
    CROSS JOIN LATERAL (SELECT ctid FROM work WHERE id = o.id AND asked = o.asked OFFSET 0) AS as_taken
))
"""

_AGAIN = """
WITH again AS (
    UPDATE work SET
        lease_owner = NULL, lease_until = NULL, due_at = now(), attempts = 0, failing_since = NULL,
        conflict_told = NULL
    WHERE id = ANY(CAST(:ids AS bigint[])) RETURNING direction
)
SELECT pg_notify('work_' || direction, '') FROM again LIMIT 1
"""


async def finish(session: AsyncSession, works: Sequence[Work]) -> None:
    """Take the rows, which `check` has locked, off the table; one that was asked for again meanwhile stays
    and is due now."""
    ids = [work.id for work in works]
    done = await run_sql(session, _FINISH, ids=ids, asked=[work.asked for work in works])
    if done < len(works):
        await run_sql(session, _AGAIN, ids=ids)


_POSTPONE = """
WITH later AS (
    UPDATE work w SET
        lease_owner = NULL, lease_until = NULL, reason = o.reason,
        due_at = now() + make_interval(secs => o.seconds),
        attempts = w.attempts + CASE WHEN o.counts THEN 1 ELSE 0 END,
        -- while the work is stopped by something else than its own failure, its clock stands still
        failing_since = CASE WHEN o.counts THEN coalesce(w.failing_since, now())
                             ELSE w.failing_since + make_interval(secs => o.seconds) END
    FROM unnest(CAST(:ids AS bigint[]), CAST(:seconds AS float[]), CAST(:reasons AS text[]),
                CAST(:counts AS boolean[])) AS o (id, seconds, reason, counts)
    WHERE w.id = o.id AND w.id = ANY(CAST(:ids AS bigint[])) RETURNING w.direction
)
SELECT pg_notify('work_' || direction, '') FROM later LIMIT 1
"""


async def postpone(session: AsyncSession, postponed: Sequence[tuple[Work, Postpone]]) -> None:
    """Give rows back for later; whoever sleeps until the next row is due is told."""
    await run_sql(
        session,
        _POSTPONE,
        ids=[work.id for work, _ in postponed],
        seconds=[later.delay.total_seconds() for _, later in postponed],
        reasons=[later.reason for _, later in postponed],
        counts=[later.counts for _, later in postponed],
    )


async def park(session: AsyncSession, work: Work, parked: Park) -> None:
    """Keep the row for a person."""
    await run_sql(
        session,
        "UPDATE work SET parked = (asked = :asked), lease_owner = NULL, lease_until = NULL, due_at = now(), "
        "cause = :cause, details = CAST(:details AS jsonb), reason = :reason, words = :words, "
        "candidates = CAST(:candidates AS jsonb), attempts = attempts + 1, "
        "failing_since = coalesce(failing_since, now()) WHERE id = :id",
        id=work.id, asked=work.asked, cause=parked.cause.value, details=json.dumps(dict(parked.details)),
        reason=parked.reason, words=parked.words, candidates=json.dumps(parked.candidates),
    )  # fmt: skip


async def note_conflict(session: AsyncSession, work: Work, conflict: str) -> bool:
    """Whether this conflict (`sync.conflicts.conflict_of`) is to be told: the last try did not tell it."""
    noted = await run_sql(
        session,
        "UPDATE work SET conflict_told = :conflict WHERE id = :id "
        "AND conflict_told IS DISTINCT FROM :conflict",
        id=work.id, conflict=conflict,
    )  # fmt: skip
    return bool(noted)


async def parked_objects(session: AsyncSession, objects: Sequence[str]) -> set[str]:
    """Which of these objects of Ameise are parked."""
    rows = await fetch_all(
        session,
        "SELECT object FROM work WHERE parked AND direction = 'to_zoho' "
        "AND object = ANY(CAST(:objects AS text[]))",
        objects=list(objects),
    )
    return {row["object"] for row in rows}
