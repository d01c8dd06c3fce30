"""Queries on intents: what we were about to create in Ameise, committed before the POST, and its outcome."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import fetch_all, run_sql
from contracts.ids import new_id
from sync.pipelines import Pipeline


@dataclass(frozen=True, slots=True)
class Intent:
    """An Erstanlage. Without `kundennummer` its outcome is not known yet.

    `found_before` are the Kundennummern found before the POST.
    """

    id: str
    zoho_id: str
    found_before: frozenset[str]
    age: timedelta
    kundennummer: str | None


_COLUMNS = "CAST(id AS text) AS id, zoho_id, found_before, now() - created_at AS age, kundennummer"


async def unfinished(session: AsyncSession, pipeline: Pipeline, zoho_id: str) -> Intent | None:
    """The intent of an earlier attempt that did not get to its end, or was cut off after it.

    The second kind matters as much: the Kunde exists, but the link that says so was not stored any more,
    and Ameise's search may not find him yet.
    """
    rows = await fetch_all(
        session,
        f"SELECT {_COLUMNS} FROM intent WHERE ameise_connection = :connection AND module = :module "  # noqa: S608
        "AND zoho_id = :zoho_id AND outcome <> 'abandoned' ORDER BY created_at DESC LIMIT 1",
        connection=pipeline.ameise_connection, module=pipeline.module, zoho_id=zoho_id,
    )  # fmt: skip
    return _intent(rows[0]) if rows else None


@dataclass(frozen=True, slots=True)
class Twin:
    """Another record that is, or just became, an object with the same match keys; `key` once it is known."""

    zoho_id: str
    key: str | None


async def twin_of(
    session: AsyncSession, pipeline: Pipeline, zoho_id: str, keys: list[str], *, within: timedelta
) -> Twin | None:
    """A form that was submitted twice gives two Contacts at once, and Ameise's search may lag behind both."""
    rows = await fetch_all(
        session,
        "SELECT zoho_id, kundennummer FROM intent WHERE ameise_connection = :connection "
        "AND (module, zoho_id) <> (:module, :zoho_id) AND match_keys ?| CAST(:keys AS text[]) "
        "AND (outcome = 'open' OR (outcome IN ('created', 'adopted') "
        "AND created_at > now() - make_interval(secs => :seconds))) ORDER BY created_at DESC LIMIT 1",
        connection=pipeline.ameise_connection, module=pipeline.module, zoho_id=zoho_id, keys=keys,
        seconds=within.total_seconds(),
    )  # fmt: skip
    return Twin(rows[0]["zoho_id"], rows[0]["kundennummer"]) if rows else None


@dataclass(frozen=True, slots=True)
class Met:
    """A creation that one of the asked objects may have come of; `key` once it is known. `kunde`: whose it
    is, of a Vertrag."""

    zoho_id: str
    key: str | None
    found_before: frozenset[str]
    match_keys: frozenset[str]
    kunde: str | None = None


async def met_by(
    session: AsyncSession, pipeline: Pipeline, *, numbers: list[str], keys: list[str]
) -> list[Met]:
    """The Erstanlagen that became one of these Kunden, or are open and share one of these match keys."""
    rows = await fetch_all(
        session,
        "SELECT zoho_id, kundennummer, found_before, match_keys FROM intent "
        "WHERE ameise_connection = :connection AND module = :module AND outcome <> 'abandoned' "
        "AND (kundennummer = ANY(CAST(:numbers AS text[])) "
        "OR (outcome = 'open' AND match_keys ?| CAST(:keys AS text[])))",
        connection=pipeline.ameise_connection, module=pipeline.module, numbers=numbers, keys=keys,
    )  # fmt: skip
    return [
        Met(row["zoho_id"], row["kundennummer"], frozenset(row["found_before"]), frozenset(row["match_keys"]))
        for row in rows
    ]


async def declare(
    session: AsyncSession, pipeline: Pipeline, zoho_id: str, *, keys: list[str], found: list[str]
) -> Intent:
    """Say what is about to be created, and what was found before it. Commit before the POST."""
    rows = await fetch_all(
        session,
        "INSERT INTO intent (id, tenant, ameise_connection, module, zoho_id, match_keys, found_before) "  # noqa: S608
        "VALUES (:id, :tenant, :connection, :module, :zoho_id, CAST(:keys AS jsonb), CAST(:found AS jsonb)) "
        f"RETURNING {_COLUMNS}",
        id=new_id(), tenant=pipeline.tenant, connection=pipeline.ameise_connection, module=pipeline.module,
        zoho_id=zoho_id, keys=json.dumps(keys), found=json.dumps(found),
    )  # fmt: skip
    return _intent(rows[0])


async def settle(session: AsyncSession, intent: Intent, *, outcome: str, kundennummer: str | None) -> None:
    """The outcome is known now: created, adopted, or abandoned."""
    await run_sql(
        session,
        "UPDATE intent SET outcome = :outcome, kundennummer = :number WHERE id = CAST(:id AS uuid)",
        id=intent.id, outcome=outcome, number=kundennummer,
    )  # fmt: skip


def _intent(row: dict[str, Any]) -> Intent:
    return Intent(
        id=row["id"],
        zoho_id=row["zoho_id"],
        found_before=frozenset(row["found_before"]),
        age=row["age"],
        kundennummer=row["kundennummer"],
    )


async def settle_open(session: AsyncSession, pipeline: Pipeline, zoho_id: str, *, kundennummer: str) -> None:
    """A person said which Kunde the record is: whatever was open about it ends with him."""
    await run_sql(
        session,
        "UPDATE intent SET outcome = 'adopted', kundennummer = :number "
        "WHERE ameise_connection = :connection AND module = :module AND zoho_id = :zoho_id "
        "AND outcome = 'open'",
        connection=pipeline.ameise_connection, module=pipeline.module, zoho_id=zoho_id, number=kundennummer,
    )  # fmt: skip
