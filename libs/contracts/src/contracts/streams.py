"""The JetStream streams, their consumers, and the object stores, as values.

All streams are on files with `sync_interval: always` (a server setting). Work streams carry no limit
of age, size or count: with discard old they would drop other records' work without a word.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from contracts import subjects
from contracts.names import Service


class Retention(StrEnum):
    LIMITS = "limits"
    WORK_QUEUE = "workqueue"


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream as it must be. `writers` and `readers` are the services that may use it.

    `bucket`: the stream is the object store bucket of that name. `read_once`: who has read an object takes it
    away.
    """

    name: str
    subjects: tuple[str, ...]
    retention: Retention
    writers: frozenset[Service]
    readers: frozenset[Service]
    max_age: timedelta | None = None
    duplicate_window: timedelta = timedelta(minutes=2)
    bucket: str | None = None
    read_once: bool = False


@dataclass(frozen=True, slots=True)
class Consumer:
    """A durable pull consumer as it must be."""

    stream: Stream
    durable: str
    service: Service
    ack_wait: timedelta = timedelta(seconds=30)
    max_ack_pending: int = 1000


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


def _bucket(name: str, *, writer: Service, reader: Service, read_once: bool = False) -> Stream:
    return Stream(
        name=f"OBJ_{name}",
        subjects=subjects.objects_of(name),
        retention=Retention.LIMITS,
        writers=frozenset({writer}),
        readers=frozenset({reader}),
        max_age=timedelta(hours=1),
        bucket=name,
        read_once=read_once,
    )


DOWNLOADS = _bucket("downloads", writer=Service.INGEST, reader=Service.GATEWAY)
"""What is too large for a reply: the reply names the object."""
UPLOADS = _bucket("uploads", writer=Service.GATEWAY, reader=Service.INGEST, read_once=True)
"""What is too large for a request: the request names the object."""

STREAMS: tuple[Stream, ...] = (EVENTS, TO_AMEISE, TO_ZOHO, DOWNLOADS, UPLOADS)

AUDIT_EVENTS = Consumer(stream=EVENTS, durable="audit", service=Service.AUDIT, max_ack_pending=5000)
SYNC_TO_AMEISE = Consumer(stream=TO_AMEISE, durable="sync_to_ameise", service=Service.SYNC)
SYNC_TO_ZOHO = Consumer(stream=TO_ZOHO, durable="sync_to_zoho", service=Service.SYNC)
CONSUMERS: tuple[Consumer, ...] = (AUDIT_EVENTS, SYNC_TO_AMEISE, SYNC_TO_ZOHO)


def streams_of(service: Service) -> tuple[Stream, ...]:
    """The streams that a service writes to or reads from; it declares them when it starts."""
    return tuple(s for s in STREAMS if service in s.writers | s.readers)
