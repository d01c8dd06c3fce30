"""What people can ask of sync about conflicts that it may not decide: look at them, and decide one."""

from dataclasses import dataclass
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from ameise.links import DeepLinks
from chassis.database import Database, fetch_all, run_sql
from chassis.outbox import Outbox
from chassis.rpc import Caller
from contracts.events import ConflictDecided, ObjectAction, ObjectChange
from contracts.ids import AmeiseKey, PipelineId, ZohoId
from contracts.problems import Conflict, NotFound
from contracts.rpc import Empty
from contracts.rpc.sync_pipelines import DecideConflict, ListConflicts, OpenConflict, OpenConflicts
from sync import pipeline_store, work_store
from sync.deep_links import deep_link
from sync.work_store import Lane

# Links of which nothing is asked are passed by: the index `link_asked` holds the others.
_OPEN = """
SELECT l.id AS link, p.id AS pipeline, p.table_name, l.ameise_key AS key, l.zoho_id,
       q.key AS field, q.value AS question
FROM link l
JOIN pipeline p ON p.zoho_connection = l.zoho_connection AND p.table_name = l.table_name
    AND p.module = l.module
CROSS JOIN LATERAL jsonb_each(l.asked) q
WHERE l.asked <> '{}' AND q.value ->> 'decision' IS NULL AND l.zoho_id IS NOT NULL
  AND l.ameise_key IS NOT NULL AND (CAST(:pipeline AS integer) IS NULL OR p.id = :pipeline)
  AND (CAST(:since AS text) IS NULL OR (q.value ->> 'since', l.id, q.key) > (:since, :link, :field))
ORDER BY q.value ->> 'since', l.id, q.key LIMIT :limit
"""

_DECIDE = """
UPDATE link SET asked = asked || (
    SELECT jsonb_object_agg(q.key, q.value || jsonb_build_object('decision', CAST(:winner AS text)))
    FROM jsonb_each(asked) q WHERE q.key = ANY(CAST(:fields AS text[])))
WHERE id = :link AND jsonb_exists_all(asked, CAST(:fields AS text[]))
  AND (lease_until IS NULL OR lease_until < now())
"""


@dataclass(frozen=True, slots=True)
class ConflictAdmin:
    """One method per RPC."""

    database: Database
    outbox: Outbox
    links: DeepLinks

    async def list_open(self, request: ListConflicts, caller: Caller) -> OpenConflicts:
        """Those that nobody has decided, the oldest first."""
        number = int(request.pipeline) if request.pipeline is not None else None
        async with self.database.tenant(caller.tenant) as session:
            rows = await fetch_all(
                session, _OPEN, pipeline=number, limit=request.limit + 1, **_position(request.after)
            )
        conflicts = tuple(_conflict(row, self.links) for row in rows[: request.limit])
        return OpenConflicts(
            conflicts=conflicts,
            next_page=_page_after(rows[request.limit - 1]) if len(rows) > request.limit else None,
        )

    async def decide(self, request: DecideConflict, caller: Caller) -> Empty:
        """Store the decision, and have the record looked at right away.

        Of `also`, fields that nobody is asked about any more are passed by. Raises NotFound if that holds
        for all, Conflict while the link is in hand.
        """
        async with self.database.tenant(caller.tenant) as session:
            asked = await _asked_link(session, request.link)
            wanted = dict.fromkeys((request.field, *request.also))
            fields = [name for name in wanted if asked is not None and name in asked["asked"]]
            pipeline = await pipeline_store.of_link(session, request.link)
            if asked is None or pipeline is None or not fields:
                raise NotFound(
                    f"für das Feld {request.field} ist auf dieser Verknüpfung nichts zu entscheiden"
                )
            decided = await run_sql(
                session, _DECIDE, link=request.link, fields=fields, winner=request.winner.value
            )
            if not decided:
                raise Conflict(
                    "der Datensatz wird gerade abgeglichen", remedy="bitte gleich noch einmal versuchen"
                )
            zoho_id = ZohoId(asked["zoho_id"])
            change = ObjectChange(
                table=pipeline.table,
                key=AmeiseKey(asked["ameise_key"]),
                action=ObjectAction.UNCHANGED,
                fields=tuple(fields),
            )
            told = ConflictDecided(
                pipeline=pipeline.id,
                module=pipeline.module,
                zoho_id=zoho_id,
                object=change,
                reason=f"es gilt {request.winner.value.capitalize()}",
            )
            await self.outbox.tell(session, caller.cause, told)
            await work_store.intake(
                session,
                caller.tenant,
                pipeline=pipeline.id,
                direction="to_ameise",
                lane=Lane.INTERACTIVE,
                objects={zoho_id: caller.cause},
            )
        return Empty()


def _page_after(row: dict[str, Any]) -> str:
    """The position of a row in the list, as the caller gives it back."""
    return f"{row['question']['since']}~{row['link']}~{row['field']}"


def _position(page: str | None) -> dict[str, str | int | None]:
    since, link, field = page.split("~") if page else (None, "0", None)
    return {"since": since, "link": int(link), "field": field}


async def _asked_link(session: AsyncSession, link: int) -> dict[str, Any] | None:
    rows = await fetch_all(
        session,
        "SELECT ameise_key, zoho_id, asked FROM link WHERE id = :link "
        "AND ameise_key IS NOT NULL AND zoho_id IS NOT NULL",
        link=link,
    )
    return rows[0] if rows else None


def _conflict(row: dict[str, Any], links: DeepLinks) -> OpenConflict:
    question = row["question"]
    return OpenConflict(
        link=row["link"],
        pipeline=PipelineId(str(row["pipeline"])),
        key=row["key"],
        zoho_id=ZohoId(row["zoho_id"]),
        field=row["field"],
        ameise=question["ameise"],
        zoho=question["zoho"],
        since=question["since"],
        readable=question.get("readable", True),
        ameise_link=deep_link(links, row["table_name"], row["key"]),
    )
