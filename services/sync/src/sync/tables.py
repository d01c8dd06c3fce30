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
    """One mapping. `definition` is a `sync.pipelines.Definition` as JSON; `version` its hash.

    `drift`: what of the definition `drift_version` no longer fits Zoho (`sync.drift_store`).
    """

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
    made_at: datetime = Field(default_factory=_now, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    last_success: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    last_error: str | None = None
    drift: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(JSONB, nullable=False))
    drift_since: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    drift_read_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    drift_version: str | None = None
    held_back: int = Field(default=0, sa_type=BigInteger)


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
    `own_write`: Zoho's moment and author of our last write to the record. `deleted_at`: when we began to
    delete it. `kept_at`: when a person kept it though its object is gone in Ameise. Either id may be missing
    while the other side is being found or made.
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
    unread: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    own_write: dict[str, str] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    gone_in_zoho: bool = False
    kept_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    deleted_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    asked: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))
    linked_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    lease_owner: str | None = None
    lease_until: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    fence: int = Field(default=0, sa_type=BigInteger)


class WorkRow(Base, table=True):
    """One thing to do: look at a Zoho record (`to_ameise`) or at an object of Ameise (`to_zoho`), or
    delete the record of an object that is gone (`deletion`). `released`: what to park for, and when a person
    overruled it.

    `conflict_told`: the conflict that the last try told (`sync.conflicts.conflict_of`).

    Of a parked row `cause` and `details` say why (`sync.retry.Park`), `words` what the outside system said.

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
    not_in_bulk: bool = False
    due_at: datetime = Field(default_factory=_now, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    created_at: datetime = Field(default_factory=_now, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    attempts: int = 0
    failing_since: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    reason: str | None = None
    words: str | None = None
    cause: str | None = None
    details: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))
    candidates: list[str] = Field(default_factory=list, sa_column=Column(JSONB, nullable=False))
    released: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))
    conflict_told: str | None = None
    lease_owner: str | None = None
    lease_until: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    fence: int = Field(default=0, sa_type=BigInteger)


class IntentRow(Base, table=True):
    """Committed before a POST that must not be repeated: what was found before it, and how it ended.

    `match_keys` are keyed hashes: of a Kunde's e-mail and of his name with birth date, of a Vertrag's
    Versicherungsscheinnummer, or of its Sparte and Beginn. `kunde`: whose it is, of a Vertrag. `outcome` is
    open, created, adopted or abandoned (a person decided); `ameise_key` the number of what came of it.
    """

    __tablename__ = "intent"  # pyright: ignore[reportAssignmentType]

    id: str = Field(sa_column=Column(UUID(as_uuid=False), primary_key=True))
    tenant: str
    ameise_connection: str = Field(sa_column=Column(UUID(as_uuid=False), nullable=False))
    module: str
    table_name: str
    zoho_id: str
    kunde: str | None = None
    match_keys: list[str] = Field(sa_column=Column(JSONB, nullable=False))
    found_before: list[str] = Field(sa_column=Column(JSONB, nullable=False))
    outcome: str = "open"
    ameise_key: str | None = None
    created_at: datetime = Field(default_factory=_now, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]


class JudgedRow(Base, table=True):
    """The version of an object that a pipeline last judged, and how: the complete comparison reads this.

    `outcome` is applied, excluded, gone, gone_in_zoho, discarded, held_back (some value does not fit Zoho) or
    void (we wrote to Ameise since).
    """

    __tablename__ = "judged"  # pyright: ignore[reportAssignmentType]

    tenant: str = Field(primary_key=True)
    pipeline: int = Field(primary_key=True)
    key: str = Field(primary_key=True)
    version: str
    outcome: str
    pipeline_version: str
    judged_at: datetime = Field(default_factory=_now, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]


class DismissedRow(Base, table=True):
    """A doubt about a record that a person looked at and let go. `doubt` is its hash."""

    __tablename__ = "dismissed"  # pyright: ignore[reportAssignmentType]

    tenant: str = Field(primary_key=True)
    pipeline: int = Field(primary_key=True)
    zoho_id: str = Field(primary_key=True)
    doubt: str
    dismissed_at: datetime = Field(default_factory=_now, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]


class ConnectionLimitRow(Base, table=True):
    """What holds for calls over one connection, and how the system stands: `sync.limit_store`."""

    __tablename__ = "connection_limit"  # pyright: ignore[reportAssignmentType]

    tenant: str = Field(primary_key=True)
    connection: str = Field(sa_column=Column(UUID(as_uuid=False), primary_key=True))
    system: str
    daily_credits: int | None = None
    share_percent: int | None = None
    simultaneous_calls: int | None = None
    bulk_write_allowed: bool = False
    creates_vertraege: bool | None = None
    changes_vertraege: bool | None = None
    remaining: int | None = None
    remaining_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    disconnected_until: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    failures: int = 0
    opened_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    open_until: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    trips: int = 0
    told_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    throttled: int = 0
    paused_until: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]


class CreditSpentRow(Base, table=True):
    """API credits that we spent in the ten minutes from `since` on."""

    __tablename__ = "credit_spent"  # pyright: ignore[reportAssignmentType]

    tenant: str = Field(primary_key=True)
    connection: str = Field(sa_column=Column(UUID(as_uuid=False), primary_key=True))
    since: datetime = Field(sa_type=DateTime(timezone=True), primary_key=True)  # pyright: ignore[reportArgumentType]
    credits: int


class CallShareRow(Base, table=True):
    """The simultaneous calls that one replica may have until then."""

    __tablename__ = "call_share"  # pyright: ignore[reportAssignmentType]

    tenant: str = Field(primary_key=True)
    connection: str = Field(sa_column=Column(UUID(as_uuid=False), primary_key=True))
    owner: str = Field(primary_key=True)
    calls: int
    complex_calls: int
    until: datetime = Field(sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]


class BulkJobRow(Base, table=True):
    """A bulk write: waiting for rows, filling, creating (Zoho may have it), running as `zoho_job`, ended."""

    __tablename__ = "bulk_job"  # pyright: ignore[reportAssignmentType]

    id: str = Field(sa_column=Column(UUID(as_uuid=False), primary_key=True))
    tenant: str
    pipeline: int
    state: str
    zoho_job: str | None = None
    author: str | None = None
    rows: int = 0
    failed: bool = False
    outcome: str | None = None
    created_at: datetime = Field(default_factory=_now, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    job_created_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    ended_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]


class BulkRow(Base, table=True):
    """What is to be stored once the job has written a record; erased with it."""

    __tablename__ = "bulk_row"  # pyright: ignore[reportAssignmentType]

    tenant: str
    job: str = Field(sa_column=Column(UUID(as_uuid=False), primary_key=True))
    work: int = Field(sa_type=BigInteger, primary_key=True)
    zoho_id: str
    settled: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class ThroughputRow(Base, table=True):
    """What a pipeline did in one minute: a ring of 60, so that it never grows."""

    __tablename__ = "throughput"  # pyright: ignore[reportAssignmentType]

    tenant: str = Field(primary_key=True)
    pipeline: int = Field(primary_key=True)
    slot: int = Field(primary_key=True)
    last_at: datetime = Field(sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    written: int


class StopListSizeRow(Base, table=True):
    """How many entries the stop list has had: fewer means that it was lost."""

    __tablename__ = "stop_list_size"  # pyright: ignore[reportAssignmentType]

    tenant: str = Field(primary_key=True)
    entries: int


class FlowRow(Base, table=True):
    """When a comparison was last tried and last succeeded. `thing` is the Zoho connection, or empty.

    `clock_from` is where the waiting for the next success begins; it stands still while a connection waits
    for a person. `overdue_since` is set while an alarm stands.
    """

    __tablename__ = "flow"  # pyright: ignore[reportAssignmentType]

    tenant: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    thing: str = Field(default="", primary_key=True)
    made_at: datetime = Field(default_factory=_now, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    clock_from: datetime = Field(default_factory=_now, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    tried_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    last_success: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    overdue_since: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]


class ZohoPositionRow(Base, table=True):
    """How far Zoho's changes of a module have become work, and its links were compared."""

    __tablename__ = "zoho_position"  # pyright: ignore[reportAssignmentType]

    tenant: str = Field(primary_key=True)
    zoho_connection: str = Field(sa_column=Column(UUID(as_uuid=False), primary_key=True))
    module: str = Field(primary_key=True)
    changed_since: datetime = Field(sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    links_after: str = ""


class DryRunRow(Base, table=True):
    """A pipeline tried on everything: how far it is, and what it counted (`contracts` `DryRunCounts`).

    `after` is the last object counted, empty when it is over.
    """

    __tablename__ = "dry_run"  # pyright: ignore[reportAssignmentType]

    tenant: str = Field(primary_key=True)
    pipeline: int = Field(primary_key=True)
    id: str = Field(sa_column=Column(UUID(as_uuid=False), nullable=False))
    version: str
    state: str = "running"
    started_at: datetime = Field(default_factory=_now, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    due_at: datetime = Field(default_factory=_now, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    ended_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    total: int = Field(default=0, sa_type=BigInteger)
    done: int = Field(default=0, sa_type=BigInteger)
    after: str = ""
    reason: str | None = None
    counts: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))
