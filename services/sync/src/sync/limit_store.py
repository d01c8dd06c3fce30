"""Queries on the limits of connections: terms, credits, shares of calls, health. Shared by all replicas.

Whatever is decided from several rows is decided while the connection's row is locked.
"""

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import fetch_all, run_sql
from contracts.ids import Uuid
from contracts.names import System
from sync.limits import Health, Terms, concerns_others, credits_left, fair_share, share_of

WINDOW = timedelta(hours=24)
REMAINING_BELIEVED = "10 minutes"
"""After this Zoho's word on what is left is old: some other call must be dared."""


@dataclass(frozen=True, slots=True)
class State:
    """A connection as all replicas see it, read at `now` by PostgreSQL's clock."""

    now: datetime
    terms: Terms
    spent: int
    remaining: int | None
    disconnected_until: datetime | None
    health: Health


_LOCK = f"""
INSERT INTO connection_limit AS l (tenant, connection, system)
VALUES (app_tenant(), :connection, :system)
ON CONFLICT (tenant, connection) DO UPDATE SET system = excluded.system
RETURNING l.*, clock_timestamp() AS now,
    remaining_at > now() - interval '{REMAINING_BELIEVED}' AS remaining_holds
"""  # noqa: S608 (a constant)

_SPENT = """
SELECT coalesce(sum(credits), 0) AS credits FROM credit_spent
WHERE connection = :connection AND since > now() - make_interval(secs => :seconds)
"""


async def load(session: AsyncSession, connection: Uuid, system: System, defaults: Terms) -> State:
    """The state, with the connection's row locked until the end of the transaction."""
    [row] = await fetch_all(session, _LOCK, connection=connection, system=system.value)
    [spent] = await fetch_all(session, _SPENT, connection=connection, seconds=WINDOW.total_seconds())
    return State(
        now=row["now"],
        terms=_terms(row, defaults),
        spent=spent["credits"],
        remaining=row["remaining"] if row["remaining_holds"] else None,
        disconnected_until=row["disconnected_until"],
        health=Health(**{f.name: row[f.name] for f in fields(Health)}),
    )


_LEFT = f"""
SELECT CAST(p.connection AS text) AS connection, l.daily_credits, l.share_percent, l.simultaneous_calls,
    coalesce(l.bulk_write_allowed, false) AS bulk_write_allowed,
    CASE WHEN l.remaining_at > now() - interval '{REMAINING_BELIEVED}' THEN l.remaining END AS remaining,
    (SELECT coalesce(sum(s.credits), 0) FROM credit_spent s WHERE s.connection = p.connection
        AND s.since > now() - make_interval(secs => :seconds)) AS spent
FROM (SELECT DISTINCT zoho_connection AS connection FROM pipeline) p
LEFT JOIN connection_limit l ON l.connection = p.connection
"""  # noqa: S608 (a constant)


async def credits_left_now(session: AsyncSession, defaults: Terms) -> dict[str, int]:
    """What we may still spend, by Zoho connection of the tenant's pipelines. Nothing is locked."""
    rows = await fetch_all(session, _LEFT, seconds=WINDOW.total_seconds())
    return {
        row["connection"]: credits_left(_terms(row, defaults), spent=row["spent"], remaining=row["remaining"])
        for row in rows
    }


def _terms(row: dict[str, Any], defaults: Terms) -> Terms:
    def chosen(name: str) -> int:
        return row[name] if row[name] is not None else getattr(defaults, name)

    return Terms(
        daily_credits=chosen("daily_credits"),
        share_percent=chosen("share_percent"),
        simultaneous_calls=chosen("simultaneous_calls"),
        bulk_write_allowed=row["bulk_write_allowed"],
    )


async def set_terms(session: AsyncSession, connection: Uuid, terms: Terms) -> None:
    """Store what an admin decided; the row exists (`load`)."""
    await run_sql(
        session,
        "UPDATE connection_limit SET daily_credits = :daily_credits, share_percent = :share_percent, "
        "simultaneous_calls = :simultaneous_calls, bulk_write_allowed = :bulk_write_allowed "
        "WHERE connection = :connection",
        connection=connection, daily_credits=terms.daily_credits, share_percent=terms.share_percent,
        simultaneous_calls=terms.simultaneous_calls, bulk_write_allowed=terms.bulk_write_allowed,
    )  # fmt: skip


async def spend(session: AsyncSession, connection: Uuid, cost: int) -> None:
    """Count credits as spent now; what left the window is forgotten."""
    await run_sql(
        session,
        "INSERT INTO credit_spent AS s (tenant, connection, since, credits) VALUES (app_tenant(), "
        ":connection, date_bin('10 minutes', now(), 'epoch'), :credits) "
        "ON CONFLICT (tenant, connection, since) DO UPDATE SET credits = s.credits + excluded.credits",
        connection=connection, credits=cost,
    )  # fmt: skip
    await run_sql(
        session,
        "DELETE FROM credit_spent WHERE connection = :connection "
        "AND since < now() - make_interval(secs => :seconds)",
        connection=connection, seconds=WINDOW.total_seconds(),
    )  # fmt: skip


async def note_remaining(session: AsyncSession, connection: Uuid, remaining: int | None) -> None:
    """What Zoho says is left; None: it says nothing, so more than half is left."""
    await run_sql(
        session,
        "UPDATE connection_limit SET remaining = :remaining, remaining_at = now() "
        "WHERE connection = :connection",
        connection=connection, remaining=remaining,
    )  # fmt: skip


async def note_disconnected(session: AsyncSession, connection: Uuid, lasting: timedelta) -> None:
    """Zoho or auth refuses the token: nobody asks for a while."""
    await run_sql(
        session,
        "UPDATE connection_limit SET disconnected_until = now() + make_interval(secs => :seconds) "
        "WHERE connection = :connection",
        connection=connection, seconds=lasting.total_seconds(),
    )  # fmt: skip


async def save_health(session: AsyncSession, connection: Uuid, health: Health) -> None:
    """Store the health, which was read under the same lock."""
    names = [f.name for f in fields(Health)]
    changes = ", ".join(f"{name} = :{name}" for name in names)
    await run_sql(
        session,
        f"UPDATE connection_limit SET {changes} WHERE connection = :connection",  # noqa: S608 (field names)
        connection=connection,
        **{name: getattr(health, name) for name in names},
    )


async def take_probe(session: AsyncSession, connection: Uuid, patience: timedelta) -> bool:
    """Whether we are the one who may ask a system whose breaker is open; nobody else for `patience`."""
    taken = await run_sql(
        session,
        "UPDATE connection_limit SET open_until = clock_timestamp() + make_interval(secs => :seconds) "
        "WHERE connection = :connection AND opened_at IS NOT NULL AND open_until <= clock_timestamp()",
        connection=connection, seconds=patience.total_seconds(),
    )  # fmt: skip
    return bool(taken)


@dataclass(frozen=True, slots=True)
class Share:
    """The simultaneous calls that one replica may have."""

    calls: int
    complex_calls: int


SHARES_CHANNEL = "call_share"
"""The NOTIFY channel that says: somebody needs places, or gave some up."""


async def take_share(
    session: AsyncSession,
    connection: Uuid,
    owner: str,
    *,
    total: Share,
    in_flight: Share,
    lasting: timedelta,
) -> Share:
    """Take or renew the share of `owner`, with the connection's row locked. One that ended is nobody's."""
    await run_sql(
        session,
        "DELETE FROM call_share WHERE connection = :connection AND until < clock_timestamp()",
        connection=connection,
    )
    rows = await fetch_all(
        session,
        "SELECT owner, calls, complex_calls FROM call_share WHERE connection = :connection",
        connection=connection,
    )
    others = [Share(row["calls"], row["complex_calls"]) for row in rows if row["owner"] != owner]
    before = next((row["calls"] for row in rows if row["owner"] == owner), None)
    share = Share(
        share_of(total.calls, others=[o.calls for o in others], in_flight=in_flight.calls),
        share_of(
            total.complex_calls, others=[o.complex_calls for o in others], in_flight=in_flight.complex_calls
        ),
    )
    await run_sql(
        session,
        "INSERT INTO call_share (tenant, connection, owner, calls, complex_calls, until) VALUES "
        "(app_tenant(), :connection, :owner, :calls, :complex_calls, "
        "clock_timestamp() + make_interval(secs => :seconds)) "
        "ON CONFLICT (tenant, connection, owner) DO UPDATE SET calls = excluded.calls, "
        "complex_calls = excluded.complex_calls, until = excluded.until",
        connection=connection, owner=owner, calls=share.calls, complex_calls=share.complex_calls,
        seconds=lasting.total_seconds(),
    )  # fmt: skip
    if concerns_others(share.calls, before=before, fair=fair_share(total.calls, len(others))):
        await run_sql(session, f"NOTIFY {SHARES_CHANNEL}")
    return share


async def give_share_back(session: AsyncSession, connection: Uuid, owner: str) -> None:
    """The replica needs no places just now."""
    await run_sql(
        session,
        "DELETE FROM call_share WHERE connection = :connection AND owner = :owner",
        connection=connection, owner=owner,
    )  # fmt: skip
