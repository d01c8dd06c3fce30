"""The authorization code flow: from the button "connect" to a connection with tokens.

`state` is random, kept as a hash, good once for ten minutes, and only for the tenant and the person that
began: a stranger's redirect in somebody's browser connects nothing.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from pydantic import SecretStr
from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from auth import store
from auth.providers import Account, NoAnswer, Provider, Refused, Tokens, UnknownServer, error_code
from auth.sealing import put_tokens, shown
from auth.tables import ConnectionRow, SignInRow
from chassis.crypto import Vault
from chassis.database import Database
from chassis.outbox import Outbox
from chassis.rpc import Caller
from contracts.events import Connected, ConnectionRefused, ConnectionStarted
from contracts.ids import Uuid, new_id
from contracts.names import System
from contracts.problems import Conflict, Invalid, NotFound, Unavailable
from contracts.rpc.auth import (
    Connection,
    ConnectionStartedReply,
    ConnectionState,
    FinishConnection,
    StartConnection,
)

log: structlog.stdlib.BoundLogger = structlog.get_logger()

SIGN_IN_LASTS = timedelta(minutes=10)
START_AGAIN = "In der Übersicht des Teams noch einmal „Verbinden“ wählen."
_NAMES = {System.AMEISE: "Ameise", System.ZOHO: "Zoho CRM"}


class _OtherAccount(Exception):  # noqa: N818
    """Somebody reconnected a connection and signed in to another account than before."""


@dataclass(frozen=True, slots=True)
class _Grant:
    """What a sign-in that ended well brought. `server` is what the provider keeps for refreshes."""

    tokens: Tokens
    refresh_token: SecretStr
    account: Account
    server: str | None


@dataclass(frozen=True, slots=True)
class Connecting:
    """Starts and finishes sign-ins."""

    database: Database
    outbox: Outbox
    vault: Vault
    providers: Mapping[System, Provider]

    async def start(self, request: StartConnection, caller: Caller) -> ConnectionStartedReply:
        """Begin to connect, or to reconnect `request.connection`. Its tokens stay good until the end.

        Raises Conflict if this installation is not registered there, NotFound, Invalid.
        """
        provider = self.providers[request.system]
        if not provider.is_set_up:
            name = f"AUTH_{request.system.upper()}_CLIENT_ID"
            raise Conflict(
                f"Dieser Installation fehlen die OAuth-Zugangsdaten für {_NAMES[request.system]}.",
                remedy=f"Der Betreiber setzt {name} und das Secret dazu.",
            )
        state = secrets.token_urlsafe(32)
        verifier = SecretStr(secrets.token_urlsafe(48)) if provider.uses_pkce else None
        now = datetime.now(UTC)
        async with self.database.tenant(caller.tenant) as session:
            connection = await _connection_to_begin(session, request, caller, now)
            session.add(
                SignInRow(
                    state_hash=hash_of(state),
                    tenant=caller.tenant,
                    actor_kind=caller.actor.kind,
                    actor_id=caller.actor.id,
                    connection=connection,
                    system=request.system,
                    code_verifier=self.vault.seal(verifier) if verifier else None,
                    expires_at=now + SIGN_IN_LASTS,
                )
            )
            told = ConnectionStarted(connection=connection, system=request.system)
            await self.outbox.tell(session, caller.cause, told)
        url = provider.authorize_url(state, verifier.get_secret_value() if verifier else None)
        return ConnectionStartedReply(connection=connection, authorize_url=url)

    async def finish(self, request: FinishConnection, caller: Caller) -> Connection:
        """What the redirect brought becomes a connection with tokens.

        Raises Invalid for a state that is not good, Conflict if the person or the system said no,
        Unavailable if the system does not answer.
        """
        sign_in = await self._use(request.state, caller)
        grant = await self._obtain(sign_in, request, caller)
        try:
            return await self._keep(sign_in, grant, caller)
        except _OtherAccount as error:
            raise await self._refused(
                sign_in, caller, "die Anmeldung führt zu einem anderen Konto als bisher"
            ) from error

    async def _obtain(self, sign_in: SignInRow, request: FinishConnection, caller: Caller) -> _Grant:
        """Code for tokens, and whose they are. Raises Conflict, Unavailable."""
        provider = self.providers[System(sign_in.system)]
        if request.error or not request.code:
            reason = error_code(request.error) if request.error else "es kam kein Code zurück"
            raise await self._refused(sign_in, caller, reason)
        verifier = self.vault.open(sign_in.code_verifier) if sign_in.code_verifier else None
        try:
            tokens = await provider.exchange(
                request.code,
                code_verifier=verifier.get_secret_value() if verifier else None,
                server=request.accounts_server,
            )
        except UnknownServer as error:
            raise await self._refused(sign_in, caller, str(error)) from error
        if isinstance(tokens, Refused):
            raise await self._refused(sign_in, caller, tokens.error)
        if isinstance(tokens, NoAnswer):
            raise await self._unanswered(sign_in, caller, tokens)
        if tokens.refresh is None:
            raise await self._refused(sign_in, caller, "es kam kein Refresh-Token: der Offline-Zugriff fehlt")
        account = await provider.account(tokens)
        if isinstance(account, NoAnswer):
            raise await self._unanswered(sign_in, caller, account)
        return _Grant(tokens, tokens.refresh, account, provider.server_to_keep(request.accounts_server))

    async def _use(self, state: str, caller: Caller) -> SignInRow:
        """The sign-in that `state` belongs to; it is used up from now on. Raises Invalid."""
        now = datetime.now(UTC)
        async with self.database.tenant(caller.tenant) as session:
            sign_in = await store.locked_sign_in(session, hash_of(state))
            if why := why_not_usable(sign_in, caller, now):
                log.warning("sign_in.state_refused", reason=why)
                raise Invalid(f"Diese Anmeldung {why}.", remedy=START_AGAIN)
            assert sign_in is not None
            sign_in.used_at = now
            session.add(sign_in)
        return sign_in

    async def _keep(self, sign_in: SignInRow, grant: _Grant, caller: Caller) -> Connection:
        try:
            return await self._store(sign_in, grant, caller)
        except IntegrityError:
            # Two sign-ins to the same account ended at once: the second one finds the first one's row.
            return await self._store(sign_in, grant, caller)

    async def _store(self, sign_in: SignInRow, grant: _Grant, caller: Caller) -> Connection:
        now = datetime.now(UTC)
        system = System(sign_in.system)
        async with self.database.tenant(caller.tenant) as session:
            row = await _row_to_fill(session, sign_in.connection, system, grant.account)
            row.account, row.account_name = grant.account.id, grant.account.name
            row.accounts_url = grant.server
            row.connected_at = now
            row.issued_at = []  # a new refresh token has its own limit
            put_tokens(row, grant.tokens, grant.refresh_token, self.vault, now)
            session.add(row)
            told = Connected(connection=Uuid(row.id), system=system, account=grant.account.id)
            await self.outbox.tell(session, caller.cause, told)
        log.info("connection.connected", connection=row.id, system=system)
        return shown(row)

    async def _refused(self, sign_in: SignInRow, caller: Caller, reason: str) -> Conflict:
        """Tell that the flow ended without a connection; what to raise."""
        await self._tell_refused(sign_in, caller, reason)
        return Conflict(_not_connected(sign_in, reason), remedy=START_AGAIN)

    async def _unanswered(self, sign_in: SignInRow, caller: Caller, answer: NoAnswer) -> Unavailable:
        await self._tell_refused(sign_in, caller, answer.reason)
        return Unavailable(_not_connected(sign_in, answer.reason), remedy=f"Später: {START_AGAIN}")

    async def _tell_refused(self, sign_in: SignInRow, caller: Caller, reason: str) -> None:
        log.warning("connection.refused", connection=sign_in.connection, reason=reason)
        async with self.database.tenant(caller.tenant) as session:
            row = await store.locked_connection(session, sign_in.connection)
            if row is not None and row.state == ConnectionState.CONNECTING:
                row.last_error = reason
                session.add(row)
            told = ConnectionRefused(
                connection=Uuid(sign_in.connection), system=System(sign_in.system), reason=reason
            )
            await self.outbox.tell(session, caller.cause, told)


def _not_connected(sign_in: SignInRow, reason: str) -> str:
    words = "Die Zustimmung wurde abgelehnt" if reason == "access_denied" else "Grund"
    return f"{_NAMES[System(sign_in.system)]} ist nicht verbunden. {words}: {reason}"


async def _connection_to_begin(
    session: AsyncSession, request: StartConnection, caller: Caller, now: datetime
) -> Uuid:
    if request.connection is None:
        row = ConnectionRow(
            id=new_id(),
            tenant=caller.tenant,
            system=request.system,
            name=request.name,
            state=ConnectionState.CONNECTING,
            created_at=now,
        )
        session.add(row)
        return Uuid(row.id)
    found = await store.connection(session, request.connection)
    if found is None:
        raise NotFound(f"Die Verbindung {request.connection} gibt es nicht.")
    if found.system != request.system:
        raise Invalid(
            f"Die Verbindung {request.connection} führt zu {_NAMES[System(found.system)]}, "
            f"nicht zu {_NAMES[request.system]}."
        )
    return Uuid(found.id)


async def _row_to_fill(
    session: AsyncSession, connection: str, system: System, account: Account
) -> ConnectionRow:
    """The connection that gets the tokens: one that leads to the account already, else the one begun.

    Links and pipelines belong to a connection, so it never changes its account: raises _OtherAccount.
    """
    begun = await store.locked_connection(session, connection)
    known = await store.locked_connection_of_account(session, system, account.id)
    if begun is not None and begun.account not in (None, account.id):
        raise _OtherAccount
    if known is None and begun is None:
        raise Conflict("Die Verbindung gibt es nicht mehr.", remedy=START_AGAIN)
    if known is not None and begun is not None and known.id != begun.id:
        await session.delete(begun)
    row = known or begun
    assert row is not None
    return row


def why_not_usable(sign_in: SignInRow | None, caller: Caller, now: datetime) -> str | None:
    """Why a redirect's state is not good, in words that follow "Diese Anmeldung"; None if it is."""
    if sign_in is None or (sign_in.actor_kind, sign_in.actor_id) != (caller.actor.kind, caller.actor.id):
        return "wurde nicht hier und von Ihnen begonnen"
    if sign_in.used_at is not None:
        return "ist schon abgeschlossen"
    if now >= sign_in.expires_at:
        return f"dauerte länger als {SIGN_IN_LASTS.total_seconds() / 60:.0f} Minuten"
    return None


def hash_of(state: str) -> bytes:
    """How a state is kept: reading the table gives no state to use."""
    return hashlib.sha256(state.encode()).digest()
