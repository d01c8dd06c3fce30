"""Queries on the work table, which is the queue: intake, taking by lease, finishing, parking.

Taking spans all tenants and therefore runs as the all-tenants role; it returns ids and versions only.
Everything else runs inside the tenant's own transaction. A row is finished only by whoever holds its
lease (`fence`), and only goes if nobody asked again (`asked`) since it was taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.cause import Cause
from chassis.database import fetch_all, run_sql
from chassis.leases import LeaseLost
from contracts.actor import ActorKind
from contracts.ids import PipelineId, TenantId, Uuid

CHANNEL = "work"
"""NOTIFY channel: there is something to do."""

WorkDirection = Literal["to_ameise", "to_zoho"]


class Lane:
    """Who waits for it: a lower lane goes first."""

    INTERACTIVE = 0
    WEBHOOK = 1
    CHUNK = 2
    AFTER_CHUNK = 3
    """Verträge: their Kunden go first."""


class ParkedReason(StrEnum):
    """Stable prefixes of `reason`, for grouping; the words after the colon are for people."""

    REJECTED = "abgelehnt"
    UNSURE = "unklar"
    POSSIBLY_CREATED = "vielleicht angelegt"
    TOO_LONG = "zu lange nicht erreichbar"
    INCOMPLETE = "unvollständig"


@dataclass(frozen=True, slots=True)
class Work:
    """A row that we hold the lease of."""

    id: int
    tenant: TenantId
    pipeline: PipelineId
    object: str
    asked: int
    fence: int
    attempts: int
    failing_since: datetime | None
    version: str | None
    gone: bool
    as_of: datetime | None
    correlationid: Uuid
    causationid: Uuid | None
    lane: int

    @property
    def cause(self) -> Cause:
        """On whose behalf: Zoho's webhook, or blau direkt's delivery."""
        kind = ActorKind.ZOHO if self.lane <= Lane.WEBHOOK else ActorKind.BLAUDIREKT
        return Cause(self.tenant, kind, kind.value, self.correlationid, self.causationid)


_INTAKE = f"""
WITH asked AS (
    INSERT INTO work AS w
        (tenant, pipeline, direction, object, lane, version, gone, as_of, correlationid, causationid)
    SELECT :tenant, :pipeline, :direction, o.object, :lane, o.version, o.gone, CAST(:as_of AS timestamptz),
           CAST(:correlationid AS uuid), CAST(:causationid AS uuid)
    FROM unnest(CAST(:objects AS text[]), CAST(:versions AS text[]), CAST(:gone AS bool[]))
         AS o (object, version, gone)
    ON CONFLICT (tenant, pipeline, direction, object) DO UPDATE SET
        asked = w.asked + 1,
        lane = least(w.lane, excluded.lane),
        version = excluded.version,
        gone = excluded.gone,
        as_of = excluded.as_of,
        correlationid = excluded.correlationid,
        causationid = excluded.causationid,
        parked = false,
        attempts = CASE WHEN w.parked THEN 0 ELSE w.attempts END,
        failing_since = CASE WHEN w.parked THEN NULL ELSE w.failing_since END,
        due_at = now()
    RETURNING 1
)
SELECT pg_notify('{CHANNEL}', '') FROM asked LIMIT 1
"""  # noqa: S608 (a constant)


@dataclass(frozen=True, slots=True)
class Asked:
    """One object that is asked for; `version` and `gone` only say something about objects of Ameise."""

    object: str
    version: str | None = None
    gone: bool = False


async def intake(
    session: AsyncSession,
    cause: Cause,
    *,
    pipeline: PipelineId,
    direction: WorkDirection,
    lane: int,
    asked: Sequence[Asked],
    as_of: datetime | None = None,
) -> None:
    """Put work on the table; what is there already counts one up, and what was parked is tried again."""
    await run_sql(
        session,
        _INTAKE,
        tenant=cause.tenant,
        pipeline=int(pipeline),
        direction=direction,
        lane=lane,
        as_of=as_of,
        correlationid=cause.correlationid,
        causationid=cause.causationid,
        objects=[a.object for a in asked],
        versions=[a.version for a in asked],
        gone=[a.gone for a in asked],
    )


_FREE = "NOT parked AND due_at <= now() AND (lease_until IS NULL OR lease_until < now())"

_WAITING = f"""
SELECT tenant, pipeline FROM work WHERE direction = :direction AND {_FREE}
GROUP BY tenant, pipeline ORDER BY min(lane), tenant, pipeline
"""  # noqa: S608 (a constant)

_TAKE = f"""
UPDATE work
SET lease_owner = :owner, lease_until = now() + make_interval(secs => :seconds), fence = fence + 1
WHERE id IN (
    SELECT id FROM work
    WHERE direction = :direction AND tenant = :tenant AND pipeline = :pipeline AND {_FREE}
    ORDER BY lane, due_at LIMIT :count FOR UPDATE SKIP LOCKED
)
RETURNING id, tenant, pipeline, object, asked, fence, attempts, failing_since, version, gone, as_of,
          CAST(correlationid AS text) AS correlationid, CAST(causationid AS text) AS causationid, lane
"""  # noqa: S608 (a constant)


async def waiting(session: AsyncSession, direction: WorkDirection) -> list[tuple[TenantId, PipelineId]]:
    """Which tenants and pipelines have work that is due and free, most urgent lane first."""
    rows = await fetch_all(session, _WAITING, direction=direction)
    return [(TenantId(row["tenant"]), PipelineId(str(row["pipeline"]))) for row in rows]


async def take(
    session: AsyncSession,
    *,
    direction: WorkDirection,
    tenant: TenantId,
    pipeline: PipelineId,
    owner: str,
    lasting: timedelta,
    count: int,
) -> list[Work]:
    """Take up to `count` due rows of one pipeline for `lasting`."""
    rows = await fetch_all(
        session,
        _TAKE,
        direction=direction,
        tenant=tenant,
        pipeline=int(pipeline),
        owner=owner,
        seconds=lasting.total_seconds(),
        count=count,
    )
    return [_work(row) for row in rows]


def _work(row: dict[str, Any]) -> Work:
    return Work(
        id=row["id"],
        tenant=TenantId(row["tenant"]),
        pipeline=PipelineId(str(row["pipeline"])),
        object=row["object"],
        asked=row["asked"],
        fence=row["fence"],
        attempts=row["attempts"],
        failing_since=row["failing_since"],
        version=row["version"],
        gone=row["gone"],
        as_of=row["as_of"],
        correlationid=Uuid(row["correlationid"]),
        causationid=Uuid(row["causationid"]) if row["causationid"] else None,
        lane=row["lane"],
    )


async def seconds_until_next(session: AsyncSession, direction: WorkDirection) -> float | None:
    """Seconds until the next waiting row is due or free again; None if none waits."""
    rows = await fetch_all(
        session,
        "SELECT extract(epoch FROM min(greatest(due_at, coalesce(lease_until, due_at))) - now()) AS seconds "
        "FROM work WHERE direction = :direction AND NOT parked",
        direction=direction,
    )
    seconds = rows[0]["seconds"]
    return None if seconds is None else max(float(seconds), 0.0)


async def check(session: AsyncSession, works: Sequence[Work]) -> None:
    """Lock the rows and make sure that we still hold them; right before an outside call, and at the end.

    Raises LeaseLost.
    """
    rows = await fetch_all(
        session,
        "SELECT w.id FROM work w JOIN unnest(CAST(:ids AS bigint[]), CAST(:fences AS bigint[])) AS o (id, fence) "
        "ON w.id = o.id AND w.fence = o.fence WHERE w.lease_until > now() FOR UPDATE OF w",
        ids=[w.id for w in works], fences=[w.fence for w in works],
    )  # fmt: skip
    if len(rows) != len(works):
        raise LeaseLost(f"{len(works) - len(rows)} of {len(works)} rows of work")


async def finish(session: AsyncSession, works: Sequence[Work]) -> None:
    """Take the rows off the table; one that was asked for again meanwhile stays and is due now."""
    ids, asked = [w.id for w in works], [w.asked for w in works]
    pairs = "unnest(CAST(:ids AS bigint[]), CAST(:asked AS bigint[])) AS o (id, asked)"
    await run_sql(
        session,
        f"DELETE FROM work w USING {pairs} WHERE w.id = o.id AND w.asked = o.asked",  # noqa: S608
        ids=ids, asked=asked,
    )  # fmt: skip
    await run_sql(
        session,
        "UPDATE work SET lease_owner = NULL, lease_until = NULL, due_at = now(), attempts = 0, "
        "failing_since = NULL WHERE id = ANY(CAST(:ids AS bigint[]))",
        ids=ids,
    )


async def postpone(
    session: AsyncSession, works: Sequence[Work], *, delay: timedelta, reason: str, counts: bool
) -> None:
    """Give the rows back for later. `counts`: whether this was an attempt that failed."""
    await run_sql(
        session,
        "UPDATE work SET lease_owner = NULL, lease_until = NULL, reason = :reason, "
        "due_at = now() + make_interval(secs => :seconds), attempts = attempts + :step, "
        "failing_since = CASE WHEN :step = 1 THEN coalesce(failing_since, now()) ELSE failing_since END "
        "WHERE id = ANY(CAST(:ids AS bigint[]))",
        ids=[w.id for w in works], seconds=delay.total_seconds(), reason=reason, step=1 if counts else 0,
    )  # fmt: skip


async def park(session: AsyncSession, work: Work, *, reason: str, words: str | None = None) -> None:
    """Keep the row for a person. `words`: what the outside system said; it may hold personal values."""
    await run_sql(
        session,
        "UPDATE work SET parked = (asked = :asked), lease_owner = NULL, lease_until = NULL, reason = :reason, "
        "words = :words, attempts = attempts + 1, failing_since = coalesce(failing_since, now()) WHERE id = :id",
        id=work.id, asked=work.asked, reason=reason, words=words,
    )  # fmt: skip


async def parked(
    session: AsyncSession, *, pipeline: PipelineId | None, limit: int
) -> tuple[int, list[dict[str, Any]]]:
    """How much is parked, and the oldest of it."""
    chosen = "parked AND (CAST(:pipeline AS integer) IS NULL OR pipeline = :pipeline)"
    number = int(pipeline) if pipeline is not None else None
    total = await fetch_all(session, f"SELECT count(*) AS n FROM work WHERE {chosen}", pipeline=number)  # noqa: S608
    rows = await fetch_all(
        session,
        f"SELECT * FROM work WHERE {chosen} ORDER BY failing_since, id LIMIT :limit",  # noqa: S608
        pipeline=number, limit=limit,
    )  # fmt: skip
    return total[0]["n"], rows


async def parked_objects(session: AsyncSession, objects: Sequence[str]) -> dict[str, str]:
    """Object of Ameise → why it is parked, of those that are."""
    rows = await fetch_all(
        session,
        "SELECT object, reason FROM work WHERE parked AND direction = 'to_zoho' "
        "AND object = ANY(CAST(:objects AS text[]))",
        objects=list(objects),
    )
    return {row["object"]: row["reason"] for row in rows}


async def retry(session: AsyncSession, ids: Sequence[int]) -> list[dict[str, Any]]:
    """Make parked rows due now, ahead of everything else; attempt numbers go on. Returns the rows."""
    rows = await fetch_all(
        session,
        "UPDATE work SET parked = false, due_at = now(), lane = 0, failing_since = NULL "
        "WHERE parked AND id = ANY(CAST(:ids AS bigint[])) RETURNING pipeline, direction, object",
        ids=list(ids),
    )
    await run_sql(session, f"NOTIFY {CHANNEL}")
    return rows
