"""The tables of sync. All carry the tenant and are under row-level security."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Identity
from sqlalchemy.dialects.postgresql import JSONB, UUID
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel


class Base(SQLModel, registry=registry()):
    """sync's own registry: the services' tables never meet in one MetaData."""


def _now() -> datetime:
    return datetime.now(UTC)


class PipelineRow(Base, table=True):
    """One mapping. `definition` is a `sync.pipelines.Definition` as JSON; `version` its hash."""

    __tablename__ = "pipeline"  # pyright: ignore[reportAssignmentType]

    tenant: str = Field(primary_key=True)
    id: int = Field(primary_key=True)
    name: str
    table_name: str
    module: str
    ameise_connection: str = Field(sa_column=Column(UUID(as_uuid=False), nullable=False))
    zoho_connection: str = Field(sa_column=Column(UUID(as_uuid=False), nullable=False))
    enabled: bool = True
    definition: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    version: str
    last_success: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    last_error: str | None = None


class PipelineNumberRow(Base, table=True):
    """The last number that was given to a pipeline. None is given twice: webhooks go by it."""

    __tablename__ = "pipeline_number"  # pyright: ignore[reportAssignmentType]

    tenant: str = Field(primary_key=True)
    last: int


class LinkRow(Base, table=True):
    """Ameise object A and Zoho record B are the same thing.

    `ameise_base` and `zoho_base` hold, per mapped field, each side's own value as last read there.
    `written` says when we last wrote a field to Ameise, or saw it new there: an older delivery does not win
    over it. `asked` holds the fields that a person must decide (`sync.conflicts.Question` by field).
    Either id may be missing while the other side is being found or made.
    """

    __tablename__ = "link"  # pyright: ignore[reportAssignmentType]

    id: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    tenant: str
    zoho_connection: str = Field(sa_column=Column(UUID(as_uuid=False), nullable=False))
    module: str
    ameise_connection: str = Field(sa_column=Column(UUID(as_uuid=False), nullable=False))
    table_name: str
    zoho_id: str | None = None
    ameise_key: str | None = None
    ameise_base: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    zoho_base: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    written: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))
    gone_in_zoho: bool = False
    asked: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))
    linked_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    lease_owner: str | None = None
    lease_until: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    fence: int = Field(default=0, sa_type=BigInteger)


class WorkRow(Base, table=True):
    """One thing to do: look at a Zoho record (`to_ameise`) or at an object of Ameise (`to_zoho`).

    Unique per (tenant, pipeline, direction, object): ten webhooks become one row. `asked` counts them;
    the row only goes if nobody asked again since it was taken.
    """

    __tablename__ = "work"  # pyright: ignore[reportAssignmentType]

    id: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    tenant: str
    pipeline: int
    direction: str
    object: str
    lane: int
    asked: int = Field(default=1, sa_type=BigInteger)
    correlationid: str = Field(sa_column=Column(UUID(as_uuid=False), nullable=False))
    causationid: str | None = Field(default=None, sa_column=Column(UUID(as_uuid=False)))
    parked: bool = False
    due_at: datetime = Field(default_factory=_now, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    created_at: datetime = Field(default_factory=_now, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    attempts: int = 0
    failing_since: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    reason: str | None = None
    words: str | None = None
    lease_owner: str | None = None
    lease_until: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    fence: int = Field(default=0, sa_type=BigInteger)


class IntentRow(Base, table=True):
    """Committed before a POST that must not be repeated: what was found before it, and how it ended.

    `match_keys` are keyed hashes of e-mail and of name with birth date. `outcome` is open, created,
    adopted or abandoned (a person decided).
    """

    __tablename__ = "intent"  # pyright: ignore[reportAssignmentType]

    id: str = Field(sa_column=Column(UUID(as_uuid=False), primary_key=True))
    tenant: str
    ameise_connection: str = Field(sa_column=Column(UUID(as_uuid=False), nullable=False))
    module: str
    zoho_id: str
    match_keys: list[str] = Field(sa_column=Column(JSONB, nullable=False))
    found_before: list[str] = Field(sa_column=Column(JSONB, nullable=False))
    outcome: str = "open"
    kundennummer: str | None = None
    created_at: datetime = Field(default_factory=_now, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]


class JudgedRow(Base, table=True):
    """The version of an object that a pipeline last judged, and how: the complete comparison reads this."""

    __tablename__ = "judged"  # pyright: ignore[reportAssignmentType]

    tenant: str = Field(primary_key=True)
    pipeline: int = Field(primary_key=True)
    key: str = Field(primary_key=True)
    version: str
    outcome: str
    pipeline_version: str
    judged_at: datetime = Field(default_factory=_now, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
