"""All RPCs of all services, for permissions, documentation and tests."""

from typing import Any

from contracts.names import Service
from contracts.rpc import Rpc, audit, auth, ingest, sync, sync_pipelines

ALL: tuple[Rpc[Any, Any], ...] = (*auth.RPCS, *ingest.RPCS, *sync.RPCS, *sync_pipelines.RPCS, *audit.RPCS)


def called_by(service: Service) -> tuple[Rpc[Any, Any], ...]:
    """The RPCs that a service may call."""
    return tuple(rpc for rpc in ALL if service in rpc.callers)
