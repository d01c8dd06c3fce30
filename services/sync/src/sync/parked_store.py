"""Queries on parked work: what people look through, and what they decide about it.

Rows are locked in the order in which `work_store.intake` takes them; one that is in hand, or locked by
whoever stores what became of it, is left out.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import fetch_all, run_sql
from contracts.ids import PipelineId
from contracts.names import Table
from contracts.rpc.sync_parked import ListParked, ParkedCause, ParkedFilter
from sync.link_store import Link
from sync.pipelines import Pipeline
from sync.retry import Park
from sync.work_store import channel

NEEDS_A_DECISION = (ParkedCause.EDITED_BEFORE_DELETION, ParkedCause.TOO_MANY_DELETIONS)
_IDLE = "(w.lease_until IS NULL OR w.lease_until < now())"
_POSTPONED = "NOT w.parked AND (w.attempts > 0 OR (w.due_at > now() AND w.lease_owner IS NULL))"

_CHOSEN = """
(CAST(:pipeline AS integer) IS NULL OR w.pipeline = :pipeline)
AND (CAST(:direction AS text) IS NULL OR w.direction = :direction
     OR (CAST(:direction AS text) = 'to_zoho' AND w.direction = 'deletion'))
AND (CAST(:cause AS text) IS NULL OR w.cause = :cause)
AND (CAST(:since AS timestamptz) IS NULL OR w.failing_since >= :since)
AND (CAST(:text AS text) IS NULL OR strpos(w.object, :text) > 0 OR strpos(lower(w.reason), lower(:text)) > 0
     OR w.candidates ? :text)
"""


def _chosen(wanted: ParkedFilter) -> dict[str, Any]:
    return {
        "pipeline": int(wanted.pipeline) if wanted.pipeline is not None else None,
        "direction": wanted.direction,
        "cause": wanted.cause.value if wanted.cause else None,
        "since": wanted.since,
        "text": wanted.text,
    }


async def page(session: AsyncSession, wanted: ListParked) -> tuple[int, list[dict[str, Any]]]:
    """(how many fit, the rows of one page and one more if there is a next page).

    Each with module and table of its pipeline, and `linked`: the Ameise key that its record is linked to.
    """
    state = _POSTPONED if wanted.postponed else "w.parked"
    total = await fetch_all(
        session,
        f"SELECT count(*) AS n FROM work w WHERE {state} AND {_CHOSEN}",  # noqa: S608
        **_chosen(wanted),
    )
    rows = await fetch_all(
        session,
        "SELECT w.*, p.module, p.table_name, l.ameise_key AS linked_key, l.zoho_id AS linked_zoho_id "  # noqa: S608
        "FROM work w LEFT JOIN pipeline p ON p.id = w.pipeline "
        "LEFT JOIN link l ON l.zoho_connection = p.zoho_connection AND l.module = p.module "
        "AND l.table_name = p.table_name AND CASE w.direction WHEN 'to_ameise' THEN l.zoho_id = w.object "
        f"ELSE l.ameise_key = w.object END WHERE {state} AND {_CHOSEN} AND w.id > :after "
        "ORDER BY w.id LIMIT :limit",
        **_chosen(wanted), after=wanted.after, limit=wanted.limit + 1,
    )  # fmt: skip
    return total[0]["n"], rows


async def groups(session: AsyncSession, wanted: ParkedFilter) -> list[dict[str, Any]]:
    """(cause, count, oldest), the largest first."""
    return await fetch_all(
        session,
        "SELECT w.cause, count(*) AS count, min(w.failing_since) AS oldest FROM work w "  # noqa: S608
        f"WHERE w.parked AND {_CHOSEN} GROUP BY w.cause ORDER BY count DESC, w.cause",
        **_chosen(wanted),
    )


async def lock(session: AsyncSession, ids: Sequence[int]) -> list[dict[str, Any]]:
    """The parked and postponed rows among these that nobody has in hand."""
    return await fetch_all(
        session,
        f"SELECT w.* FROM work w WHERE (w.parked OR {_POSTPONED}) AND {_IDLE} "  # noqa: S608
        "AND w.id = ANY(CAST(:ids AS bigint[])) ORDER BY w.object FOR UPDATE SKIP LOCKED",
        ids=list(ids),
    )


async def lock_next(
    session: AsyncSession, *, pipeline: PipelineId | None, cause: ParkedCause | None, after: int, count: int
) -> list[int]:
    """The ids of the next parked rows after an id, locked; in the order of ids.

    To retry a deletion that asks for a decision is that decision: only who names its cause means it.
    """
    rows = await fetch_all(
        session,
        "SELECT w.id FROM work w WHERE w.parked AND w.id > :after "
        "AND (CAST(:pipeline AS integer) IS NULL OR w.pipeline = :pipeline) "
        "AND CASE WHEN CAST(:cause AS text) IS NULL THEN w.cause <> ALL(CAST(:decided AS text[])) "
        "ELSE w.cause = :cause END ORDER BY w.id LIMIT :count "
        # Parked rows are locked by intake alone, which makes them due itself.
        "FOR UPDATE SKIP LOCKED",
        after=after, pipeline=int(pipeline) if pipeline is not None else None,
        cause=cause.value if cause else None, decided=[one.value for one in NEEDS_A_DECISION], count=count,
    )  # fmt: skip
    return [row["id"] for row in rows]


async def are_objects_parked(session: AsyncSession, pipeline: Pipeline) -> bool:
    """Whether objects of Ameise are parked on the way of this pipeline."""
    rows = await fetch_all(
        session,
        "SELECT FROM work WHERE parked AND pipeline = :pipeline AND direction = 'to_zoho' LIMIT 1",
        pipeline=int(pipeline.id),
    )
    return bool(rows)


async def make_due(session: AsyncSession, ids: Sequence[int], *, lane: int | None = None) -> None:
    """Locked rows are due now; attempt numbers go on, the clock of giving up begins anew. What they were
    parked for is remembered as overruled.

    `lane`: None leaves them where they are in the queue.
    """
    rows = await fetch_all(
        session,
        "UPDATE work SET parked = false, cause = NULL, details = '{}', due_at = now(), failing_since = NULL, "
        "released = CASE WHEN parked AND direction = 'deletion' "
        "THEN released || jsonb_build_object(cause, now()) ELSE released END, "
        "lane = coalesce(CAST(:lane AS smallint), lane) WHERE id = ANY(CAST(:ids AS bigint[])) "
        "RETURNING direction",
        ids=list(ids), lane=lane,
    )  # fmt: skip
    for direction in {row["direction"] for row in rows}:
        await run_sql(session, f"NOTIFY {channel(direction)}")


async def kunden_linked(session: AsyncSession, pipeline: Pipeline, links: Iterable[Link]) -> None:
    """Verträge that were parked since the record of their Kunde was linked to nobody go on once it is."""
    new = [link.zoho_id for link in links if not link.linked and link.zoho_id and link.ameise_key]
    if pipeline.table is not Table.KUNDE or not new:
        return
    rows = await fetch_all(
        session,
        "SELECT id FROM work WHERE parked AND cause = :cause "
        "AND details ->> 'record' = ANY(CAST(:records AS text[])) FOR UPDATE SKIP LOCKED",
        cause=ParkedCause.KUNDE_NOT_LINKED.value, records=new,
    )  # fmt: skip
    if rows:
        await make_due(session, [row["id"] for row in rows])


# What is not there cannot be locked: so the link is made where it is missing.
_HOLD_LINK = """
INSERT INTO link AS l (tenant, zoho_connection, module, ameise_connection, table_name, zoho_id)
VALUES (:tenant, :zoho_connection, :module, :ameise_connection, :table, :record)
ON CONFLICT (tenant, zoho_connection, module, zoho_id) DO UPDATE SET zoho_id = excluded.zoho_id
RETURNING l.table_name = :table AND l.linked_at IS NOT NULL AND NOT l.gone_in_zoho AS linked
"""


async def kunde_is_linked(session: AsyncSession, pipeline: Pipeline, parked: Park) -> bool:
    """Whether the Kunde, for want of whose link a Vertrag is about to be parked, is linked by now.

    Waits for whoever links him at this moment; who comes later waits for this transaction, and then finds
    the Vertrag parked (`kunden_linked`).
    """
    if parked.cause is not ParkedCause.KUNDE_NOT_LINKED:
        return False
    [module] = {m.module for m in pipeline.definition.fields if m.zoho == parked.details["field"]}
    rows = await fetch_all(
        session, _HOLD_LINK,
        tenant=pipeline.tenant, zoho_connection=pipeline.zoho_connection, module=module,
        ameise_connection=pipeline.ameise_connection, table=Table.KUNDE.value,
        record=parked.details["record"],
    )  # fmt: skip
    return rows[0]["linked"]


async def discard(session: AsyncSession, ids: Sequence[int]) -> None:
    """Take locked rows off the table."""
    await run_sql(session, "DELETE FROM work WHERE id = ANY(CAST(:ids AS bigint[]))", ids=list(ids))
