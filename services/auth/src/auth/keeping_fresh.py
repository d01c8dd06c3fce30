"""Renews tokens before they run out, so that a connection that nobody uses is known to live or to be dead."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from auth import store
from auth.store import Due
from auth.tokens import AccessTokens
from chassis.cause import Cause
from chassis.database import Database
from contracts.names import Service
from contracts.problems import Problem

log: structlog.stdlib.BoundLogger = structlog.get_logger()

BATCH = 100
AT_ONCE = 4
"""Renewals in hand per replica: token endpoints are slow to forgive a crowd."""
ABANDONED_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class KeepingFresh:
    """Looks for tokens that run out.

    `all_tenants` finds them, since only the table knows which tenants there are; each renewal then runs as
    its own tenant.
    """

    all_tenants: Database
    tokens: AccessTokens
    interval: timedelta

    async def run(self) -> None:
        """Until the process ends. PostgreSQL away: the next round sees to it."""
        while True:
            try:
                await self.round()
            except (SQLAlchemyError, OSError) as error:
                log.warning("renewal.postponed", error=type(error).__name__)
            await asyncio.sleep(self.interval.total_seconds())

    async def round(self) -> None:
        """Renew what is due, and forget sign-ins that were abandoned."""
        now = datetime.now(UTC)
        async with self.all_tenants.unbound() as session:
            due = await store.due_for_renewal(session, now, limit=BATCH)
            if forgotten := await store.forget_abandoned(session, now - ABANDONED_AFTER):
                log.info("connection.abandoned_forgotten", connections=forgotten)
        turns = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(self._renew(each, turns) for each in due))

    async def _renew(self, due: Due, turns: asyncio.Semaphore) -> None:
        cause = Cause.of_service(Service.AUTH, due.tenant)
        with cause.bound():
            async with turns:
                try:
                    await self.tokens.renew(
                        due.tenant, due.connection, generation=due.generation, cause=cause
                    )
                except Problem as problem:
                    log.warning("renewal.impossible", connection=due.connection, reason=problem.detail)
                except Exception:
                    log.exception("renewal.failed", connection=due.connection)
