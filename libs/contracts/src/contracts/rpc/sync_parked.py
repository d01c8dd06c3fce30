"""What sync can be asked about parked work: look through it, and decide what becomes of it."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from contracts.actor import Role
from contracts.events import Adopted, ParkedRetried, WorkDiscarded, WorkRetried
from contracts.ids import AmeiseKey, Kundennummer, PipelineId, Vertragsnummer, ZohoId
from contracts.names import Service, Table
from contracts.rpc import Rpc, RpcModel


class ParkedCause(StrEnum):
    """Why work needs a person. Stored and sent: a name that was once given stays."""

    FIELDS_MISSING = "fields_missing"
    SIMILAR_KUNDEN = "similar_kunden"
    TWIN_RECORD = "twin_record"
    KUNDE_TAKEN = "kunde_taken"
    KUNDE_JUST_LINKED = "kunde_just_linked"
    RECORD_LINKED = "record_linked"
    OTHER_NUMBER = "other_number"
    RULE_UNDECIDED = "rule_undecided"
    POSSIBLY_CREATED = "possibly_created"
    REFUSED_BY_AMEISE = "refused_by_ameise"
    REFUSED_BY_ZOHO = "refused_by_zoho"
    VALUE_UNFIT = "value_unfit"
    KUNDE_UNKNOWN = "kunde_unknown"
    NO_NUMBER = "no_number"
    OBJECT_UNKNOWN = "object_unknown"
    UNREACHABLE = "unreachable"
    NUMBER_DIFFERS = "number_differs"
    NUMBER_TAKEN = "number_taken"
    TOO_MANY_NEW = "too_many_new"
    EDITED_BEFORE_DELETION = "edited_before_deletion"
    TOO_MANY_DELETIONS = "too_many_deletions"
    SIMILAR_VERTRAEGE = "similar_vertraege"
    VERTRAG_UNKNOWN = "vertrag_unknown"
    KUNDE_NOT_LINKED = "kunde_not_linked"


WorkDirection = Literal["to_ameise", "to_zoho"]


_ONE_LINE = r"^[^\x00-\x1f\x7f]*$"


class ParkedWork(RpcModel):
    """Work that needs a person: what happened, in whose words, and since when.

    `cause` is None for work that is not parked, but waits for its next attempt until `due_at`. `words` are
    there for admins only, since they may quote personal values.
    """

    id: int
    pipeline: PipelineId
    object: str = Field(description="Kundennummer, Vertragsnummer or Zoho id")
    zoho_id: str | None = None
    reason: str = Field(description="in German")
    words: str | None = Field(default=None, description="the outside system's own words, shortened")
    attempts: int
    since: datetime
    cause: ParkedCause | None = None
    direction: WorkDirection | None = None
    module: str | None = Field(default=None, description="of the Zoho record")
    reason_en: str | None = Field(default=None, description="the reason in English")
    table: Table | None = Field(default=None, description="of the object in Ameise")
    candidates: tuple[AmeiseKey, ...] = Field(default=(), description="objects of it that may be meant")
    ameise_key: str | None = Field(default=None, description="the object in Ameise, where known")
    ameise_link: str | None = Field(default=None, description="deep link to it")
    due_at: datetime | None = Field(default=None, description="of postponed work: its next attempt")


class ParkedFilter(RpcModel):
    """`text`: a part of the object's id or of the reason, or a candidate. `since`: parked at or after it."""

    pipeline: PipelineId | None = None
    direction: WorkDirection | None = None
    cause: ParkedCause | None = None
    text: str | None = Field(default=None, min_length=1, max_length=100, pattern=_ONE_LINE)
    since: AwareDatetime | None = None


class ListParked(ParkedFilter):
    """One page in the order of ids, oldest first; `after` is the last id of the page before.

    `postponed`: instead of parked work, that which failed, or waits for something, and is tried by itself.
    """

    limit: int = Field(default=100, ge=1, le=1000)
    after: int = Field(default=0, ge=0, lt=2**63)
    postponed: bool = False


class ParkedWorks(RpcModel):
    """`total` of all pages; `next_page` is the `after` of the next one, None if this is the last."""

    total: int
    works: tuple[ParkedWork, ...]
    next_page: int | None = None


class ParkedGroup(RpcModel):
    cause: ParkedCause
    count: int
    oldest: datetime


class ParkedGroups(RpcModel):
    """The largest first."""

    groups: tuple[ParkedGroup, ...]


class RetryParked(RpcModel):
    """Parked and postponed work; what is in hand at this moment is left alone."""

    ids: tuple[int, ...] = Field(min_length=1, max_length=1000)


class RetryAllParked(RpcModel):
    """Everything parked that fits; without any filter, everything but deletions that a person must decide."""

    pipeline: PipelineId | None = None
    cause: ParkedCause | None = None


class Retried(RpcModel):
    retried: int


class KundeOrVertrag(RpcModel):
    """One object of Ameise: one of both is given."""

    kunde: Kundennummer | None = None
    vertrag: Vertragsnummer | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.kunde is None) == (self.vertrag is None):
            raise ValueError("give either kunde or vertrag")
        return self


class AdoptCandidate(KundeOrVertrag):
    """The Zoho record that this work is about is this object."""

    id: int


class CandidateAdopted(KundeOrVertrag):
    zoho_id: ZohoId


class DiscardParked(RpcModel):
    """`reason` is told in the Aktivitätslog: no personal values."""

    ids: tuple[int, ...] = Field(min_length=1, max_length=100)
    reason: str = Field(min_length=3, max_length=200, pattern=_ONE_LINE)


class Discarded(RpcModel):
    discarded: int


_GATEWAY = frozenset({Service.GATEWAY})

LIST_PARKED = Rpc(
    Service.SYNC, "list_parked", ListParked, ParkedWorks, callers=_GATEWAY, silent_because="only looks",
)  # fmt: skip
GROUP_PARKED = Rpc(
    Service.SYNC, "group_parked", ParkedFilter, ParkedGroups, callers=_GATEWAY, silent_because="only looks",
)  # fmt: skip
RETRY_PARKED = Rpc(
    Service.SYNC, "retry_parked", RetryParked, Retried,
    callers=_GATEWAY, role=Role.ADMIN, events=(WorkRetried,),
)  # fmt: skip
RETRY_ALL_PARKED = Rpc(
    Service.SYNC, "retry_all_parked", RetryAllParked, Retried,
    callers=_GATEWAY, role=Role.ADMIN, events=(ParkedRetried,), timeout=timedelta(minutes=1),
)  # fmt: skip
ADOPT_CANDIDATE = Rpc(
    Service.SYNC, "adopt_candidate", AdoptCandidate, CandidateAdopted,
    callers=_GATEWAY, role=Role.ADMIN, events=(Adopted, WorkRetried), timeout=timedelta(minutes=1),
)  # fmt: skip
DISCARD_PARKED = Rpc(
    Service.SYNC, "discard_parked", DiscardParked, Discarded,
    callers=_GATEWAY, role=Role.ADMIN, events=(WorkDiscarded,), timeout=timedelta(seconds=15),
)  # fmt: skip
RPCS = (LIST_PARKED, GROUP_PARKED, RETRY_PARKED, RETRY_ALL_PARKED, ADOPT_CANDIDATE, DISCARD_PARKED)
