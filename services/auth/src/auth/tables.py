"""auth's tables. Tokens are sealed by the vault before they come here, and stay out of every repr."""

from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, DateTime, Uuid
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

_MOMENT: Any = DateTime(timezone=True)
_UUID: Any = Uuid(as_uuid=False)


class Base(SQLModel, registry=registry()):
    """The tables of this service have a registry of their own."""


class ConnectionRow(Base, table=True):
    """One authorised link to Ameise or to a Zoho organisation, with its newest tokens."""

    __tablename__ = "connection"  # pyright: ignore[reportAssignmentType]

    id: str = Field(primary_key=True, sa_type=_UUID)
    tenant: str
    system: str
    name: str
    state: str
    account: str | None = None
    account_name: str | None = Field(default=None, repr=False)
    api_url: str | None = None
    accounts_url: str | None = None
    """Zoho's accounts server that gave the tokens; None: the configured one."""
    access_token: bytes | None = Field(default=None, repr=False)
    refresh_token: bytes | None = Field(default=None, repr=False)
    generation: int = Field(default=0, sa_type=BigInteger)
    """Grows whenever the tokens are replaced: an answer to an older refresh token is recognised by it."""
    token_expires_at: datetime | None = Field(default=None, sa_type=_MOMENT)
    renew_at: datetime | None = Field(default=None, sa_type=_MOMENT)
    not_before: datetime | None = Field(default=None, sa_type=_MOMENT)
    """No renewal is tried before: how replicas share the pause after a failure."""
    failures: int = 0
    issued_at: list[datetime] = Field(default_factory=list[datetime], sa_type=ARRAY(_MOMENT))  # pyright: ignore[reportArgumentType]
    """When access tokens were issued in the last ten minutes."""
    connected_at: datetime | None = Field(default=None, sa_type=_MOMENT)
    last_error: str | None = None
    created_at: datetime = Field(sa_type=_MOMENT)


class SignInRow(Base, table=True):
    """One walk through the authorization code flow: its state, kept as a hash, is good once."""

    __tablename__ = "sign_in"  # pyright: ignore[reportAssignmentType]

    state_hash: bytes = Field(primary_key=True, repr=False)
    tenant: str
    actor_kind: str
    actor_id: str
    connection: str = Field(sa_type=_UUID)
    system: str
    code_verifier: bytes | None = Field(default=None, repr=False)
    expires_at: datetime = Field(sa_type=_MOMENT)
    used_at: datetime | None = Field(default=None, sa_type=_MOMENT)
