"""The outbox: state and messages commit together.

A service writes events and work for others in the transaction that changes its state; `relay` publishes
them afterwards. Nothing else publishes. The NOTIFY is part of the transaction too: it wakes the relay
when, and only when, the transaction commits.
"""

from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.cause import Cause
from chassis.database import run_sql
from contracts import subjects
from contracts.events import Event, EventData, new_event
from contracts.ids import Uuid
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


class MessageTooLarge(ValueError):  # noqa: N818
    """A message above MAX_BODY_BYTES: a fault in our own code, found before it is stored."""


@dataclass(frozen=True, slots=True)
class _Row:
    id: Uuid
    tenant: str
    kind: str
    subject: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Outbox:
    """One service's outbox. Every method takes the session whose transaction it joins."""

    service: Service

    async def tell(self, session: AsyncSession, cause: Cause, *events: EventData) -> list[Event]:
        """Tell that something happened. Raises MessageTooLarge."""
        told = [
            new_event(
                data,
                service=self.service,
                tenant=cause.tenant,
                actor_kind=cause.actor_kind,
                actor_id=cause.actor_id,
                correlationid=cause.correlationid,
                causationid=cause.causationid,
            )
            for data in events
        ]
        rows = [
            _Row(e.id, e.tenant, "event", e.subject_, e.model_dump_json(exclude_none=True).encode())
            for e in told
        ]
        await _insert(session, rows)
        return told

    async def ask(self, session: AsyncSession, *works: LookAtZohoRecord | ObjectsChanged) -> None:
        """Ask another service for work. Raises MessageTooLarge."""
        rows = [
            _Row(w.id, w.tenant, "work", _subject(w), w.model_dump_json(exclude_none=True).encode())
            for w in works
        ]
        await _insert(session, rows)


def _subject(work: LookAtZohoRecord | ObjectsChanged) -> str:
    match work:
        case LookAtZohoRecord():
            return subjects.to_ameise(work.tenant, work.pipeline, work.zoho_id)
        case ObjectsChanged():
            return subjects.to_zoho(work.tenant, work.table)


async def _insert(session: AsyncSession, rows: list[_Row]) -> None:
    if not rows:
        return
    for row in rows:
        if len(row.body) > MAX_BODY_BYTES:
            raise MessageTooLarge(f"{row.subject}: {len(row.body)} bytes, at most {MAX_BODY_BYTES}")
    await run_sql(
        session,
        _INSERT_AND_NOTIFY,
        ids=[row.id for row in rows],
        tenants=[row.tenant for row in rows],
        kinds=[row.kind for row in rows],
        subjects=[row.subject for row in rows],
        bodies=[row.body for row in rows],
    )


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
