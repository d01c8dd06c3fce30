"""The stage: real NATS, a real database, the stand-ins of Zoho and Ameise, replicas of sync as processes, and
auth and ingest played. It knows how to do each single thing; what is done when is not its business."""

import asyncio
import json
import threading
import time
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
import nats
import psycopg
from faststream.nats import NatsBroker
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from outside import (
    IngestOfAll,
    PlayedAuth,
    PlayedIngest,
    World,
    connect_world,
    connected,
    played_auth,
    played_ingest,
)
from psycopg.rows import dict_row

from chassis.broker import stream_config
from chassis.rpc import RpcClient
from contracts import subjects
from contracts.actor import Actor, ActorKind, Role
from contracts.ids import TenantId, ZohoId, new_id
from contracts.names import Service, System, Table
from contracts.problems import Conflict, NotFound, Problem
from contracts.rpc import Rpc, RpcModel
from contracts.rpc.sync import CREATE_DEFAULT_PIPELINES, CreateDefaultPipelines, Pipeline
from contracts.rpc.sync_limits import SET_CONNECTION_LIMITS, SetConnectionLimits
from contracts.rpc.sync_pipelines import (
    DECIDE_CONFLICT,
    LIST_CONFLICTS,
    DecideConflict,
    ListConflicts,
    OpenConflict,
)
from contracts.rpc.sync_reconcile import COMPARE, CompareRequest
from contracts.streams import EVENTS, STREAMS, TO_AMEISE, TO_ZOHO, Stream
from contracts.work import KeyVersion, LookAtZohoRecord, ObjectsChanged
from parts.databases import Databases, DatabaseUrls
from sandbox.state import Store
from soak.books import Books
from soak.day import DAY, age_books, age_database, earlier
from soak.deliveries import objects_as_of
from soak.pipelines import define
from soak.replica import Replica, settings_of_replicas

T = TypeVar("T")
Request = TypeVar("Request", bound=RpcModel)
Reply = TypeVar("Reply", bound=RpcModel)
Changed = Mapping[Table, Sequence[str]]
"""Keys by table, Kunden first."""

TENANT = TenantId("berlin")
REPLICAS = 2
CHUNK = 20
QUIET_WITHIN_SECONDS = 60
BULK_LASTS = 2.0
"""Seconds in which Zoho has worked off a bulk write: ten times what it takes on a machine at rest."""
SOON = "NOT parked AND due_at < now() + interval '1 hour'"
"""What is under way, also if it was postponed; a deletion waits for a day."""


@dataclass(frozen=True)
class Parts:
    """What outlives an example: servers, and where the stand-ins keep their state."""

    nats_url: str
    databases: Databases
    sandbox_url: str
    sandbox_file: Path
    folder: Path


@dataclass
class Stage:
    """One team's world, from a clean start to its end, with so many replicas (`count`), of which the first is
    up. `close` it."""

    parts: Parts
    count: int = REPLICAS
    replicas: list[Replica] = field(default_factory=list[Replica], init=False)
    _stack: ExitStack = field(default_factory=ExitStack)
    _backup: ExitStack = field(default_factory=ExitStack)
    backup: str | None = None
    was_set_back: bool = False
    forgotten: set[str] = field(default_factory=set[str])
    """Records that a restored backup knew nothing of."""
    delivered: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    left_out: set[str] = field(default_factory=set[str])
    """Kunden whom deliveries do not show, though Ameise has them."""
    events_seen: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    def __post_init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.urls: DatabaseUrls = self._stack.enter_context(self.parts.databases.of_one_test())(Service.SYNC)
        self.store = Store(self.parts.sandbox_file)
        self._open_at_once(self._open())

    # -- begin and end --------------------------------------------------------------------------------------

    def _open_at_once(self, opening: Coroutine[Any, Any, None]) -> None:
        try:
            self.run(opening)
        except BaseException:
            self.close()
            raise

    async def _open(self) -> None:
        self.client: Client = await nats.connect(self.parts.nats_url)
        for stream in STREAMS:
            await self._delete(stream)
        self.http = httpx.AsyncClient(timeout=20)
        self.broker = NatsBroker(self.parts.nats_url, apply_types=False, logger=None)
        auth, ingest = played_auth(self.broker), played_ingest(self.broker)
        await self.broker.start()
        self.world: World = await connect_world(self.parts.sandbox_url, self.http)
        self.books = Books(self.store, self.world.haupt, self.world.org)
        self.auth: PlayedAuth = auth.of(TENANT, self.world)
        self.ingest: PlayedIngest = _of(ingest, self.world)
        settings = settings_of_replicas(self.parts.nats_url, self.urls, self.parts.sandbox_url)
        for number in range(self.count):
            self.replicas.append(Replica(number, settings, self.parts.folder))
        self.replicas[0].start()
        self.pipelines = await self._pipelines()
        await define(self)
        await self.well_again()

    async def _pipelines(self) -> dict[str, Pipeline]:
        request = CreateDefaultPipelines(
            ameise_connection=self.auth.ameise.id, zoho_connection=self.auth.zoho.id
        )
        reply = await self._ask(CREATE_DEFAULT_PIPELINES, request)
        return {pipeline.module: pipeline for pipeline in reply.pipelines}

    async def _ask(self, rpc: Rpc[Request, Reply], request: Request) -> Reply:
        """Again and again, until sync is up, has noticed that all is well, and does not just do it."""
        async with asyncio.timeout(QUIET_WITHIN_SECONDS):
            while True:
                try:
                    return await RpcClient(self.client).call(rpc, request, actor=self.actor())
                except Problem:
                    await asyncio.sleep(0.1)

    def allow_bulk_writes(self, allowed: bool) -> None:
        """An admin does, or does not any more; nobody is there to ask while all replicas are down."""
        request = SetConnectionLimits(connection=self.auth.zoho.id, bulk_write_allowed=allowed)
        if any(replica.is_up for replica in self.replicas):
            self.run(self._ask(SET_CONNECTION_LIMITS, request))

    def open_conflicts(self) -> tuple[OpenConflict, ...]:
        """As the page shows them; none while nobody answers."""
        if not any(replica.is_up for replica in self.replicas):
            return ()
        try:
            return self._call(LIST_CONFLICTS, ListConflicts(limit=1000)).conflicts
        except Problem:
            return ()

    def decide(self, conflict: OpenConflict, winner: System) -> bool:
        """Whether it may have been taken."""
        decision = DecideConflict(link=conflict.link, field=conflict.field, winner=winner)
        try:
            self._call(DECIDE_CONFLICT, decision)
        except (Conflict, NotFound):
            return False
        except Problem:  # an answer got lost, which says nothing
            return True
        return True

    def _call(self, rpc: Rpc[Request, Reply], request: Request) -> Reply:
        return self.run(RpcClient(self.client).call(rpc, request, actor=self.actor()))

    async def well_again(self) -> None:
        """The outside world answers, and takes what is said to it, as on a good day."""
        await self.world.well_again()
        await self.world.knobs(ameise_changes_vertraege=True)

    def actor(self) -> Actor:
        return Actor(kind=ActorKind.USER, id="anna", tenant=TENANT, role=Role.ADMIN)

    def close(self) -> None:
        for replica in self.replicas:
            replica.kill()
        self._backup.close()
        self._stack.close()
        self.store.close()
        self.run(self._close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _close(self) -> None:
        await self.world.well_again()
        await self.broker.stop()
        await self.client.close()
        await self.http.aclose()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Do something in the loop in which auth and ingest answer."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(QUIET_WITHIN_SECONDS + 30)

    # -- messages -------------------------------------------------------------------------------------------

    @property
    def js(self) -> JetStreamContext:
        return self.client.jetstream()

    def webhook(self, zoho_id: str, module: str) -> None:
        """As gateway's relay publishes it."""
        pipeline = self.pipelines[module].id
        work = LookAtZohoRecord(
            id=new_id(), tenant=TENANT, correlationid=new_id(), time=datetime.now(UTC),
            pipeline=pipeline, zoho_id=ZohoId(zoho_id),
        )  # fmt: skip
        self._publish(subjects.to_ameise(TENANT, pipeline, work.zoho_id), work.model_dump_json())

    def store_delivery(self, at: datetime) -> Changed:
        """A delivery of that moment arrives: ingest stores it; what differs from what it had.

        Ingest takes none that is older than the one before. What it had and the delivery lacks is gone.
        """
        if at <= self.delivered:
            return {}
        self.delivered = at
        shown = objects_as_of(self.store, self.world.haupt, at, left_out=self.left_out)
        return {table: self._store_table(table, objects, at) for table, objects in shown.items()}

    def _store_table(self, table: Table, shown: Mapping[str, dict[str, Any]], at: datetime) -> list[str]:
        before = {object_.key: object_.version for object_ in self.ingest.of_table(table)}
        for number, fields in shown.items():
            self.ingest.put(table, number, fields, as_of=at)
        for number in before.keys() - shown.keys():
            self.ingest.put(table, number, {}, as_of=at, gone=True)
        after = self.ingest.of_table(table)
        return [object_.key for object_ in after if before.get(object_.key) != object_.version]

    def chunks(self, changed: Changed) -> None:
        """Tell sync of these, as ingest's relay does."""
        for table, keys in changed.items():
            for start in range(0, len(keys), CHUNK):
                objects = [self.ingest.objects[table, key] for key in keys[start : start + CHUNK]]
                work = ObjectsChanged(
                    id=new_id(), tenant=TENANT, correlationid=new_id(), time=datetime.now(UTC),
                    table=table, delivery=new_id(), as_of=objects[0].as_of,
                    objects=tuple(KeyVersion(key=o.key, version=o.version, gone=o.gone) for o in objects),
                )  # fmt: skip
                self._publish(subjects.to_zoho(TENANT, table), work.model_dump_json())

    def _publish(self, subject: str, body: str) -> None:
        self.run(self.js.publish(subject, body.encode()))

    def purge(self, stream: Stream) -> None:
        """NATS loses what it had acknowledged."""
        self.run(self.js.purge_stream(stream.name))

    def recreate(self, stream: Stream) -> None:
        """The stream is deleted and created anew, its consumers are gone."""

        async def again() -> None:
            await self._delete(stream)
            await self.js.add_stream(stream_config(stream, 1))

        self.run(again())

    async def _delete(self, stream: Stream) -> None:
        try:
            await self.js.delete_stream(stream.name)
        except NotFoundError:
            return

    # -- mishaps --------------------------------------------------------------------------------------------

    def fault(self, **plan: Any) -> None:
        self.run(self.world.http.put(f"{self.world.url}/sandbox/faults", json=plan))

    def expire_tokens(self, vendor: str) -> None:
        """All access tokens of a vendor are refused from now on; auth has new ones."""
        kill = {"vendor": vendor, "kind": "access"}
        self.run(self.http.post(f"{self.parts.sandbox_url}/sandbox/tokens/kill", json=kill))
        self.world = self.run(connected(self.world.url, self.http, self.world.haupt, self.world.org))
        self.auth.world = self.ingest.world = self.world

    def back_up(self) -> None:
        """Remember sync's database as it is now; replicas that are up lose their connections."""
        self._backup.close()
        self.backup = self._backup.enter_context(self.parts.databases.backup_of(self.urls))

    def set_back(self) -> None:
        """sync's database is what it was at the backup. What was told since is in EVENTS."""
        if self.backup is None:
            return
        self.was_set_back = True
        up = self._all_killed()
        self.note_events()
        known = self._known_records()
        self.parts.databases.restore(Service.SYNC, self.urls, self.backup)
        self.forgotten |= known - self._known_records()
        for replica in up:
            replica.start()

    def _known_records(self) -> set[str]:
        """Those of which sync knows that they have, or may get, an object of Ameise."""
        rows = self.select(
            "SELECT zoho_id FROM link WHERE zoho_id IS NOT NULL AND ameise_key IS NOT NULL "
            "UNION SELECT zoho_id FROM intent"
        )
        return {row["zoho_id"] for row in rows}

    def a_day_passes(self) -> None:
        """Nobody works meanwhile; what is under way in NATS arrives a day late."""
        up = self._all_killed()
        self.note_events()
        age_database(self.urls.superuser)
        if self.backup is not None:
            age_database(self.parts.databases.url_of_backup(self.urls, self.backup))
        age_books(self.store, (self.books.ameise, self.books.zoho), (self.world.haupt, self.world.org))
        self.events_seen = {id_: json.loads(earlier(json.dumps(e))) for id_, e in self.events_seen.items()}
        self.delivered -= DAY
        for key, stored in self.ingest.objects.items():
            self.ingest.objects[key] = stored.model_copy(update={"as_of": stored.as_of - DAY})
        for replica in up:
            replica.start()

    def _all_killed(self) -> list[Replica]:
        """Those that were up."""
        up = [replica for replica in self.replicas if replica.is_up]
        for replica in up:
            replica.kill()
        return up

    # -- what is to be seen ---------------------------------------------------------------------------------

    def select(self, query: str) -> list[dict[str, Any]]:
        with psycopg.connect(self.urls.superuser, row_factory=dict_row) as connection:
            return connection.execute(query.encode()).fetchall()

    def hurry(self) -> None:
        """What was postponed is due now, but for what waits for tomorrow."""
        with psycopg.connect(self.urls.superuser, autocommit=True) as connection:
            connection.execute(
                "UPDATE work SET due_at = now() WHERE id IN "
                f"(SELECT id FROM work WHERE lease_until IS NULL AND {SOON} FOR UPDATE SKIP LOCKED)"
            )
            connection.execute(
                "SELECT pg_notify(format('work_%s', direction), '') FROM work WHERE NOT parked"
            )

    def is_quiet(self) -> bool:
        """Nothing under way, nothing to be done but what is parked."""
        if self.run(self._under_way()):
            return False
        return not self.select(f"SELECT 1 FROM work WHERE {SOON} LIMIT 1")

    async def _under_way(self) -> int:
        found = [await self.js.stream_info(stream.name) for stream in (TO_AMEISE, TO_ZOHO)]
        return sum(info.state.messages for info in found)

    def until_quiet(self) -> None:
        ends = time.monotonic() + QUIET_WITHIN_SECONDS
        while not self.is_quiet():
            assert time.monotonic() < ends, f"no quiet: {self.select(f'SELECT * FROM work WHERE {SOON}')}"
            self.hurry()
            time.sleep(0.2)

    @property
    def awaits_tomorrow(self) -> bool:
        """Whether a record waits to be deleted."""
        return bool(self.select("SELECT 1 FROM work WHERE direction = 'deletion' AND NOT parked"))

    def reconcile(self) -> None:
        """Whatever is compared by the clock or at night is compared now."""
        self.run(self._ask(COMPARE, CompareRequest(links=True, changes=True)))

    def note_events(self) -> None:
        """Keep what sync told so far, from its outbox and from EVENTS."""
        for row in self.select("SELECT body FROM outbox"):
            body = json.loads(row["body"])
            self.events_seen.setdefault(body["id"], body)
        self.run(self._note_published())

    async def _note_published(self) -> None:
        total = (await self.js.stream_info(EVENTS.name)).state.messages
        reader = await self.js.subscribe(f"event.{TENANT}.>", ordered_consumer=True)
        try:
            for _ in range(total):
                body = json.loads((await reader.next_msg(timeout=0.5)).data)
                # As first seen: EVENTS does not know that days passed since.
                self.events_seen.setdefault(body["id"], body)
        except TimeoutError:
            return
        finally:
            await reader.unsubscribe()

    def calls(self) -> list[dict[str, Any]]:
        """What sync asked of the vendors, in the order in which it asked."""
        found: list[dict[str, Any]] = []
        for world in (self.world.haupt, self.world.org):
            query = {"world": world, "limit": 1_000_000}
            found += self.run(self.http.get(f"{self.world.url}/sandbox/journal", params=query)).json()
        return sorted(found, key=lambda call: call["at"])


def _of(ingest: IngestOfAll, world: World) -> PlayedIngest:
    return ingest.of(TENANT, world)
