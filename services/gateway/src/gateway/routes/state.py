"""The admin's API about how the pipelines are doing, how one link stands, and whether both ends agree."""

from contracts.ids import AmeiseKey, PipelineId
from contracts.names import System
from contracts.rpc import Empty
from contracts.rpc.sync_reconcile import COMPARE, CompareRequest, Comparison
from contracts.rpc.sync_state import LINK_STATE, SYNC_STATE, LinkState, LinkStateRequest, SyncState
from gateway.asking import ApiAsking
from gateway.routes import admin_router, tells

router = admin_router("Zustand")


@router.get("/{tenant}/state")
async def pipelines_state(asking: ApiAsking) -> SyncState:
    """What is linked, waits or is parked, and what was written in the last hour, by pipeline."""
    return await asking.call(SYNC_STATE, Empty())


@router.get("/{tenant}/pipelines/{pipeline}/links/{side}/{id}")
async def link_state(asking: ApiAsking, pipeline: PipelineId, side: System, id: AmeiseKey) -> LinkState:  # noqa: A002
    """One link: both bases, and what both sides say now. Its history: `/log?key=` or `/log?zoho_id=`."""
    return await asking.call(LINK_STATE, LinkStateRequest(pipeline=pipeline, side=side, id=id))


@router.post("/{tenant}/compare", openapi_extra=tells(COMPARE))
async def compare(asking: ApiAsking, wanted: CompareRequest | None = None) -> Comparison:
    """Compare now what otherwise is compared every night. What differs becomes work, or is parked."""
    return await asking.call(COMPARE, wanted or CompareRequest())
