"""The relay publishes what stands in the outbox: numbered events, and work.

Per round: (1) under a transaction-scoped lock, give the new events their numbers, without gaps per
(tenant, epoch), and commit; (2) publish every row that is due, all at once, and take down those that
NATS has acknowledged. A crash between publishing and taking down publishes again under the same
`Nats-Msg-Id`, which NATS swallows within its duplicate window and readers by the event's id.

It works as the all-tenants role: it serves all tenants at once.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import structlog
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError
from nats.js import JetStreamContext
from nats.js.errors import APIError, NotFoundError
from prometheus_client import Counter, Gauge
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import Database, fetch_all, run_sql
from chassis.deadline import end
from chassis.outbox import CHANNEL, unpublishable_body
from chassis.wakeups import listen, pause
from contracts import subjects
from contracts.events import EPOCH_HEADER, NUMBER_HEADER, Unpublishable
from contracts.ids import TenantId
from contracts.names import Service
from contracts.streams import EVENTS

log: structlog.stdlib.BoundLogger = structlog.get_logger()

BATCH = 256
POLL_SECONDS = 5.0
"""How long a lost NOTIFY may go unnoticed."""
GATHERING_SECONDS = 0.02
"""Least time between two rounds: under load, rows are published by the dozen and not each with a round of
its own, and a lone row goes at once."""
PAUSE_AFTER_ERROR_SECONDS = 0.5
PUBLISH_TIMEOUT_SECONDS = 5.0
_NUMBERING_LOCK = 4_210_772
_REFUSED_FOR_EVER = frozenset({10054, 10097})
"""JetStream's error codes for a message, or headers, above the stream's limit. Any other refusal passes,
whatever its status says: 10002 (the account's storage is full) comes with 400, 10158 (an earlier sending of
the same message is still under way in the cluster) with 409."""

published_total = Counter("outbox_published_total", "Messages that NATS acknowledged", ["kind"])
failures_total = Counter("outbox_publish_failures_total", "Publishing attempts that failed and are repeated")
waiting_rows = Gauge("outbox_waiting_rows", "Rows found due in the last round")

_TENANTS_TO_NUMBER = "SELECT DISTINCT tenant FROM outbox WHERE kind = 'event' AND number IS NULL"

_NUMBER = """
WITH fresh AS (
    SELECT position, tenant, row_number() OVER (PARTITION BY tenant ORDER BY position) AS step,
           count(*) OVER (PARTITION BY tenant) AS size
    FROM outbox WHERE kind = 'event' AND number IS NULL AND tenant = ANY(CAST(:tenants AS text[]))
), counted AS (
    INSERT INTO outbox_counter AS c (tenant, epoch, last_number)
    SELECT DISTINCT tenant, 1, size FROM fresh
    ON CONFLICT (tenant) DO UPDATE SET last_number = c.last_number + excluded.last_number
    RETURNING c.tenant, c.epoch, c.last_number
)
UPDATE outbox o
SET epoch = counted.epoch, number = counted.last_number - fresh.size + fresh.step
FROM fresh JOIN counted USING (tenant)
WHERE o.position = fresh.position
"""

_DUE = """
SELECT position, id, tenant, kind, subject, body, epoch, number, refused FROM outbox
WHERE published_at IS NULL AND (kind = 'work' OR number IS NOT NULL)
ORDER BY position LIMIT :batch FOR UPDATE SKIP LOCKED
"""

_TAKE_DOWN = """
WITH work AS (
    DELETE FROM outbox WHERE kind = 'work' AND position = ANY(CAST(:positions AS bigint[]))
)
UPDATE outbox SET published_at = now() WHERE kind = 'event' AND position = ANY(CAST(:positions AS bigint[]))
"""
# A take-down that a crash of PostgreSQL undoes is published again under the same id, which is harmless:
# it need not wait for the disk.
_NEED_NOT_BE_DURABLE = "SET LOCAL synchronous_commit = off"
_FORGET = """
DELETE FROM outbox WHERE published_at < now() - make_interval(secs => :seconds) AND refused IS NULL
"""

_RAISE_EPOCH = """
INSERT INTO outbox_counter AS c (tenant, epoch, last_number) VALUES (:tenant, :epoch, 0)
ON CONFLICT (tenant) DO UPDATE SET epoch = excluded.epoch, last_number = 0 WHERE c.epoch < excluded.epoch
"""


@dataclass(frozen=True, slots=True)
class _Sent:
    """What became of one row at publishing: acknowledged, refused for ever (and why), or neither."""

    row: dict[str, Any]
    acknowledged: bool
    refused: str | None = None


def _not_taken(row: dict[str, Any], refused: str | None = None) -> _Sent:
    # A stand-in that is refused too has no stand-in of its own: it waits like one that got no answer.
    return _Sent(row, acknowledged=False, refused=None if row["refused"] else refused)


class Relay:
    """Run by one task per process; any number of processes may run it on the same database."""

    def __init__(
        self, service: Service, database: Database, listen_url: SecretStr, js: JetStreamContext
    ) -> None:
        self._service = service
        self._database = database
        self._listen_url = listen_url
        self._js = js
        self._wake = asyncio.Event()
        self._tenants_with_known_epoch: set[str] = set()

    async def run(self) -> None:
        """Publish until cancelled. Errors of NATS or PostgreSQL are logged and tried again."""
        loop = asyncio.get_running_loop()
        listener = asyncio.create_task(listen(self._listen_url, CHANNEL, self._wake), name="outbox-listener")
        try:
            while True:
                self._wake.clear()
                try:
                    while await self.publish_once():
                        pass
                except (NatsError, SQLAlchemyError, OSError, TimeoutError) as error:
                    failures_total.inc()
                    log.warning("outbox.waits", error=f"{type(error).__name__}: {error}"[:300])
                    await asyncio.sleep(PAUSE_AFTER_ERROR_SECONDS)
                    continue
                next_round = loop.time() + GATHERING_SECONDS
                await pause(self._wake, POLL_SECONDS)
                await asyncio.sleep(max(0.0, next_round - loop.time()))
        finally:
            await end(listener)

    async def publish_once(self) -> bool:
        """One round; True if more is known to be due. What is committed meanwhile wakes the relay again.
        Raises NATS and SQLAlchemy errors."""
        await self._number_events()
        async with self._database.unbound() as session:
            due = await fetch_all(session, _DUE, batch=BATCH)
            waiting_rows.set(len(due))
            if not due:
                return False
            sent = await asyncio.gather(*(self._publish(row) for row in due))
            await self._take_down(session, sent)
        failed = sum(not s.acknowledged and s.refused is None for s in sent)
        if failed:
            failures_total.inc(failed)
            raise TimeoutError(f"{failed} of {len(sent)} messages were not acknowledged")
        return len(due) == BATCH or any(s.refused is not None for s in sent)  # a stand-in is due now

    async def _number_events(self) -> None:
        """Give new events their numbers, after a look at the epoch of tenants that are new to us."""
        unknown = True
        while unknown:
            async with self._database.unbound() as session:
                tenants = {row["tenant"] for row in await fetch_all(session, _TENANTS_TO_NUMBER)}
                unknown = tenants - self._tenants_with_known_epoch
                if tenants and not unknown:
                    await run_sql(session, "SELECT pg_advisory_xact_lock(:key)", key=_NUMBERING_LOCK)
                    await run_sql(session, _NUMBER, tenants=sorted(tenants))
            for tenant in unknown:
                await self._begin_epoch_if_behind(tenant)

    async def _begin_epoch_if_behind(self, tenant: str) -> None:
        """A restored backup numbers from the past: then EVENTS holds a higher number than we do."""
        seen = await self._newest_in_stream(tenant)
        async with self._database.unbound() as session:
            rows = await fetch_all(
                session, "SELECT epoch, last_number FROM outbox_counter WHERE tenant = :tenant", tenant=tenant
            )
            ours = (rows[0]["epoch"], rows[0]["last_number"]) if rows else (0, 0)
            if seen > ours:
                log.warning("outbox.new_epoch", tenant=tenant, stream=seen, database=ours)
                await run_sql(session, _RAISE_EPOCH, tenant=tenant, epoch=seen[0] + 1)
        self._tenants_with_known_epoch.add(tenant)

    async def _newest_in_stream(self, tenant: str) -> tuple[int, int]:
        """(epoch, number) of this service's newest event of a tenant in EVENTS; (0, 0) if there is none."""
        known = subjects.SYSTEM_TENANT if tenant == subjects.SYSTEM_TENANT else TenantId(tenant)
        try:
            message = await self._js.get_last_msg(EVENTS.name, subjects.events_of(self._service, known))
        except NotFoundError:
            return (0, 0)
        headers: dict[str, str] = message.headers or {}  # pyright: ignore[reportUnknownVariableType]
        return (int(headers.get(EPOCH_HEADER, 0)), int(headers.get(NUMBER_HEADER, 0)))

    async def _publish(self, row: dict[str, Any]) -> _Sent:
        headers = {"Nats-Msg-Id": str(row["id"])}
        if row["kind"] == "event":
            headers |= {EPOCH_HEADER: str(row["epoch"]), NUMBER_HEADER: str(row["number"])}
        try:
            await self._js.publish(
                row["subject"], bytes(row["body"]), timeout=PUBLISH_TIMEOUT_SECONDS, headers=headers
            )
        except MaxPayloadError as error:
            return _not_taken(row, str(error))
        except APIError as error:
            for_ever = error.err_code in _REFUSED_FOR_EVER
            return _not_taken(row, (error.description or "refused") if for_ever else None)
        except (NatsError, TimeoutError):
            return _not_taken(row)
        published_total.labels(row["kind"]).inc()
        return _Sent(row, acknowledged=True)

    async def _take_down(self, session: AsyncSession, sent: list[_Sent]) -> None:
        acknowledged = [s.row["position"] for s in sent if s.acknowledged]
        await run_sql(session, _NEED_NOT_BE_DURABLE)
        await run_sql(session, _TAKE_DOWN, positions=acknowledged)
        for s in sent:
            if s.refused is not None:
                await self._set_aside(session, s.row, s.refused)

    async def _set_aside(self, session: AsyncSession, row: dict[str, Any], reason: str) -> None:
        """NATS refuses the row for ever: keep its bytes, and let a small event take its number."""
        log.error("outbox.unpublishable", subject=row["subject"], reason=reason)
        if row["kind"] == "work":
            await run_sql(
                session,
                "UPDATE outbox SET refused = :reason, published_at = now() WHERE position = :position",
                reason=reason, position=row["position"],
            )  # fmt: skip
            return
        known = row["tenant"] if row["tenant"] == subjects.SYSTEM_TENANT else TenantId(row["tenant"])
        stand_in = Unpublishable(type_=row["subject"].rsplit(".", 1)[-1], reason=reason)
        await run_sql(
            session,
            "UPDATE outbox SET refused = :reason, refused_body = body, body = :body, subject = :subject "
            "WHERE position = :position",
            reason=reason,
            body=unpublishable_body(bytes(row["body"]), stand_in, self._service),
            subject=subjects.event(known, self._service, stand_in.event_name),
            position=row["position"],
        )


async def forget_published(database: Database, *, older_than_days: float) -> int:
    """Delete published events past their retention; returns how many."""
    async with database.unbound() as session:
        return await run_sql(
            session,
            _FORGET,
            seconds=older_than_days * 86_400,
        )
