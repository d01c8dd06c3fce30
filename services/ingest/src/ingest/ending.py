"""How a delivery ends: its row, its problems, the event, all in the caller's transaction."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from prometheus_client import Counter
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.outbox import Outbox
from contracts.events import EventData, TableCounts
from contracts.names import Table
from contracts.rpc.ingest import DeliveryState
from ingest import store
from ingest.versions import Import

if TYPE_CHECKING:
    from ingest.reading import ReadDelivery

SUPERSEDED = "Eine neuere Lieferung ist schon importiert."

deliveries_total = Counter("ingest_deliveries_total", "Deliveries by how they ended", ["state"])


async def end(
    session: AsyncSession,
    outbox: Outbox,
    current: Import,
    state: DeliveryState,
    told: EventData,
    read: "ReadDelivery | None" = None,
    counts: dict[Table, TableCounts] | None = None,
) -> bool:
    """False, and nothing is changed or told, if it has ended already: that stays its end."""
    problems = [problem.as_json() for problem in read.all_problems()] if read else []
    ended = await store.change_importing(
        session,
        current.delivery,
        state=state,
        finished_at=datetime.now(UTC),
        counts={table: n.model_dump() for table, n in (counts or {}).items()},
        problems=problems[: store.KEPT_PROBLEMS],
        problem_count=read.problem_count() if read else 0,
        reason=told.reason,
    )
    if ended:
        await store.keep_problems(session, current.tenant, current.delivery, problems)
        await outbox.tell(session, current.cause, told)
    return ended
