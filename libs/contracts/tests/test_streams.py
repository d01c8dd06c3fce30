"""Streams as they must be: work waits without a limit, and readers and writers are who the design says."""

from contracts.names import Service
from contracts.streams import CONSUMERS, EVENTS, STREAMS, Retention, streams_of


def test_work_streams_have_no_limit_that_would_drop_work() -> None:
    for stream in STREAMS:
        if stream.retention is Retention.WORK_QUEUE:
            assert stream.max_age is None


def test_everybody_writes_events_and_audit_reads_them() -> None:
    assert EVENTS.writers == set(Service)
    assert {c.service for c in CONSUMERS if c.stream is EVENTS} == {Service.AUDIT}


def test_a_consumer_belongs_to_a_reader_of_its_stream_and_is_unique() -> None:
    assert len({consumer.durable for consumer in CONSUMERS}) == len(CONSUMERS)
    for consumer in CONSUMERS:
        assert consumer.service in consumer.stream.readers
        assert consumer.stream in streams_of(consumer.service)


def test_a_work_queue_has_one_consumer() -> None:
    for stream in STREAMS:
        if stream.retention is Retention.WORK_QUEUE:
            assert len([c for c in CONSUMERS if c.stream is stream]) == 1


def test_objects_go_by_themselves() -> None:
    for stream in STREAMS:
        assert (stream.bucket is None) == (not stream.name.startswith("OBJ_"))
        if stream.bucket:
            assert stream.name == f"OBJ_{stream.bucket}"
            assert stream.max_age is not None
