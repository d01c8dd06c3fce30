"""The strict template takes a document of every event that there is, and nothing unknown."""

from collections.abc import AsyncIterator, Callable

import pytest
from opensearchpy import AsyncOpenSearch
from pydantic import SecretStr

from audit.documents import Document, Place, document_of
from audit.event_index import EventIndex, Refusal, StoreUnavailable
from audit.mapping import Fill, Marker
from contract.examples import example
from contracts import events
from contracts.events import EVENT_TYPES, Event
from contracts.ids import new_id


@pytest.fixture
async def index(
    opensearch_url: str, index_prefix: str, opensearch: AsyncOpenSearch
) -> AsyncIterator[EventIndex]:
    index = EventIndex(SecretStr(opensearch_url), index_prefix, bulk_bytes=5_000_000)
    await index.put_marker(Marker("s1", Fill.WHOLE))
    yield index
    await index.close()


async def test_every_event_has_a_document_that_the_index_takes(
    index: EventIndex, event_of: Callable[..., Event]
) -> None:
    documents = [document_of(event_of(example(kind)), Place(1, 1, 1)) for kind in EVENT_TYPES]
    assert await index.write(documents, store="s1") == []


async def test_an_unknown_field_is_refused_and_the_others_are_not(
    index: EventIndex, event_of: Callable[..., Event]
) -> None:
    good = document_of(event_of(events.SignedIn()), Place(1))
    bad = Document(new_id(), good.month, good.body | {"colour": "blue"})
    ((refusal),) = await index.write([bad, good], store="s1")
    assert refusal == Refusal(bad, "the index refuses it: strict_dynamic_mapping_exception")
    assert await index.write([good], store="s1") == []


async def test_a_marker_is_read_as_it_was_put(index: EventIndex) -> None:
    await index.put_marker(Marker("s2", Fill.FILLING))
    assert await index.marker() == Marker("s2", Fill.FILLING)


async def test_writing_into_another_store_than_the_one_meant_counts_as_unavailable(
    index: EventIndex, event_of: Callable[..., Event]
) -> None:
    document = document_of(event_of(events.SignedIn()), Place(1))
    with pytest.raises(StoreUnavailable):
        await index.write([document], store="the one before its restart")
