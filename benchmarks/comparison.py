"""The complete comparison of 1,000,000 judged objects with ingest: all equal, and with a few lost messages.

ingest and sync are processes of their own on one PostgreSQL that waits for its disk; their tables are filled
by SQL. Measured from outside, by the RPCs `ingest.digest` and `sync.compare`.
"""

import asyncio
import json
import os
import time
from pathlib import Path

import nats
import psycopg

from benchmarks.ingest_process import durable_postgres, ingest_service
from benchmarks.result import Result
from benchmarks.to_zoho import sync_service
from chassis.rpc import RpcClient
from contracts.actor import Actor, ActorKind, Role
from contracts.ids import TenantId, new_id
from contracts.names import Difference, Service, Table
from contracts.rpc.ingest import DIGEST, DigestRequest
from contracts.rpc.sync_reconcile import COMPARE, CompareRequest, Comparison
from parts import servers
from parts.databases import Databases, DatabaseUrls
from sync.templates import NATUERLICHE_PERSON

ROWS = int(os.environ.get("BENCH_ROWS", "1000000"))
LOST = 100
TENANT = TenantId("berlin")
MOST_SECONDS, MOST_DIGEST_SECONDS = 10.0, 2.0
TIMES = 3

_OBJECTS = """
INSERT INTO kunde
    (tenant, key, ameise_id, nachname, first_seen, changed_at, version, versioned_at, versioned_by)
SELECT 'berlin', key, key, 'Kunde ' || key, now(), now(), md5(CAST(n AS text)), now(),
       CAST('00000000-0000-7000-8000-000000000000' AS uuid)
FROM generate_series(1, %s) n, LATERAL (SELECT CAST(5000000000 + n AS text) AS key) k
"""
_JUDGED = """
INSERT INTO judged (tenant, pipeline, key, version, outcome, pipeline_version)
SELECT 'berlin', 1, CAST(5000000000 + n AS text), md5(CAST(n AS text)), 'applied', %s
FROM generate_series(1, %s) n
"""
_LINKS = """
INSERT INTO link (tenant, zoho_connection, module, ameise_connection, table_name, zoho_id, ameise_key,
                  linked_at)
SELECT tenant, zoho_connection, module, ameise_connection, table_name,
       CAST(554023000000000000 + n AS text), CAST(5000000000 + n AS text), now()
FROM pipeline, generate_series(1, %s) n
"""
_PIPELINE = """
INSERT INTO pipeline (tenant, id, name, table_name, module, ameise_connection, zoho_connection, definition,
                      version)
VALUES ('berlin', 1, 'Kunde', 'kunde', 'Contacts', %s, %s, %s, %s)
"""


async def measure(folder: Path) -> list[Result]:
    with durable_postgres(folder) as superuser_url, servers.nats(folder) as nats_url:
        databases = Databases(superuser_url)
        with databases.of_one_test() as new_database:
            ingest, sync = new_database(Service.INGEST), new_database(Service.SYNC)
            _fill(ingest, sync)
            with (
                ingest_service(folder, ingest, nats_url),
                sync_service(folder, sync, nats_url, "http://127.0.0.1:1"),  # no outside system is asked
            ):
                results = await _measured(nats_url, sync)
        databases.close()
    return results


def _fill(ingest: DatabaseUrls, sync: DatabaseUrls) -> None:
    definition = json.dumps(NATUERLICHE_PERSON.model_dump(mode="json"))
    version = NATUERLICHE_PERSON.version
    with psycopg.connect(ingest.superuser, autocommit=True) as connection:
        connection.execute(_OBJECTS, [ROWS])
        connection.execute("VACUUM ANALYZE kunde")
    with psycopg.connect(sync.superuser, autocommit=True) as connection:
        connection.execute(_PIPELINE, [new_id(), new_id(), definition, version])
        connection.execute(_JUDGED, [version, ROWS])
        connection.execute(_LINKS, [ROWS])
        connection.execute("VACUUM ANALYZE judged")
        connection.execute("VACUUM ANALYZE link")


async def _measured(nats_url: str, sync: DatabaseUrls) -> list[Result]:
    client = await nats.connect(nats_url)
    rpc = RpcClient(client)
    actor = Actor(kind=ActorKind.USER, id="bench", tenant=TENANT, role=Role.SYSTEM)
    digests: list[float] = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        found = await rpc.call(DIGEST, DigestRequest(table=Table.KUNDE), actor=actor)
        digests.append(time.perf_counter() - begun)
        assert sum(bucket.objects for bucket in found.buckets) == ROWS

    async def compare() -> tuple[float, Comparison]:
        begun = time.perf_counter()
        compared = await rpc.call(COMPARE, CompareRequest(), actor=actor)
        return time.perf_counter() - begun, compared

    equal = [await compare() for _ in range(TIMES)]
    assert all((c.objects, c.counts) == (ROWS, {}) for _, c in equal), equal
    await asyncio.to_thread(_lose, sync)
    seconds, compared = await compare()
    assert compared.counts == {Difference.NEVER_JUDGED: LOST}, compared
    await client.close()
    slowest, slowest_digest = max(took for took, _ in equal), max(digests)
    what = f"comparison of {ROWS:,} objects"
    return [
        Result(
            f"ingest's digest of {ROWS:,} objects",
            f"{MOST_DIGEST_SECONDS:.0f} s",
            f"{min(digests):.2f}-{slowest_digest:.2f} s",
            slowest_digest < MOST_DIGEST_SECONDS,
        ),
        Result(
            f"{what}, all equal",
            f"{MOST_SECONDS:.0f} s",
            f"{min(took for took, _ in equal):.2f}-{slowest:.2f} s",
            slowest < MOST_SECONDS,
        ),
        Result(f"{what}, {LOST} lost", "-", f"{seconds:.1f} s", ok=True),
    ]


def _lose(sync: DatabaseUrls) -> None:
    """As if a chunk had never come."""
    with psycopg.connect(sync.superuser, autocommit=True) as connection:
        keys = [str(5_000_000_001 + number * (ROWS // LOST)) for number in range(LOST)]
        connection.execute("DELETE FROM judged WHERE key = ANY(%s)", [keys])
