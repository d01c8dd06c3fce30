"""Where a pipeline's mapping no longer fits what Zoho says about its module."""

from datetime import datetime
from enum import StrEnum

from contracts.rpc import RpcModel
from contracts.rpc.pipeline_definition import AmeiseName, ZohoName


class DriftKind(StrEnum):
    """What Zoho says otherwise than the mapping."""

    MODULE_GONE = "module_gone"
    LAYOUT_GONE = "layout_gone"
    FIELD_GONE = "field_gone"
    TYPE_CHANGED = "type_changed"
    """The converter does not make values of the field's type, or the lookup points elsewhere."""
    VALUE_UNKNOWN = "value_unknown"
    """The field's picklist lacks some of the values that the mapping writes, or Zoho some of its users."""
    USERS_UNSEEN = "users_unseen"
    """The connection may not read Zoho's users: whether those of the mapping are there is not known."""
    TOO_SHORT = "too_short"
    """The field takes fewer characters than the mapping lets through."""
    REQUIRED = "required"
    """Zoho demands a field that is not mapped, or may be empty: such records cannot be made."""


class DriftFinding(RpcModel):
    """One field of Zoho (None: the module as a whole), and what is wrong with it.

    `blocks`: nothing can be written as long as it is so. `values` and `length` limit what is held back: the
    values that the picklist lacks, the characters that the field takes.
    """

    kind: DriftKind
    field: ZohoName | None = None
    ameise: AmeiseName | None = None
    values: tuple[str, ...] = ()
    length: int | None = None
    blocks: bool = False
    words: str


class DriftState(RpcModel):
    """`held_back`: values that were not written for it, since it began. `checked_at`: when Zoho was asked
    last; None if it was not yet, for the definition as it is."""

    findings: tuple[DriftFinding, ...] = ()
    since: datetime | None = None
    held_back: int = 0
    checked_at: datetime | None = None
