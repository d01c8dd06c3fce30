"""Queries on what no longer fits: kept with the pipeline that it is about."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import fetch_all, run_sql
from contracts.rpc.sync_drift import DriftFinding, DriftState
from sync.drift import NO_DRIFT, Drift
from sync.pipelines import Pipeline


def drift_in(row: Mapping[str, Any]) -> Drift:
    """What was found for the definition as it is, in a row of `pipeline`; of an older one it says nothing."""
    if row["drift_version"] != row["version"]:
        return NO_DRIFT
    return Drift(_findings(row["drift"]), row["drift_since"], row["drift_read_at"], row["drift_version"])


def _findings(stored: Sequence[dict[str, Any]]) -> tuple[DriftFinding, ...]:
    return tuple(DriftFinding.model_validate(one) for one in stored)


async def locked(session: AsyncSession, pipeline: Pipeline) -> Drift | None:
    """What was found last, for whichever definition, with the row locked until the end of the transaction;
    None if the pipeline is gone, or is defined otherwise by now."""
    rows = await fetch_all(
        session,
        "SELECT drift, drift_since, drift_read_at, drift_version FROM pipeline "
        "WHERE id = :id AND version = :version FOR UPDATE",
        id=int(pipeline.id), version=pipeline.version,
    )  # fmt: skip
    if not rows:
        return None
    [row] = rows
    return Drift(_findings(row["drift"]), row["drift_since"], row["drift_read_at"], row["drift_version"])


async def save(
    session: AsyncSession, pipeline: Pipeline, findings: Sequence[DriftFinding], read_at: datetime
) -> Drift:
    """Keep what was found; the row is locked. The count begins anew with the first finding."""
    [row] = await fetch_all(
        session,
        "UPDATE pipeline SET drift = CAST(:findings AS jsonb), drift_read_at = :read_at, "
        "drift_version = version, drift_since = CASE WHEN :fits THEN NULL ELSE coalesce(drift_since, now()) "
        "END, held_back = CASE WHEN drift = '[]' THEN 0 ELSE held_back END "
        "WHERE id = :id RETURNING drift_since",
        id=int(pipeline.id), findings=json.dumps([f.model_dump(mode="json") for f in findings]),
        read_at=read_at, fits=not findings,
    )  # fmt: skip
    return Drift(tuple(findings), row["drift_since"], read_at, pipeline.version)


async def void_held_back(session: AsyncSession, pipeline: Pipeline) -> int:
    """What was judged while something was held back is to be looked at again; how many objects."""
    return await run_sql(
        session,
        "UPDATE judged SET outcome = 'void' WHERE tenant = :tenant AND pipeline = :id "
        "AND outcome = 'held_back'",
        tenant=pipeline.tenant, id=int(pipeline.id),
    )  # fmt: skip


async def count_held_back(session: AsyncSession, pipeline: Pipeline, values: int) -> None:
    await run_sql(
        session,
        "UPDATE pipeline SET held_back = held_back + :values WHERE id = :id",
        id=int(pipeline.id), values=values,
    )  # fmt: skip


DRIFT_COLUMNS = "drift, drift_since, drift_read_at, held_back, drift_version = version AS drift_is_current"
"""Of table `pipeline`, as `told` takes them."""


def told(row: dict[str, Any]) -> DriftState:
    """As people are shown it."""
    if not row["drift_is_current"]:
        return DriftState()
    return DriftState(
        findings=_findings(row["drift"]),
        since=row["drift_since"],
        held_back=row["held_back"] if row["drift"] else 0,
        checked_at=row["drift_read_at"],
    )
