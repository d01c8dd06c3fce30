"""What an Ameise connection can do, as far as an admin decided it: it depends on what was agreed with the
vendor, and is not documented in public."""

from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import fetch_all, run_sql
from contracts.ids import Uuid
from contracts.names import System


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Whether Verträge can be created, and changed, over the connection."""

    creates_vertraege: bool
    changes_vertraege: bool


async def load(session: AsyncSession, connection: Uuid, defaults: Capabilities) -> Capabilities:
    """What was decided; `defaults` where nothing was."""
    rows = await fetch_all(
        session,
        "SELECT coalesce(creates_vertraege, :creates) AS creates_vertraege, "
        "coalesce(changes_vertraege, :changes) AS changes_vertraege "
        "FROM connection_limit WHERE connection = :connection",
        connection=connection, creates=defaults.creates_vertraege, changes=defaults.changes_vertraege,
    )  # fmt: skip
    return Capabilities(**rows[0]) if rows else defaults


async def save(session: AsyncSession, connection: Uuid, decided: Capabilities) -> None:
    await run_sql(
        session,
        "INSERT INTO connection_limit (tenant, connection, system, creates_vertraege, changes_vertraege) "
        "VALUES (app_tenant(), :connection, :system, :creates, :changes) "
        "ON CONFLICT (tenant, connection) DO UPDATE SET "
        "creates_vertraege = excluded.creates_vertraege, changes_vertraege = excluded.changes_vertraege",
        connection=connection, system=System.AMEISE.value, creates=decided.creates_vertraege,
        changes=decided.changes_vertraege,
    )  # fmt: skip
