"""Looks whether the mappings still fit Zoho: every night, and before a batch if the last look is old.

Four calls per module, whose answers a process keeps for a while. Should Zoho not answer, or not let us see
its metadata, work goes on with what is known: the look must never hold up what it is there to protect.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

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
from sync.drift import Drift, ModuleMetadata, drift_of, in_words, turn
from sync.pipelines import Pipeline
from sync.systems import Systems
from vendor.errors import Rejected, VendorError
from zoho.client import ZohoClient

log: structlog.stdlib.BoundLogger = structlog.get_logger()

AFTER_FAILURE = timedelta(minutes=5)
AT_ONCE = timedelta(0)

looks_total = Counter("sync_drift_looks_total", "Looks at Zoho's metadata by how they ended", ["result"])

Place = tuple[TenantId, Uuid, str]
"""A module of an organisation."""


@dataclass(frozen=True, slots=True)
class _Read:
    """`metadata` is None if they could not be read."""

    at: datetime
    metadata: ModuleMetadata | None


@dataclass(slots=True)
class DriftWatch:
    """`kept`: how old metadata may be before a batch."""

    database: Database
    outbox: Outbox
    rpc: RpcClient
    systems: Systems
    kept: timedelta
    _reads: dict[Place, _Read] = field(default_factory=dict[Place, _Read])
    _reading: defaultdict[Place, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    async def checked(self, pipeline: Pipeline) -> Pipeline:
        """The pipeline with what does not fit, looked at lately enough for a batch."""
        read_at = pipeline.drift.read_at
        if read_at is not None and datetime.now(UTC) - read_at < self.kept:
            return pipeline
        read = await self._read(pipeline, self.kept)
        return replace(pipeline, drift=await self._judge(pipeline, read)) if read.metadata else pipeline

    async def check_all(self, tenant: TenantId, connection: Uuid) -> None:
        """Look at all enabled pipelines of a connection anew."""
        async with self.database.tenant(tenant) as session:
            pipelines = await pipeline_store.enabled_over(session, connection)
        for pipeline in pipelines:
            read = await self._read(pipeline, AT_ONCE)
            if read.metadata:
                await self._judge(pipeline, read)

    async def _read(self, pipeline: Pipeline, kept: timedelta) -> _Read:
        """One asks for all that wait."""
        place = (pipeline.tenant, pipeline.zoho_connection, pipeline.module)
        wanted_at = datetime.now(UTC)
        async with self._reading[place]:
            known = self._reads.get(place)
            if known is not None and wanted_at - known.at < (kept if known.metadata else AFTER_FAILURE):
                return known
            read = self._reads[place] = await self._ask(pipeline)
            return read

    async def _ask(self, pipeline: Pipeline) -> _Read:
        at = datetime.now(UTC)
        try:
            zoho = await self.systems.zoho(pipeline, urgent=False)
            metadata = await metadata_of(zoho, pipeline.module)
        except VendorError as error:
            log.warning("drift.not_seen", module=pipeline.module, error=type(error).__name__)
            looks_total.labels("failed").inc()
            return _Read(at, None)
        looks_total.labels("done" if metadata else "not_seen").inc()
        return _Read(at, metadata)

    async def _judge(self, pipeline: Pipeline, read: _Read) -> Drift:
        """Keep what is found, and tell what is new: by whoever finds it first."""
        assert read.metadata is not None
        findings = drift_of(pipeline.definition, pipeline.module, read.metadata)
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
    """What Zoho says about a module; None if it lets us see nothing. Raises VendorError.

    An empty list is no proof that all is gone: it is what somebody without the permission sees.
    """
    modules = await zoho.list_modules()
    if not modules:
        return None
    if all(one.api_name != module or one.api_supported is False for one in modules):
        return ModuleMetadata(None)
    fields, layouts, users = await asyncio.gather(
        zoho.list_fields(module), zoho.list_layouts(module), _users_of(zoho)
    )
    if not fields:
        return None
    return ModuleMetadata({f.api_name: f for f in fields if f.api_name}, layouts, users)


async def _users_of(zoho: ZohoClient) -> frozenset[str] | None:
    """None if they may not be read (the connection is older than our asking for it), or nobody is let to be
    seen: an org has users. Raises VendorError."""
    try:
        return frozenset(user.id for user in await zoho.list_active_users()) or None
    except Rejected:
        return None
