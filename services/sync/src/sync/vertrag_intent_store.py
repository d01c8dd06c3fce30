"""Queries on the Verträge that we were about to create: committed before the POST, and their outcome."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import fetch_all, run_sql
from contracts.ids import new_id
from contracts.names import Table
from sync.intent_store import Met, Twin
from sync.link_store import Link
from sync.pipelines import Pipeline


@dataclass(frozen=True, slots=True)
class VertragIntent:
    """A creation. Without `vertragsnummer` its outcome is not known yet; `match_key` is that of the number
    that was posted; `found_before` are those of the Verträge that the Kunde had before the POST."""

    id: str
    kunde: str
    match_key: str
    found_before: frozenset[str]
    age: timedelta
    vertragsnummer: str | None


_COLUMNS = """CAST(id AS text) AS id, kunde, match_key, found_before, now() - created_at AS age,
vertragsnummer"""


async def unfinished(session: AsyncSession, pipeline: Pipeline, zoho_id: str) -> VertragIntent | None:
    """That of an earlier attempt that did not get to its end, or whose link was not stored any more."""
    rows = await fetch_all(
        session,
        f"SELECT {_COLUMNS} FROM vertrag_intent WHERE ameise_connection = :connection "  # noqa: S608
        "AND module = :module AND zoho_id = :zoho_id AND outcome <> 'abandoned' "
        "ORDER BY created_at DESC LIMIT 1",
        connection=pipeline.ameise_connection, module=pipeline.module, zoho_id=zoho_id,
    )  # fmt: skip
    return _intent(rows[0]) if rows else None


async def twin_of(
    session: AsyncSession, pipeline: Pipeline, zoho_id: str, kunde: str, key: str, *, within: timedelta
) -> Twin | None:
    """Another record that is, or just became, a Vertrag of this Kunde with the same number."""
    rows = await fetch_all(
        session,
        "SELECT zoho_id, vertragsnummer FROM vertrag_intent WHERE ameise_connection = :connection "
        "AND kunde = :kunde AND (module, zoho_id) <> (:module, :zoho_id) AND match_key = :key "
        "AND (outcome = 'open' OR (outcome IN ('created', 'adopted') "
        "AND created_at > now() - make_interval(secs => :seconds))) ORDER BY created_at DESC LIMIT 1",
        connection=pipeline.ameise_connection, module=pipeline.module, zoho_id=zoho_id, kunde=kunde, key=key,
        seconds=within.total_seconds(),
    )  # fmt: skip
    return Twin(rows[0]["zoho_id"], rows[0]["vertragsnummer"]) if rows else None


async def met_by(
    session: AsyncSession, pipeline: Pipeline, *, numbers: list[str], keys: list[str]
) -> list[Met]:
    """The creations that became one of these Verträge, or are open and have one of these match keys."""
    rows = await fetch_all(
        session,
        "SELECT zoho_id, vertragsnummer, found_before, match_key, kunde FROM vertrag_intent "
        "WHERE ameise_connection = :connection AND module = :module AND outcome <> 'abandoned' "
        "AND (vertragsnummer = ANY(CAST(:numbers AS text[])) "
        "OR (outcome = 'open' AND match_key = ANY(CAST(:keys AS text[]))))",
        connection=pipeline.ameise_connection, module=pipeline.module, numbers=numbers, keys=keys,
    )  # fmt: skip
    return [
        Met(
            row["zoho_id"],
            row["vertragsnummer"],
            frozenset(row["found_before"]),
            frozenset({row["match_key"]}),
            row["kunde"],
        )
        for row in rows
    ]


async def declare(
    session: AsyncSession, pipeline: Pipeline, zoho_id: str, *, kunde: str, key: str, found: Sequence[str]
) -> VertragIntent:
    """Say what is about to be created, and what the Kunde had before it. Commit before the POST."""
    rows = await fetch_all(
        session,
        "INSERT INTO vertrag_intent (id, tenant, ameise_connection, module, zoho_id, kunde, match_key, "  # noqa: S608
        "found_before) VALUES (:id, :tenant, :connection, :module, :zoho_id, :kunde, :key, "
        f"CAST(:found AS jsonb)) RETURNING {_COLUMNS}",
        id=new_id(), tenant=pipeline.tenant, connection=pipeline.ameise_connection, module=pipeline.module,
        zoho_id=zoho_id, kunde=kunde, key=key, found=json.dumps(list(found)),
    )  # fmt: skip
    return _intent(rows[0])


async def settle(
    session: AsyncSession, intent: VertragIntent, *, outcome: str, vertragsnummer: str | None
) -> None:
    """The outcome is known now: created, adopted, or abandoned."""
    await run_sql(
        session,
        "UPDATE vertrag_intent SET outcome = :outcome, vertragsnummer = :number WHERE id = CAST(:id AS uuid)",
        id=intent.id, outcome=outcome, number=vertragsnummer,
    )  # fmt: skip


async def settle_linked(session: AsyncSession, pipeline: Pipeline, links: Iterable[Link]) -> None:
    """What is open about the records of these links, which were just saved, ends with them, whoever found
    the Vertrag: a person who typed its number, or a delivery."""
    new = [link for link in links if link.zoho_id and link.ameise_key and not link.linked]
    if pipeline.table is not Table.VERTRAG or not new:
        return
    await run_sql(
        session,
        "UPDATE vertrag_intent i SET outcome = 'adopted', vertragsnummer = o.number "
        "FROM unnest(CAST(:records AS text[]), CAST(:numbers AS text[])) AS o (zoho_id, number) "
        "WHERE i.ameise_connection = :connection AND i.module = :module AND i.zoho_id = o.zoho_id "
        "AND i.outcome = 'open'",
        connection=pipeline.ameise_connection, module=pipeline.module,
        records=[link.zoho_id for link in new], numbers=[link.ameise_key for link in new],
    )  # fmt: skip


def _intent(row: dict[str, Any]) -> VertragIntent:
    return VertragIntent(
        id=row["id"],
        kunde=row["kunde"],
        match_key=row["match_key"],
        found_before=frozenset(row["found_before"]),
        age=row["age"],
        vertragsnummer=row["vertragsnummer"],
    )
