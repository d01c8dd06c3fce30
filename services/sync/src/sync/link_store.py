"""Queries on links: which object of Ameise and which Zoho record are the same thing.

A link row exists before any work on its record or object begins, and is leased while the work runs, so
that a record has one writer, whichever direction the work came from.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from pydantic_core import to_json
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import Where, fetch_all, run_sql
from chassis.leases import LeaseLost
from contracts.names import Table
from sync.conflicts import Question, Questions
from sync.pipelines import Pipeline
from sync.values import Known
from sync.work_store import Work


@dataclass(frozen=True, slots=True)
class Link:
    """A leased link. A base is None before that side was first read.

    `unread`: what we wrote to Zoho and have not read back yet (`sync.recognising`). `own_write`: Zoho's
    moment (`at`) and author of our last write. `deleted_by_us`: we deleted the record, or tried to.
    """

    id: int
    fence: int
    zoho_id: str | None
    ameise_key: str | None
    ameise_base: Mapping[str, Known] | None
    zoho_base: Mapping[str, Known] | None
    written: Mapping[str, str]
    gone_in_zoho: bool
    linked: bool
    unread: Mapping[str, Any] | None = None
    asked: Questions = field(default_factory=dict[str, Question])
    own_write: Mapping[str, str] | None = None
    deleted_by_us: bool = False

    def with_bases(self, *, ameise: Mapping[str, Known], zoho: Mapping[str, Known], **more: Any) -> "Link":
        """The link with the given fields' bases moved, other fields keep theirs; `more` is set as it is."""
        return replace(
            self,
            **more,
            ameise_base={**(self.ameise_base or {}), **ameise},
            zoho_base={**(self.zoho_base or {}), **zoho},
        )

    def belonging_to(self, ameise_key: str) -> "Link":
        """The link to this object, of a record that is in Zoho."""
        return replace(self, ameise_key=ameise_key, gone_in_zoho=False)

    def new_in_ameise(self, ameise: Mapping[str, Known]) -> list[str]:
        """The fields that had another base in Ameise before, or none."""
        before = self.ameise_base or {}
        return [name for name, value in ameise.items() if name not in before or before[name] != value]

    def having_seen(self, fields: Sequence[str]) -> "Link":
        """The link that remembers when we wrote these fields to Ameise, or saw them new there: now."""
        now = datetime.now(UTC).isoformat()
        return replace(self, written={**self.written, **dict.fromkeys(fields, now)})

    def written_after(self, as_of: datetime) -> set[str]:
        """The Ameise fields that we wrote, or saw new there, after the moment that a delivery shows."""
        return {name for name, at in self.written.items() if datetime.fromisoformat(at) > as_of}


_COLUMNS = """id, fence, zoho_id, ameise_key, ameise_base, zoho_base, written, gone_in_zoho, unread, asked,
own_write, deleted_at IS NOT NULL AS deleted_by_us, linked_at IS NOT NULL AS linked"""

# By ON CONFLICT, which always goes along the index that it names: a plan of an UPDATE, made while there were
# few links or no statistics, walks through all links of the tenant, a hundred thousand for a hundred.
_LEASE_BY = """
INSERT INTO link AS l (tenant, zoho_connection, module, ameise_connection, table_name, {column},
                       lease_owner, lease_until, fence)
SELECT :tenant, :zoho_connection, :module, :ameise_connection, :table_name, wanted.id,
       :owner, now() + make_interval(secs => :seconds), 1
FROM unnest(CAST(:ids AS text[])) AS wanted (id)
ON CONFLICT (tenant, zoho_connection, module, {key}) DO UPDATE SET
    lease_owner = excluded.lease_owner, lease_until = excluded.lease_until, fence = l.fence + 1
WHERE l.table_name = excluded.table_name AND (l.lease_until IS NULL OR l.lease_until < now())
RETURNING {columns}
"""

_LEASE = {
    column: _LEASE_BY.format(column=column, key=key, columns=_COLUMNS)
    for column, key in (("zoho_id", "zoho_id"), ("ameise_key", "table_name, ameise_key"))
}


# Joined id by id, so that PostgreSQL goes along the unique index of that very column, with and without
# statistics: asked by `= ANY`, it may walk through all links of the module along the other one.
_WANTED = """
unnest(CAST(:ids AS text[])) AS wanted (id) JOIN link l
ON l.zoho_connection = :zoho_connection AND l.module = :module AND l.table_name = :table_name
AND l.{column} = wanted.id
"""


async def lease_by_zoho_ids(
    session: Where, pipeline: Pipeline, zoho_ids: Sequence[str], *, owner: str, lasting: timedelta
) -> dict[str, Link]:
    """Links by Zoho id, made where missing. One that somebody else holds is left out."""
    links = await _lease(session, pipeline, "zoho_id", zoho_ids, owner, lasting)
    return {link.zoho_id: link for link in links if link.zoho_id is not None}


async def lease_by_keys(
    session: Where, pipeline: Pipeline, keys: Sequence[str], *, owner: str, lasting: timedelta
) -> dict[str, Link]:
    """Links by Ameise's key, made where missing. One that somebody else holds is left out."""
    links = await _lease(session, pipeline, "ameise_key", keys, owner, lasting)
    return {link.ameise_key: link for link in links if link.ameise_key is not None}


async def _lease(
    session: Where, pipeline: Pipeline, column: str, ids: Sequence[str], owner: str, lasting: timedelta
) -> list[Link]:
    rows = await fetch_all(
        session, _LEASE[column],
        tenant=pipeline.tenant, ameise_connection=pipeline.ameise_connection,
        # In one order, so that two that overlap cannot wait for each other in a circle.
        ids=sorted(set(ids)), owner=owner, seconds=lasting.total_seconds(), **_place(pipeline),
    )  # fmt: skip
    return [_link(row) for row in rows]


def _place(pipeline: Pipeline) -> dict[str, Any]:
    return {
        "zoho_connection": pipeline.zoho_connection,
        "module": pipeline.module,
        "table_name": pipeline.table.value,
    }


def _link(row: dict[str, Any]) -> Link:
    return Link(**row)


_FOUND = {
    column: f"SELECT {_COLUMNS} FROM link WHERE id IN (SELECT l.id FROM {_WANTED.format(column=column)})"  # noqa: S608
    for column in _LEASE
}


async def of_keys(session: AsyncSession, pipeline: Pipeline, keys: Sequence[str]) -> dict[str, Link]:
    """Links by Ameise's key, to look at: they are not leased."""
    rows = await fetch_all(session, _FOUND["ameise_key"], ids=list(keys), **_place(pipeline))
    return {row["ameise_key"]: _link(row) for row in rows}


async def of_record(session: AsyncSession, pipeline: Pipeline, zoho_id: str) -> Link | None:
    """A record's link, to look at: it is not leased."""
    rows = await fetch_all(session, _FOUND["zoho_id"], ids=[zoho_id], **_place(pipeline))
    return _link(rows[0]) if rows else None


async def some_records(session: AsyncSession, pipeline: Pipeline, *, count: int) -> list[str]:
    """Zoho ids of linked records, at random."""
    rows = await fetch_all(
        session,
        "SELECT zoho_id FROM link WHERE zoho_connection = :zoho_connection AND module = :module "
        "AND table_name = :table_name AND linked_at IS NOT NULL AND NOT gone_in_zoho "
        "ORDER BY random() LIMIT :count",
        count=count, **_place(pipeline),
    )  # fmt: skip
    return [row["zoho_id"] for row in rows]


async def check(session: AsyncSession, links: Sequence[Link]) -> None:
    """Lock the links and make sure that we still hold them. Raises LeaseLost."""
    rows = await fetch_all(
        session,
        "SELECT id, fence FROM link WHERE id = ANY(CAST(:ids AS bigint[])) AND lease_until > now() "
        "ORDER BY id FOR UPDATE",
        ids=[link.id for link in links],
    )
    held = {(row["id"], row["fence"]) for row in rows}
    lost = sum((link.id, link.fence) not in held for link in links)
    if lost:
        raise LeaseLost(f"{lost} of {len(links)} links")


_BOTH_HELD = """
SELECT
    (SELECT count(*) FROM unnest(CAST(:works AS bigint[]), CAST(:work_fences AS bigint[])) AS o (id, fence)
     CROSS JOIN LATERAL (
        SELECT FROM work WHERE id = o.id AND fence = o.fence AND lease_until > now() OFFSET 0) held) AS works,
    (SELECT count(*) FROM unnest(CAST(:links AS bigint[]), CAST(:link_fences AS bigint[])) AS o (id, fence)
     CROSS JOIN LATERAL (
        SELECT FROM link WHERE id = o.id AND fence = o.fence AND lease_until > now() OFFSET 0) held) AS links
"""


async def check_held(session: Where, works: Sequence[Work], links: Sequence[Link]) -> None:
    """Make sure that we still hold both, right before an outside call. Raises LeaseLost.

    Nothing is locked, since a lock would end with the transaction, before the call begins.
    """
    [held] = await fetch_all(
        session, _BOTH_HELD,
        works=[w.id for w in works], work_fences=[w.fence for w in works],
        links=[link.id for link in links], link_fences=[link.fence for link in links],
    )  # fmt: skip
    lost = len(works) - held["works"], len(links) - held["links"]
    if any(lost):
        raise LeaseLost(f"{lost[0]} of {len(works)} rows of work, {lost[1]} of {len(links)} links")


async def give_back(session: AsyncSession, links: Sequence[Link]) -> None:
    """End the leases that are still ours."""
    if not links:
        return
    await run_sql(
        session,
        "UPDATE link l SET lease_owner = NULL, lease_until = NULL "
        "FROM unnest(CAST(:ids AS bigint[]), CAST(:fences AS bigint[])) AS o (id, fence) "
        "WHERE l.id = o.id AND l.fence = o.fence AND l.id = ANY(CAST(:ids AS bigint[]))",
        ids=[link.id for link in links], fences=[link.fence for link in links],
    )  # fmt: skip


# Found by what the work is about: an index on `lease_owner` would have to be kept with each lease that is
# taken and given back, and keep PostgreSQL from changing a link within its page (HOT).
_FOR_WORK = """
SELECT found.id FROM work w JOIN pipeline p ON p.tenant = w.tenant AND p.id = w.pipeline
CROSS JOIN LATERAL (
    SELECT id FROM link l WHERE l.tenant = w.tenant AND l.zoho_connection = p.zoho_connection
      AND l.module = p.module AND l.zoho_id = w.object AND w.direction = 'to_ameise'
    UNION ALL
    SELECT id FROM link l WHERE l.tenant = w.tenant AND l.zoho_connection = p.zoho_connection
      AND l.module = p.module AND l.table_name = p.table_name AND l.ameise_key = w.object
      AND w.direction <> 'to_ameise'
) AS found
WHERE w.id = ANY(CAST(:ids AS bigint[]))
"""

_EXTEND = f"""
UPDATE link SET lease_until = now() + make_interval(secs => :seconds) WHERE id IN (
    SELECT id FROM link WHERE id IN ({_FOR_WORK})
      AND lease_owner = ANY(CAST(:owners AS text[])) AND lease_until > now()
    FOR UPDATE SKIP LOCKED
)
"""  # noqa: S608 (a constant)


async def extend(session: AsyncSession, works: Sequence[Work], *, lasting: timedelta) -> None:
    """Hold on to the links that are leased for this work, as `work_store.extend` does to its rows."""
    await run_sql(
        session, _EXTEND,
        ids=[work.id for work in works], owners=[work.owner for work in works],
        seconds=lasting.total_seconds(),
    )  # fmt: skip


async def give_back_all(session: AsyncSession, works: Sequence[Work]) -> None:
    """End the leases of links for this work."""
    await run_sql(
        session,
        f"UPDATE link SET lease_owner = NULL, lease_until = NULL WHERE id IN ({_FOR_WORK}) "  # noqa: S608
        "AND lease_owner = ANY(CAST(:owners AS text[]))",
        ids=[work.id for work in works], owners=[work.owner for work in works],
    )  # fmt: skip


# By ON CONFLICT for the same reason as in `_LEASE_BY`; what would be inserted was not ours any more.
_SAVE_ANYHOW = """
INSERT INTO link AS l (id, tenant, zoho_connection, module, ameise_connection, table_name, fence,
    zoho_id, ameise_key, ameise_base, zoho_base, written, gone_in_zoho, unread, asked, own_write)
OVERRIDING SYSTEM VALUE
SELECT o.id, app_tenant(), CAST(:nobody AS uuid), '', CAST(:nobody AS uuid), '', o.fence,
    o.zoho_id, o.ameise_key, o.ameise_base, o.zoho_base, o.written, o.gone_in_zoho, o.unread, o.asked,
    o.own_write
FROM jsonb_to_recordset(CAST(:links AS jsonb)) AS o (
    id bigint, fence bigint, zoho_id text, ameise_key text, ameise_base jsonb, zoho_base jsonb, written jsonb,
    gone_in_zoho boolean, unread jsonb, asked jsonb, own_write jsonb
)
ON CONFLICT (id) DO UPDATE SET
    zoho_id = excluded.zoho_id, ameise_key = excluded.ameise_key, ameise_base = excluded.ameise_base,
    zoho_base = excluded.zoho_base, written = excluded.written, gone_in_zoho = excluded.gone_in_zoho,
    unread = excluded.unread, asked = excluded.asked, own_write = excluded.own_write,
    deleted_at = CASE WHEN excluded.gone_in_zoho THEN l.deleted_at END,
    lease_owner = NULL, lease_until = NULL,
    linked_at = CASE WHEN excluded.zoho_id IS NOT NULL AND excluded.ameise_key IS NOT NULL
                     THEN coalesce(l.linked_at, now()) END
WHERE l.fence = excluded.fence AND l.lease_until > now() {ids_stay}
RETURNING l.id, l.xmax = 0 AS inserted
"""

_SAVE = {
    True: _SAVE_ANYHOW.format(
        ids_stay="AND (l.zoho_id, l.ameise_key) = (excluded.zoho_id, excluded.ameise_key)"
    ),
    False: _SAVE_ANYHOW.format(ids_stay=""),
}
"""By whether only those are saved that belong to the same record and object as before."""


NOBODY = "00000000-0000-0000-0000-000000000000"


async def save(session: AsyncSession, links: Sequence[Link]) -> None:
    """Store links and end their leases. Raises LeaseLost.

    A link row that only waited for the other half of one saved here (a record and an object turned out to
    be the same thing), or whose record was deleted in Zoho, makes way for it. Raises sqlalchemy
    IntegrityError if another row stands in the way: two records claim one object.
    """
    # Nothing can be in the way of those that belong together as before, by far the most.
    saved = await _save(session, [link for link in links if link.linked], ids_stay=True)
    others = [link for link in links if link.id not in saved]
    if not others:
        return
    try:
        async with session.begin_nested():
            saved = await _save(session, others, ids_stay=False)
    except IntegrityError:
        await run_sql(session, _MAKE_WAY, links=_documents(others))
        saved = await _save(session, others, ids_stay=False)
    if lost := sum(link.id not in saved for link in others):
        raise LeaseLost(f"{lost} of {len(links)} links")


async def _save(session: AsyncSession, links: Sequence[Link], *, ids_stay: bool) -> set[int]:
    """The ids of those that were saved."""
    if not links:
        return set()
    rows = await fetch_all(session, _SAVE[ids_stay], links=_documents(links), nobody=NOBODY)
    if any(row["inserted"] for row in rows):
        raise LeaseLost("a link is gone")
    return {row["id"] for row in rows}


def _documents(links: Sequence[Link]) -> str:
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
            "unread": link.unread,
            "asked": dict(link.asked),
            "own_write": own_write(link.unread) or link.own_write,
        }
        for link in links
    ]
    return to_json(documents).decode()


def own_write(unread: Mapping[str, Any] | None) -> Mapping[str, str] | None:
    """What stays of what a link remembers of our write (`sync.recognising.unread`) once it is read."""
    return {"at": unread["until"], "author": unread["author"]} if unread else None


async def is_taken(session: AsyncSession, pipeline: Pipeline, link: Link) -> bool:
    """Whether the link's record or object is linked to something else; else whatever stood in its way was
    only its own other half, in somebody's hand at this moment."""
    rows = await fetch_all(
        session,
        "SELECT 1 FROM link WHERE zoho_connection = :zoho_connection AND module = :module "
        "AND table_name = :table_name AND id <> :id AND linked_at IS NOT NULL AND NOT gone_in_zoho "
        "AND (zoho_id = :zoho_id OR ameise_key = :ameise_key) LIMIT 1",
        id=link.id, zoho_id=link.zoho_id, ameise_key=link.ameise_key, **_place(pipeline),
    )  # fmt: skip
    return bool(rows)


def is_in_the_way(error: DBAPIError) -> bool:
    """Whether a link could not be saved because of another one: two records claim one object, or both halves
    of one link are saved at this moment, each waiting for the other."""
    return isinstance(error, IntegrityError) or isinstance(error.orig, psycopg.errors.DeadlockDetected)


async def remember_sent(session: AsyncSession, links: Sequence[Link]) -> None:
    """Store what is about to be sent to Zoho, as the bases of links that have no record yet.

    If the answer gets lost, the record is met again: what differs from these was changed by somebody since,
    unless it is a record that was there before: `own_write` has the moment, as yet without Zoho's author.
    What the first of several tries sent stays: an older value of ours must not look like an edit.
    """
    documents = [
        {"id": link.id, "fence": link.fence, "ameise": link.ameise_base, "zoho": link.zoho_base}
        for link in links
    ]
    await run_sql(
        session,
        "UPDATE link l SET ameise_base = o.ameise, zoho_base = o.zoho, "
        "own_write = jsonb_build_object('at', clock_timestamp(), 'author', '') "
        "FROM jsonb_to_recordset(CAST(:links AS jsonb)) "
        "AS o (id bigint, fence bigint, ameise jsonb, zoho jsonb) "
        "WHERE l.id = o.id AND l.fence = o.fence AND l.zoho_base IS NULL",
        links=json.dumps(documents),
    )


async def sent_for(session: AsyncSession, pipeline: Pipeline, key: str) -> Link | None:
    """The link of an object whose record was sent to Zoho, but not heard of again."""
    rows = await fetch_all(
        session,
        f"SELECT {_COLUMNS} FROM link WHERE zoho_connection = :zoho_connection AND module = :module "  # noqa: S608
        "AND table_name = :table_name AND ameise_key = :key AND zoho_id IS NULL AND zoho_base IS NOT NULL",
        key=key, **_place(pipeline),
    )  # fmt: skip
    return _link(rows[0]) if rows else None


_MAKE_WAY = """
WITH o AS (
    SELECT mine.id, mine.tenant, mine.zoho_connection, mine.module, mine.table_name, o.zoho_id, o.ameise_key
    FROM jsonb_to_recordset(CAST(:links AS jsonb)) AS o (id bigint, zoho_id text, ameise_key text)
    JOIN link mine ON mine.id = o.id
)
, in_the_way AS ( -- one question per unique index: with OR, or by more
    -- columns than the index has, PostgreSQL without statistics walks through all links
    SELECT other.id FROM o JOIN link other USING (tenant, zoho_connection, module, zoho_id)
    WHERE other.id <> o.id
    UNION
    SELECT other.id FROM o JOIN link other USING (tenant, zoho_connection, module, table_name, ameise_key)
    WHERE other.id <> o.id
)
DELETE FROM link other WHERE id IN (SELECT id FROM in_the_way)
  AND (other.linked_at IS NULL OR other.gone_in_zoho)
  AND (other.lease_until IS NULL OR other.lease_until < now())
"""


_ZOHO_IDS = f"""
SELECT l.ameise_key, l.zoho_id FROM {_WANTED.format(column="ameise_key")}
AND l.zoho_id IS NOT NULL AND NOT l.gone_in_zoho
"""  # noqa: S608 (a constant)


async def zoho_ids_of(
    session: Where, pipeline: Pipeline, module: str, table: Table, keys: Sequence[str]
) -> dict[str, str]:
    """Ameise key → Zoho id of what is linked to a module of the same organisation and still there."""
    rows = await fetch_all(
        session,
        _ZOHO_IDS,
        zoho_connection=pipeline.zoho_connection, module=module, table_name=table.value, ids=list(keys),
    )  # fmt: skip
    return {row["ameise_key"]: row["zoho_id"] for row in rows}


async def holder_of_key(session: AsyncSession, pipeline: Pipeline, key: str) -> str | None:
    """The Zoho record that an object of Ameise is linked to already."""
    return (await zoho_ids_of(session, pipeline, pipeline.module, pipeline.table, [key])).get(key)
