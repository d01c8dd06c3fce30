"""Shared by audit's tests: the service as a whole on real parts, and what talks to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import nats
import pytest
from nats.aio.client import Client
from opensearchpy import AsyncOpenSearch

from audit.app import running
from audit.settings import Settings
from chassis.process import Foundation
from chassis.rpc import RpcClient
from contracts.actor import Actor, ActorKind, Role
from contracts.events import EPOCH_HEADER, NUMBER_HEADER, Event, EventData, new_event
from contracts.ids import TenantId, Uuid, new_id
from contracts.names import Service
from contracts.rpc.audit import COUNT, SEARCH, CountLog, LogFilter, LogPage, SearchLog

if TYPE_CHECKING:
    from parts.databases import DatabaseUrls, NewDatabase

TENANT = TenantId("nord")


@pytest.fixture
def event_of() -> Callable[..., Event]:
    """`event_of(data, tenant=..., **envelope)`: an event told by the service that owns it."""

    def make(data: EventData, /, *, tenant: str = TENANT, **envelope: Any) -> Event:
        event = new_event(
            data,
            service=getattr(type(data), "service", Service.SYNC),
            tenant=tenant if tenant == "_system" else TenantId(tenant),
            actor_kind=ActorKind.SERVICE,
            actor_id="sync",
            correlationid=envelope.pop("correlationid", None) or new_id(),
        )
        return event.model_copy(update=envelope)

    return make


@pytest.fixture
def eventually() -> Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]:
    """`await eventually(question)`: asks until the answer is true (20 s at most); the answer."""

    async def ask(question: Callable[[], Awaitable[Any]]) -> Any:
        async with asyncio.timeout(20):
            # The state is in other processes: there is no asyncio event to wait for.
            while not (answer := await question()):
                await asyncio.sleep(0.05)
            return answer

    return ask


@pytest.fixture
def urls(new_database: "NewDatabase") -> "DatabaseUrls":
    return new_database(Service.AUDIT)


@pytest.fixture
def settings(
    nats_url: str, urls: "DatabaseUrls", opensearch_url: str, index_prefix: str
) -> Callable[..., Settings]:
    """`settings(**changes)`: of a service with a store of its own."""

    def make(**changes: Any) -> Settings:
        values: dict[str, Any] = {
            "nats_url": nats_url,
            "database_url": urls.runtime,
            "database_all_tenants_url": urls.all_tenants,
            "opensearch_url": opensearch_url,
            "index_prefix": index_prefix,
            "bulk_wait_seconds": 0.1,
        }
        return Settings(**(values | changes))

    return make


@pytest.fixture
async def opensearch(opensearch_url: str, index_prefix: str) -> AsyncIterator[AsyncOpenSearch]:
    """A plain client; what the test made is removed afterwards."""
    client = AsyncOpenSearch(opensearch_url)
    yield client
    for name in await client.indices.get(index=f"{index_prefix}-*"):
        await client.indices.delete(index=name)
    await client.indices.delete_index_template(name=f"{index_prefix}-events", ignore=(404,))
    await client.close()


@pytest.fixture
def forget_everything(opensearch: AsyncOpenSearch, index_prefix: str) -> Callable[[], Awaitable[None]]:
    """What a restart does to a memory-only store."""

    async def forget() -> None:
        for name in await opensearch.indices.get(index=f"{index_prefix}-*"):
            await opensearch.indices.delete(index=name)
        await opensearch.indices.delete_index_template(name=f"{index_prefix}-events")

    return forget


@dataclass
class Outside:
    """What surrounds a running audit: other services that tell events, and one that asks."""

    client: Client
    prefix: str
    opensearch: AsyncOpenSearch
    numbers: dict[tuple[str, Service], int] = field(default_factory=dict)

    async def tell(self, *events: Event, number: int | None = None) -> None:
        """Publish events like a relay does, each with the next number of its service and tenant."""
        for event in events:
            place = (event.tenant, event.source)
            self.numbers[place] = number or self.numbers.get(place, 0) + 1
            headers = {EPOCH_HEADER: "1", NUMBER_HEADER: str(self.numbers[place])}
            body = event.model_dump_json(exclude_none=True).encode()
            await self.client.jetstream().publish(event.subject_, body, headers=headers)

    async def page(
        self,
        *,
        tenant: str = TENANT,
        limit: int = 50,
        after: str | None = None,
        refreshed: bool = True,
        **by: Any,
    ) -> LogPage:
        """Search as a user of a tenant, seeing all that was indexed (`refreshed`)."""
        if refreshed:
            await self._refresh()
        request = SearchLog(filter=LogFilter(**by), limit=limit, after=after)
        return await RpcClient(self.client).call(SEARCH, request, actor=self._user(tenant))

    async def ids(self, *, tenant: str = TENANT, **by: Any) -> list[Uuid]:
        """The ids of the events that a search finds, newest first."""
        return [event.id for event in (await self.page(tenant=tenant, limit=200, **by)).events]

    async def counts(self, field_: str, *, tenant: str = TENANT, **by: Any) -> dict[str, int]:
        await self._refresh()
        request = CountLog(filter=LogFilter(**by), by=field_)  # pyright: ignore[reportArgumentType]
        return (await RpcClient(self.client).call(COUNT, request, actor=self._user(tenant))).counts

    async def unacknowledged(self) -> int:
        """Events that audit has not acknowledged."""
        js = self.client.jetstream()
        # Not `num_pending`: the server counts it up only after it has acknowledged the publishing.
        last = (await js.stream_info("EVENTS")).state.last_seq
        floor = (await js.consumer_info("EVENTS", "audit")).ack_floor
        return last - (floor.stream_seq if floor else 0)

    async def all_is_taken(self) -> bool:
        return await self.unacknowledged() == 0

    async def one_is_in_hand(self) -> bool:
        consumer = await self.client.jetstream().consumer_info("EVENTS", "audit")
        return consumer.num_ack_pending == 1

    async def _refresh(self) -> None:
        await self.opensearch.indices.refresh(index=f"{self.prefix}-events*")

    @staticmethod
    def _user(tenant: str) -> Actor:
        return Actor(kind=ActorKind.USER, id="u1", tenant=TenantId(tenant), role=Role.USER)


@pytest.fixture
async def outside(nats_url: str, index_prefix: str, opensearch: AsyncOpenSearch) -> AsyncIterator[Outside]:
    client = await nats.connect(nats_url)
    yield Outside(client, index_prefix, opensearch)
    await client.close()


@pytest.fixture
def audit_with(
    settings: Callable[..., Settings], eventually: Callable[..., Awaitable[Any]]
) -> Callable[..., AbstractAsyncContextManager[Foundation]]:
    """`async with audit_with(**changes) as base`: the service; ready, unless `ready=False`."""

    @asynccontextmanager
    async def start(*, ready: bool = True, **changes: Any) -> AsyncIterator[Foundation]:
        async with running(settings(**changes)) as base:

            async def is_ready() -> bool:
                return not await base.health.problems()

            if ready:
                await eventually(is_ready)
            yield base

    return start


@dataclass
class Cable:
    """The way to a server; cut, connections break and new ones are refused."""

    target: tuple[str, int]
    port: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def plug_in(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        if self._server:
            self._server.close()
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self.target)
        self._open |= {writer, far_writer}
        with _broken_is_fine():
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, far_writer))
                group.create_task(_pump(far_reader, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@contextmanager
def _broken_is_fine() -> Iterator[None]:
    try:
        yield
    except* OSError:
        pass


@pytest.fixture
async def cable(opensearch_url: str) -> AsyncIterator[Cable]:
    """A cable to OpenSearch, not plugged in; `http://127.0.0.1:{cable.port}` once it is."""
    url = urlsplit(opensearch_url)
    cable = Cable((url.hostname or "127.0.0.1", url.port or 9200))
    await cable.plug_in()
    await cable.cut()
    yield cable
    await cable.cut()
