"""Queries on intents: what we were about to create in Ameise, committed before the POST, and its outcome."""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import fetch_all, run_sql
from contracts.ids import new_id
from sync.link_store import Link
from sync.pipelines import Pipeline


@dataclass(frozen=True, slots=True)
class Intent:
    """A creation. Without `key`, the number that Ameise gave, its outcome is not known yet.

    `kunde`: whose it is, of a Vertrag. `match_keys` are hashes of what was posted; `found_before` are the
    numbers of what was there before the POST.
    """

    id: str
    zoho_id: str
    kunde: str | None
    match_keys: frozenset[str]
    found_before: frozenset[str]
    age: timedelta
    key: str | None


_COLUMNS = """CAST(id AS text) AS id, zoho_id, kunde, match_keys, found_before, now() - created_at AS age,
ameise_key AS key"""
_LINKED = """EXISTS (SELECT FROM link l WHERE l.zoho_connection = :zoho_connection
AND l.module = intent.module AND l.zoho_id = intent.zoho_id AND l.ameise_key IS NOT NULL)"""
"""That a person said, or a delivery, what the record is; what was posted may come to be nevertheless."""
_CREATION = "outcome <> 'abandoned' AND NOT coalesce(found_before ? ameise_key, false)"
"""Not what was only adopted (`keep_adopted`)."""
_OF_PIPELINE = "ameise_connection = :connection AND module = :module AND table_name = :table_name"


async def unfinished(session: AsyncSession, pipeline: Pipeline, zoho_id: str) -> Intent | None:
    """The intent of an earlier attempt that did not get to its end, or was cut off after it.

    The second kind matters as much: the object exists, but the link that says so was not stored any more,
    and Ameise's search may not find it yet.
    """
    rows = await fetch_all(
        session,
        f"SELECT {_COLUMNS} FROM intent WHERE {_OF_PIPELINE} AND zoho_id = :zoho_id "  # noqa: S608
        f"AND {_CREATION} ORDER BY created_at DESC LIMIT 1",
        zoho_id=zoho_id, **_place(pipeline),
    )  # fmt: skip
    return _intent(rows[0]) if rows else None


async def twin_of(
    session: AsyncSession,
    pipeline: Pipeline,
    zoho_id: str,
    keys: Collection[str],
    *,
    kunde: str | None,
    within: timedelta,
) -> Intent | None:
    """That of another record that is, or just became, an object (of this Kunde) with one of these match keys.

    A form that was submitted twice gives two Contacts at once, and Ameise's search may lag behind both.
    """
    rows = await fetch_all(
        session,
        f"SELECT {_COLUMNS} FROM intent WHERE ameise_connection = :connection "  # noqa: S608
        "AND table_name = :table_name AND (module, zoho_id) <> (:module, :zoho_id) "
        "AND match_keys ?| CAST(:keys AS text[]) AND kunde IS NOT DISTINCT FROM CAST(:kunde AS text) "
        f"AND ((outcome = 'open' AND NOT {_LINKED}) OR (outcome <> 'abandoned' "
        "AND created_at > now() - make_interval(secs => :seconds))) ORDER BY created_at DESC LIMIT 1",
        zoho_id=zoho_id, keys=list(keys), kunde=kunde, seconds=within.total_seconds(), **_place(pipeline),
    )  # fmt: skip
    return _intent(rows[0]) if rows else None


async def met_by(
    session: AsyncSession, pipeline: Pipeline, *, numbers: Collection[str], keys: Collection[str]
) -> list[Intent]:
    """The creations that became one of these objects, or are open and share one of these match keys: not of
    a record that is another object's by now."""
    rows = await fetch_all(
        session,
        f"SELECT {_COLUMNS} FROM intent WHERE {_OF_PIPELINE} AND {_CREATION} "  # noqa: S608
        "AND (ameise_key = ANY(CAST(:numbers AS text[])) "
        f"OR (outcome = 'open' AND NOT {_LINKED} AND match_keys ?| CAST(:keys AS text[])))",
        numbers=list(numbers), keys=list(keys), **_place(pipeline),
    )  # fmt: skip
    return [_intent(row) for row in rows]


async def declare(
    session: AsyncSession,
    pipeline: Pipeline,
    zoho_id: str,
    *,
    kunde: str | None,
    keys: Collection[str],
    found: Collection[str],
) -> Intent:
    """Say what is about to be created, and what was found before it. Commit before the POST."""
    rows = await fetch_all(
        session,
        "INSERT INTO intent (id, tenant, ameise_connection, module, table_name, zoho_id, kunde, match_keys, "  # noqa: S608
        "found_before) VALUES (:id, :tenant, :connection, :module, :table_name, :zoho_id, :kunde, "
        f"CAST(:keys AS jsonb), CAST(:found AS jsonb)) RETURNING {_COLUMNS}",
        id=new_id(), tenant=pipeline.tenant, zoho_id=zoho_id, kunde=kunde, keys=json.dumps(list(keys)),
        found=json.dumps(list(found)), **_place(pipeline),
    )  # fmt: skip
    return _intent(rows[0])


async def settle(session: AsyncSession, intent: Intent, *, outcome: str, key: str | None) -> None:
    """The outcome is known now: created, adopted, or abandoned."""
    await run_sql(
        session,
        "UPDATE intent SET outcome = :outcome, ameise_key = :key WHERE id = CAST(:id AS uuid)",
        id=intent.id, outcome=outcome, key=key,
    )  # fmt: skip


async def settle_linked(session: AsyncSession, pipeline: Pipeline, links: Iterable[Link]) -> None:
    """What is open about the records of these links, which were just saved, ends with them, whoever found
    the object: a person who typed or chose its number, or a delivery. By what was there before the POST, it
    does not: that may have made another one."""
    new = [link for link in links if link.zoho_id and link.ameise_key and not link.linked]
    if not new:
        return
    await run_sql(
        session,
        "UPDATE intent SET outcome = 'adopted', ameise_key = o.key "  # noqa: S608
        "FROM unnest(CAST(:records AS text[]), CAST(:keys AS text[])) AS o (record, key) "
        f"WHERE {_OF_PIPELINE} AND zoho_id = o.record AND outcome = 'open' AND NOT found_before ? o.key",
        records=[link.zoho_id for link in new], keys=[link.ameise_key for link in new], **_place(pipeline),
    )  # fmt: skip


async def keep_adopted(
    session: AsyncSession, pipeline: Pipeline, zoho_id: str, *, kunde: str, key: str
) -> None:
    """Keep whose Vertrag a record was found to be: until both are merged nothing else says it, and he may ask
    to be forgotten."""
    await run_sql(
        session,
        "INSERT INTO intent (id, tenant, ameise_connection, module, table_name, zoho_id, kunde, match_keys, "  # noqa: S608
        "found_before, outcome, ameise_key) SELECT :id, :tenant, :connection, :module, :table_name, "
        ":zoho_id, :kunde, '[]', jsonb_build_array(CAST(:key AS text)), 'adopted', :key WHERE NOT EXISTS "
        f"(SELECT FROM intent WHERE {_OF_PIPELINE} AND zoho_id = :zoho_id AND kunde = :kunde)",
        id=new_id(), tenant=pipeline.tenant, zoho_id=zoho_id, kunde=kunde, key=key, **_place(pipeline),
    )  # fmt: skip


def _place(pipeline: Pipeline) -> dict[str, Any]:
    return {
        "connection": pipeline.ameise_connection,
        "zoho_connection": pipeline.zoho_connection,
        "module": pipeline.module,
        "table_name": pipeline.table.value,
    }


def _intent(row: dict[str, Any]) -> Intent:
    sets: dict[str, Any] = {name: frozenset(row[name]) for name in ("match_keys", "found_before")}
    return Intent(**row | sets)
