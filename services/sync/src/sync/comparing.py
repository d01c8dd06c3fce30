"""The complete comparison of what ingest has with what was judged: digests, then buckets, then objects.

Every difference becomes ordinary work; equal states cost one digest on either side and nothing more.
"""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chassis.cause import Cause
from chassis.database import Database
from chassis.outbox import Outbox
from chassis.rpc import RpcClient
from contracts.actor import Actor
from contracts.events import Compared
from contracts.ids import TenantId
from contracts.names import Difference, Service, Table
from contracts.rpc.ingest import (
    BUCKETS,
    DIGEST,
    SEND_AGAIN,
    BucketDigest,
    BucketsRequest,
    Digest,
    DigestRequest,
    SendAgainRequest,
)
from contracts.work import KeyVersion
from sync import comparison_store, pipeline_store, work_store
from sync.comparison_store import Judged, standing
from sync.comparison_words import in_words, outcome_of
from sync.pipelines import Pipeline
from sync.settings import SyncSettings
from sync.work_store import lane_of

NONE_LEFT = "die Lieferungen kennen {n} beurteilte Objekte nicht mehr, zu viele, um sie einzeln anzusehen"


@dataclass(frozen=True, slots=True)
class Found:
    """What a comparison came to; `note` is what a person should know beside the counts."""

    objects: int
    counts: Tally[Difference]
    note: str | None = None


def differing(theirs: Iterable[BucketDigest], ours: Iterable[BucketDigest]) -> list[str]:
    """The buckets that are not the same on both sides."""
    a = {bucket.bucket: bucket.digest for bucket in theirs}
    b = {bucket.bucket: bucket.digest for bucket in ours}
    return sorted(bucket for bucket in a.keys() | b.keys() if a.get(bucket) != b.get(bucket))


def difference(theirs: KeyVersion, ours: Judged | None) -> Difference | None:
    """How one object of ingest's differs from what was judged; None if it does not."""
    if ours is None:
        return Difference.NEVER_JUDGED
    if (ours.object.version, ours.object.gone) != (theirs.version, theirs.gone):
        return Difference.STALE
    return None if ours.current else Difference.OUTDATED


@dataclass(frozen=True, slots=True)
class Comparing:
    """Compares one tenant; its caller holds the lease."""

    database: Database
    outbox: Outbox
    rpc: RpcClient
    settings: SyncSettings

    async def __call__(self, cause: Cause, tenant: TenantId) -> Found:
        """Raises the Problems that ingest answers with, Unavailable above all."""
        async with self.database.tenant(tenant) as session:
            enabled = await pipeline_store.enabled(session)
        pipelines = [p for p in enabled if p.definition.takes_deliveries]
        found = [
            one
            for table in Table
            if (of_table := [p for p in pipelines if p.table is table])
            for one in await self._table(cause, tenant, table, of_table)
        ]
        counts = sum((one.counts for one in found), Tally[Difference]())
        notes = "; ".join(one.note for one in found if one.note) or None
        whole = Found(sum(one.objects for one in found), counts, notes)
        async with self.database.tenant(tenant) as session:
            told = Compared(
                total=whole.objects, counts=dict(counts), outcome=outcome_of(counts),
                reason=in_words(counts, note=notes),
            )  # fmt: skip
            await self.outbox.tell(session, cause, told)
        return whole

    async def _table(
        self, cause: Cause, tenant: TenantId, table: Table, pipelines: Sequence[Pipeline]
    ) -> list[Found]:
        theirs = await self.rpc.call(
            DIGEST, DigestRequest(table=table, buckets=4096), actor=Actor.of_service(Service.SYNC, tenant)
        )
        found: list[Found] = []
        resent = False
        for pipeline in pipelines:
            async with self.database.tenant(tenant) as session:
                ours = await comparison_store.digest(session, pipeline)
            buckets = differing(theirs.buckets, ours)
            objects = sum(bucket.objects for bucket in theirs.buckets)
            affected = sum(bucket.objects for bucket in theirs.buckets if bucket.bucket in set(buckets))
            if affected > self.settings.compare_objects_limit:
                if not resent:  # once tells all pipelines of the table
                    await self._send_again(cause, tenant, table)
                    resent = True
                found.append(Found(objects, Tally({Difference.WHOLE_TABLE: affected})))
                continue
            counts, note = await self._objects(cause, pipeline, buckets)
            counts += await self._void(cause, pipeline, theirs)
            found.append(Found(objects, counts, note))
        return found

    async def _send_again(self, cause: Cause, tenant: TenantId, table: Table) -> None:
        """Page by page along its key, ingest tells a whole table much faster than we can ask for it."""
        await self.rpc.call(
            SEND_AGAIN, SendAgainRequest(tables=(table,)), actor=Actor.of_service(Service.SYNC, tenant),
            correlationid=cause.correlationid,
        )  # fmt: skip

    async def _objects(
        self, cause: Cause, pipeline: Pipeline, buckets: Sequence[str]
    ) -> tuple[Tally[Difference], str | None]:
        """The differing buckets object by object; what ingest does not know is what is left at the end."""
        if not buckets:
            return Tally[Difference](), None
        async with self.database.tenant(pipeline.tenant) as session:
            ours = await comparison_store.judged_in(session, pipeline, buckets)
        counts: Tally[Difference] = Tally()
        request, more = BucketsRequest(table=pipeline.table, buckets=tuple(buckets)), True
        while more:
            page = await self.rpc.call(
                BUCKETS, request, actor=Actor.of_service(Service.SYNC, pipeline.tenant)
            )
            differences = {
                str(theirs.key): kind
                for theirs in page.objects
                if (kind := difference(theirs, ours.pop(theirs.key, None))) is not None
            }
            counts += await self._ask(cause, pipeline, differences)
            more = page.more
            if more:
                request = request.model_copy(update={"after": page.objects[-1].key})
        if len(ours) > self.settings.compare_unknown_limit:
            # More likely a database that was emptied than so many objects without a tombstone.
            counts[Difference.UNKNOWN] += len(ours)
            return counts, NONE_LEFT.format(n=len(ours))
        return counts + await self._ask(cause, pipeline, dict.fromkeys(ours, Difference.UNKNOWN)), None

    async def _void(self, cause: Cause, pipeline: Pipeline, theirs: Digest) -> Tally[Difference]:
        async with self.database.tenant(pipeline.tenant) as session:
            keys = await comparison_store.void(session, pipeline, theirs.as_of)
        return await self._ask(cause, pipeline, dict.fromkeys(keys, Difference.VOID))

    async def _ask(
        self, cause: Cause, pipeline: Pipeline, differences: Mapping[str, Difference]
    ) -> Tally[Difference]:
        """Ask for work on what has none yet; what each difference counts as."""
        if not differences:
            return Tally[Difference]()
        async with self.database.tenant(pipeline.tenant) as session:
            rows = await comparison_store.on_table(session, pipeline, "to_zoho", differences)
            counted = {key: standing(rows.get(key), again=kind) for key, kind in differences.items()}
            await work_store.intake(
                session,
                pipeline.tenant,
                pipeline=pipeline.id,
                direction="to_zoho",
                lane=lane_of(pipeline.table),
                objects={key: cause for key in differences if key not in rows},
            )
        return Tally(counted.values())
