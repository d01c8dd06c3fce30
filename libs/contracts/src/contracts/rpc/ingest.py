"""What ingest can be asked: the way in for deliveries, their state, and the objects they brought."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import Field

from contracts.actor import Role
from contracts.events import (
    DeliveryRejected,
    DeliveryReleased,
    DeliveryUploaded,
    FtpUserCreated,
    ObjectAction,
    SentAgain,
    TableCounts,
)
from contracts.ids import AmeiseKey, Uuid
from contracts.names import Service, Table
from contracts.rpc import Empty, Rpc, RpcModel
from contracts.rpc.ingest_format import FORMAT_RPCS
from contracts.work import CHUNK_SIZE


class SetUpFtp(RpcModel):
    """`plain_allowed`: whether blau direkt may come without TLS; None: as before, or as the setting says."""

    plain_allowed: bool | None = None


class FtpAccess(RpcModel):
    """How blau direkt reaches us. `password` is there only in the reply that made it.

    `plain_allowed`: it may come without TLS, so anybody on the way can read the Kunden. `sftp_port`: the same
    user may come by SFTP there.
    """

    host: str
    port: int
    user: str
    password: str | None = None
    plain_allowed: bool = False
    sftp_port: int | None = None


class DeliveryState(StrEnum):
    RECEIVING = "receiving"
    WAITING = "waiting"
    IMPORTING = "importing"
    IMPORTED = "imported"
    IMPORTED_WITH_WARNINGS = "imported_with_warnings"
    HELD = "held"
    REJECTED = "rejected"
    FAILED = "failed"


class TablePreview(RpcModel):
    """What a held delivery would do to one table: rows by what would become of them, and keys of a few."""

    counts: TableCounts
    keys: dict[ObjectAction, tuple[AmeiseKey, ...]] = Field(default_factory=dict)


class DeliveryStatus(RpcModel):
    """`superseded`: held, and a newer delivery was imported since, so that it can only be rejected."""

    id: Uuid
    state: DeliveryState
    received_from: datetime
    as_of: datetime
    finished_at: datetime | None = None
    files: int = 0
    bytes_: int = 0
    missing: tuple[Table, ...] = ()
    counts: dict[Table, TableCounts] = Field(default_factory=dict)
    problems: int = 0
    reason: str | None = None
    superseded: bool = False


class DeliveryAsked(RpcModel):
    """Which delivery a question or decision is about."""

    delivery: Uuid


class DeliveryPreview(RpcModel):
    """Why a delivery is held, and what would change if it were released; tables without change are left out.

    `superseded`: a newer delivery was imported since, so that it can only be rejected.
    """

    delivery: Uuid
    reasons: tuple[str, ...]
    superseded: bool
    tables: dict[Table, TablePreview]


class DailyUpStatus(RpcModel):
    """The tenant's way in (None until set up) and its newest deliveries, newest first."""

    ftp: FtpAccess | None
    deliveries: tuple[DeliveryStatus, ...]
    stored: dict[Table, int] = Field(description="rows now stored per table, gone ones not counted")


class ObjectsRequest(RpcModel):
    table: Table
    keys: tuple[AmeiseKey, ...] = Field(min_length=1, max_length=CHUNK_SIZE)


class ComposedObject(RpcModel):
    """One object as sync gets it: list texts resolved, a Kunde with its Kontaktdaten and Details.

    `fields` holds flat names and JSON values: text, bool, ISO dates and decimals as text; None is empty.
    A name in `unknown` has no entry in `fields`: it was not delivered or could not be read, which is
    never the same as empty. `gone` objects have no fields.
    """

    key: AmeiseKey
    version: str
    as_of: datetime
    gone: bool = False
    fields: dict[str, Any] = Field(default_factory=dict)
    unknown: tuple[str, ...] = ()


class Objects(RpcModel):
    """In the order of the keys asked for; a key that was never stored is left out."""

    objects: tuple[ComposedObject, ...]


class UploadedFile(RpcModel):
    """A file that lies in the bucket `uploads` under `streams.object_name(tenant, object)`."""

    object: Uuid
    name: str = Field(
        description="the file's name, by which its table is found", min_length=1, max_length=200
    )


class UploadRequest(RpcModel):
    """Files that a person uploads, or one archive: they become one delivery, which waits for its import at
    once. `delivery` is its new id: asked twice, it is still one."""

    delivery: Uuid
    files: tuple[UploadedFile, ...] = Field(min_length=1, max_length=50)


class UploadReply(RpcModel):
    """What was taken."""

    delivery: Uuid
    files: int
    bytes_: int


class SendAgainRequest(RpcModel):
    """Tables whose stored objects sync wants to be told of once more, gone ones included."""

    tables: tuple[Table, ...] = Field(min_length=1)


class SendAgainReply(RpcModel):
    """How many objects are on their way, per table; a table that was never delivered is left out."""

    objects: dict[Table, int]


SET_UP_FTP = Rpc(
    Service.INGEST, "set_up_ftp", SetUpFtp, FtpAccess,
    callers=frozenset({Service.GATEWAY}), role=Role.ADMIN, events=(FtpUserCreated,),
)  # fmt: skip
STATUS = Rpc(
    Service.INGEST, "status", Empty, DailyUpStatus,
    callers=frozenset({Service.GATEWAY}), silent_because="only looks",
)  # fmt: skip
OBJECTS = Rpc(
    Service.INGEST, "objects", ObjectsRequest, Objects,
    callers=frozenset({Service.SYNC}), role=Role.SYSTEM, silent_because="only looks",
)  # fmt: skip
SEND_AGAIN = Rpc(
    Service.INGEST, "send_again", SendAgainRequest, SendAgainReply,
    callers=frozenset({Service.SYNC}), role=Role.ADMIN, events=(SentAgain,), timeout=timedelta(seconds=60),
)  # fmt: skip
UPLOAD = Rpc(
    Service.INGEST, "upload", UploadRequest, UploadReply,
    callers=frozenset({Service.GATEWAY}), role=Role.ADMIN, events=(DeliveryUploaded,),
    timeout=timedelta(seconds=60),
)  # fmt: skip
PREVIEW_DELIVERY = Rpc(
    Service.INGEST, "preview_delivery", DeliveryAsked, DeliveryPreview,
    callers=frozenset({Service.GATEWAY}), silent_because="only looks",
)  # fmt: skip
RELEASE_DELIVERY = Rpc(
    Service.INGEST, "release_delivery", DeliveryAsked, DeliveryStatus,
    callers=frozenset({Service.GATEWAY}), role=Role.ADMIN, events=(DeliveryReleased,),
)  # fmt: skip
REJECT_DELIVERY = Rpc(
    Service.INGEST, "reject_delivery", DeliveryAsked, DeliveryStatus,
    callers=frozenset({Service.GATEWAY}), role=Role.ADMIN, events=(DeliveryRejected,),
)  # fmt: skip
RPCS = (
    SET_UP_FTP, STATUS, OBJECTS, SEND_AGAIN, UPLOAD,
    PREVIEW_DELIVERY, RELEASE_DELIVERY, REJECT_DELIVERY, *FORMAT_RPCS,
)  # fmt: skip
