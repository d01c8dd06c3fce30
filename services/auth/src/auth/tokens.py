"""Hands out access tokens: the stored one as long as it is good, and one renewal for all who ask at once."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from auth import store
from auth.renewal import Use, next_renewal, token_hash, use_of
from auth.renewing import Renewal, Renewing
from auth.sealing import access_token_of, not_connected
from auth.tables import ConnectionRow
from chassis.cause import Cause
from chassis.rpc import Caller
from contracts.actor import ActorKind
from contracts.ids import TenantId, Uuid
from contracts.problems import Forbidden, NotFound, Unavailable
from contracts.rpc.auth import ACCESS_TOKEN, AccessToken, AccessTokenRequest, ConnectionState

log: structlog.stdlib.BoundLogger = structlog.get_logger()

PATIENCE_SECONDS = 12.0
"""How long a caller waits for a renewal that another replica has in hand."""
LOOK_AGAIN_SECONDS = 0.1


@dataclass(slots=True)
class AccessTokens:
    """Hands out tokens. In one process, all who need the same renewal wait for the same task.

    The task is not its callers': one that gives up, or is cancelled, does not cut off a renewal whose
    answer must be stored.
    """

    renewing: Renewing
    _running: dict[Uuid, asyncio.Task[Renewal]] = field(default_factory=dict[Uuid, asyncio.Task[Renewal]])
    _stopping: bool = False

    async def hand_out(self, request: AccessTokenRequest, caller: Caller) -> AccessToken:
        """The access token of a connection.

        Raises Forbidden for anyone but the services that may ask, NotFound, NotConnected if a person must
        connect, Unavailable if there is no good token just now.
        """
        if caller.actor.kind is not ActorKind.SERVICE or caller.actor.id not in ACCESS_TOKEN.callers:
            raise Forbidden(f"{caller.actor.kind} {caller.actor.id} gets no access tokens")
        gives_up = time.monotonic() + PATIENCE_SECONDS
        renewed = False
        while True:
            row = await self._active(caller.tenant, request.connection)
            token = access_token_of(row, self.renewing.vault)
            refused = token_hash(token.token) == request.refused_token_hash
            use = _use(row, refused=refused)
            if use is Use.HAND_OUT or (renewed and not refused):
                return token
            outcome = await self.renew(
                caller.tenant, request.connection, generation=row.generation, cause=caller.cause
            )
            renewed = outcome is Renewal.DONE
            if not renewed and use is Use.RENEW_OR_HAND_OUT:
                return token
            if outcome is Renewal.WAITING or time.monotonic() > gives_up:
                raise await self._none_now(caller.tenant, request.connection, refused=refused)
            if outcome is Renewal.BUSY:
                await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def renew(self, tenant: TenantId, connection: Uuid, *, generation: int, cause: Cause) -> Renewal:
        """Renew, or join the renewal that is running. Raises NotConnected."""
        task = self._running.get(connection)
        if task is None:
            if self._stopping:
                return Renewal.WAITING
            task = asyncio.create_task(
                self.renewing.renew(tenant, connection, generation=generation, cause=cause),
                name=f"renew:{connection}",
            )
            self._running[connection] = task
            task.add_done_callback(lambda _: self._running.pop(connection, None))
        return await asyncio.shield(task)

    async def settle(self) -> None:
        """Begin no more renewals, and wait for those in hand."""
        self._stopping = True
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _active(self, tenant: TenantId, connection: Uuid) -> ConnectionRow:
        async with self.renewing.database.tenant(tenant) as session:
            row = await store.connection(session, connection)
        if row is None:
            raise NotFound(f"Die Verbindung {connection} gibt es nicht.")
        if row.state != ConnectionState.ACTIVE:
            raise not_connected(row.id)
        return row

    async def _none_now(self, tenant: TenantId, connection: Uuid, *, refused: bool) -> Unavailable:
        row = await self._active(tenant, connection)
        now = datetime.now(UTC)
        again = next_renewal(now=now, not_before=row.not_before, issued_at=row.issued_at)
        why = "was refused" if refused else "ran out"
        return Unavailable(
            f"the access token of connection {connection} {why} and cannot be renewed now"
            + (f": {row.last_error}" if row.last_error else ""),
            remedy=f"try again in {max(1, round((again - now).total_seconds()))} s",
        )


def _use(row: ConnectionRow, *, refused: bool) -> Use:
    if row.renew_at is None or row.token_expires_at is None:
        return Use.RENEW
    return use_of(
        now=datetime.now(UTC), renew_at=row.renew_at, expires_at=row.token_expires_at, refused=refused
    )
