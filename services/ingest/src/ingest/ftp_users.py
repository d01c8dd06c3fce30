"""The tenants' users for FTP and SFTP: made, renewed, and recognised.

The password is made by us from 24 random bytes, so a salted SHA-256 is enough to keep it: there is
nothing to guess, and a server's thread must not spend its time on a slow hash.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
from pydantic import SecretStr
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.ids import TenantId
from ingest import store
from ingest.tables import FtpUserRow

PASSWORD_BYTES = 24


@dataclass(frozen=True, slots=True)
class NewAccess:
    """What blau direkt needs to reach us. The password exists only here."""

    user: str
    password: SecretStr
    plain_allowed: bool


def hashed(password: str, salt: str) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(f"{salt}:{password}".encode()).hexdigest()


async def renew_access(
    session: AsyncSession, tenant: TenantId, *, plain_allowed: bool | None, otherwise: bool
) -> NewAccess:
    """Give the tenant a new password; the user name is made once and stays. The old password is dead.

    `plain_allowed` None leaves that as it is; `otherwise` is for a user who is new.
    """
    row = await store.ftp_user(session, tenant)
    password, salt = secrets.token_urlsafe(PASSWORD_BYTES), secrets.token_hex(16)
    if row is None:
        row = FtpUserRow(
            tenant=tenant,
            user_name=f"{tenant}-{secrets.token_hex(4)}",
            salt="",
            password_hash="",
            plain_allowed=otherwise,
        )
    row.salt, row.password_hash, row.created_at = salt, hashed(password, salt), datetime.now(UTC)
    if plain_allowed is not None:
        row.plain_allowed = plain_allowed
    session.add(row)
    await session.flush()
    return NewAccess(row.user_name, SecretStr(password), row.plain_allowed)


class Users:
    """Looks users up for a server's thread, over a connection of its own.

    As the all-tenants role: before the login nobody knows the tenant. It reads this one table only.
    """

    def __init__(self, url: SecretStr) -> None:
        self._url = url
        self._connection: psycopg.Connection | None = None

    def recognise(self, user: str, password: str) -> TenantId | None:
        """The tenant whose user and password these are. Raises psycopg.Error if PostgreSQL is away."""
        row = self._row(user)
        # Unknown names cost the same time as wrong passwords.
        tenant, salt, wanted, _ = row or ("", "", "", False)
        fits = hmac.compare_digest(hashed(password, salt), wanted)
        return TenantId(tenant) if row and fits else None

    def may_come_plain(self, user: str) -> bool:
        """Whether this user may log in without TLS. Raises psycopg.Error if PostgreSQL is away."""
        row = self._row(user)
        return row is not None and row[3]

    def _row(self, user: str) -> tuple[str, str, str, bool] | None:
        if "\x00" in user:
            return None  # PostgreSQL refuses to be asked for it
        for attempt in (1, 2):
            try:
                if self._connection is None:
                    self._connection = psycopg.connect(
                        self._url.get_secret_value(), autocommit=True, connect_timeout=3
                    )
                return self._connection.execute(
                    "SELECT tenant, salt, password_hash, plain_allowed FROM ftp_user WHERE user_name = %s",
                    [user],
                ).fetchone()
            except psycopg.OperationalError:
                self.close()  # the connection was lost since the last login: once more with a new one
                if attempt == 2:
                    raise
        return None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
