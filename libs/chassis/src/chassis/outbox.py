"""The outbox: state and messages commit together.

A service writes events and work for others in the transaction that changes its state; `relay` publishes
them afterwards. Nothing else publishes. The NOTIFY is part of the transaction too: it wakes the relay
when, and only when, the transaction commits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.cause import Cause
from chassis.database import Database, run_sql
from contracts import subjects
from contracts.events import Event, EventData, new_event
from contracts.ids import TenantId, new_id
from contracts.names import Service
from contracts.work import LookAtZohoRecord, ObjectsChanged

MAX_BODY_BYTES = 512 * 1024
"""NATS refuses messages above 1 MB; anything above this belongs into an object store."""

CHANNEL = "outbox"
"""The NOTIFY channel that wakes the relay."""

# One statement for both, since every webhook pays for each round trip.
_INSERT_AND_NOTIFY = f"""
WITH inserted AS (
    INSERT INTO outbox (id, tenant, kind, subject, body)
    SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:tenants AS text[]), CAST(:kinds AS text[]),
                         CAST(:subjects AS text[]), CAST(:bodies AS bytea[]))
)
SELECT pg_notify('{CHANNEL}', '')
"""  # noqa: S608 (the channel is our constant)


Message = Event | LookAtZohoRecord | ObjectsChanged
"""What a service publishes: events, and work for others."""


# `replace` puts into a sample what is each message's own: PostgreSQL does in seconds for 20,000 messages what
# takes Python minutes for all that they are about.
_INSERT_CHUNKS = f"""
WITH inserted AS (
    INSERT INTO outbox (id, tenant, kind, subject, body)
    SELECT m.id, :of_tenant, m.kind, m.subject, convert_to(m.body, 'UTF8')
    FROM ({{query}}) c CROSS JOIN LATERAL (VALUES {{messages}}) m (id, kind, subject, body)
    ORDER BY c.chunk
)
SELECT pg_notify('{CHANNEL}', '')
"""  # noqa: S608 (the channel is our constant)

_MESSAGE_OF_CHUNK = """(
    (CAST(:ids_{n} AS uuid[]))[c.chunk], :kind_{n}, :subject_{n},
    replace(replace(:sample_{n}, :sample_id_{n}, CAST((CAST(:ids_{n} AS uuid[]))[c.chunk] AS text)),
            :in_sample_{n}, c.{column})
)"""


@dataclass(frozen=True, slots=True)
class Chunks:
    """Messages like `sample`, each with the JSON text of its own from `column` in place of `in_sample`, which
    is a part of the sample's JSON."""

    sample: Message
    in_sample: str
    column: str


class MessageTooLarge(ValueError):  # noqa: N818
    """A message above MAX_BODY_BYTES: a fault in our own code, found before it is stored."""


@dataclass(frozen=True, slots=True)
class Outbox:
    """One service's outbox. Methods that take a session join its transaction."""

    service: Service

    def event(self, cause: Cause, data: EventData) -> Event:
        """An event of now, not told yet. Raises ValueError for another service's event."""
        return new_event(
            data,
            service=self.service,
            tenant=cause.tenant,
            actor_kind=cause.actor_kind,
            actor_id=cause.actor_id,
            correlationid=cause.correlationid,
            causationid=cause.causationid,
        )

    async def tell(self, session: AsyncSession, cause: Cause, *events: EventData) -> list[Event]:
        """Tell that something happened. Raises MessageTooLarge."""
        told = [self.event(cause, data) for data in events]
        await self.put(session, *told)
        return told

    async def ask(self, session: AsyncSession, *works: LookAtZohoRecord | ObjectsChanged) -> None:
        """Ask another service for work. Raises MessageTooLarge."""
        await self.put(session, *works)

    async def put(self, session: AsyncSession, *messages: Message) -> None:
        """Events and work by one statement. Raises MessageTooLarge."""
        if messages:
            await run_sql(session, _INSERT_AND_NOTIFY, **_rows(messages))

    async def put_chunks(
        self, session: AsyncSession, query: str, count: int, *kinds: Chunks, **parameters: Any
    ) -> None:
        """A message of each kind for each of the `count` rows of `query`, in the order of its column `chunk`
        (from 1); `parameters` are the query's. The caller sees to it that none is above MAX_BODY_BYTES."""
        values: dict[str, Any] = {}
        for n, chunks in enumerate(kinds):
            [body] = _rows([chunks.sample])["bodies"]
            assert body.count(chunks.in_sample.encode()) == 1
            values |= {
                f"kind_{n}": _kind(chunks.sample),
                f"subject_{n}": _subject(chunks.sample),
                f"sample_{n}": body.decode(),
                f"sample_id_{n}": chunks.sample.id,
                f"in_sample_{n}": chunks.in_sample,
                f"ids_{n}": [new_id() for _ in range(count)],
            }
        messages = ", ".join(
            _MESSAGE_OF_CHUNK.format(n=n, column=chunks.column) for n, chunks in enumerate(kinds)
        )
        await run_sql(
            session,
            _INSERT_CHUNKS.format(query=query, messages=messages),
            of_tenant=kinds[0].sample.tenant,
            **values,
            **parameters,
        )

    async def put_at_once(self, database: Database, tenant: TenantId, messages: Sequence[Message]) -> None:
        """Messages of one tenant as a transaction of their own, quickly. Raises MessageTooLarge."""
        await run_sql(database.each_alone(tenant), _INSERT_AND_NOTIFY, **_rows(messages))


def _rows(messages: Sequence[Message]) -> dict[str, list[Any]]:
    bodies = [message.model_dump_json(exclude_none=True).encode() for message in messages]
    for message, body in zip(messages, bodies, strict=True):
        if len(body) > MAX_BODY_BYTES:
            raise MessageTooLarge(f"{_subject(message)}: {len(body)} bytes, at most {MAX_BODY_BYTES}")
    return {
        "ids": [message.id for message in messages],
        "tenants": [message.tenant for message in messages],
        "kinds": [_kind(message) for message in messages],
        "subjects": [_subject(message) for message in messages],
        "bodies": bodies,
    }


def _kind(message: Message) -> str:
    return "event" if isinstance(message, Event) else "work"


def _subject(message: Message) -> str:
    match message:
        case Event():
            return message.subject_
        case LookAtZohoRecord():
            return subjects.to_ameise(message.tenant, message.pipeline, message.zoho_id)
        case ObjectsChanged():
            return subjects.to_zoho(message.tenant, message.table)


def unpublishable_body(original: bytes, replacement: EventData, service: Service) -> bytes:
    """The body of the small event that takes the place (id, number) of one that NATS refuses for ever."""
    event = Event.model_validate_json(original)
    stand_in = event.model_copy(
        update={
            "source": service,
            "type": replacement.event_name,
            "data": replacement.model_dump(mode="json", exclude_none=True),
        }
    )
    return stand_in.model_dump_json(exclude_none=True).encode()
