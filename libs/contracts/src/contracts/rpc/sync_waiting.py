"""What sync can be asked about records that wait to be deleted in Zoho, since their objects are gone in
Ameise: look through them, keep some, delete some without waiting longer."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from contracts.actor import Role
from contracts.events import DeletionHurried, RecordKept
from contracts.ids import AmeiseKey, PipelineId, ZohoId
from contracts.names import Service
from contracts.rpc import Rpc, RpcModel

DeletionPosition = Annotated[str, StringConstraints(max_length=80, pattern=r"^[^~]{1,40}~[0-9]{1,18}$")]
"""A place in the list of waiting deletions."""


class ListDeletions(RpcModel):
    """One page, what is due first first; `after` is the `next_page` of the page before."""

    pipeline: PipelineId | None = None
    limit: int = Field(default=100, ge=1, le=1000)
    after: DeletionPosition | None = None


class WaitingDeletion(RpcModel):
    """`name`: of a Kunde, as the link knows it. `since`: when his absence became known. `reason`: why it was
    not done when it was due, or that it is waited for."""

    id: int
    pipeline: PipelineId
    module: str
    key: AmeiseKey
    zoho_id: ZohoId
    name: str | None = None
    since: datetime
    due_at: datetime
    reason: str
    ameise_link: str | None = Field(default=None, description="deep link to the object")


class WaitingDeletions(RpcModel):
    """`total` of all pages; `next_page` is the `after` of the next one, None if this is the last."""

    total: int
    deletions: tuple[WaitingDeletion, ...]
    next_page: DeletionPosition | None = None


class ChosenDeletions(RpcModel):
    """What is in hand at this moment, or done, is passed by."""

    ids: tuple[int, ...] = Field(min_length=1, max_length=1000)


class DeletionsDecided(RpcModel):
    decided: int


_GATEWAY = frozenset({Service.GATEWAY})

LIST_DELETIONS = Rpc(
    Service.SYNC, "list_deletions", ListDeletions, WaitingDeletions,
    callers=_GATEWAY, silent_because="only looks",
)  # fmt: skip
KEEP_RECORDS = Rpc(
    Service.SYNC, "keep_records", ChosenDeletions, DeletionsDecided,
    callers=_GATEWAY, role=Role.ADMIN, events=(RecordKept,),
)  # fmt: skip
DELETE_NOW = Rpc(
    Service.SYNC, "delete_now", ChosenDeletions, DeletionsDecided,
    callers=_GATEWAY, role=Role.ADMIN, events=(DeletionHurried,),
)  # fmt: skip
RPCS = (LIST_DELETIONS, KEEP_RECORDS, DELETE_NOW)
