"""The tables of ingest. All carry the tenant and are under row-level security.

The 13 tables of a delivery have typed columns, named as in `formats/*.toml`; a test compares the two.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Boolean, Column, DateTime, Numeric, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from contracts.actor import ActorKind

_MOMENT: Any = DateTime(timezone=True)
_AMOUNT: Any = Numeric(18, 2)
_LOCAL_TIME: Any = DateTime(timezone=False)
_NAMES: Any = ARRAY(Text)
_JSON: Any = JSONB
_UUID: Any = UUID(as_uuid=False)


class Base(SQLModel, registry=registry()):
    """ingest's own registry: the services' tables never meet in one MetaData."""


def _now() -> datetime:
    return datetime.now(UTC)


class FtpUserRow(Base, table=True):
    """A tenant's way in. The password is 24 random bytes, so a salted SHA-256 keeps it."""

    __tablename__ = "ftp_user"  # pyright: ignore[reportAssignmentType]

    tenant: str = Field(primary_key=True)
    user_name: str
    salt: str
    password_hash: str
    plain_allowed: bool = Field(default=False, sa_type=Boolean)
    created_at: datetime = Field(default_factory=_now, sa_type=_MOMENT)


class DeliveryRow(Base, table=True):
    """One delivery, and at the same time its place in the queue: the oldest `waiting` one is next. The
    actor is who sent it: events of its import name him."""

    __tablename__ = "delivery"  # pyright: ignore[reportAssignmentType]

    id: str = Field(sa_column=Column(UUID(as_uuid=False), primary_key=True))
    tenant: str
    state: str
    correlationid: str = Field(sa_column=Column(UUID(as_uuid=False), nullable=False))
    actor_kind: str = ActorKind.BLAUDIREKT
    actor_id: str = "dailyup"
    received_from: datetime = Field(sa_type=_MOMENT)
    as_of: datetime = Field(sa_type=_MOMENT)
    started_at: datetime | None = Field(default=None, sa_type=_MOMENT)
    finished_at: datetime | None = Field(default=None, sa_type=_MOMENT)
    attempts: int = 0
    files: int = 0
    bytes_: int = Field(default=0, sa_column=Column("bytes", nullable=False))
    missing: list[str] = Field(default_factory=list, sa_type=_NAMES)
    counts: dict[str, dict[str, int]] = Field(default_factory=dict, sa_type=_JSON)
    problems: list[dict[str, Any]] = Field(default_factory=list, sa_type=_JSON)
    problem_count: int = 0
    reason: str | None = None
    preview: dict[str, Any] = Field(default_factory=dict, sa_type=_JSON)
    released_at: datetime | None = Field(default=None, sa_type=_MOMENT)
    released_by: str | None = None
    progress: dict[str, dict[str, Any]] = Field(default_factory=dict, sa_type=_JSON)


class DeliveredTableRow(Base, table=True):
    """What the newest imported delivery brought of one table: its columns, in how many of its rows each was
    filled, the rows now stored, and state as of when. `whole_once`: this or one before brought it whole."""

    __tablename__ = "delivered_table"  # pyright: ignore[reportAssignmentType]

    tenant: str = Field(primary_key=True)
    table_name: str = Field(primary_key=True)
    columns: list[str] = Field(sa_type=_NAMES)
    rows: int
    filled: dict[str, int] = Field(default_factory=dict, sa_type=_JSON)
    whole_once: bool
    delivery: str = Field(sa_column=Column(UUID(as_uuid=False), nullable=False))
    as_of: datetime = Field(sa_type=_MOMENT)


class FormatOverrideRow(Base, table=True):
    """How a tenant's files differ from the built-in format: `contracts.rpc.ingest_format.FormatChanges`."""

    __tablename__ = "format_override"  # pyright: ignore[reportAssignmentType]

    tenant: str = Field(primary_key=True)
    changes: dict[str, Any] = Field(sa_type=_JSON)
    changed_at: datetime = Field(sa_type=_MOMENT)
    changed_by: str


class OverdueRow(Base, table=True):
    """It was told that this tenant's delivery is overdue."""

    __tablename__ = "overdue"  # pyright: ignore[reportAssignmentType]

    tenant: str = Field(primary_key=True)
    since: datetime = Field(sa_type=_MOMENT)


class Stored(Base):
    """What every row of the 13 tables has beside its own columns.

    `unknown` names the columns whose value was never readable: their cell here says nothing. `row_hash` is
    that of the line that said what is here; without one the row is read again at each delivery.
    """

    tenant: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    extra: dict[str, Any] = Field(default_factory=dict, sa_type=_JSON)
    unknown: list[str] = Field(default_factory=list, sa_type=_NAMES)
    row_hash: str | None = Field(default=None, sa_type=_UUID)
    first_seen: datetime = Field(sa_type=_MOMENT)
    changed_at: datetime = Field(sa_type=_MOMENT)
    gone_since: datetime | None = Field(default=None, sa_type=_MOMENT)


class StoredObject(Stored):
    """A row that sync hears of: with the version of its composed object that was told last."""

    version: str | None = None
    versioned_at: datetime | None = Field(default=None, sa_type=_MOMENT)
    versioned_by: str | None = Field(default=None, sa_type=_UUID)


class AnredeRow(StoredObject, table=True):
    __tablename__ = "anrede"  # pyright: ignore[reportAssignmentType]

    id: str | None = None
    text: str | None = None
    juristische_person: bool | None = Field(default=None, sa_type=Boolean)


class RechtsformRow(StoredObject, table=True):
    __tablename__ = "rechtsform"  # pyright: ignore[reportAssignmentType]

    id: str | None = None
    text: str | None = None


class LandRow(StoredObject, table=True):
    __tablename__ = "land"  # pyright: ignore[reportAssignmentType]

    id: str | None = None
    text: str | None = None


class SparteRow(StoredObject, table=True):
    __tablename__ = "sparte"  # pyright: ignore[reportAssignmentType]

    id: str | None = None
    text: str | None = None


class GesellschaftRow(StoredObject, table=True):
    __tablename__ = "gesellschaft"  # pyright: ignore[reportAssignmentType]

    id: str | None = None
    text: str | None = None


class StatusRow(StoredObject, table=True):
    __tablename__ = "status"  # pyright: ignore[reportAssignmentType]

    id: str | None = None
    text: str | None = None


class ZahlweiseRow(StoredObject, table=True):
    __tablename__ = "zahlweise"  # pyright: ignore[reportAssignmentType]

    id: str | None = None
    text: str | None = None


class VermittlerRow(StoredObject, table=True):
    __tablename__ = "vermittler"  # pyright: ignore[reportAssignmentType]

    vermittler_id: str | None = None
    name: str | None = None
    parent_id: str | None = None


class KundendetailfeldRow(StoredObject, table=True):
    __tablename__ = "kundendetailfeld"  # pyright: ignore[reportAssignmentType]

    id: str | None = None
    bezeichnung: str | None = None
    typ: str | None = None


class KundeRow(StoredObject, table=True):
    __tablename__ = "kunde"  # pyright: ignore[reportAssignmentType]

    ameise_id: str | None = None
    vermittler_id: str | None = None
    anrede_id: str | None = None
    titel: str | None = None
    vorname: str | None = None
    nachname: str | None = None
    strasse: str | None = None
    plz: str | None = None
    ort: str | None = None
    land_id: str | None = None
    geburtsdatum: date | None = None
    beruf: str | None = None
    nationalitaet: str | None = None
    rechtsform_id: str | None = None
    benutzername_simplr: str | None = None
    verstorben: bool | None = Field(default=None, sa_type=Boolean)
    last_simplr_login_at: datetime | None = Field(default=None, sa_type=_LOCAL_TIME)
    created_at: datetime | None = Field(default=None, sa_type=_LOCAL_TIME)


class KundenkommunikationRow(Stored, table=True):
    __tablename__ = "kundenkommunikation"  # pyright: ignore[reportAssignmentType]

    id: str | None = None
    kunde_id: str | None = None
    art: str | None = None
    kontext: str | None = None
    wert: str | None = None
    standard: bool | None = Field(default=None, sa_type=Boolean)


class KundendetailRow(Stored, table=True):
    __tablename__ = "kundendetail"  # pyright: ignore[reportAssignmentType]

    kunde_id: str | None = None
    feld_id: str | None = None
    wert: str | None = None


class VertragRow(StoredObject, table=True):
    __tablename__ = "vertrag"  # pyright: ignore[reportAssignmentType]

    ameise_id: str | None = None
    kunde_id: str | None = None
    vermittler_id: str | None = None
    sparte_id: str | None = None
    gesellschaft_id: str | None = None
    status_id: str | None = None
    zahlweise_id: str | None = None
    versicherungsscheinnummer: str | None = None
    risiko: str | None = None
    beitrag_netto: Decimal | None = Field(default=None, sa_type=_AMOUNT)
    beginn: date | None = None
    ablauf: date | None = None
