"""Looks whether the mappings still fit Zoho: every night, and before a batch if the last look is old.

Three calls per module, and one per connection where somebody maps users, whose answers a process keeps for a
while. Should Zoho not answer, or not let us see
its metadata, work goes on with what is known: the look must never hold up what it is there to protect.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Generic, NamedTuple, TypeVar

import structlog
from prometheus_client import Counter

from chassis.cause import Cause
from chassis.database import Database
from chassis.outbox import Outbox
from chassis.rpc import RpcClient
from contracts.actor import Actor
from contracts.events import PipelineDrifted, PipelineFitsAgain
from contracts.ids import TenantId, Uuid
from contracts.names import Service
from contracts.problems import Problem
from contracts.rpc.ingest import SEND_AGAIN, SendAgainRequest
from sync import drift_store, pipeline_store
from sync.drift import Drift, ModuleMetadata, drift_of, in_words, maps_users, turn
from sync.pipelines import Pipeline
from sync.systems import OverZoho, Systems
from vendor.errors import Rejected, VendorError
from zoho.client import ZohoClient

log: structlog.stdlib.BoundLogger = structlog.get_logger()

AFTER_FAILURE = timedelta(minutes=5)
A_PERSON_WAITS = timedelta(seconds=4)
A_PERSON_LOOKS = timedelta(minutes=5)
"""How old metadata may be that a person chooses from."""

looks_total = Counter("sync_drift_looks_total", "Looks at Zoho's metadata by how they ended", ["result"])


class Place(NamedTuple):
    """A module of an organisation."""

    tenant: TenantId
    zoho_connection: Uuid
    module: str


class Organisation(NamedTuple):
    tenant: TenantId
    zoho_connection: Uuid


At = TypeVar("At", bound=Hashable)
What = TypeVar("What")


@dataclass(frozen=True, slots=True)
class _Read(Generic[What]):
    at: datetime
    what: What


@dataclass(slots=True)
class _Reads(Generic[At, What]):
    """What was read last, and when it could not be read, by where."""

    _last: dict[At, _Read[What]] = field(default_factory=dict[At, _Read[What]])
    _failed_at: dict[At, datetime] = field(default_factory=dict[At, datetime])
    _reading: defaultdict[At, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    def last(self, at: At) -> What | None:
        """What was read there last, however long ago."""
        read = self._last.get(at)
        return read.what if read else None

    async def since(
        self, moment: datetime, at: At, ask: Callable[[], Awaitable[What | None]]
    ) -> _Read[What] | None:
        """What was read there since a moment, None if it cannot be read; one asks for all that wait. Who did
        not answer is let be for a while, unless it has to be newer; what was read before stays good."""
        async with self._reading[at]:
            last, failed_at = self._last.get(at), self._failed_at.get(at)
            if last is not None and last.at >= moment:
                return last
            asked_at = datetime.now(UTC)
            if failed_at is not None and failed_at >= max(moment, asked_at - AFTER_FAILURE):
                return None
            what = await ask()
            if what is None:
                self._failed_at[at] = asked_at
                return None
            read = self._last[at] = _Read(asked_at, what)
            return read


@dataclass(frozen=True, slots=True)
class _Users:
    """`ids` are None if they may not be read."""

    ids: frozenset[str] | None


@dataclass(slots=True)
class DriftWatch:
    """`kept`: how old metadata may be before a batch."""

    database: Database
    outbox: Outbox
    rpc: RpcClient
    systems: Systems
    kept: timedelta
    _modules: _Reads[Place, ModuleMetadata] = field(default_factory=_Reads[Place, ModuleMetadata])
    _users: _Reads[Organisation, _Users] = field(default_factory=_Reads[Organisation, _Users])

    async def checked(self, pipeline: Pipeline) -> Pipeline:
        """The pipeline with what does not fit, looked at lately enough for a batch."""
        read_at, since = pipeline.drift.read_at, datetime.now(UTC) - self.kept
        if read_at is not None and read_at > since:
            return pipeline
        read = await self._read(pipeline, since)
        return replace(pipeline, drift=await self._judge(pipeline, read)) if read else pipeline

    async def check_all(self, tenant: TenantId, connection: Uuid) -> None:
        """Look at all enabled pipelines of a connection anew."""
        began = datetime.now(UTC)
        async with self.database.tenant(tenant) as session:
            pipelines = await pipeline_store.enabled_over(session, connection)
        for pipeline in pipelines:
            read = await self._read(pipeline, began)
            if read:
                await self._judge(pipeline, read)

    async def metadata_now(self, place: Place) -> ModuleMetadata | None:
        """For a person who waits: asked anew, since he may just have made a field. None if Zoho does not say
        in time."""
        return await self._metadata_since(datetime.now(UTC), place)

    async def metadata_lately(self, place: Place) -> ModuleMetadata | None:
        """For a person who looks and looks again: not older than some minutes, unless Zoho does not say in
        time. None if it never did."""
        lately = await self._metadata_since(datetime.now(UTC) - A_PERSON_LOOKS, place)
        return lately or self._modules.last(place)

    async def _metadata_since(self, moment: datetime, place: Place) -> ModuleMetadata | None:
        try:
            async with asyncio.timeout(A_PERSON_WAITS.total_seconds()):
                read = await self._module(place, moment, urgent=True)
        except TimeoutError:
            return None
        return read.what if read else None

    async def _read(self, pipeline: Pipeline, since: datetime) -> _Read[ModuleMetadata] | None:
        """All that the pipeline can be compared with."""
        place = Place(pipeline.tenant, pipeline.zoho_connection, pipeline.module)
        read = await self._module(place, since, urgent=False)
        if read is None or not maps_users(pipeline.definition):
            return read
        over = Organisation(pipeline.tenant, pipeline.zoho_connection)
        users = await self._users.since(since, over, lambda: self._seen(over, users_of, urgent=False))
        return _Read(read.at, replace(read.what, users=users.what.ids)) if users else None

    async def _module(self, place: Place, since: datetime, *, urgent: bool) -> _Read[ModuleMetadata] | None:
        async def ask(zoho: ZohoClient) -> ModuleMetadata | None:
            return await metadata_of(zoho, place.module)

        return await self._modules.since(since, place, lambda: self._seen(place, ask, urgent=urgent))

    async def _seen(
        self, over: OverZoho, ask: Callable[[ZohoClient], Awaitable[What | None]], *, urgent: bool
    ) -> What | None:
        try:
            seen = await ask(await self.systems.zoho(over, urgent=urgent))
        except VendorError as error:
            log.warning("drift.not_seen", connection=str(over.zoho_connection), error=type(error).__name__)
            looks_total.labels("failed").inc()
            return None
        looks_total.labels("done" if seen else "not_seen").inc()
        return seen

    async def _judge(self, pipeline: Pipeline, read: _Read[ModuleMetadata]) -> Drift:
        """Keep what is found, and tell what is new: by whoever finds it first."""
        findings = drift_of(pipeline.definition, pipeline.module, read.what)
        async with self.database.tenant(pipeline.tenant) as session:
            before = await drift_store.locked(session, pipeline)
            if before is None:
                return pipeline.drift
            if before.version == pipeline.version and before.read_at and before.read_at >= read.at:
                return before  # another replica asked later than we did
            now = await drift_store.save(session, pipeline, findings, read.at)
            turned = turn(before.findings, findings)
            again = await drift_store.void_held_back(session, pipeline) if turned.healed else 0
            cause = Cause.of_service(Service.SYNC, pipeline.tenant)
            if turned.news:
                log.warning("drift.found", pipeline=str(pipeline.id), findings=len(findings))
                drifted = PipelineDrifted(
                    pipeline=pipeline.id, module=pipeline.module,
                    fields=tuple(dict.fromkeys(f.field for f in turned.news if f.field)),
                    reason="; ".join(map(in_words, turned.news)),
                )  # fmt: skip
                await self.outbox.tell(session, cause, drifted)
            if turned.fits_again and before.since is not None:
                fits = PipelineFitsAgain(pipeline=pipeline.id, module=pipeline.module, since=before.since)
                await self.outbox.tell(session, cause, fits)
        if again:
            await self._send_again(pipeline)
        return now

    async def _send_again(self, pipeline: Pipeline) -> None:
        """What was held back is written; should ingest not answer, the nightly comparison finds it."""
        actor = Actor.of_service(Service.SYNC, pipeline.tenant)
        try:
            await self.rpc.call(SEND_AGAIN, SendAgainRequest(tables=(pipeline.table,)), actor=actor)
        except Problem as problem:
            log.warning("drift.not_sent_again", pipeline=str(pipeline.id), problem=problem.type)


async def metadata_of(zoho: ZohoClient, module: str) -> ModuleMetadata | None:
    """What Zoho says about a module, but for its users; None if it lets us see nothing. Raises VendorError.

    An empty list is no proof that all is gone: it is what somebody without the permission sees.
    """
    modules = await zoho.list_modules()
    if not modules:
        return None
    if all(one.api_name != module or one.api_supported is False for one in modules):
        return ModuleMetadata(None)
    fields, layouts = await asyncio.gather(zoho.list_fields(module), zoho.list_layouts(module))
    if not fields:
        return None
    return ModuleMetadata({f.api_name: f for f in fields if f.api_name}, layouts)


async def users_of(zoho: ZohoClient) -> _Users:
    """Unseen if they may not be read (the connection is older than our asking for it), or nobody is let to be
    seen: an org has users. Raises VendorError."""
    try:
        return _Users(frozenset(user.id for user in await zoho.list_active_users()) or None)
    except Rejected:
        return _Users(None)
