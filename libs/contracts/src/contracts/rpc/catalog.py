"""All RPCs of all services, for permissions, documentation and tests."""

from typing import Any

from contracts.names import Service
from contracts.rpc import (
    Rpc,
    audit,
    auth,
    ingest,
    sync,
    sync_capabilities,
    sync_dry_run,
    sync_limits,
    sync_parked,
    sync_people,
    sync_pipelines,
    sync_preview,
    sync_reconcile,
    sync_state,
    sync_values,
    sync_waiting,
)

ALL: tuple[Rpc[Any, Any], ...] = (
    *auth.RPCS,
    *ingest.RPCS,
    *sync.RPCS,
    *sync_capabilities.RPCS,
    *sync_dry_run.RPCS,
    *sync_limits.RPCS,
    *sync_parked.RPCS,
    *sync_people.RPCS,
    *sync_pipelines.RPCS,
    *sync_preview.RPCS,
    *sync_reconcile.RPCS,
    *sync_state.RPCS,
    *sync_values.RPCS,
    *sync_waiting.RPCS,
    *audit.RPCS,
)


def called_by(service: Service) -> tuple[Rpc[Any, Any], ...]:
    """The RPCs that a service may call."""
    return tuple(rpc for rpc in ALL if service in rpc.callers)
