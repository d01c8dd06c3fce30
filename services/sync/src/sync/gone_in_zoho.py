"""What follows when a linked record turns out to be deleted in Zoho, whoever found it."""

from collections.abc import Mapping, Sequence

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.cause import Cause
from chassis.outbox import Outbox
from sync import comparison_store, pipeline_store, work_store
from sync.pipelines import Pipeline
from sync.record_events import deleted_in_zoho
from sync.work_store import lane_of


async def note(
    session: AsyncSession, outbox: Outbox, pipeline: Pipeline, ids: Sequence[str], cause: Cause
) -> Mapping[str, str | None]:
    """Mark the links of these records, told; Zoho id → Ameise's key of those newly marked."""
    marked = await comparison_store.mark_gone(session, pipeline, ids)
    told = [deleted_in_zoho(pipeline, zoho_id, key) for zoho_id, key in marked.items()]
    await outbox.tell(session, cause, *told)
    await make_again(session, pipeline, [key for key in marked.values() if key], cause)
    return marked


async def make_again(session: AsyncSession, pipeline: Pipeline, keys: Sequence[str], cause: Cause) -> None:
    """Ask for new records of these objects, if the pipeline wants such records again."""
    if not pipeline.definition.recreate or not pipeline.definition.takes_deliveries or not keys:
        return
    for key in keys:
        await pipeline_store.forget_judgement(session, pipeline, key)
    await work_store.intake(
        session, pipeline.tenant, pipeline=pipeline.id, direction="to_zoho", lane=lane_of(pipeline.table),
        objects=dict.fromkeys(keys, cause),
    )  # fmt: skip
