"""Queries on links: which object of Ameise and which Zoho record are the same thing.

A link row exists before any work on its record or object begins, and is leased while the work runs, so
that a record has one writer, whichever direction the work came from.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import fetch_all, run_sql
from chassis.leases import LeaseLost
from contracts.names import Table
from sync.conflicts import Question, Questions
from sync.pipelines import Pipeline
from sync.values import Known


@dataclass(frozen=True, slots=True)
class Link:
    """A leased link. A base is None before that side was first read."""

    id: int
    fence: int
    zoho_id: str | None
    ameise_key: str | None
    ameise_base: Mapping[str, Known] | None
    zoho_base: Mapping[str, Known] | None
    written: Mapping[str, str]
    gone_in_zoho: bool
    linked: bool
    asked: Questions = field(default_factory=dict[str, Question])

    def with_bases(self, *, ameise: Mapping[str, Known], zoho: Mapping[str, Known]) -> "Link":
        """The link with the given fields' bases moved; other fields keep theirs."""
        return replace(
            self,
            ameise_base={**(self.ameise_base or {}), **ameise},
            zoho_base={**(self.zoho_base or {}), **zoho},
        )

    def moved_in_ameise(self, ameise: Mapping[str, Known]) -> list[str]:
        """The fields whose base in Ameise was another one before."""
        before = self.ameise_base or {}
        return [name for name, value in ameise.items() if name in before and before[name] != value]

    def having_seen(self, fields: Sequence[str]) -> "Link":
        """The link that remembers when we wrote these fields to Ameise, or saw them new there: now."""
        now = datetime.now(UTC).isoformat()
        return replace(self, written={**self.written, **dict.fromkeys(fields, now)})

    def written_after(self, as_of: datetime) -> set[str]:
        """The Ameise fields that we wrote, or saw new there, after the moment that a delivery shows."""
        return {name for name, at in self.written.items() if datetime.fromisoformat(at) > as_of}


_COLUMNS = """id, fence, zoho_id, ameise_key, ameise_base, zoho_base, written, gone_in_zoho, asked,
linked_at IS NOT NULL AS linked"""

_ENSURE = {
    "zoho_id": """
    INSERT INTO link (tenant, zoho_connection, module, ameise_connection, table_name, zoho_id)
    SELECT :tenant, :zoho_connection, :module, :ameise_connection, :table_name, unnest(CAST(:ids AS text[]))
    ON CONFLICT (tenant, zoho_connection, module, zoho_id) DO NOTHING
    """,
    "ameise_key": """
    INSERT INTO link (tenant, zoho_connection, module, ameise_connection, table_name, ameise_key)
    SELECT :tenant, :zoho_connection, :module, :ameise_connection, :table_name, unnest(CAST(:ids AS text[]))
    ON CONFLICT (tenant, zoho_connection, module, table_name, ameise_key) DO NOTHING
    """,
}


def _lease_sql(column: str) -> str:
    # In the order of ids, so that two batches that overlap cannot wait for each other in a circle.
    return f"""
    UPDATE link
    SET lease_owner = :owner, lease_until = now() + make_interval(secs => :seconds), fence = fence + 1
    WHERE id IN (
        SELECT id FROM link
        WHERE zoho_connection = :zoho_connection AND module = :module AND table_name = :table_name
          AND {column} = ANY(CAST(:ids AS text[])) AND (lease_until IS NULL OR lease_until < now())
        ORDER BY id FOR UPDATE SKIP LOCKED
    )
    RETURNING {_COLUMNS}
    """  # noqa: S608 (constants)


_LEASE = {column: _lease_sql(column) for column in _ENSURE}


async def lease_by_zoho_ids(
    session: AsyncSession, pipeline: Pipeline, zoho_ids: Sequence[str], *, owner: str, lasting: timedelta
) -> dict[str, Link]:
    """Links by Zoho id, made where missing. One that somebody else holds is left out."""
    links = await _lease(session, pipeline, "zoho_id", zoho_ids, owner, lasting)
    return {link.zoho_id: link for link in links if link.zoho_id is not None}


async def lease_by_keys(
    session: AsyncSession, pipeline: Pipeline, keys: Sequence[str], *, owner: str, lasting: timedelta
) -> dict[str, Link]:
    """Links by Ameise's key, made where missing. One that somebody else holds is left out."""
    links = await _lease(session, pipeline, "ameise_key", keys, owner, lasting)
    return {link.ameise_key: link for link in links if link.ameise_key is not None}


async def _lease(
    session: AsyncSession, pipeline: Pipeline, column: str, ids: Sequence[str], owner: str, lasting: timedelta
) -> list[Link]:
    place = _place(pipeline)
    await run_sql(
        session, _ENSURE[column],
        tenant=pipeline.tenant, ameise_connection=pipeline.ameise_connection, ids=sorted(ids), **place,
    )  # fmt: skip
    rows = await fetch_all(
        session, _LEASE[column], ids=list(ids), owner=owner, seconds=lasting.total_seconds(), **place
    )
    return [_link(row) for row in rows]


def _place(pipeline: Pipeline) -> dict[str, Any]:
    return {
        "zoho_connection": pipeline.zoho_connection,
        "module": pipeline.module,
        "table_name": pipeline.table.value,
    }


def _link(row: dict[str, Any]) -> Link:
    return Link(**row)


_HELD = """
JOIN unnest(CAST(:ids AS bigint[]), CAST(:fences AS bigint[])) AS o (id, fence)
ON l.id = o.id AND l.fence = o.fence
"""


async def check(session: AsyncSession, links: Sequence[Link]) -> None:
    """Lock the links and make sure that we still hold them. Raises LeaseLost."""
    rows = await fetch_all(
        session,
        f"SELECT l.id FROM link l {_HELD} AND l.lease_until > now() ORDER BY l.id FOR UPDATE OF l",  # noqa: S608
        ids=[link.id for link in links], fences=[link.fence for link in links],
    )  # fmt: skip
    if len(rows) != len(links):
        raise LeaseLost(f"{len(links) - len(rows)} of {len(links)} links")


async def give_back(session: AsyncSession, links: Sequence[Link]) -> None:
    """End the leases that are still ours."""
    await run_sql(
        session,
        "UPDATE link l SET lease_owner = NULL, lease_until = NULL "
        "FROM unnest(CAST(:ids AS bigint[]), CAST(:fences AS bigint[])) AS o (id, fence) "
        "WHERE l.id = o.id AND l.fence = o.fence",
        ids=[link.id for link in links], fences=[link.fence for link in links],
    )  # fmt: skip


async def give_back_all(session: AsyncSession, owners: Sequence[str]) -> None:
    """End the leases of these owners, whichever they are."""
    await run_sql(
        session,
        "UPDATE link SET lease_owner = NULL, lease_until = NULL "
        "WHERE lease_owner = ANY(CAST(:owners AS text[]))",
        owners=list(owners),
    )


_SAVE = """
UPDATE link l SET
    zoho_id = o.zoho_id, ameise_key = o.ameise_key, ameise_base = o.ameise_base, zoho_base = o.zoho_base,
    written = o.written, gone_in_zoho = o.gone_in_zoho, asked = o.asked,
    lease_owner = NULL, lease_until = NULL,
    linked_at = CASE WHEN o.zoho_id IS NOT NULL AND o.ameise_key IS NOT NULL
                     THEN coalesce(l.linked_at, now()) END
FROM jsonb_to_recordset(CAST(:links AS jsonb)) AS o (
    id bigint, fence bigint, zoho_id text, ameise_key text, ameise_base jsonb, zoho_base jsonb, written jsonb,
    gone_in_zoho boolean, asked jsonb
)
WHERE l.id = o.id AND l.fence = o.fence AND l.lease_until > now()
"""


async def save(session: AsyncSession, links: Sequence[Link]) -> None:
    """Store links and end their leases. Raises LeaseLost.

    A link row that only waited for the other half of one saved here (a record and an object turned out to
    be the same thing), or whose record was deleted in Zoho, makes way for it. Raises sqlalchemy
    IntegrityError if another row stands in the way: two records claim one object.
    """
    documents = [
        {
            "id": link.id,
            "fence": link.fence,
            "zoho_id": link.zoho_id,
            "ameise_key": link.ameise_key,
            "ameise_base": link.ameise_base,
            "zoho_base": link.zoho_base,
            "written": dict(link.written),
            "gone_in_zoho": link.gone_in_zoho,
            "asked": dict(link.asked),
        }
        for link in links
    ]
    text = json.dumps(documents)
    if any(not link.linked for link in links):
        await run_sql(session, _MAKE_WAY, links=text)
    stored = await run_sql(session, _SAVE, links=text)
    if stored != len(links):
        raise LeaseLost(f"{len(links) - stored} of {len(links)} links")


_MAKE_WAY = """
DELETE FROM link other
USING jsonb_to_recordset(CAST(:links AS jsonb)) AS o (id bigint, zoho_id text, ameise_key text)
JOIN link mine ON mine.id = o.id
WHERE other.id <> mine.id AND (other.linked_at IS NULL OR other.gone_in_zoho)
  AND other.tenant = mine.tenant AND other.zoho_connection = mine.zoho_connection
  AND other.module = mine.module AND other.table_name = mine.table_name
  AND (other.lease_until IS NULL OR other.lease_until < now())
  AND (other.zoho_id = o.zoho_id OR other.ameise_key = o.ameise_key)
"""


async def zoho_ids_of(
    session: AsyncSession, pipeline: Pipeline, module: str, table: Table, keys: Sequence[str]
) -> dict[str, str]:
    """Ameise key → Zoho id of what is linked to a module of the same organisation and still there."""
    rows = await fetch_all(
        session,
        "SELECT ameise_key, zoho_id FROM link WHERE zoho_connection = :zoho_connection AND module = :module "
        "AND table_name = :table_name AND ameise_key = ANY(CAST(:keys AS text[])) AND zoho_id IS NOT NULL "
        "AND NOT gone_in_zoho",
        zoho_connection=pipeline.zoho_connection, module=module, table_name=table.value, keys=list(keys),
    )  # fmt: skip
    return {row["ameise_key"]: row["zoho_id"] for row in rows}


async def holder_of_key(session: AsyncSession, pipeline: Pipeline, key: str) -> str | None:
    """The Zoho record that an object of Ameise is linked to already."""
    return (await zoho_ids_of(session, pipeline, pipeline.module, pipeline.table, [key])).get(key)
