"""Trying a pipeline on everything that it would get: counts and Zoho's credits, with nothing written."""

from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import Field

from contracts.actor import Role
from contracts.ids import PipelineId, Uuid
from contracts.names import Service
from contracts.rpc import Rpc, RpcModel
from contracts.rpc.sync_pipelines import PipelineRequest
from contracts.rpc.sync_preview import Foreseen


class DryRunState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class DryRunCounts(RpcModel):
    """Objects, but for `held_back` (values that do not fit Zoho any more).

    `updates`: existing records that would be written; `to_ameise`: objects of which Zoho knows something
    newer; `read`: linked records that must be read; `bulk_rows`: updates that a bulk write can take.
    """

    outcomes: dict[Foreseen, int] = Field(default_factory=dict)
    parked: dict[str, int] = Field(default_factory=dict, description="why, in German → objects")
    updates: int = 0
    to_ameise: int = 0
    conflicts: int = 0
    held_back: int = 0
    read: int = 0
    bulk_rows: int = 0


class DryRunCredits(RpcModel):
    """What Zoho would count, at least: calls that are not full cost more. `by_bulk` is all together with bulk
    writes; None if there are too few rows for one."""

    reads: int
    writes: int
    by_bulk: int | None = None


class DryRun(RpcModel):
    """The last dry run of a pipeline. While it runs, `reason` says what it waits for; else why it failed."""

    id: Uuid
    pipeline: PipelineId
    state: DryRunState
    started_at: datetime
    ended_at: datetime | None = None
    total: int
    done: int
    reason: str | None = None
    counts: DryRunCounts
    credits: DryRunCredits


class DryRunAnswer(RpcModel):
    run: DryRun | None


_GATEWAY = frozenset({Service.GATEWAY})

DRY_RUN = Rpc(
    Service.SYNC, "dry_run", PipelineRequest, DryRun,
    callers=_GATEWAY, role=Role.ADMIN, silent_because="only looks", timeout=timedelta(seconds=15),
)  # fmt: skip
GET_DRY_RUN = Rpc(
    Service.SYNC, "get_dry_run", PipelineRequest, DryRunAnswer,
    callers=_GATEWAY, role=Role.ADMIN, silent_because="only looks",
)  # fmt: skip
RPCS = (DRY_RUN, GET_DRY_RUN)
