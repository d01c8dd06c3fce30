"""How tokens get into and out of a connection's row: always sealed, always all of them together."""

import random
from datetime import datetime

from pydantic import SecretStr

from auth.providers import Tokens
from auth.renewal import issued_lately, renewal_time
from auth.tables import ConnectionRow
from chassis.crypto import CannotDecrypt, Vault
from contracts.ids import Uuid
from contracts.names import System
from contracts.problems import NotConnected
from contracts.rpc.auth import AccessToken, Connection, ConnectionState


def put_tokens(
    row: ConnectionRow, tokens: Tokens, refresh_token: SecretStr, vault: Vault, now: datetime
) -> None:
    """Make `tokens` the connection's newest; it is active again, and what failed before is forgotten.

    The refresh token is sealed anew even if it is the old one: so every row moves to a new key by itself,
    within the life of an access token.
    """
    row.access_token = vault.seal(tokens.access)
    row.refresh_token = vault.seal(refresh_token)
    if tokens.api_url is not None:
        row.api_url = tokens.api_url
    row.generation += 1
    row.token_expires_at = now + tokens.lifetime
    row.renew_at = renewal_time(now, tokens.lifetime, jitter=random.random())  # noqa: S311 (spreads load)
    row.issued_at = issued_lately(row.issued_at, now)
    row.state = ConnectionState.ACTIVE
    row.not_before, row.failures, row.last_error = None, 0, None


def take_tokens_away(row: ConnectionRow, reason: str) -> None:
    """The refresh token is dead: a person must connect again.

    The generation stays: should a renewal with this very refresh token still bring new ones (its replica
    could not reach PostgreSQL for a while), they are taken.
    """
    row.state = ConnectionState.RECONNECT_NEEDED
    row.access_token = row.refresh_token = None
    row.last_error = reason


def open_token(sealed: bytes | None, vault: Vault, connection: str) -> SecretStr:
    """A stored token. Raises NotConnected if there is none, or none of our keys opens it."""
    if sealed is None:
        raise not_connected(connection)
    try:
        return vault.open(sealed)
    except CannotDecrypt as error:
        raise NotConnected(
            f"the tokens of connection {connection} fit none of the keys of this installation",
            remedy="give AUTH_SECRET_KEYS the key that it was connected with, or connect again",
        ) from error


def not_connected(connection: str) -> NotConnected:
    return NotConnected(f"connection {connection} has no valid tokens", remedy="connect it again")


def access_token_of(row: ConnectionRow, vault: Vault) -> AccessToken:
    """What a caller gets. Raises NotConnected."""
    if row.token_expires_at is None or row.account is None:
        raise not_connected(row.id)
    return AccessToken(
        token=open_token(row.access_token, vault, row.id),
        expires_at=row.token_expires_at,
        system=System(row.system),
        account=row.account,
        api_url=row.api_url,
    )


def shown(row: ConnectionRow) -> Connection:
    """What people and other services may see of a connection: everything but its tokens."""
    return Connection(
        id=Uuid(row.id),
        system=System(row.system),
        name=row.name,
        state=ConnectionState(row.state),
        account=row.account,
        account_name=row.account_name,
        api_url=row.api_url,
        connected_at=row.connected_at,
        token_expires_at=row.token_expires_at,
        last_error=row.last_error,
    )
