# ruff: noqa: S608 (names are ours)
"""Queries on all that sync holds about one Kunde: found once, to be erased or to be told.

His Verträge are found by their links, whose base of Ameise says whose they are, and by intents before that.
"""

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import fetch_all, run_sql
from contracts.ids import Kundennummer
from sync.work_store import channel


@dataclass(frozen=True, slots=True)
class Traces:
    """Ids of rows that are about him or his Verträge, by table; `zoho_ids` of his records."""

    kunde: Kundennummer
    zoho_ids: tuple[str, ...]
    vertrag_keys: tuple[str, ...]
    links: tuple[int, ...]
    work: tuple[int, ...]
    intents: tuple[str, ...]
    judged: tuple[tuple[int, str], ...]
    parked_messages: tuple[str, ...]
    in_hand: bool

    @property
    def found(self) -> bool:
        """Whether anything is held."""
        return any((self.links, self.work, self.intents, self.judged, self.parked_messages))


_LINKS = """
SELECT id, table_name, zoho_id, ameise_key, coalesce(lease_until > now(), false) AS in_hand FROM link
WHERE (table_name = 'kunde' AND ameise_key = :kunde)
   OR (table_name = 'kunde' AND ameise_key IS NULL AND zoho_id IN
       (SELECT zoho_id FROM intent WHERE table_name = 'kunde' AND ameise_key = :kunde))
   OR (table_name = 'vertrag' AND (zoho_id, module) IN
       (SELECT zoho_id, module FROM intent WHERE kunde = :kunde))
   OR (table_name = 'vertrag' AND :kunde = ANY(
       SELECT ameise_base ->> of_kunde FROM unnest(CAST(:of_kunde AS text[])) AS of_kunde))
ORDER BY id FOR UPDATE
"""

# Under which names the pipelines keep whose a Vertrag is.
_OF_KUNDE = """
SELECT DISTINCT m ->> 'ameise' AS name
FROM pipeline p CROSS JOIN LATERAL jsonb_array_elements(p.definition -> 'fields') m
WHERE p.table_name = 'vertrag' AND (m ->> 'ameise' = 'kunde_id' OR m -> 'parts' ? 'kunde_id')
"""

_WORK = """
SELECT w.id, coalesce(w.lease_until > now(), false) AS in_hand
FROM work w LEFT JOIN pipeline p ON p.id = w.pipeline
WHERE (w.direction = 'to_ameise' AND w.object = ANY(CAST(:zoho_ids AS text[])))
   OR (w.parked AND w.details ->> 'record' = ANY(CAST(:zoho_ids AS text[]))) -- a Vertrag that waits for him
   OR (w.direction IN ('to_zoho', 'deletion') AND p.table_name = 'kunde' AND w.object = :kunde)
   OR (w.direction IN ('to_zoho', 'deletion') AND p.table_name = 'vertrag' AND (
       w.object = ANY(CAST(:vertrag_keys AS text[])) OR w.reason ~ :named)) -- it waits for him
ORDER BY w.object FOR UPDATE OF w
"""

_JUDGED = """
SELECT j.pipeline, j.key FROM judged j JOIN pipeline p ON p.id = j.pipeline
WHERE (p.table_name = 'kunde' AND j.key = :kunde)
   OR (p.table_name = 'vertrag' AND j.key = ANY(CAST(:vertrag_keys AS text[])))
"""


_WHOSE = "coalesce(kunde, ameise_key)"
"""Of an intent: a Vertrag says whose it is, a Kunde is himself."""


async def find(session: AsyncSession, kunde: Kundennummer) -> Traces:
    """Everything, with work and links locked until the transaction ends."""
    # Once without the locks, since work is locked before links everywhere.
    of_kunde = [row["name"] for row in await fetch_all(session, _OF_KUNDE)]
    links = await fetch_all(session, _LINKS.replace("FOR UPDATE", ""), kunde=kunde, of_kunde=of_kunde)
    intents = await fetch_all(
        session,
        f"SELECT CAST(id AS text) AS id, table_name, zoho_id, ameise_key FROM intent WHERE {_WHOSE} = :kunde "
        "OR (table_name = 'kunde' AND zoho_id = ANY(CAST(:zoho_ids AS text[])))",
        kunde=kunde,
        zoho_ids=[row["zoho_id"] for row in links if row["table_name"] == "kunde" and row["zoho_id"]],
    )
    his = [*links, *intents]
    zoho_ids = sorted({row["zoho_id"] for row in his if row["zoho_id"]})
    vertrag_keys = sorted(
        {row["ameise_key"] for row in his if row["table_name"] == "vertrag" and row["ameise_key"]}
    )
    about = {"kunde": kunde, "vertrag_keys": vertrag_keys}
    work = await fetch_all(session, _WORK, zoho_ids=zoho_ids, named=naming([kunde]), **about)
    links = await fetch_all(session, _LINKS, kunde=kunde, of_kunde=of_kunde)
    judged = await fetch_all(session, _JUDGED, **about)
    messages = await fetch_all(session, "SELECT CAST(id AS text) AS id, subject, body FROM parked_message")
    ids = [kunde, *zoho_ids, *vertrag_keys]
    return Traces(
        kunde=kunde,
        zoho_ids=tuple(zoho_ids),
        vertrag_keys=tuple(vertrag_keys),
        links=tuple(row["id"] for row in links),
        work=tuple(row["id"] for row in work),
        intents=tuple(row["id"] for row in intents),
        judged=tuple((row["pipeline"], row["key"]) for row in judged),
        parked_messages=tuple(row["id"] for row in messages if mentions(row["subject"], row["body"], ids)),
        in_hand=any(row["in_hand"] for row in [*work, *links]),
    )


KEYS_AT_ONCE = 50_000


async def linked_kunden(session: AsyncSession, *, after: int) -> list[tuple[int, str]]:
    """(id of the link, Kundennummer) of the next links of Kunden after one, in the order of ids."""
    rows = await fetch_all(
        session,
        "SELECT id, ameise_key FROM link WHERE table_name = 'kunde' AND ameise_key IS NOT NULL "
        "AND id > :after ORDER BY id LIMIT :count",
        after=after,
        count=KEYS_AT_ONCE,
    )
    return [(row["id"], row["ameise_key"]) for row in rows]


async def created_kunden(session: AsyncSession) -> list[str]:
    """The Kundennummern that intents know."""
    rows = await fetch_all(
        session,
        f"SELECT DISTINCT {_WHOSE} AS kunde FROM intent WHERE {_WHOSE} IS NOT NULL",
    )
    return [row["kunde"] for row in rows]


async def erase(session: AsyncSession, traces: Traces) -> dict[str, int]:
    """Delete what was found, and his number from what is about others; how many rows, by place."""
    ids = [traces.kunde, *traces.zoho_ids, *traces.vertrag_keys]
    erased = {
        "bulk_row": await run_sql(
            session,
            "DELETE FROM bulk_row WHERE zoho_id = ANY(CAST(:ids AS text[]))",
            ids=list(traces.zoho_ids),
        ),
        "dismissed": await run_sql(
            session,
            "DELETE FROM dismissed WHERE zoho_id = ANY(CAST(:ids AS text[]))",
            ids=list(traces.zoho_ids),
        ),
        "work": await _delete(session, "work", "bigint", traces.work),
        "link": await _delete(session, "link", "bigint", traces.links),
        "intent": await _delete(session, "intent", "uuid", traces.intents),
        "judged": await run_sql(
            session,
            "DELETE FROM judged WHERE (pipeline, key) IN (SELECT * FROM "
            "unnest(CAST(:pipelines AS integer[]), CAST(:keys AS text[])))",
            pipelines=[pipeline for pipeline, _ in traces.judged], keys=[key for _, key in traces.judged],
        ),
        "parked_message": await _delete(session, "parked_message", "uuid", traces.parked_messages),
        # Others who were asked about him are looked at anew.
        "work_of_others": await run_sql(
            session,
            "UPDATE work SET parked = false, due_at = now(), cause = NULL, reason = NULL, words = NULL, "
            "details = '{}', candidates = '[]' WHERE reason ~ :named OR candidates ?| CAST(:ids AS text[]) "
            "OR details ->> 'record' = ANY(CAST(:ids AS text[]))",
            named=naming(ids), ids=ids,
        ),
        # Of an intent that is open this would let his number look like that of somebody new.
        "intent_of_others": await run_sql(
            session,
            "UPDATE intent SET found_before = found_before - CAST(:kunde AS text) "
            "WHERE table_name = 'kunde' AND outcome <> 'open' AND found_before ? :kunde",
            kunde=traces.kunde,
        ),
        "pipeline": await run_sql(
            session, "UPDATE pipeline SET last_error = NULL WHERE last_error ~ :named", named=naming(ids)
        ),
    }  # fmt: skip
    # A position, not a thing that is told; the comparison of links begins anew.
    await run_sql(
        session, "UPDATE zoho_position SET links_after = '' WHERE links_after = ANY(CAST(:ids AS text[]))",
        ids=list(traces.zoho_ids),
    )  # fmt: skip
    # A dry run that stands at him, or at what is his, counts from the beginning.
    await run_sql(
        session,
        "UPDATE dry_run SET after = '', done = 0, counts = '{}' WHERE after = ANY(CAST(:keys AS text[]))",
        keys=[traces.kunde, *(key for _, key in traces.judged)],
    )  # fmt: skip
    for direction in ("to_ameise", "to_zoho"):
        await run_sql(session, f"NOTIFY {channel(direction)}")
    return erased


async def _delete(session: AsyncSession, table: str, kind: str, ids: Sequence[int] | Sequence[str]) -> int:
    return await run_sql(
        session, f"DELETE FROM {table} WHERE id = ANY(CAST(:ids AS {kind}[]))", ids=list(ids)
    )


_MACHINERY = "- 'tenant' - 'lease_owner' - 'lease_until' - 'fence'"


async def everything(session: AsyncSession, traces: Traces) -> list[tuple[str, dict[str, Any]]]:
    """(place, row as JSON) of all that was found."""
    rows: list[tuple[str, dict[str, Any]]] = []
    for table, kind, ids in (
        ("link", "bigint", traces.links),
        ("work", "bigint", traces.work),
        ("intent", "uuid", traces.intents),
    ):
        found = await fetch_all(
            session,
            f"SELECT to_jsonb(t) {_MACHINERY} AS row FROM {table} t "
            f"WHERE t.id = ANY(CAST(:ids AS {kind}[])) ORDER BY t.id",
            ids=list(ids),
        )
        rows += [(table, row["row"]) for row in found]
    judged = await fetch_all(
        session,
        "SELECT to_jsonb(j) - 'tenant' AS row FROM judged j WHERE (pipeline, key) IN (SELECT * FROM "
        "unnest(CAST(:pipelines AS integer[]), CAST(:keys AS text[]))) ORDER BY pipeline, key",
        pipelines=[pipeline for pipeline, _ in traces.judged], keys=[key for _, key in traces.judged],
    )  # fmt: skip
    rows += [("judged", row["row"]) for row in judged]
    in_bulk = await fetch_all(
        session,
        "SELECT to_jsonb(b) - 'tenant' AS row FROM bulk_row b WHERE zoho_id = ANY(CAST(:ids AS text[])) "
        "ORDER BY job, work",
        ids=list(traces.zoho_ids),
    )
    rows += [("bulk_row", row["row"]) for row in in_bulk]
    dismissed = await fetch_all(
        session,
        "SELECT to_jsonb(d) - 'tenant' AS row FROM dismissed d WHERE zoho_id = ANY(CAST(:ids AS text[])) "
        "ORDER BY pipeline, zoho_id",
        ids=list(traces.zoho_ids),
    )
    rows += [("dismissed", row["row"]) for row in dismissed]
    messages = await fetch_all(
        session,
        "SELECT subject, reason, body FROM parked_message WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id",
        ids=list(traces.parked_messages),
    )
    return rows + [("parked_message", part) for message in messages for part in _parts(message)]


LONGEST_TEXT = 50_000


def _parts(message: dict[str, Any]) -> list[dict[str, Any]]:
    """A message's bytes as text, in pieces that fit into a reply."""
    text = bytes(message["body"]).decode(errors="replace")
    about = {"subject": message["subject"], "reason": message["reason"]}
    return [
        {**about, "text": text[start : start + LONGEST_TEXT]}
        for start in range(0, max(1, len(text)), LONGEST_TEXT)
    ]


def pages(
    rows: Sequence[tuple[str, dict[str, Any]]], *, most_bytes: int
) -> list[dict[str, tuple[dict[str, Any], ...]]]:
    """The rows by place, in pages of about `most_bytes` of JSON; at least one page. Pure."""
    made: list[dict[str, list[dict[str, Any]]]] = [{}]
    size = 0
    for place, row in rows:
        bytes_ = len(json.dumps(row))
        if size and size + bytes_ > most_bytes:
            made.append({})
            size = 0
        made[-1].setdefault(place, []).append(row)
        size += bytes_
    return [{place: tuple(of_place) for place, of_place in page.items()} for page in made]


def naming(ids: Collection[str]) -> str:
    """A regular expression, for Python and PostgreSQL: one of these numbers stands whole in a text."""
    return f"(^|[^0-9])({'|'.join(sorted(map(re.escape, ids)))})([^0-9]|$)"


def mentions(subject: str, body: bytes, ids: Collection[str]) -> bool:
    """Whether a message that could not be read names one of these numbers. Pure."""
    pattern = naming(ids)
    return re.search(pattern, subject) is not None or re.search(pattern.encode(), bytes(body)) is not None
