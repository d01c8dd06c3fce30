"""The JetStream streams, their consumers, and the object stores, as values.

All streams are on files with `sync_interval: always` (a server setting). Work streams carry no limit
of age, size or count: with discard old they would drop other records' work without a word.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from contracts import subjects
from contracts.ids import TenantId, Uuid
from contracts.names import Service


class Retention(StrEnum):
    LIMITS = "limits"
    WORK_QUEUE = "workqueue"


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream as it must be. `writers` and `readers` are the services that may use it.

    `bucket`: the stream is the object store bucket of that name.
    """

    name: str
    subjects: tuple[str, ...]
    retention: Retention
    writers: frozenset[Service]
    readers: frozenset[Service]
    max_age: timedelta | None = None
    duplicate_window: timedelta = timedelta(minutes=2)
    bucket: str | None = None


@dataclass(frozen=True, slots=True)
class Consumer:
    """A durable pull consumer as it must be."""

    stream: Stream
    durable: str
    service: Service
    ack_wait: timedelta = timedelta(seconds=30)
    max_ack_pending: int = 1000


@dataclass(frozen=True, slots=True)
class Bucket:
    """An object store as it must be: for what is too large for a message. An object vanishes after `ttl`."""

    name: str
    writers: frozenset[Service]
    readers: frozenset[Service]
    ttl: timedelta

    @property
    def stream(self) -> str:
        """The stream that JetStream keeps it in."""
        return f"OBJ_{self.name}"


EVENTS = Stream(
    name="EVENTS",
    subjects=(subjects.ALL_EVENTS,),
    retention=Retention.LIMITS,
    writers=frozenset(Service),
    readers=frozenset({Service.AUDIT}),
    max_age=timedelta(days=90),
)
TO_AMEISE = Stream(
    name="TO_AMEISE",
    subjects=(subjects.ALL_TO_AMEISE,),
    retention=Retention.WORK_QUEUE,
    writers=frozenset({Service.GATEWAY}),
    readers=frozenset({Service.SYNC}),
)
TO_ZOHO = Stream(
    name="TO_ZOHO",
    subjects=(subjects.ALL_TO_ZOHO,),
    retention=Retention.WORK_QUEUE,
    writers=frozenset({Service.INGEST}),
    readers=frozenset({Service.SYNC}),
)
DOWNLOADS = Stream(
    name="OBJ_downloads",
    subjects=subjects.objects_of("downloads"),
    retention=Retention.LIMITS,
    writers=frozenset({Service.INGEST}),
    readers=frozenset({Service.GATEWAY}),
    max_age=timedelta(hours=1),
    bucket="downloads",
)
"""What is too large for a reply: the reply names the object."""

STREAMS: tuple[Stream, ...] = (EVENTS, TO_AMEISE, TO_ZOHO, DOWNLOADS)

AUDIT_EVENTS = Consumer(stream=EVENTS, durable="audit", service=Service.AUDIT, max_ack_pending=5000)
SYNC_TO_AMEISE = Consumer(stream=TO_AMEISE, durable="sync_to_ameise", service=Service.SYNC)
SYNC_TO_ZOHO = Consumer(stream=TO_ZOHO, durable="sync_to_zoho", service=Service.SYNC)
CONSUMERS: tuple[Consumer, ...] = (AUDIT_EVENTS, SYNC_TO_AMEISE, SYNC_TO_ZOHO)


UPLOADS = Bucket(
    name="uploads",
    writers=frozenset({Service.GATEWAY}),
    readers=frozenset({Service.INGEST}),
    ttl=timedelta(hours=1),
)
BUCKETS: tuple[Bucket, ...] = (UPLOADS,)


def streams_of(service: Service) -> tuple[Stream, ...]:
    """The streams that a service writes to or reads from; it declares them when it starts."""
    return tuple(s for s in STREAMS if service in s.writers | s.readers)


def buckets_of(service: Service) -> tuple[Bucket, ...]:
    """The object stores that a service writes to or reads from; it declares them when it starts."""
    return tuple(b for b in BUCKETS if service in b.writers | b.readers)


def object_name(tenant: TenantId, id_: Uuid) -> str:
    """What an object is called in a bucket. It names the tenant: no request can reach for another's."""
    return f"{TenantId(tenant)}/{Uuid(id_)}"
