"""Queries on dry runs: one per pipeline, which a new one takes the place of."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import fetch_all, run_sql
from contracts.ids import PipelineId, TenantId, Uuid, new_id
from contracts.rpc.sync_dry_run import DryRunCounts
from sync.pipelines import Pipeline


@dataclass(frozen=True, slots=True)
class Run:
    """`after`: the last object that is counted; `version`: of the definition that is tried."""

    id: Uuid
    tenant: TenantId
    pipeline: PipelineId
    version: str
    state: str
    started_at: datetime
    ended_at: datetime | None
    total: int
    done: int
    after: str
    reason: str | None
    counts: DryRunCounts


_COLUMNS = (
    "CAST(id AS text) AS id, tenant, pipeline, version, state, started_at, ended_at, total, done, after, "
    "reason, counts"
)


def _run(row: dict[str, Any]) -> Run:
    changed: dict[str, Any] = {
        "id": Uuid(row["id"]),
        "tenant": TenantId(row["tenant"]),
        "pipeline": PipelineId(str(row["pipeline"])),
        "counts": DryRunCounts.model_validate(row["counts"]),
    }
    return Run(**{**row, **changed})


_BEGIN = f"""
INSERT INTO dry_run (tenant, pipeline, id, version) VALUES (:tenant, :pipeline, :id, :version)
ON CONFLICT (tenant, pipeline) DO UPDATE SET
    id = excluded.id, version = excluded.version, state = 'running', started_at = now(), due_at = now(),
    ended_at = NULL, total = 0, done = 0, after = '', reason = NULL, counts = '{{}}'
RETURNING {_COLUMNS}
"""  # noqa: S608 (constants)


async def begin(session: AsyncSession, pipeline: Pipeline) -> Run:
    """A new run; the one before is over with that, whoever is at it."""
    [row] = await fetch_all(
        session,
        _BEGIN,
        tenant=pipeline.tenant, pipeline=int(pipeline.id), id=new_id(), version=pipeline.version,
    )  # fmt: skip
    return _run(row)


async def load(session: AsyncSession, pipeline: PipelineId) -> Run | None:
    rows = await fetch_all(
        session,
        f"SELECT {_COLUMNS} FROM dry_run WHERE pipeline = :pipeline",  # noqa: S608 (a constant)
        pipeline=int(pipeline),
    )
    return _run(rows[0]) if rows else None


async def due(session: AsyncSession) -> list[tuple[TenantId, PipelineId]]:
    """The runs of all tenants that somebody should go on with."""
    rows = await fetch_all(
        session,
        "SELECT tenant, pipeline FROM dry_run WHERE state = 'running' AND due_at <= now() "
        "ORDER BY started_at",
    )
    return [(TenantId(row["tenant"]), PipelineId(str(row["pipeline"]))) for row in rows]


async def advance(session: AsyncSession, run: Run) -> bool:
    """Keep how far it is; False if a new run has taken its place."""
    changed = await run_sql(
        session,
        "UPDATE dry_run SET total = :total, done = :done, after = :after, reason = NULL, "
        "counts = CAST(:counts AS jsonb) WHERE pipeline = :pipeline AND id = CAST(:id AS uuid)",
        pipeline=int(run.pipeline), id=run.id, total=run.total, done=run.done, after=run.after,
        counts=run.counts.model_dump_json(),
    )  # fmt: skip
    return changed > 0


async def wait(session: AsyncSession, run: Run, reason: str, delay: timedelta) -> None:
    """It goes on after `delay`."""
    await run_sql(
        session,
        "UPDATE dry_run SET reason = :reason, due_at = now() + make_interval(secs => :seconds) "
        "WHERE pipeline = :pipeline AND id = CAST(:id AS uuid)",
        pipeline=int(run.pipeline), id=run.id, reason=reason, seconds=delay.total_seconds(),
    )  # fmt: skip


async def end(session: AsyncSession, run: Run, *, failed: str | None = None) -> None:
    """It is over; `failed` says why, if it did not get to its end."""
    await run_sql(
        session,
        "UPDATE dry_run SET state = :state, ended_at = now(), after = '', reason = :reason "
        "WHERE pipeline = :pipeline AND id = CAST(:id AS uuid)",
        pipeline=int(run.pipeline), id=run.id, state="failed" if failed else "done", reason=failed,
    )  # fmt: skip


def counted(run: Run, *, keys: int, after: str, counts: DryRunCounts) -> Run:
    """The run after some more objects."""
    return replace(run, done=run.done + keys, after=after, counts=counts)
