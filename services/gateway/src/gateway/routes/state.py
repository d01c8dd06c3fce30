"""The admin's API about how the pipelines are doing, and how one link stands."""

from contracts.ids import AmeiseKey, PipelineId
from contracts.names import System
from contracts.rpc import Empty
from contracts.rpc.sync_state import LINK_STATE, SYNC_STATE, LinkState, LinkStateRequest, SyncState
from gateway.asking import ApiAsking
from gateway.routes import admin_router

router = admin_router("Zustand")


@router.get("/{tenant}/state")
async def pipelines_state(asking: ApiAsking) -> SyncState:
    """What is linked, waits or is parked, and what was written in the last hour, by pipeline."""
    return await asking.call(SYNC_STATE, Empty())


@router.get("/{tenant}/pipelines/{pipeline}/links/{side}/{id}")
async def link_state(asking: ApiAsking, pipeline: PipelineId, side: System, id: AmeiseKey) -> LinkState:  # noqa: A002
    """One link: both bases, and what both sides say now. Its history: `/log?key=` or `/log?zoho_id=`."""
    return await asking.call(LINK_STATE, LinkStateRequest(pipeline=pipeline, side=side, id=id))
