"""Messages that ask for something. They carry ids and versions, never personal values.

`v` is the version of the message's form. Fields are only ever added, with a default; anything else is
a new version, and the golden examples in `tests/contract/` keep every published one readable.
"""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts.ids import AmeiseKey, PipelineId, TenantId, Uuid, ZohoId
from contracts.names import Table

CHUNK_SIZE = 100
"""Objects in one chunk at most: as many as Zoho takes in one upsert."""


class _Work(BaseModel):
    model_config = ConfigDict(frozen=True)

    v: Literal[1] = 1
    id: Uuid
    tenant: TenantId
    correlationid: Uuid
    causationid: Uuid | None = None
    time: datetime


class WorkReason(StrEnum):
    WEBHOOK = "webhook"
    COMPARISON = "comparison"
    PERSON = "person"


class LookAtZohoRecord(_Work):
    """A record changed in Zoho, or may have: read it and bring Ameise in step."""

    pipeline: PipelineId
    zoho_id: ZohoId
    reason: WorkReason = WorkReason.WEBHOOK


class KeyVersion(BaseModel):
    """One object and the version that it has now. `gone` marks a tombstone version."""

    model_config = ConfigDict(frozen=True)

    key: AmeiseKey
    version: str = Field(min_length=32, max_length=64, pattern="^[0-9a-f]+$")
    gone: bool = False


class ObjectsChanged(_Work):
    """Up to 100 objects of one table that a delivery changed: fetch them and bring Zoho in step.

    `as_of` is the moment whose state the delivery shows (receive start minus a setting), UTC.
    """

    table: Table
    delivery: Uuid
    as_of: datetime
    objects: tuple[KeyVersion, ...] = Field(min_length=1, max_length=CHUNK_SIZE)
