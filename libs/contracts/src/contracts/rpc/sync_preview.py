"""What sync can be asked about what it would do: which values to which side, and why. Nothing is sent."""

from datetime import timedelta
from enum import StrEnum

from pydantic import Field

from contracts.actor import Role
from contracts.ids import AmeiseKey, PipelineId, ZohoId
from contracts.names import Service
from contracts.rpc import Rpc, RpcModel
from contracts.rpc.sync_state import SeenValue

AT_RANDOM = 10


class Finding(StrEnum):
    """What the merge of one field came to."""

    UNCHANGED = "unchanged"
    UNKNOWN = "unknown"
    AGREED = "agreed"
    AMEISE_CHANGED = "ameise_changed"
    ZOHO_CHANGED = "zoho_changed"
    CONFLICT_TO_AMEISE = "conflict_to_ameise"
    CONFLICT_TO_ZOHO = "conflict_to_zoho"
    ASKED = "asked"
    """A conflict that a person must decide, found now: both sides stay."""
    STILL_ASKED = "still_asked"
    """It was asked before, and nobody has decided."""
    DECIDED_TO_AMEISE = "decided_to_ameise"
    """A person decided that Zoho's value counts, over values that are younger than the delivery: it is
    carried out by a look at the record."""
    DECIDED_TO_ZOHO = "decided_to_zoho"
    OLDER = "older"
    """The delivery may show an older value than Ameise has by now: nothing is written from it."""
    KEPT = "kept"
    """The change is an emptying, or the other side is not blank: the other side stays."""


class Foreseen(StrEnum):
    """What would become of an object or record as a whole."""

    CREATE_RECORD = "create_record"
    CREATE_KUNDE = "create_kunde"
    CREATE_VERTRAG = "create_vertrag"
    UPDATE = "update"
    UNCHANGED = "unchanged"
    EXCLUDED = "excluded"
    GONE = "gone"
    """It is gone in Ameise."""
    GONE_IN_ZOHO = "gone_in_zoho"
    WAITS = "waits"
    PARKED = "parked"


class PreviewRequest(RpcModel):
    """One object of Ameise, or one record of Zoho (its key then, if both are given); without either, some at
    random: of what the deliveries brought, or of linked records if the pipeline takes no deliveries."""

    pipeline: PipelineId
    key: AmeiseKey | None = None
    zoho_id: ZohoId | None = None


class FieldPreview(RpcModel):
    """One mapped field: what both sides say now, and what would be written (None: nothing)."""

    ameise: str
    zoho: str
    finding: Finding
    ameise_now: SeenValue
    zoho_now: SeenValue
    to_ameise: SeenValue | None = None
    to_zoho: SeenValue | None = None


class ObjectPreview(RpcModel):
    """`besides`: what would be written without a mapping: to Zoho the mark that the object is gone (or there
    again), to Ameise the defaults of a new Kunde. `fields` are empty where there is nothing to merge."""

    key: str | None
    zoho_id: ZohoId | None
    foreseen: Foreseen
    reason: str | None = Field(default=None, description="in German")
    fields: tuple[FieldPreview, ...] = ()
    besides: dict[str, str | bool | None] = Field(default_factory=dict)


class Preview(RpcModel):
    objects: tuple[ObjectPreview, ...]


PREVIEW = Rpc(
    Service.SYNC, "preview", PreviewRequest, Preview,
    callers=frozenset({Service.GATEWAY}), role=Role.ADMIN, silent_because="only looks",
    timeout=timedelta(minutes=1),
)  # fmt: skip
RPCS = (PREVIEW,)
