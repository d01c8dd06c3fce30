"""What ingest can be asked: the way in for deliveries, their state, and the objects they brought."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from contracts.actor import Role
from contracts.events import (
    DeliveryRejected,
    DeliveryReleased,
    DeliveryUploaded,
    FtpUserCreated,
    KundeForgotten,
    KundeInformed,
    ObjectAction,
    SentAgain,
    StopLifted,
    TableCounts,
    TableDownloaded,
)
from contracts.ids import AmeiseKey, Kundennummer, Uuid
from contracts.names import Service, Table
from contracts.rpc import Empty, Rpc, RpcModel
from contracts.rpc.ingest_format import FORMAT_RPCS, ProblemFound
from contracts.work import CHUNK_SIZE, KeyVersion


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


class TableState(StrEnum):
    """Where one table of a delivery is. `missing`: it did not come; `failed`: its file could not be read."""

    RECEIVING = "receiving"
    WAITING = "waiting"
    CHECKING = "checking"
    IMPORTING = "importing"
    IMPORTED = "imported"
    IMPORTED_WITH_WARNINGS = "imported_with_warnings"
    HELD = "held"
    REJECTED = "rejected"
    FAILED = "failed"
    MISSING = "missing"


class TableStatus(RpcModel):
    """`rows` of the file, once it was read; `percent` of them while they are imported."""

    state: TableState
    rows: int | None = None
    percent: int | None = None


class DeliveryStatus(RpcModel):
    """`received_from` to `started_at` it came and waited, from there to `finished_at` it was imported.

    `superseded`: held, and a newer delivery was imported since, so that it can only be rejected.
    """

    id: Uuid
    state: DeliveryState
    received_from: datetime
    as_of: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    files: int = 0
    bytes_: int = 0
    missing: tuple[Table, ...] = ()
    counts: dict[Table, TableCounts] = Field(default_factory=dict)
    problems: int = 0
    reason: str | None = None
    superseded: bool = False


class DeliveryRequest(RpcModel):
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
    tables: dict[Table, TableStatus] = Field(
        default_factory=dict, description="the newest delivery, table by table"
    )
    overdue_since: datetime | None = Field(default=None, description="the next delivery should be here since")


class DeliveryReport(RpcModel):
    """A delivery with its first 1,000 problems; `delivery.problems` says how many there are."""

    delivery: DeliveryStatus
    tables: dict[Table, TableStatus]
    problems: tuple[ProblemFound, ...]


class DownloadRequest(RpcModel):
    table: Table


class Download(RpcModel):
    """A file in the object store bucket `downloads`, kept for an hour. `rows` without the header."""

    object: Uuid
    size: int
    rows: int
    file_name: str


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


MOST_UPLOADED_FILES = 50
MOST_NAME_CHARACTERS = 200


class UploadedFile(RpcModel):
    """A file in the object store bucket `uploads`."""

    object: Uuid
    name: str = Field(
        description="the file's name, by which its table is found",
        min_length=1,
        max_length=MOST_NAME_CHARACTERS,
    )


class UploadRequest(RpcModel):
    """Files that a person uploads, or one archive: they become one delivery, which waits for its import at
    once. `delivery` is its new id: asked twice, it is still one."""

    delivery: Uuid
    files: tuple[UploadedFile, ...] = Field(min_length=1, max_length=MOST_UPLOADED_FILES)


class UploadReply(RpcModel):
    """What was taken."""

    delivery: Uuid
    files: int
    bytes_: int


Bucket = Annotated[str, StringConstraints(pattern="^[0-9a-f]{1,3}$")]
"""The first hex digits of a key's MD5."""


class DigestRequest(RpcModel):
    """A table of objects; `buckets` says how fine."""

    table: Table
    buckets: Literal[16, 256, 4096] = 4096


class BucketDigest(RpcModel):
    """The objects whose key's MD5 begins with the hex digits `bucket`.

    `digest`, of 16 hex digits, is the bitwise XOR of the first 16 hex digits of the MD5s of
    `{key} {version} {gone}` (gone as `true` or `false`).
    """

    bucket: Bucket
    objects: int
    digest: str


class Digest(RpcModel):
    """Buckets without any object are left out. `as_of`: the moment that the table's last delivery shows."""

    buckets: tuple[BucketDigest, ...]
    as_of: datetime | None = None


class BucketsRequest(RpcModel):
    """What is in some buckets, page by page: `after` is the last key of the page before."""

    table: Table
    buckets: tuple[Bucket, ...] = Field(min_length=1, max_length=4096)
    after: AmeiseKey | None = None


class BucketObjects(RpcModel):
    """In the order of the keys' bytes; `more` says that there is a next page."""

    objects: tuple[KeyVersion, ...]
    more: bool


class ObjectSelection(RpcModel):
    table: Table
    keys: tuple[AmeiseKey, ...] = Field(min_length=1, max_length=1000)


class SendAgainRequest(RpcModel):
    """Which stored objects sync wants to be told of once more, gone ones included: exactly one selector."""

    tables: tuple[Table, ...] = ()
    objects: ObjectSelection | None = None
    delivery: Uuid | None = Field(default=None, description="what this delivery changed and none since")
    changed_since: AwareDatetime | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [self.tables, self.objects, self.delivery, self.changed_since]
        if sum(1 for selector in given if selector) != 1:
            raise ValueError("give exactly one of tables, objects, delivery, changed_since")
        return self


class SendAgainReply(RpcModel):
    """How many objects are on their way, per table; a table without any is left out."""

    objects: dict[Table, int]


class Presence(StrEnum):
    """Whether a row was there at a moment. `forgotten`: that is further back than the history goes."""

    THERE = "there"
    GONE = "gone"
    NOT_THERE = "not_there"
    FORGOTTEN = "forgotten"


class ObjectAsOfRequest(RpcModel):
    """How did this row look at that moment? Of any table, parts of a Kunde included."""

    table: Table
    key: AmeiseKey
    moment: AwareDatetime


class ObjectAsOf(RpcModel):
    """The row's own columns then (`extra`: those that our format does not know), as of `held_from`.

    A name in `unknown` has no entry in `fields`. Of a `gone` row the fields are its last ones.
    """

    presence: Presence
    first_seen: datetime | None = None
    held_from: datetime | None = None
    fields: dict[str, Any] = Field(default_factory=dict)
    unknown: tuple[str, ...] = ()


class KundeRequest(RpcModel):
    kunde: Kundennummer


class ForgetReceipt(RpcModel):
    """What was erased, by place: rows of tables, `original_rows` and `original_files` of deliveries still
    kept, `objects` of the object store. Asked again, it erases whatever came in between."""

    kunde: Kundennummer
    at: datetime
    erased: dict[str, int]


class Information(RpcModel):
    """Everything held about one Kunde: inline, or as a file if that is too large for a reply."""

    about: dict[str, Any] | None = None
    file: Download | None = None


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
    Service.INGEST, "preview_delivery", DeliveryRequest, DeliveryPreview,
    callers=frozenset({Service.GATEWAY}), silent_because="only looks",
)  # fmt: skip
RELEASE_DELIVERY = Rpc(
    Service.INGEST, "release_delivery", DeliveryRequest, DeliveryStatus,
    callers=frozenset({Service.GATEWAY}), role=Role.ADMIN, events=(DeliveryReleased,),
)  # fmt: skip
REJECT_DELIVERY = Rpc(
    Service.INGEST, "reject_delivery", DeliveryRequest, DeliveryStatus,
    callers=frozenset({Service.GATEWAY}), role=Role.ADMIN, events=(DeliveryRejected,),
)  # fmt: skip
DIGEST = Rpc(
    Service.INGEST, "digest", DigestRequest, Digest,
    callers=frozenset({Service.SYNC}), role=Role.SYSTEM, silent_because="only looks",
    timeout=timedelta(seconds=30),
)  # fmt: skip
BUCKETS = Rpc(
    Service.INGEST, "buckets", BucketsRequest, BucketObjects,
    callers=frozenset({Service.SYNC}), role=Role.SYSTEM, silent_because="only looks",
    timeout=timedelta(seconds=30),
)  # fmt: skip
OBJECT_AS_OF = Rpc(
    Service.INGEST, "object_as_of", ObjectAsOfRequest, ObjectAsOf,
    callers=frozenset({Service.GATEWAY}), silent_because="only looks",
)  # fmt: skip
DELIVERY_REPORT = Rpc(
    Service.INGEST, "delivery_report", DeliveryRequest, DeliveryReport,
    callers=frozenset({Service.GATEWAY}), silent_because="only looks",
)  # fmt: skip
DOWNLOAD = Rpc(
    Service.INGEST, "download", DownloadRequest, Download,
    callers=frozenset({Service.GATEWAY}), events=(TableDownloaded,), timeout=timedelta(minutes=5),
)  # fmt: skip
DOWNLOAD_PROBLEMS = Rpc(
    Service.INGEST, "download_problems", DeliveryRequest, Download,
    callers=frozenset({Service.GATEWAY}), silent_because="only looks; no person is named in it",
    timeout=timedelta(minutes=1),
)  # fmt: skip
FORGET = Rpc(
    Service.INGEST, "forget", KundeRequest, ForgetReceipt,
    callers=frozenset({Service.GATEWAY}), role=Role.ADMIN, events=(KundeForgotten,),
    timeout=timedelta(minutes=2),
)  # fmt: skip
LIFT_STOP = Rpc(
    Service.INGEST, "lift_stop", KundeRequest, Empty,
    callers=frozenset({Service.GATEWAY}), role=Role.ADMIN, events=(StopLifted,),
)  # fmt: skip
INFORM = Rpc(
    Service.INGEST, "inform", KundeRequest, Information,
    callers=frozenset({Service.GATEWAY}), role=Role.ADMIN, events=(KundeInformed,),
    timeout=timedelta(minutes=1),
)  # fmt: skip
RPCS = (
    SET_UP_FTP, STATUS, DELIVERY_REPORT, OBJECTS, OBJECT_AS_OF, DIGEST, BUCKETS, SEND_AGAIN, UPLOAD, DOWNLOAD,
    DOWNLOAD_PROBLEMS, PREVIEW_DELIVERY, RELEASE_DELIVERY, REJECT_DELIVERY, FORGET, LIFT_STOP, INFORM,
    *FORMAT_RPCS,
)  # fmt: skip
