"""What changed in Zoho since the last look, found without webhooks.

Zoho's listing of modified records is compared with Zoho's bases right here, so that our own writes cost the
listing and nothing more; what differs becomes ordinary work. The position moves with the last commit: cut off
anywhere, the next look repeats and loses nothing.
"""

from collections import Counter as Tally
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import structlog
from prometheus_client import Counter
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis import leases
from chassis.cause import Cause
from chassis.database import Database
from chassis.leases import Lease
from chassis.outbox import Outbox
from contracts.events import EventData, Reconciled, WorkParked
from contracts.ids import TenantId, Uuid, ZohoId
from contracts.names import Difference, Outcome
from contracts.rpc.sync_parked import ParkedCause
from sync import comparison_store, gone_in_zoho, pipeline_store, work_store
from sync.comparison_store import KnownLink, Position
from sync.comparison_words import in_words
from sync.pipelines import Pipeline
from sync.recognising import kept_form
from sync.retry import Park
from sync.settings import SyncSettings
from sync.sides import zoho_values
from sync.stopping import Stopping
from sync.systems import Systems
from sync.values import Known
from sync.work_store import Lane
from sync.zoho_changes import is_asked, why_look
from sync.zoho_records import modified_time
from vendor.errors import Rejected
from zoho.client import PAGE_SIZE, ZohoClient
from zoho.dates import parse_moment
from zoho.models import Record, WebhookFailure

log: structlog.stdlib.BoundLogger = structlog.get_logger()

TOO_MANY_PAGES = "PAGINATION_LIMIT_EXCEEDED"

records_listed = Counter("sync_reconciled_records_total", "Records of Zoho seen by reconciliation")


@dataclass(slots=True)
class _Look:
    """One look at one module. `new` are records that nobody told us of."""

    pipeline: Pipeline
    position: Position
    since: datetime
    seen: set[str] = field(default_factory=set[str])
    new: dict[str, Record] = field(default_factory=dict[str, Record])
    counts: Tally[Difference] = field(default_factory=Tally[Difference])
    next_since: datetime = field(init=False)
    """Where the next look begins."""

    def __post_init__(self) -> None:
        self.next_since = self.position.now

    def put_off(self, record: Record) -> None:
        """Somebody has the record's link in hand, a bulk write for minutes: what he wrote is no edit; what
        others did is not lost, since the next look begins with it."""
        self.next_since = min(self.next_since, modified_time(record) or self.position.changed_since)


@dataclass(frozen=True, slots=True)
class Reconciling:
    """Does one look at a connection; its caller holds the lease, so that it is the only one."""

    database: Database
    outbox: Outbox
    systems: Systems
    stopping: Stopping
    settings: SyncSettings

    async def __call__(
        self, cause: Cause, tenant: TenantId, connection: Uuid, lease: Lease
    ) -> Tally[Difference]:
        """Raises LeaseLost, and the errors of `vendor`."""
        async with self.database.tenant(tenant) as session:
            pipelines = await pipeline_store.enabled_over(session, connection)
        counts: Tally[Difference] = Tally()
        for pipeline in pipelines:
            if pipeline.definition.takes_webhooks and not pipeline.drift.blocked:
                counts += await self._look(cause, pipeline, lease)
        async with self.database.tenant(tenant) as session:
            await leases.check(session, lease)
            if counts:
                outcome = Outcome.WARNING if counts[Difference.HELD] else Outcome.OK
                told = Reconciled(
                    connection=connection, counts=dict(counts), outcome=outcome, reason=in_words(counts)
                )
                await self.outbox.tell(session, cause, told)
        return counts

    async def _look(self, cause: Cause, pipeline: Pipeline, lease: Lease) -> Tally[Difference]:
        async with self.database.tenant(pipeline.tenant) as session:
            position = await comparison_store.position(session, pipeline)
        look = _Look(pipeline, position, position.changed_since - self.settings.reconcile_overlap)
        zoho = await self.systems.zoho(pipeline, urgent=False)
        async for page in self._modified(zoho, look):
            await self._take(cause, look, page)
        if missed := await self._missed(zoho, look):
            found = await zoho.get_records(pipeline.module, missed, pipeline.zoho_fields)
            await self._take(cause, look, list(found.values()))
        deleted = [record.id async for record in zoho.list_deleted(pipeline.module, look.since)]
        await self._finish(cause, look, deleted, lease)
        return look.counts

    async def _modified(self, zoho: ZohoClient, look: _Look) -> AsyncIterator[list[Record]]:
        """Pages of what was modified since; by COQL, if it is more than Zoho's listing gives."""
        module, fields = look.pipeline.module, look.pipeline.zoho_fields
        page: list[Record] = []
        try:
            async for record in zoho.list_modified(module, look.since, fields):
                page.append(record)
                if len(page) == PAGE_SIZE:
                    yield page
                    page = []
            yield page
        except Rejected as error:
            if error.code != TOO_MANY_PAGES:
                raise
            log.info("reconciling.many_records", module=module)
            async for page in _by_coql(zoho, module, fields, look.since):
                yield page

    async def _missed(self, zoho: ZohoClient, look: _Look) -> list[str]:
        """Records whose webhook failed since, and that the listing did not show."""
        start, end = (look.since - timedelta(days=1)).date(), (datetime.now(UTC) + timedelta(days=1)).date()
        found: set[str] = set()
        try:
            async for failure in zoho.list_webhook_failures(
                start=start, end=end, module=look.pipeline.module
            ):
                if ZohoId.pattern.fullmatch(failure.record_id) and _failed_since(failure, look.since):
                    found.add(failure.record_id)
        except Rejected as error:
            # Without the permission, or the scope, the listing of modified records is the whole truth anyway.
            log.warning("reconciling.no_failure_list", module=look.pipeline.module, code=error.code)
        return sorted(found - look.seen)

    async def _take(self, cause: Cause, look: _Look, page: Sequence[Record]) -> None:
        """Compare a page with what we know, and ask for work on what differs."""
        records = {record["id"]: record for record in page}
        look.seen |= records.keys()
        records_listed.inc(len(records))
        pipeline = look.pipeline
        async with self.database.tenant(pipeline.tenant) as session:
            links = await comparison_store.links_of_records(session, pipeline, records)
            links = await self._recognise(session, pipeline, links, records)
            why = {id_: why_look(pipeline.definition, r, links.get(id_)) for id_, r in records.items()}
            for id_ in [id_ for id_, reason in why.items() if reason and id_ in links and links[id_].in_hand]:
                look.put_off(records[id_])
                del why[id_]
            wanted = [id_ for id_, reason in why.items() if reason is not None]
            rows = await comparison_store.on_table(session, pipeline, "to_ameise", wanted)
            asked = [
                id_
                for id_ in wanted
                if is_asked(pipeline, rows.get(id_), records[id_], last_look=look.position.changed_since)
            ]
            look.new |= {id_: records[id_] for id_ in asked if why[id_] is Difference.NEW}
            changed = [id_ for id_ in asked if why[id_] is Difference.CHANGED]
            look.counts[Difference.CHANGED] += len(changed)
            await self._ask(session, cause, pipeline, changed)

    async def _recognise(
        self,
        session: AsyncSession,
        pipeline: Pipeline,
        links: Mapping[str, KnownLink],
        records: Mapping[str, Record],
    ) -> dict[str, KnownLink]:
        """The links that know in which form Zoho keeps what we wrote; stored, since this is a look."""
        seen: dict[str, tuple[KnownLink, dict[str, Known]]] = {}
        for id_, link in links.items():
            if link.unread:
                values = zoho_values(pipeline.definition, records[id_])
                if form := kept_form(link.unread, records[id_], values):
                    seen[id_] = link, form
        await comparison_store.note_form(session, pipeline, seen)
        known = {
            id_: replace(link, zoho_base={**(link.zoho_base or {}), **form})
            for id_, (link, form) in seen.items()
        }
        return {**links, **known}

    async def _ask(self, session: AsyncSession, cause: Cause, pipeline: Pipeline, ids: Sequence[str]) -> None:
        if ids:
            await work_store.intake(
                session, pipeline.tenant, pipeline=pipeline.id, direction="to_ameise", lane=Lane.WEBHOOK,
                objects=dict.fromkeys(ids, cause),
            )  # fmt: skip

    async def _finish(self, cause: Cause, look: _Look, deleted: Sequence[str], lease: Lease) -> None:
        """New and deleted records, and the new position, in one transaction."""
        pipeline = look.pipeline
        for id_ in await self.stopping.records(pipeline.tenant, look.new):
            del look.new[id_]
        async with self.database.tenant(pipeline.tenant) as session:
            await leases.check(session, lease)
            new = await self._still_new(session, look)
            events: list[EventData] = []
            if len(new) > self.settings.reconcile_new_limit:
                park = Park(ParkedCause.TOO_MANY_NEW)
                held = await comparison_store.park_untried(session, pipeline, dict.fromkeys(new, park), cause)
                look.counts[Difference.HELD] += len(held)
                events += [parked_event(pipeline, id_, park) for id_ in held]
            else:
                look.counts[Difference.NEW] += len(new)
                await self._ask(session, cause, pipeline, new)
            gone = await gone_in_zoho.note(session, self.outbox, pipeline, deleted, cause)
            look.counts[Difference.DELETED] += len(gone)
            await self.outbox.tell(session, cause, *events)
            await comparison_store.move(session, pipeline, since=look.next_since)
        look.counts += Tally()  # drops the zeros

    async def _still_new(self, session: AsyncSession, look: _Look) -> list[str]:
        """Those that were not linked meanwhile, and that nobody is just linking: a batch to Zoho creates
        records and stores their links a moment later."""
        pipeline = look.pipeline
        unique = pipeline.definition.unique_field
        numbers = {id_: str(record.get(unique) or "").strip() for id_, record in look.new.items()}
        by_id = await comparison_store.links_of_records(session, pipeline, numbers)
        by_key = await comparison_store.links_of_objects(session, pipeline, filter(None, numbers.values()))
        still: list[str] = []
        for id_, number in numbers.items():
            link = by_id.get(id_)
            if link is not None and link.linked:
                continue
            if (holder := by_key.get(number)) is not None and holder.in_hand:
                look.put_off(look.new[id_])
                continue
            still.append(id_)
        return still


async def _by_coql(
    zoho: ZohoClient, module: str, fields: Sequence[str], since: datetime
) -> AsyncIterator[list[Record]]:
    after = "0"
    while True:
        page = await zoho.select_after(module, after, fields, since=since)
        yield page
        if len(page) < PAGE_SIZE:
            return
        after = page[-1]["id"]


def _failed_since(failure: WebhookFailure, since: datetime) -> bool:
    """An unreadable moment counts as since: a look too many does no harm."""
    try:
        return parse_moment(failure.failure_time or "") >= since
    except ValueError:
        return True


def parked_event(pipeline: Pipeline, zoho_id: str, park: Park) -> WorkParked:
    """A record waits for a person, untried."""
    return WorkParked(
        pipeline=pipeline.id, module=pipeline.module, zoho_id=ZohoId(zoho_id), reason=park.reason
    )
