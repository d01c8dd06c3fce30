"""Keeps messages that could not be understood, with their bytes, and tells it once."""

from chassis.cause import Cause
from chassis.database import Database, run_sql
from chassis.outbox import Outbox
from chassis.subscriber import Unreadable
from contracts.events import MessageParked
from contracts.ids import TenantId, new_id
from contracts.names import Service
from contracts.subjects import SYSTEM_TENANT, EventTenant

_INSERT = """
INSERT INTO parked_message (id, tenant, stream, sequence, subject, body, reason)
VALUES (:id, :tenant, :stream, :sequence, :subject, :body, :reason)
ON CONFLICT (stream, sequence) DO NOTHING
"""


class Parking:
    """A service's parked messages; given to `subscriber.subscribe` as `park`."""

    def __init__(self, service: Service, database: Database, outbox: Outbox) -> None:
        self._service = service
        self._database = database
        self._outbox = outbox

    async def __call__(self, message: Unreadable, *, tell: bool = True) -> None:
        """Keep it. `tell=False` where the event itself could not be understood, without end."""
        tenant = tenant_in(message.subject)
        async with self._database.tenant(tenant) as session:
            kept = await run_sql(
                session, _INSERT,
                id=new_id(), tenant=tenant, stream=message.stream, sequence=message.sequence,
                subject=message.subject, body=message.raw, reason=message.reason,
            )  # fmt: skip
            if kept and tell:
                await self._outbox.tell(
                    session,
                    Cause.of_service(self._service, tenant),
                    MessageParked(stream=message.stream, sequence=message.sequence, reason=message.reason),
                )


def tenant_in(subject: str) -> EventTenant:
    """The tenant that a subject names (`work.to_zoho.{tenant}...`, `event.{tenant}...`), else `_system`."""
    tokens = subject.split(".")
    place = 1 if tokens[0] == "event" else 2
    try:
        return TenantId(tokens[place])
    except (IndexError, ValueError):
        return SYSTEM_TENANT
