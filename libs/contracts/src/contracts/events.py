"""Everything that is told as having happened. Events stay, and become the Aktivitätslog.

The envelope uses CloudEvents 1.0 attribute names. `data` carries ids, field names and outcomes, never
personal values. An event's number within (service, tenant, epoch) is not in the envelope: the relay
gives it at publishing, and it travels in the NATS headers `NUMBER_HEADER` and `EPOCH_HEADER`.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts import subjects
from contracts.actor import ActorKind
from contracts.ids import AmeiseKey, Kundennummer, PipelineId, TenantId, Uuid, ZohoId, new_id
from contracts.names import Difference, Direction, Flow, Outcome, Service, System, Table

NUMBER_HEADER: Final = "Mvp-Number"
EPOCH_HEADER: Final = "Mvp-Epoch"

MOST_TOGETHER: Final = 100
"""Objects that one event tells of."""


class ObjectAction(StrEnum):
    """What became of one object."""

    CREATED = "created"
    UPDATED = "updated"
    GONE = "gone"
    UNCHANGED = "unchanged"


class ObjectChange(BaseModel):
    """One object of Ameise and what happened to it; `fields` are the names of the changed fields."""

    model_config = ConfigDict(frozen=True)

    table: Table
    key: AmeiseKey
    action: ObjectAction
    fields: tuple[str, ...] = ()


class EventData(BaseModel):
    """What all events may say; each event class adds what is its own.

    Class attributes say which service tells it, under which name, in which direction the data went
    and how it ended if nothing else is said.
    """

    model_config = ConfigDict(frozen=True)

    service: ClassVar[Service]
    event_name: ClassVar[str]
    direction: ClassVar[Direction] = Direction.INTERNAL

    outcome: Outcome = Outcome.OK
    reason: str | None = Field(default=None, description="why, in words, without personal values")
    duration_ms: float | None = None


class RecordData(EventData):
    """About one Zoho record and the object of Ameise that belongs to it."""

    pipeline: PipelineId
    module: str
    zoho_id: ZohoId | None = None
    object: ObjectChange | None = None


class DeliveryData(EventData):
    """About one DailyUp delivery."""

    delivery: Uuid


# ── gateway ──────────────────────────────────────────────────────────────────


class TenantCreated(EventData):
    service, event_name = Service.GATEWAY, "tenant_created"


class SignedIn(EventData):
    service, event_name = Service.GATEWAY, "signed_in"


class WebhookEndpointCreated(EventData):
    service, event_name = Service.GATEWAY, "webhook_endpoint_created"
    pipeline: PipelineId


class WebhookAccepted(EventData):
    service, event_name = Service.GATEWAY, "webhook_accepted"
    direction = Direction.TO_AMEISE
    pipeline: PipelineId
    zoho_id: ZohoId


class RequestsRefused(EventData):
    """Told once a minute: how many requests were refused, by reason and address block (/24 or /48)."""

    service, event_name = Service.GATEWAY, "requests_refused"
    outcome: Outcome = Outcome.WARNING
    counts: dict[str, dict[str, int]] = Field(description="reason → address block → number of requests")


# ── auth ─────────────────────────────────────────────────────────────────────


class ConnectionData(EventData):
    connection: Uuid
    system: System


class ConnectionStarted(ConnectionData):
    service, event_name = Service.AUTH, "connection_started"


class Connected(ConnectionData):
    service, event_name = Service.AUTH, "connected"
    account: str = Field(description="Mitarbeiter-ID or Zoho organisation id")


class ConnectionRefused(ConnectionData):
    """The code flow ended without a connection: a person said no, or the system refused the code."""

    service, event_name = Service.AUTH, "connection_refused"
    outcome: Outcome = Outcome.ERROR


class TokenRefreshed(ConnectionData):
    service, event_name = Service.AUTH, "token_refreshed"


class ReconnectNeeded(ConnectionData):
    """The refresh token is dead: a person must connect again."""

    service, event_name = Service.AUTH, "reconnect_needed"
    outcome: Outcome = Outcome.ERROR


# ── ingest ───────────────────────────────────────────────────────────────────


class FtpUserCreated(EventData):
    service, event_name = Service.INGEST, "ftp_user_created"
    user: str
    plain_allowed: bool = False


class DeliveryReceived(DeliveryData):
    """All expected files are there, or the waiting time is over."""

    service, event_name = Service.INGEST, "delivery_received"
    direction = Direction.TO_ZOHO
    files: int
    bytes_: int
    missing: tuple[Table, ...] = ()


class DeliveryUploaded(DeliveryData):
    """A person brought the files of a delivery."""

    service, event_name = Service.INGEST, "delivery_uploaded"
    direction = Direction.TO_ZOHO
    files: int
    bytes_: int


class TableCounts(BaseModel):
    """What a delivery did to one table, in rows."""

    model_config = ConfigDict(frozen=True)

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    gone: int = 0
    rejected: int = 0
    stopped: int = Field(default=0, description="left out, because the Kunde is on the stop list")


class DeliveryImported(DeliveryData):
    service, event_name = Service.INGEST, "delivery_imported"
    direction = Direction.TO_ZOHO
    counts: dict[Table, TableCounts]


class DeliveryFailed(DeliveryData):
    service, event_name = Service.INGEST, "delivery_failed"
    direction = Direction.TO_ZOHO
    outcome: Outcome = Outcome.ERROR


class DeliveryHeld(DeliveryData):
    """A guard stopped the delivery before it had any effect."""

    service, event_name = Service.INGEST, "delivery_held"
    direction = Direction.TO_ZOHO
    outcome: Outcome = Outcome.WARNING


class DeliveryReleased(DeliveryData):
    """A person let a held delivery pass: it is imported again, with the guards off."""

    service, event_name = Service.INGEST, "delivery_released"
    direction = Direction.TO_ZOHO


class DeliveryRejected(DeliveryData):
    """A person decided that a held delivery has no effect, now and later."""

    service, event_name = Service.INGEST, "delivery_rejected"
    direction = Direction.TO_ZOHO


class FormatChanged(EventData):
    """What is expected of the tenant's files differs in these tables from the built-in format from now on."""

    service, event_name = Service.INGEST, "format_changed"
    tables: tuple[Table, ...]


class ObjectsCompared(DeliveryData):
    """Up to 100 objects that differ from what was stored before."""

    service, event_name = Service.INGEST, "objects_compared"
    direction = Direction.TO_ZOHO
    objects: tuple[ObjectChange, ...] = Field(max_length=MOST_TOGETHER)


class SentAgain(EventData):
    """Somebody asked for what is stored to be told to sync once more."""

    service, event_name = Service.INGEST, "sent_again"
    direction = Direction.TO_ZOHO
    counts: dict[Table, int] = Field(description="objects per table")


class DeliveryOverdue(EventData):
    """blau direkt has not delivered for too long: a person must ask why. Told once."""

    service, event_name = Service.INGEST, "delivery_overdue"
    direction = Direction.TO_ZOHO
    outcome: Outcome = Outcome.ERROR
    since: datetime


class DeliveryOverdueOver(EventData):
    """The delivery that was overdue `since` then has come."""

    service, event_name = Service.INGEST, "delivery_overdue_over"
    direction = Direction.TO_ZOHO
    since: datetime


class TableDownloaded(EventData):
    """Somebody took a table with them as a file: personal data left the system."""

    service, event_name = Service.INGEST, "table_downloaded"
    table: Table
    rows: int


class KundeForgotten(EventData):
    """One Kunde was erased from ingest, and put on the stop list."""

    service, event_name = Service.INGEST, "kunde_forgotten"
    kunde: Kundennummer
    counts: dict[str, int] = Field(description="what was erased, by place")


class StopLifted(EventData):
    """The next delivery may bring this Kunde back."""

    service, event_name = Service.INGEST, "stop_lifted"
    kunde: Kundennummer


class KundeInformed(EventData):
    """Somebody took everything that ingest holds about one Kunde."""

    service, event_name = Service.INGEST, "kunde_informed"
    kunde: Kundennummer


# ── sync ─────────────────────────────────────────────────────────────────────


class PipelinesCreated(EventData):
    service, event_name = Service.SYNC, "pipelines_created"
    pipelines: tuple[PipelineId, ...]


class PipelineUpdated(EventData):
    """Its name or definition was changed."""

    service, event_name = Service.SYNC, "pipeline_updated"
    pipeline: PipelineId


class PipelineDeleted(EventData):
    """It is gone with its links; the records in Zoho and the objects in Ameise stay."""

    service, event_name = Service.SYNC, "pipeline_deleted"
    outcome: Outcome = Outcome.WARNING
    pipeline: PipelineId
    links: int


class PipelineEnabled(EventData):
    service, event_name = Service.SYNC, "pipeline_enabled"
    pipeline: PipelineId


class PipelineDisabled(EventData):
    service, event_name = Service.SYNC, "pipeline_disabled"
    outcome: Outcome = Outcome.WARNING
    pipeline: PipelineId


class PipelineDrifted(EventData):
    """The mapping no longer fits Zoho: a person must look. `fields` of Zoho are new since the last time it
    was told; the fields that fit go on."""

    service, event_name = Service.SYNC, "pipeline_drifted"
    outcome: Outcome = Outcome.ERROR
    pipeline: PipelineId
    module: str
    fields: tuple[str, ...]


class PipelineFitsAgain(EventData):
    """The mapping that had not fitted Zoho `since` then does."""

    service, event_name = Service.SYNC, "pipeline_fits_again"
    pipeline: PipelineId
    module: str
    since: datetime


class WrittenRecord(ObjectChange):
    """An object of Ameise, and the record that it was written to."""

    zoho_id: ZohoId


class WrittenToZoho(RecordData):
    """One record, or up to 100 that were written together: then each is one of `objects`."""

    service, event_name = Service.SYNC, "written_to_zoho"
    direction = Direction.TO_ZOHO
    objects: tuple[WrittenRecord, ...] | None = Field(default=None, max_length=MOST_TOGETHER)


class WrittenToAmeise(RecordData):
    service, event_name = Service.SYNC, "written_to_ameise"
    direction = Direction.TO_AMEISE


class NumbersWrittenBack(RecordData):
    """Kundennummer, simplr user name and deep link went back to the record after an Erstanlage."""

    service, event_name = Service.SYNC, "numbers_written_back"
    direction = Direction.TO_ZOHO


class AlreadyEqual(RecordData):
    """Looked at, and nothing to do: an echo of our own write, or a change of fields not mapped."""

    service, event_name = Service.SYNC, "already_equal"


class ConflictFound(RecordData):
    """Both sides changed the same field to different values; `reason` says who won."""

    service, event_name = Service.SYNC, "conflict_found"
    outcome: Outcome = Outcome.WARNING


class ConflictDecided(RecordData):
    """A person said which side's value holds; `object` names the field."""

    service, event_name = Service.SYNC, "conflict_decided"


class Excluded(RecordData):
    """The pipeline's rules leave this object out."""

    service, event_name = Service.SYNC, "excluded"


class Adopted(RecordData):
    """A Kunde or Vertrag that already existed was taken instead of creating one."""

    service, event_name = Service.SYNC, "adopted"
    direction = Direction.TO_AMEISE


class WorkPostponed(RecordData):
    service, event_name = Service.SYNC, "work_postponed"
    outcome: Outcome = Outcome.RETRY


class WorkParked(RecordData):
    """A person is needed; the work is kept."""

    service, event_name = Service.SYNC, "work_parked"
    outcome: Outcome = Outcome.ERROR


class WorkRetried(RecordData):
    """A person asked for parked work to be tried again."""

    service, event_name = Service.SYNC, "work_retried"


class SystemData(EventData):
    """About one connection and the outside system that it leads to."""

    connection: Uuid
    system: System


class LimitsChanged(SystemData):
    """An admin decided how much of the outside system we may use."""

    service, event_name = Service.SYNC, "limits_changed"
    daily_credits: int
    share_percent: int
    simultaneous_calls: int
    bulk_write_allowed: bool


class CapabilitiesChanged(SystemData):
    """An admin decided what may be done with Verträge over an Ameise connection."""

    service, event_name = Service.SYNC, "capabilities_changed"
    creates_vertraege: bool
    changes_vertraege: bool


class SystemUnreachable(SystemData):
    """No answer for a long time: the work waits. Told once."""

    service, event_name = Service.SYNC, "system_unreachable"
    outcome: Outcome = Outcome.ERROR
    since: datetime


class SystemReachable(SystemData):
    """The system that was unreachable answers again."""

    service, event_name = Service.SYNC, "system_reachable"


class BulkWriteStarted(EventData):
    """Zoho has a job that writes many records at once."""

    service, event_name = Service.SYNC, "bulk_write_started"
    direction = Direction.TO_ZOHO
    pipeline: PipelineId
    module: str
    rows: int


class BulkWriteEnded(EventData):
    """What became of the rows of a bulk write; those given back go the ordinary way."""

    service, event_name = Service.SYNC, "bulk_write_ended"
    direction = Direction.TO_ZOHO
    pipeline: PipelineId
    module: str
    written: int = 0
    parked: int = 0
    given_back: int = 0


class ParkedRetried(EventData):
    """A person asked for all parked work of a pipeline or of a cause to be tried again."""

    service, event_name = Service.SYNC, "parked_retried"
    pipeline: PipelineId | None = None
    cause: str | None = None
    works: int


class WorkDiscarded(RecordData):
    """A person decided that parked work is not done; `reason` is what they wrote."""

    service, event_name = Service.SYNC, "work_discarded"


class StoppedSkipped(EventData):
    """Zoho records or objects that are on sync's stop list came up again, and nothing was done about them."""

    service, event_name = Service.SYNC, "stopped_skipped"
    outcome: Outcome = Outcome.WARNING
    pipeline: PipelineId | None = None
    zoho_id: ZohoId | None = None
    object: ObjectChange | None = None


class LinksForgotten(EventData):
    """One Kunde was erased from sync, and put on its stop list."""

    service, event_name = Service.SYNC, "links_forgotten"
    kunde: Kundennummer
    counts: dict[str, int] = Field(description="what was erased, by place")


class LinksInformed(EventData):
    """Somebody took everything that sync holds about one Kunde."""

    service, event_name = Service.SYNC, "links_informed"
    kunde: Kundennummer


class SyncStopLifted(EventData):
    """sync may meet this Kunde again."""

    service, event_name = Service.SYNC, "sync_stop_lifted"
    kunde: Kundennummer


class Reconciled(EventData):
    """Zoho's changes since the last look held some that no webhook had told; told only if there were any."""

    service, event_name = Service.SYNC, "reconciled"
    direction = Direction.TO_AMEISE
    connection: Uuid
    counts: dict[Difference, int]


class DeletedInZoho(RecordData):
    """We deleted the record of an object that has long been gone in Ameise, into Zoho's recycle bin."""

    service, event_name = Service.SYNC, "deleted_in_zoho"
    direction = Direction.TO_ZOHO
    outcome: Outcome = Outcome.WARNING


class RecordKept(RecordData):
    """A person keeps a record that was to be deleted, since its object is gone in Ameise."""

    service, event_name = Service.SYNC, "record_kept"


class DeletionHurried(RecordData):
    """A person has such a record deleted without waiting longer."""

    service, event_name = Service.SYNC, "deletion_hurried"


class DeletionsHeld(EventData):
    """More records were to be deleted in a day than may be: none was, a person decides. Told once."""

    service, event_name = Service.SYNC, "deletions_held"
    direction = Direction.TO_ZOHO
    outcome: Outcome = Outcome.ERROR
    pipeline: PipelineId
    records: int
    limit: int


class RecordDeleted(RecordData):
    """A linked record was deleted in Zoho: nothing is written to it any more."""

    service, event_name = Service.SYNC, "record_deleted"
    direction = Direction.TO_AMEISE


class Compared(EventData):
    """What ingest has was compared with what was judged, to the last object; `counts` should be empty."""

    service, event_name = Service.SYNC, "compared"
    direction = Direction.TO_ZOHO
    total: int = Field(description="objects compared, in all pipelines together")
    counts: dict[Difference, int]


class LinksCompared(EventData):
    """Links were compared with Zoho's records; `counts` should be empty."""

    service, event_name = Service.SYNC, "links_compared"
    connection: Uuid
    records: int = Field(description="read from Zoho")
    complete: bool = Field(description="false: the credits were used up, the next run goes on from there")
    counts: dict[Difference, int]


class ComparingOverdue(EventData):
    """A comparison has not succeeded for too long: a person must look why. Told once."""

    service, event_name = Service.SYNC, "comparing_overdue"
    outcome: Outcome = Outcome.ERROR
    flow: Flow
    connection: Uuid | None = None
    since: datetime


class ComparingOverdueOver(EventData):
    """The comparison that was overdue `since` then has succeeded."""

    service, event_name = Service.SYNC, "comparing_overdue_over"
    flow: Flow
    connection: Uuid | None = None
    since: datetime


# ── any service ──────────────────────────────────────────────────────────────


class MessageParked(EventData):
    """A message that could not be understood is kept with its bytes."""

    event_name = "message_parked"
    outcome: Outcome = Outcome.ERROR
    stream: str
    sequence: int


class Unpublishable(EventData):
    """Stands in for an event that NATS would not take, under the same number."""

    event_name = "unpublishable"
    outcome: Outcome = Outcome.ERROR
    type_: str


EVENT_TYPES: Final[tuple[type[EventData], ...]] = (
    TenantCreated,
    SignedIn,
    WebhookEndpointCreated,
    WebhookAccepted,
    RequestsRefused,
    ConnectionStarted,
    Connected,
    ConnectionRefused,
    TokenRefreshed,
    ReconnectNeeded,
    FtpUserCreated,
    DeliveryReceived,
    DeliveryUploaded,
    DeliveryImported,
    DeliveryFailed,
    DeliveryHeld,
    DeliveryReleased,
    DeliveryRejected,
    FormatChanged,
    ObjectsCompared,
    SentAgain,
    DeliveryOverdue,
    DeliveryOverdueOver,
    TableDownloaded,
    KundeForgotten,
    StopLifted,
    KundeInformed,
    PipelinesCreated,
    PipelineUpdated,
    PipelineDeleted,
    PipelineEnabled,
    PipelineDisabled,
    PipelineDrifted,
    PipelineFitsAgain,
    WrittenToZoho,
    WrittenToAmeise,
    NumbersWrittenBack,
    AlreadyEqual,
    ConflictFound,
    ConflictDecided,
    Excluded,
    Adopted,
    WorkPostponed,
    WorkParked,
    WorkRetried,
    LimitsChanged,
    CapabilitiesChanged,
    SystemUnreachable,
    SystemReachable,
    BulkWriteStarted,
    BulkWriteEnded,
    ParkedRetried,
    WorkDiscarded,
    StoppedSkipped,
    LinksForgotten,
    LinksInformed,
    SyncStopLifted,
    Reconciled,
    RecordDeleted,
    DeletedInZoho,
    RecordKept,
    DeletionHurried,
    DeletionsHeld,
    Compared,
    LinksCompared,
    ComparingOverdue,
    ComparingOverdueOver,
    MessageParked,
    Unpublishable,
)


class Event(BaseModel):
    """The envelope: CloudEvents 1.0 attributes, our extensions in lower case, and `data`."""

    model_config = ConfigDict(frozen=True)

    specversion: Literal["1.0"] = "1.0"
    id: Uuid
    source: Service
    type: str = Field(description="the event's name, e.g. `written_to_zoho`")
    time: datetime
    tenant: TenantId | Literal["_system"]
    correlationid: Uuid
    causationid: Uuid | None = None
    actor_kind: ActorKind
    actor_id: str
    direction: Direction
    data: dict[str, Any]

    @property
    def subject_(self) -> str:
        """The NATS subject that this event is published to."""
        return subjects.event(self.tenant, self.source, self.type)

    def typed(self) -> EventData | None:
        """`data` as its class, or None for a type that this release does not know."""
        kind = _BY_NAME.get(self.type)
        return kind.model_validate(self.data) if kind else None


_BY_NAME: Final = {kind.event_name: kind for kind in EVENT_TYPES}


def new_event(
    data: EventData,
    *,
    service: Service,
    tenant: TenantId | Literal["_system"],
    actor_kind: ActorKind,
    actor_id: str,
    correlationid: Uuid,
    causationid: Uuid | None = None,
) -> Event:
    """Wrap `data` that `service` tells now. Raises ValueError if the event belongs to another service."""
    owner = getattr(type(data), "service", service)
    if owner != service:
        raise ValueError(f"{service} tells no {data.event_name}: {owner} does")
    return Event(
        id=new_id(),
        source=service,
        type=data.event_name,
        time=datetime.now(UTC),
        tenant=tenant,
        correlationid=correlationid,
        causationid=causationid,
        actor_kind=actor_kind,
        actor_id=actor_id,
        direction=data.direction,
        data=data.model_dump(mode="json", exclude_none=True),
    )
