"""What audit asks of OpenSearch. The only module that talks to it."""

import logging
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from opensearchpy import AsyncOpenSearch
from opensearchpy.exceptions import NotFoundError, OpenSearchException, RequestError
from prometheus_client import Counter
from pydantic import SecretStr

from audit import bulk
from audit.bulk import Verdict
from audit.documents import Document
from audit.mapping import PROPERTIES, Fill, Marker, alias, index_template

log: structlog.stdlib.BoundLogger = structlog.get_logger()

BULK_TIMEOUT_SECONDS = 30
SEARCH_TIMEOUT_SECONDS = 4
"""Below the RPC's 5 s, so that the caller hears why."""
COUNTED_HITS = 10_000
"""Up to here a total is exact; counting on would slow every search down."""
SORT_WINDOW = 10_000
"""OpenSearch's `max_result_window`."""

indexed_total = Counter("audit_indexed_total", "Events by what the index made of them", ["result"])


class StoreUnavailable(Exception):  # noqa: N818
    """OpenSearch does not answer, will not let us in, or lost its memory meanwhile."""


class StoreBusy(Exception):  # noqa: N818
    """OpenSearch answers, but did not take all documents now."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A document that the index will never take."""

    document: Document
    reason: str


class EventIndex:
    """The monthly indices under one alias. Open by its first use; `close()` at the end."""

    def __init__(self, url: SecretStr, prefix: str, *, bulk_bytes: int) -> None:
        # It would log each failed attempt with its traceback; `StoreWatch` says once what is wrong.
        logging.getLogger("opensearch").setLevel(logging.CRITICAL)
        self._client = AsyncOpenSearch(url.get_secret_value(), timeout=10, max_retries=1)
        self._prefix = prefix
        self._alias = alias(prefix)
        self._bulk_bytes = bulk_bytes

    async def close(self) -> None:
        await self._client.close()

    async def marker(self) -> Marker | None:
        """The marker of a prepared store. Raises StoreUnavailable."""
        with _reaching():
            try:
                found = await self._client.indices.get_index_template(name=self._alias)
            except NotFoundError:
                return None
        template = found["index_templates"][0]["index_template"]
        meta = template.get("_meta", {})
        if "store" not in meta:
            return None
        return Marker(meta["store"], Fill(meta["fill"]), template.get("version", 0))

    async def put_marker(self, marker: Marker) -> None:
        """Put the template of this release, with the marker in it. Raises StoreUnavailable."""
        with _reaching():
            await self._client.indices.put_index_template(
                name=self._alias, body=index_template(self._prefix, marker)
            )

    async def add_new_fields(self) -> None:
        """Teach the indices that exist the fields of this release. Raises StoreUnavailable, and RequestError
        if a field of ours exists with another type."""
        with _reaching():
            await self._client.indices.put_mapping(
                index=f"{self._alias}-*",
                body={"properties": PROPERTIES},
                params={"allow_no_indices": "true"},
            )

    async def create_month(self, name: str) -> None:
        """Make an index, so that the alias exists before the first event. Raises StoreUnavailable."""
        with _reaching():
            if not await self._client.indices.exists(index=name):
                await self._client.indices.create(index=name)

    async def months(self) -> list[str]:
        """The names of the monthly indices. Raises StoreUnavailable."""
        with _reaching():
            return sorted(await self._client.indices.get(index=f"{self._alias}-*"))

    async def delete_index(self, name: str) -> None:
        """Delete one monthly index, if it is still there. Raises StoreUnavailable."""
        with _reaching():
            await self._client.indices.delete(index=name, params={"ignore_unavailable": "true"})

    async def write(self, documents: Sequence[Document], *, store: str) -> list[Refusal]:
        """Index documents that are not there yet; returns those that the index will never take.

        `store` is the marker's name of the store that is meant. A memory-only store may have started
        anew in between, and would then take the documents with a mapping that it guessed: that shows
        in the marker afterwards, and counts as unavailable.
        Raises StoreUnavailable, StoreBusy; then everything may be written again.
        """
        refusals: list[Refusal] = []
        busy = 0
        for portion, body in bulk.requests(documents, self._prefix, self._bulk_bytes):
            with _reaching():
                answer = await self._client.bulk(body=body, params={"request_timeout": BULK_TIMEOUT_SECONDS})
            for document, item in zip(portion, answer["items"], strict=True):
                verdict = bulk.judge(item)
                indexed_total.labels(verdict.name.lower()).inc()
                if verdict is Verdict.REFUSED:
                    refusals.append(Refusal(document, bulk.reason(item)))
                busy += verdict is Verdict.BUSY
        now = await self.marker()
        if now is None or now.store != store:
            raise StoreUnavailable("the store started anew")
        if busy:
            raise StoreBusy(f"{busy} of {len(documents)} documents were not taken")
        return refusals

    async def find(self, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a search. Raises StoreUnavailable."""
        with _reaching():
            return await self._client.search(
                index=self._alias, body=body, params={"request_timeout": SEARCH_TIMEOUT_SECONDS}
            )

    async def oldest_time(self) -> datetime | None:
        """The time of the oldest event in the store, None if it is empty. Raises StoreUnavailable."""
        return await self._time_at(0)

    async def delete_oldest(self, *, keep: int) -> int:
        """Delete the oldest documents beyond `keep`, up to SORT_WINDOW of them, and those of the same
        instant as the last of them; returns how many. Raises StoreUnavailable."""
        with _reaching():
            count: int = (await self._client.count(index=self._alias))["count"]
        if count <= keep:
            return 0
        newest_to_go = await self._time_at(min(count - keep, SORT_WINDOW) - 1)
        if newest_to_go is None:
            return 0
        with _reaching():
            done = await self._client.delete_by_query(
                index=self._alias,
                body={"query": {"range": {"time": {"lte": newest_to_go.isoformat()}}}},
                params={"conflicts": "proceed", "refresh": "true", "request_timeout": BULK_TIMEOUT_SECONDS},
            )
        return done["deleted"]

    async def _time_at(self, position: int) -> datetime | None:
        """The time of the document at a position, counted from the oldest."""
        answer = await self.find(
            {"size": 1, "from": position, "sort": [{"time": "asc"}], "_source": ["time"]}
        )
        hits = answer["hits"]["hits"]
        return datetime.fromisoformat(hits[0]["_source"]["time"]) if hits else None


@contextmanager
def _reaching() -> Generator[None]:
    """Everything but a 400 means that the store cannot serve us now: away, full, or the login is wrong."""
    try:
        yield
    except RequestError:
        raise
    except OpenSearchException as error:
        words = getattr(error, "error", None)
        raise StoreUnavailable(f"{type(error).__name__}: {words}"[:300]) from error
