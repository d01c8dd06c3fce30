"""A doubt about a record that a person let go stays away until either side of it changes."""

import hashlib
from collections.abc import Collection, Mapping

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import fetch_all, run_sql
from contracts.ids import PipelineId, TenantId
from contracts.rpc.sync_parked import ParkedCause

RECORD_SEEN = "record_seen"
"""The detail of parked work that stands for what its record held when it was tried."""
SEEN = "seen"
"""The detail of a parked doubt that stands for the number in the record: somebody may have typed anything."""


def seen(number: str | None) -> str:
    """The number in a record, unreadable."""
    return _hash((number or "")[:20])


def doubt_of(cause: str | None, details: Mapping[str, str]) -> str | None:
    """What does not fit, as a hash of both its sides; None where nothing is to be remembered. Pure.

    A webhook and the comparison of links park the same doubt by different causes.
    """
    match cause:
        case ParkedCause.KUNDE_TAKEN:
            sides = ("taken", details.get("kunde"), details.get("zoho_id"))
        case ParkedCause.NUMBER_TAKEN:
            sides = ("taken", details.get("key"), details.get("zoho_id"))
        case ParkedCause.OTHER_NUMBER:
            sides = ("differs", seen(details.get("typed")), details.get("kunde"))
        case ParkedCause.NUMBER_DIFFERS:
            sides = ("differs", details.get(SEEN), details.get("key"))
        case _:
            return None
    return _hash("|".join(side for side in sides if side)) if all(sides) else None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def remember(
    session: AsyncSession, tenant: TenantId, pipeline: PipelineId, doubts: Mapping[str, str]
) -> None:
    """A person let these doubts go; by Zoho id."""
    if doubts:
        await run_sql(
            session,
            "INSERT INTO dismissed (tenant, pipeline, zoho_id, doubt) SELECT :tenant, :pipeline, o.zoho_id, "
            "o.doubt FROM unnest(CAST(:ids AS text[]), CAST(:doubts AS text[])) AS o (zoho_id, doubt) "
            "ORDER BY o.zoho_id ON CONFLICT (tenant, pipeline, zoho_id) "
            "DO UPDATE SET doubt = excluded.doubt, dismissed_at = now()",
            tenant=tenant, pipeline=int(pipeline), ids=list(doubts), doubts=list(doubts.values()),
        )  # fmt: skip


async def dismissed(session: AsyncSession, pipeline: PipelineId, ids: Collection[str]) -> dict[str, str]:
    """Zoho id → the doubt that a person let go."""
    rows = await fetch_all(
        session,
        "SELECT zoho_id, doubt FROM dismissed WHERE pipeline = :pipeline "
        "AND zoho_id = ANY(CAST(:ids AS text[]))",
        pipeline=int(pipeline), ids=list(ids),
    )  # fmt: skip
    return {row["zoho_id"]: row["doubt"] for row in rows}


async def forget(session: AsyncSession, pipeline: PipelineId, ids: Collection[str]) -> None:
    """These records are not as they were when the person looked: whatever is found asks anew."""
    if ids:
        await run_sql(
            session,
            "DELETE FROM dismissed WHERE pipeline = :pipeline AND zoho_id = ANY(CAST(:ids AS text[]))",
            pipeline=int(pipeline), ids=sorted(ids),
        )  # fmt: skip
