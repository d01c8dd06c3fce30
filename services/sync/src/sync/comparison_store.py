"""Queries of the comparisons: digests and contents of what was judged, links seen from outside, and work
that is parked without having been tried."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.cause import Cause
from chassis.database import fetch_all, run_sql
from contracts.names import Difference
from contracts.rpc.ingest import BucketDigest
from contracts.work import KeyVersion
from sync.dismissal import RECORD_SEEN
from sync.pipelines import Pipeline
from sync.retry import Park
from sync.values import Known
from sync.work_store import Lane, WorkDirection

# The same hashes as ingest's (contracts.rpc.ingest.BucketDigest), made in the same way. What an older
# definition judged is left out: its buckets differ.
_DIGEST = """
SELECT bucket, count(*) AS objects, lpad(to_hex(bit_xor(hash)), 16, '0') AS digest
FROM (
    SELECT left(md5(key), 3) COLLATE "C" AS bucket,
           CAST(CAST('x' || left(md5(key || ' ' || version || ' ' || (outcome = 'gone')), 16)
                AS bit(64)) AS bigint) AS hash
    FROM judged WHERE tenant = :tenant AND pipeline = :pipeline AND pipeline_version = :version OFFSET 0
) o
GROUP BY bucket
"""


async def digest(session: AsyncSession, pipeline: Pipeline) -> list[BucketDigest]:
    """What the pipeline has judged, in 4096 buckets."""
    rows = await fetch_all(
        session, _DIGEST, tenant=pipeline.tenant, pipeline=int(pipeline.id), version=pipeline.version
    )
    return [BucketDigest(**row) for row in rows]


@dataclass(frozen=True, slots=True)
class Judged:
    """What was judged last of one object; `current`: by the pipeline as it is defined now."""

    object: KeyVersion
    current: bool


async def judged_in(session: AsyncSession, pipeline: Pipeline, buckets: Sequence[str]) -> dict[str, Judged]:
    """Everything judged whose key falls into these buckets of 4096, by key."""
    rows = await fetch_all(
        session,
        "SELECT key, version, outcome = 'gone' AS gone, pipeline_version = :version AS current FROM judged "
        "WHERE tenant = :tenant AND pipeline = :pipeline "
        "AND left(md5(key), 3) = ANY(CAST(:buckets AS text[]))",
        tenant=pipeline.tenant, pipeline=int(pipeline.id), version=pipeline.version, buckets=list(buckets),
    )  # fmt: skip
    return {
        row["key"]: Judged(
            KeyVersion(key=row["key"], version=row["version"], gone=row["gone"]), row["current"]
        )
        for row in rows
    }


# What we wrote after the moment that the last delivery shows is still to come; and a record that is being
# looked at, or waits for a person, comes back by itself.
_VOID = """
SELECT j.key FROM judged j
LEFT JOIN link l ON l.tenant = j.tenant AND l.zoho_connection = :connection AND l.module = :module
    AND l.table_name = :table AND l.ameise_key = j.key
WHERE j.tenant = :tenant AND j.pipeline = :pipeline AND j.outcome = 'void'
  AND NOT EXISTS (SELECT FROM jsonb_each_text(l.written) w WHERE CAST(w.value AS timestamptz) > :as_of)
  AND NOT EXISTS (SELECT FROM work w WHERE w.tenant = j.tenant AND w.pipeline = j.pipeline
                  AND w.direction = 'to_ameise' AND w.object = l.zoho_id)
"""


async def void(session: AsyncSession, pipeline: Pipeline, as_of: datetime | None) -> list[str]:
    """Keys whose judgement is void and whose object, as of `as_of` in ingest, may be merged again."""
    if as_of is None:
        return []
    rows = await fetch_all(
        session, _VOID,
        tenant=pipeline.tenant, pipeline=int(pipeline.id), connection=pipeline.zoho_connection,
        module=pipeline.module, table=pipeline.table.value, as_of=as_of,
    )  # fmt: skip
    return [row["key"] for row in rows]


@dataclass(frozen=True, slots=True)
class OnTable:
    """A row of work that is there already; `seen`: as what its record was seen when it was parked
    (`zoho_changes.as_seen`), None if it was not read then."""

    parked: bool
    in_hand: bool
    seen: str | None = None


async def on_table(
    session: AsyncSession, pipeline: Pipeline, direction: WorkDirection, objects: Iterable[str]
) -> dict[str, OnTable]:
    """The rows of work about these objects."""
    rows = await fetch_all(
        session,
        "SELECT object, parked, coalesce(lease_until > now(), false) AS in_hand, "
        "details ->> :seen AS seen FROM work "
        "WHERE tenant = :tenant AND pipeline = :pipeline AND direction = :direction "
        "AND object = ANY(CAST(:objects AS text[]))",
        tenant=pipeline.tenant, pipeline=int(pipeline.id), direction=direction, objects=list(objects),
        seen=RECORD_SEEN,
    )  # fmt: skip
    return {row["object"]: OnTable(row["parked"], row["in_hand"], row["seen"]) for row in rows}


_PARK = """
INSERT INTO work (tenant, pipeline, direction, object, lane, correlationid, causationid, parked,
                  failing_since, cause, details, reason)
SELECT :tenant, :pipeline, 'to_ameise', o.object, :lane, CAST(:correlationid AS uuid),
       CAST(:causationid AS uuid), true, now(), o.cause, CAST(o.details AS jsonb), o.reason
FROM unnest(CAST(:objects AS text[]), CAST(:causes AS text[]), CAST(:details AS text[]),
            CAST(:reasons AS text[])) AS o (object, cause, details, reason)
ORDER BY o.object
ON CONFLICT (tenant, pipeline, direction, object) DO NOTHING
RETURNING object
"""


async def park_untried(
    session: AsyncSession, pipeline: Pipeline, parked: Mapping[str, Park], cause: Cause
) -> list[str]:
    """Park records for a person, by Zoho id; returns those that had no row of work yet. What is being worked
    on will find out by itself, and what is parked keeps the cause of whoever tried it."""
    if not parked:
        return []
    rows = await fetch_all(
        session, _PARK,
        tenant=pipeline.tenant, pipeline=int(pipeline.id), lane=Lane.WEBHOOK,
        correlationid=cause.correlationid, causationid=cause.causationid,
        objects=list(parked), causes=[park.cause.value for park in parked.values()],
        details=[json.dumps(dict(park.details)) for park in parked.values()],
        reasons=[park.reason for park in parked.values()],
    )  # fmt: skip
    return [row["object"] for row in rows]


@dataclass(frozen=True, slots=True)
class KnownLink:
    """A link as it is stored; `in_hand`: somebody is at work on it. `zoho_base` and `unread` as in
    `link_store.Link`."""

    zoho_id: str | None
    ameise_key: str | None
    zoho_base: Mapping[str, Known] | None
    gone_in_zoho: bool
    linked: bool
    in_hand: bool
    unread: Mapping[str, Any] | None = None


_LINKS = """
SELECT zoho_id, ameise_key, {bases}, gone_in_zoho, linked_at IS NOT NULL AS linked,
       coalesce(lease_until > now(), false) AS in_hand
FROM link WHERE tenant = :tenant AND zoho_connection = :connection AND module = :module
  AND table_name = :table AND {which}
"""


async def links_of_records(
    session: AsyncSession, pipeline: Pipeline, ids: Iterable[str]
) -> dict[str, KnownLink]:
    """Links by Zoho id, with their bases."""
    which = "zoho_id = ANY(CAST(:ids AS text[]))"
    found = await _links(session, pipeline, "zoho_base, unread", which, ids=list(ids))
    return {link.zoho_id: link for link in found if link.zoho_id}


async def links_of_objects(
    session: AsyncSession, pipeline: Pipeline, keys: Iterable[str]
) -> dict[str, KnownLink]:
    """Links by Ameise's key, without bases."""
    which = "ameise_key = ANY(CAST(:keys AS text[]))"
    found = await _links(session, pipeline, "NULL AS zoho_base", which, keys=list(keys))
    return {link.ameise_key: link for link in found if link.ameise_key}


_SEEN = """
UPDATE link l SET zoho_base = l.zoho_base || o.form, unread = NULL
FROM jsonb_to_recordset(CAST(:seen AS jsonb)) AS o (zoho_id text, unread jsonb, form jsonb)
WHERE l.tenant = :tenant AND l.zoho_connection = :connection AND l.module = :module
  AND l.zoho_id = o.zoho_id AND l.unread = o.unread AND (l.lease_until IS NULL OR l.lease_until < now())
"""


async def note_form(
    session: AsyncSession, pipeline: Pipeline, seen: Mapping[str, tuple[KnownLink, Mapping[str, Known]]]
) -> None:
    """Our own writes as Zoho keeps them, by Zoho id, become the base, as at any other look; but not of a link
    that somebody has in hand, or that was written again since."""
    documents = [
        {"zoho_id": zoho_id, "unread": link.unread, "form": form} for zoho_id, (link, form) in seen.items()
    ]
    if documents:
        await run_sql(
            session, _SEEN, seen=json.dumps(documents),
            tenant=pipeline.tenant, connection=pipeline.zoho_connection, module=pipeline.module,
        )  # fmt: skip


async def linked_between(
    session: AsyncSession, pipeline: Pipeline, after: str, upto: str | None
) -> dict[str, KnownLink]:
    """Links of records whose id lies behind `after`, up to `upto` (None: to the end), without bases.

    An organisation's ids are all of one length, so that texts compare like numbers.
    """
    which = (
        "linked_at IS NOT NULL AND NOT gone_in_zoho AND zoho_id > :after "
        "AND (CAST(:upto AS text) IS NULL OR (zoho_id <= :upto AND length(zoho_id) = length(:upto)))"
    )
    found = await _links(session, pipeline, "NULL AS zoho_base", which, after=after, upto=upto)
    return {link.zoho_id: link for link in found if link.zoho_id}


async def _links(
    session: AsyncSession, pipeline: Pipeline, bases: str, which: str, **parameters: Any
) -> list[KnownLink]:
    rows = await fetch_all(
        session, _LINKS.format(bases=bases, which=which),
        tenant=pipeline.tenant, connection=pipeline.zoho_connection, module=pipeline.module,
        table=pipeline.table.value, **parameters,
    )  # fmt: skip
    return [KnownLink(**row) for row in rows]


async def mark_gone(session: AsyncSession, pipeline: Pipeline, ids: Sequence[str]) -> dict[str, str | None]:
    """Mark the links of records that were deleted in Zoho; Zoho id → Ameise's key of those newly marked.
    A link that somebody has in hand is left to him, as he reads the record anyway."""
    rows = await fetch_all(
        session,
        "UPDATE link SET gone_in_zoho = true WHERE id IN (SELECT id FROM link WHERE tenant = :tenant "
        "AND zoho_connection = :connection AND module = :module AND zoho_id = ANY(CAST(:ids AS text[])) "
        "AND NOT gone_in_zoho AND (lease_until IS NULL OR lease_until < now()) "
        "ORDER BY id FOR UPDATE SKIP LOCKED) RETURNING zoho_id, ameise_key",
        tenant=pipeline.tenant, connection=pipeline.zoho_connection, module=pipeline.module, ids=list(ids),
    )  # fmt: skip
    return {row["zoho_id"]: row["ameise_key"] for row in rows}


@dataclass(frozen=True, slots=True)
class Position:
    """How far Zoho's changes were read; `now` is PostgreSQL's clock, by which positions are kept."""

    changed_since: datetime
    links_after: str
    now: datetime


async def position(session: AsyncSession, pipeline: Pipeline) -> Position:
    """The module's position; a new one begins where the reconciliation of the connection was first due, or
    where the pipeline was made, if that was later."""
    await run_sql(
        session,
        "INSERT INTO zoho_position (tenant, zoho_connection, module, changed_since) "
        "SELECT :tenant, CAST(CAST(:connection AS text) AS uuid), :module, coalesce(("
        "SELECT greatest(f.made_at, p.made_at) FROM flow f JOIN pipeline p ON p.tenant = f.tenant "
        "WHERE f.tenant = :tenant AND f.name = 'reconciliation' AND f.thing = CAST(:connection AS text) "
        "AND p.id = :pipeline), now()) "
        "ON CONFLICT DO NOTHING",
        tenant=pipeline.tenant, connection=pipeline.zoho_connection, module=pipeline.module,
        pipeline=int(pipeline.id),
    )  # fmt: skip
    [row] = await fetch_all(
        session,
        "SELECT changed_since, links_after, now() AS now FROM zoho_position WHERE tenant = :tenant "
        "AND zoho_connection = CAST(:connection AS uuid) AND module = :module",
        tenant=pipeline.tenant, connection=pipeline.zoho_connection, module=pipeline.module,
    )  # fmt: skip
    return Position(**row)


async def move(
    session: AsyncSession, pipeline: Pipeline, *, since: datetime | None = None, links: str | None = None
) -> None:
    """Go on from here next time; what is None stays."""
    await run_sql(
        session,
        "UPDATE zoho_position SET changed_since = coalesce(CAST(:since AS timestamptz), changed_since), "
        "links_after = coalesce(CAST(:links AS text), links_after) WHERE tenant = :tenant "
        "AND zoho_connection = CAST(:connection AS uuid) AND module = :module",
        tenant=pipeline.tenant, connection=pipeline.zoho_connection, module=pipeline.module, since=since,
        links=links,
    )  # fmt: skip


def standing(row: OnTable | None, *, again: Difference) -> Difference:
    """What a difference counts as, when there may be work on it already."""
    if row is None:
        return again
    return Difference.PARKED if row.parked else Difference.WAITING
