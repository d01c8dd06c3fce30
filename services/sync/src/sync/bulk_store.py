"""Queries on bulk writes: where one is worth it, its rows, its end.

Its rows of work and its links are leased in the job's own name and for longer than any job lasts, so that
whichever replica goes on with it holds them; the job's end frees whatever is left. A job is changed only in
the state in which its replica knows it: in another one, somebody else has gone on with it.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import fetch_all, run_sql
from chassis.leases import LeaseLost
from contracts.events import EVENT_TYPES, EventData, WrittenRecord
from contracts.ids import PipelineId, TenantId, Uuid, new_id
from contracts.rpc.ingest import ComposedObject
from sync.batch import Item, Settled
from sync.link_store import Link
from sync.pipelines import Pipeline
from sync.work_store import Lane, Work, work_of

HELD = timedelta(hours=24)
AFTER_FAILURE = timedelta(hours=1)
"""Until then the rows of a pipeline whose job failed go the ordinary way."""

_EVENTS = {kind.event_name: kind for kind in EVENT_TYPES}


@dataclass(frozen=True, slots=True)
class Job:
    """An open job. `rows` were waiting when it was last looked at, or are in it."""

    id: Uuid
    tenant: TenantId
    pipeline: PipelineId
    state: str
    zoho_job: str | None
    author: str | None
    rows: int
    created_at: datetime
    job_created_at: datetime | None
    now: datetime

    @property
    def age(self) -> timedelta:
        """Since it was announced."""
        return self.now - self.created_at

    @property
    def owner(self) -> str:
        """In whose name its rows and links are leased."""
        return f"bulk-{self.id}"


_JOBS = """
SELECT CAST(id AS text) AS id, tenant, pipeline, state, zoho_job, author, rows, created_at, job_created_at,
       now() AS now
FROM bulk_job
"""

_WAITING = f"""
direction = 'to_zoho' AND NOT parked AND NOT not_in_bulk AND lane >= {Lane.CHUNK}
AND due_at <= now() AND (lease_until IS NULL OR lease_until < now())
"""

_NO_JOB_OF = """
NOT EXISTS (
    SELECT FROM bulk_job b WHERE (b.tenant, b.pipeline) = ({job})
    AND (b.state <> 'ended' OR (b.failed AND b.ended_at > now() - make_interval(secs => :seconds)))
)
"""
"""None is open, and none has failed a while ago."""

_WORTH_IT = f"""
SELECT w.tenant, w.pipeline, w.rows FROM (
    SELECT tenant, pipeline, count(*) AS rows FROM work WHERE {_WAITING} GROUP BY tenant, pipeline
    HAVING count(*) > :least
) w
JOIN pipeline p ON p.tenant = w.tenant AND p.id = w.pipeline AND p.enabled
JOIN connection_limit l ON l.tenant = p.tenant AND l.connection = p.zoho_connection AND l.bulk_write_allowed
WHERE {_NO_JOB_OF.format(job="w.tenant, w.pipeline")}
ORDER BY w.tenant, w.pipeline
"""  # noqa: S608 (constants)
"""In the order of `gather`: two that announce several jobs must not wait for each other in a circle."""


async def open_jobs(session: AsyncSession) -> list[Job]:
    """All jobs that are not over, of all tenants."""
    rows = await fetch_all(session, f"{_JOBS} WHERE state <> 'ended' ORDER BY created_at")
    return [_job(row) for row in rows]


async def reload(session: AsyncSession, job: Job) -> Job | None:
    """The job as it is now; None if it is gone, or somebody else has gone on with it."""
    rows = await fetch_all(
        session, f"{_JOBS} WHERE id = :id AND state = :before", id=job.id, before=job.state
    )
    return _job(rows[0]) if rows else None


def _job(row: dict[str, Any]) -> Job:
    return Job(
        id=Uuid(row["id"]),
        tenant=TenantId(row["tenant"]),
        pipeline=PipelineId(str(row["pipeline"])),
        state=row["state"],
        zoho_job=row["zoho_job"],
        author=row["author"],
        rows=row["rows"],
        created_at=row["created_at"],
        job_created_at=row["job_created_at"],
        now=row["now"],
    )


async def worth_it(session: AsyncSession, *, least: int) -> list[tuple[TenantId, PipelineId, int]]:
    """The pipelines of all tenants with more than `least` rows that may go in bulk, and how many."""
    rows = await fetch_all(session, _WORTH_IT, least=least, seconds=AFTER_FAILURE.total_seconds())
    return [(TenantId(r["tenant"]), PipelineId(str(r["pipeline"])), r["rows"]) for r in rows]


async def waiting_rows(session: AsyncSession, pipeline: PipelineId) -> int:
    """Rows of a pipeline that may go in bulk."""
    [row] = await fetch_all(
        session,
        f"SELECT count(*) AS n FROM work WHERE pipeline = :pipeline AND {_WAITING}",  # noqa: S608
        pipeline=int(pipeline),
    )
    return row["n"]


async def announce(session: AsyncSession, tenant: TenantId, pipeline: PipelineId, *, rows: int) -> None:
    """Keep the pipeline's rows for a job; somebody else may have done so."""
    await run_sql(
        session,
        "INSERT INTO bulk_job (id, tenant, pipeline, state, rows) "
        "VALUES (:id, :tenant, :pipeline, 'waiting', :rows) "
        "ON CONFLICT (tenant, pipeline) WHERE state <> 'ended' DO NOTHING",
        id=new_id(), tenant=tenant, pipeline=int(pipeline), rows=rows,
    )  # fmt: skip


_GATHER = f"""
INSERT INTO bulk_job (id, tenant, pipeline, state, rows)
SELECT :id, l.tenant, :pipeline, 'waiting', 0 FROM connection_limit l
WHERE l.connection = :connection AND l.bulk_write_allowed
  AND {_NO_JOB_OF.format(job="l.tenant, CAST(:pipeline AS integer)")}
ON CONFLICT (tenant, pipeline) WHERE state <> 'ended' DO NOTHING
"""  # noqa: S608 (constants)


async def gather(session: AsyncSession, pipeline: Pipeline) -> None:
    """Keep what a delivery brings from the first of its rows on, where a bulk write is allowed: taken by
    hundreds as they come, so many would never wait at once. If they stay too few, `dismiss` lets them go.

    Several in one transaction: in the order of the pipelines' numbers, as `worth_it` has them.
    """
    await run_sql(
        session, _GATHER,
        id=new_id(), pipeline=int(pipeline.id), connection=pipeline.zoho_connection,
        seconds=AFTER_FAILURE.total_seconds(),
    )  # fmt: skip


async def dismiss(session: AsyncSession, job: Job) -> None:
    """There are too few rows for the job: they go the ordinary way, and it never was. Raises LeaseLost."""
    await _change(session, job, "DELETE FROM bulk_job")
    await run_sql(session, "SELECT pg_notify('work_to_zoho', '')")


async def move(session: AsyncSession, job: Job, state: str, *, rows: int) -> Job:
    """The job in its state from now on. Raises LeaseLost."""
    await _change(session, job, "UPDATE bulk_job SET state = :state, rows = :rows", state=state, rows=rows)
    return replace(job, state=state, rows=rows)


async def started(session: AsyncSession, job: Job, *, zoho_job: str, author: str) -> None:
    """Zoho has taken the job. Raises LeaseLost."""
    await _change(
        session,
        job,
        "UPDATE bulk_job SET state = 'running', zoho_job = :zoho_job, author = :author, "
        "job_created_at = now()",
        zoho_job=zoho_job,
        author=author,
    )


async def _change(session: AsyncSession, job: Job, statement: str, **parameters: Any) -> None:
    """Change the job in the state that we know. Raises LeaseLost if it is gone, or in another one."""
    changed = await run_sql(
        session, f"{statement} WHERE id = :id AND state = :before",
        id=job.id, before=job.state, **parameters,
    )  # fmt: skip
    if not changed:
        raise LeaseLost(job.owner)


async def end(session: AsyncSession, job: Job, *, failed: bool, outcome: str) -> int:
    """Close the job; what it still holds goes the ordinary way. Returns how many rows those are.

    Raises LeaseLost.
    """
    await _change(
        session,
        job,
        "UPDATE bulk_job SET state = 'ended', failed = :failed, outcome = :outcome, ended_at = now()",
        failed=failed,
        outcome=outcome,
    )
    await run_sql(session, "DELETE FROM bulk_row WHERE job = :id", id=job.id)
    mine = f"{job.owner}%"
    await run_sql(
        session,
        "UPDATE link SET lease_owner = NULL, lease_until = NULL WHERE lease_owner LIKE :mine",
        mine=mine,
    )
    freed = await run_sql(
        session,
        "UPDATE work SET lease_owner = NULL, lease_until = NULL, not_in_bulk = true, due_at = now() "
        "WHERE lease_owner LIKE :mine",
        mine=mine,
    )
    await run_sql(session, "SELECT pg_notify('work_to_zoho', '')")
    return freed


async def keep_out(session: AsyncSession, works: Sequence[Work]) -> None:
    """These rows go the ordinary way, at the next try."""
    await run_sql(
        session,
        "UPDATE work SET not_in_bulk = true WHERE id = ANY(CAST(:ids AS bigint[]))",
        ids=[work.id for work in works],
    )


async def is_open(session: AsyncSession, pipeline: Pipeline) -> bool:
    """Whether a bulk write of this pipeline is going on."""
    return bool(
        await fetch_all(
            session,
            "SELECT 1 AS one FROM bulk_job WHERE pipeline = :pipeline AND state <> 'ended'",
            pipeline=int(pipeline.id),
        )
    )


# ── rows ─────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class BulkRow:
    """A record of a job: what the file says (`sent`), and the verdict if Zoho writes it."""

    zoho_id: str
    sent: dict[str, Any]
    settled: Settled


async def add_rows(session: AsyncSession, job: Job, rows: Sequence[BulkRow]) -> None:
    """Remember what becomes true once Zoho has written."""
    await run_sql(
        session,
        "INSERT INTO bulk_row (tenant, job, work, zoho_id, settled) "
        "SELECT :tenant, :job, o.work, o.zoho_id, o.settled "
        "FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS o (work bigint, zoho_id text, settled jsonb)",
        tenant=job.tenant, job=job.id,
        rows=json.dumps(
            [
                {"work": row.settled.item.work.id, "zoho_id": row.zoho_id, "settled": _document(row)}
                for row in rows
            ]
        ),
    )  # fmt: skip


_ROWS = """
SELECT r.zoho_id, r.settled, w.id, w.tenant, w.pipeline, w.object, w.asked, w.fence, w.lease_owner,
       w.attempts, w.failing_since, w.lane, CAST(w.correlationid AS text) AS correlationid,
       CAST(w.causationid AS text) AS causationid
FROM bulk_row r JOIN work w ON w.id = r.work AND w.lease_owner LIKE :mine AND w.lease_until > now()
WHERE r.job = :job AND r.work > :after ORDER BY r.work LIMIT :count
"""


async def rows_after(session: AsyncSession, job: Job, *, after: int, count: int) -> list[BulkRow]:
    """The next rows that the job still holds, by the number of their work."""
    rows = await fetch_all(session, _ROWS, job=job.id, mine=f"{job.owner}%", after=after, count=count)
    return [_row(row) for row in rows]


def _document(row: BulkRow) -> dict[str, Any]:
    settled, found = row.settled, row.settled.item.object
    return {
        "sent": row.sent,
        "asked": settled.item.work.asked,
        "object": {"key": found.key, "version": found.version, "as_of": found.as_of.isoformat()},
        "link": asdict(settled.link) if settled.link else None,
        "events": [[e.event_name, e.model_dump(mode="json", exclude_none=True)] for e in settled.events],
        "wrote": settled.wrote.model_dump(mode="json") if settled.wrote else None,
        "outcome": settled.outcome,
        "lags": settled.lags,
        "look_at_zoho": settled.look_at_zoho,
        "held_back": settled.held_back,
    }


def _row(row: dict[str, Any]) -> BulkRow:
    document = row["settled"]
    # Asked again since: the row stays on the table after all.
    work = work_of({**row, "asked": document["asked"]}, safe_until=0.0)
    events: list[EventData] = [_EVENTS[name].model_validate(data) for name, data in document["events"]]
    settled = Settled(
        Item(work, ComposedObject(**document["object"])),
        document.get("outcome", "applied"),  # rows of a job that was begun before it was stored
        Link(**document["link"]),
        tuple(events),
        wrote=WrittenRecord.model_validate(wrote) if (wrote := document.get("wrote")) else None,
        lags=document.get("lags", document["look_at_zoho"]),
        look_at_zoho=document["look_at_zoho"],
        held_back=document.get("held_back", 0),
    )
    return BulkRow(row["zoho_id"], document["sent"], settled)
