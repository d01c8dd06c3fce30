"""Queries on flows: which there are, whose turn it is, and how they ended."""

from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import fetch_all, run_sql
from contracts.ids import TenantId
from contracts.names import Flow
from sync.flows import FlowState

_BY_PIPELINES = """
SELECT tenant, 'comparison' AS name, '' AS thing FROM pipeline
WHERE enabled AND definition ->> 'direction' <> 'to_ameise'
UNION
SELECT tenant, 'links', CAST(zoho_connection AS text) FROM pipeline WHERE enabled
UNION
SELECT tenant, 'reconciliation', CAST(zoho_connection AS text) FROM pipeline
WHERE enabled AND definition ->> 'direction' <> 'to_zoho'
"""

_WANTED = f"""
SELECT w.tenant, w.name, w.thing, f.made_at, f.clock_from, f.tried_at, f.last_success, f.overdue_since
FROM ({_BY_PIPELINES}) w
LEFT JOIN flow f ON f.tenant = w.tenant AND f.name = w.name AND f.thing = w.thing
ORDER BY 1, 2, 3
"""  # noqa: S608 (a constant)


async def wanted(session: AsyncSession) -> tuple[list[FlowState], list[tuple[TenantId, Flow, str]]]:
    """The flows of all tenants whose pipelines ask for them, and those that have no row yet."""
    rows = await fetch_all(session, _WANTED)
    known = [_state(row) for row in rows if row["made_at"] is not None]
    new = [(TenantId(r["tenant"]), Flow(r["name"]), r["thing"]) for r in rows if r["made_at"] is None]
    return known, new


def _state(row: dict[str, object]) -> FlowState:
    return FlowState(
        tenant=TenantId(str(row["tenant"])),
        flow=Flow(str(row["name"])),
        thing=str(row["thing"]),
        made_at=row["made_at"],  # pyright: ignore[reportArgumentType]
        clock_from=row["clock_from"],  # pyright: ignore[reportArgumentType]
        tried_at=row["tried_at"],  # pyright: ignore[reportArgumentType]
        last_success=row["last_success"],  # pyright: ignore[reportArgumentType]
        overdue_since=row["overdue_since"],  # pyright: ignore[reportArgumentType]
    )


async def make_wanted(session: AsyncSession) -> None:
    """Those that the pipelines of the session's tenant ask for by now, in the transaction that changed them:
    the first look at Zoho begins at the clock of its flow, and what came before nobody would look at."""
    await run_sql(
        session,
        f"INSERT INTO flow (tenant, name, thing) {_BY_PIPELINES} ON CONFLICT DO NOTHING",
    )


async def make(session: AsyncSession, tenant: TenantId, flow: Flow, thing: str) -> None:
    """Its clock begins now."""
    await run_sql(
        session,
        "INSERT INTO flow (tenant, name, thing) VALUES (:tenant, :name, :thing) ON CONFLICT DO NOTHING",
        tenant=tenant, name=flow.value, thing=thing,
    )  # fmt: skip


_CLAIM = """
UPDATE flow SET
    tried_at = now(),
    -- nobody was there to try for long (all processes were down, or the pipelines paused): that is no failure
    clock_from = CASE WHEN coalesce(tried_at, made_at) < now() - make_interval(secs => :seconds) THEN now()
                      ELSE clock_from END
WHERE tenant = :tenant AND name = :name AND thing = :thing
  AND tried_at IS NOT DISTINCT FROM :tried_at AND last_success IS NOT DISTINCT FROM :last_success
"""


async def claim(session: AsyncSession, state: FlowState, *, overdue_after: timedelta) -> bool:
    """Note the try, unless another replica was quicker."""
    changed = await run_sql(
        session, _CLAIM,
        tenant=state.tenant, name=state.flow.value, thing=state.thing, tried_at=state.tried_at,
        last_success=state.last_success, seconds=overdue_after.total_seconds(),
    )  # fmt: skip
    return changed == 1


async def succeeded(session: AsyncSession, tenant: TenantId, flow: Flow, thing: str) -> datetime | None:
    """Note the success; since when it was overdue, if an alarm stood."""
    await make(session, tenant, flow, thing)
    rows = await fetch_all(
        session,
        "UPDATE flow f SET last_success = now(), clock_from = now(), overdue_since = NULL "
        "FROM flow before WHERE f.tenant = :tenant AND f.name = :name AND f.thing = :thing "
        "AND before.tenant = f.tenant AND before.name = f.name AND before.thing = f.thing "
        "RETURNING before.overdue_since",
        tenant=tenant, name=flow.value, thing=thing,
    )  # fmt: skip
    return rows[0]["overdue_since"]


async def excused(session: AsyncSession, tenant: TenantId, flow: Flow, thing: str) -> None:
    """The connection waits for a person, who was told: our clock stands still."""
    await run_sql(
        session,
        "UPDATE flow SET clock_from = now() WHERE tenant = :tenant AND name = :name AND thing = :thing",
        tenant=tenant, name=flow.value, thing=thing,
    )  # fmt: skip


async def alarmed(session: AsyncSession, state: FlowState, since: datetime) -> bool:
    """Whether the alarm is new: whoever sets it tells it."""
    changed = await run_sql(
        session,
        "UPDATE flow SET overdue_since = :since WHERE tenant = :tenant AND name = :name AND thing = :thing "
        "AND overdue_since IS NULL AND clock_from = :clock_from",
        tenant=state.tenant, name=state.flow.value, thing=state.thing, since=since,
        clock_from=state.clock_from,
    )  # fmt: skip
    return changed == 1
