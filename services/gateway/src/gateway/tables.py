"""The gateway's tables. All have row-level security by `tenant`."""

from datetime import datetime

from sqlalchemy import DateTime, text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel


class Base(SQLModel, registry=registry()):
    """The gateway's own registry, so that no other service's tables are in its metadata."""


class Tenant(Base, table=True):
    """One broker team."""

    tenant: str = Field(primary_key=True)
    name: str
    created_at: datetime = Field(
        sa_type=DateTime(timezone=True),  # pyright: ignore[reportArgumentType] (SQLModel types it as a class)
        sa_column_kwargs={"server_default": text("now()")},
    )


class WebhookEndpoint(Base, table=True):
    """Who may call a pipeline's webhook: SHA-256 in hex of its token, and of the one before it."""

    __tablename__ = "webhook_endpoint"  # pyright: ignore[reportAssignmentType]

    tenant: str = Field(primary_key=True)
    pipeline: str = Field(primary_key=True)
    token_hash: str
    previous_token_hash: str | None = None
    created_at: datetime = Field(
        sa_type=DateTime(timezone=True),  # pyright: ignore[reportArgumentType]
        sa_column_kwargs={"server_default": text("now()")},
    )


class OAuthState(Base, table=True):
    """Which tenant a code flow belongs to: SHA-256 in hex of the `state` that it travels under."""

    __tablename__ = "oauth_state"  # pyright: ignore[reportAssignmentType]

    state_hash: str = Field(primary_key=True)
    tenant: str
    created_at: datetime = Field(
        sa_type=DateTime(timezone=True),  # pyright: ignore[reportArgumentType]
        sa_column_kwargs={"server_default": text("now()")},
    )
