"""One renewal of one connection's tokens, serialised across replicas by a lease; no transaction over HTTP.

Ameise may rotate refresh tokens: the old one is dead as soon as the new one is given. So whoever asked the
token endpoint stores what came back, whatever it takes; and an answer to a refresh token that is no longer
the stored one (somebody connected again meanwhile) is dropped.
"""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import assert_never

import structlog
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError

from auth import store
from auth.providers import NoAnswer, Provider, UnknownServer
from auth.renewal import Dead, Meaning, Renewed, Wait, meaning, next_renewal
from auth.sealing import open_token, put_tokens, take_tokens_away
from auth.tables import ConnectionRow
from chassis import leases
from chassis.cause import Cause
from chassis.crypto import Vault
from chassis.database import Database, is_unreachable
from chassis.outbox import Outbox
from contracts.events import ReconnectNeeded, TokenRefreshed
from contracts.ids import TenantId, Uuid, new_id
from contracts.names import System
from contracts.rpc.auth import ConnectionState

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LEASE_LASTS = timedelta(seconds=30)
"""Three times what a token endpoint may take."""
FIRST_STORE_RETRY_SECONDS = 0.2
LONGEST_STORE_RETRY_SECONDS = 5.0


class Renewal(StrEnum):
    """How an attempt to renew ended."""

    DONE = "done"
    """The stored tokens are others than before: look again."""
    BUSY = "busy"
    """Somebody else is at it."""
    WAITING = "waiting"
    """Not now: the token endpoint must not be asked yet, or could not say anything."""


@dataclass(frozen=True, slots=True)
class _Begun:
    """The right to ask the token endpoint once, and what to ask with."""

    lease: leases.Lease
    connection: Uuid
    system: System
    generation: int
    failures: int
    accounts_url: str | None
    refresh_token: SecretStr


@dataclass(frozen=True, slots=True)
class Renewing:
    """Renews tokens."""

    database: Database
    outbox: Outbox
    vault: Vault
    providers: Mapping[System, Provider]

    async def renew(self, tenant: TenantId, connection: Uuid, *, generation: int, cause: Cause) -> Renewal:
        """Renew the tokens, unless they are others than those of `generation` by now.

        Raises NotConnected if no key opens the stored refresh token.
        """
        begun = await self._begin(tenant, connection, generation)
        if isinstance(begun, Renewal):
            return begun
        try:
            answer = await self.providers[begun.system].refresh(
                begun.refresh_token, server=begun.accounts_url
            )
        except UnknownServer:
            answer = NoAnswer("der Anmeldeserver ist nicht mehr eingestellt")
        now = datetime.now(UTC)
        verdict = meaning(answer, now=now, failures=begun.failures, jitter=random.random())  # noqa: S311
        return await self._store_for_sure(tenant, begun, verdict, now, cause)

    async def _begin(self, tenant: TenantId, connection: Uuid, generation: int) -> _Begun | Renewal:
        async with self.database.tenant(tenant) as session:
            name = f"renew:{connection}"
            lease = await leases.take(session, tenant, name, owner=new_id(), lasting=LEASE_LASTS)
            if lease is None:
                return Renewal.BUSY
            row = await store.connection(session, connection)
            refused = _why_not_now(row, generation, datetime.now(UTC))
            if refused is not None or row is None:
                await leases.give_back(session, lease)
                return refused or Renewal.DONE
            return _Begun(
                lease=lease,
                connection=connection,
                system=System(row.system),
                generation=row.generation,
                failures=row.failures,
                accounts_url=row.accounts_url,
                refresh_token=open_token(row.refresh_token, self.vault, row.id),
            )

    async def _store_for_sure(
        self, tenant: TenantId, begun: _Begun, verdict: Meaning, now: datetime, cause: Cause
    ) -> Renewal:
        """Store the outcome. New tokens until PostgreSQL takes them, since the old ones may be dead."""
        pause = FIRST_STORE_RETRY_SECONDS
        while True:
            try:
                return await self._store(tenant, begun, verdict, now, cause)
            except leases.LeaseLost:
                return Renewal.BUSY
            except (SQLAlchemyError, OSError) as error:
                if not isinstance(verdict, Renewed) or not (
                    isinstance(error, OSError) or is_unreachable(error)
                ):
                    raise
                log.warning(
                    "connection.storing_again", connection=begun.connection, error=type(error).__name__
                )
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_STORE_RETRY_SECONDS)

    async def _store(
        self, tenant: TenantId, begun: _Begun, verdict: Meaning, now: datetime, cause: Cause
    ) -> Renewal:
        async with self.database.tenant(tenant) as session:
            row = await store.locked_connection(session, begun.connection)
            if row is None or row.generation != begun.generation:
                log.info("connection.answer_dropped", connection=begun.connection, reason="connected again")
                await leases.give_back(session, begun.lease)
                return Renewal.DONE
            match verdict:
                case Renewed(tokens):
                    # Without a look at the lease: even if it ran out, these are the newest tokens there are.
                    put_tokens(row, tokens, tokens.refresh or begun.refresh_token, self.vault, now)
                    await self.outbox.tell(
                        session, cause, TokenRefreshed(connection=begun.connection, system=begun.system)
                    )
                case Dead(reason):
                    # With a lost lease it may be dead only because its new holder rotated it.
                    await leases.check(session, begun.lease)
                    take_tokens_away(row, reason)
                    told = ReconnectNeeded(connection=begun.connection, system=begun.system, reason=reason)
                    await self.outbox.tell(session, cause, told)
                case Wait(until, reason):
                    row.not_before, row.last_error = until, reason
                    row.failures += 1
                case _:
                    assert_never(verdict)
            session.add(row)
            await leases.give_back(session, begun.lease)
        _log(begun, verdict)
        return Renewal.WAITING if isinstance(verdict, Wait) else Renewal.DONE


def _why_not_now(row: ConnectionRow | None, generation: int, now: datetime) -> Renewal | None:
    if row is None or row.generation != generation or row.state != ConnectionState.ACTIVE:
        return Renewal.DONE
    if next_renewal(now=now, not_before=row.not_before, issued_at=row.issued_at) > now:
        return Renewal.WAITING
    return None


def _log(begun: _Begun, verdict: Meaning) -> None:
    bound = log.bind(connection=begun.connection, system=begun.system)
    match verdict:
        case Renewed():
            bound.info("connection.renewed")
        case Dead(reason):
            bound.error("connection.reconnect_needed", reason=reason)
        case Wait(until, reason):
            bound.warning("connection.renewal_waits", reason=reason, until=until.isoformat())
