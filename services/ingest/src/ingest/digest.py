"""What sync compares with what it has judged (rule 13): digests by bucket, and what is in a bucket.

Nothing is stored for it: PostgreSQL hashes 1,000,000 versions in a second or two, and every stored column or
index would slow down each import instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from chassis.database import Database, fetch_all
from contracts.ids import AmeiseKey, TenantId
from contracts.names import Table
from contracts.problems import Invalid
from contracts.rpc.ingest import BucketDigest, BucketObjects, Digest
from contracts.work import KeyVersion
from ingest import store
from ingest.composing import check_is_object_table

PAGE = 2000
"""Objects in one answer: with keys of 64 characters below the 512 KB that travel."""

_DIGITS = {16: 1, 256: 2, 4096: 3}

# One pass, and nothing is sorted. OFFSET 0: else PostgreSQL sees that buckets are made of keys, takes them
# for as many, and sorts after all.
_DIGEST = """
SELECT bucket, count(*) AS objects, lpad(to_hex(bit_xor(hash)), 16, '0') AS digest
FROM (
    SELECT left(md5(key), :digits) COLLATE "C" AS bucket,
           CAST(CAST('x' || left(md5(key || ' ' || version || ' ' || (gone_since IS NOT NULL)), 16)
                AS bit(64)) AS bigint) AS hash
    FROM {table} WHERE tenant = :tenant AND version IS NOT NULL OFFSET 0
) o
GROUP BY bucket
"""

_IN_BUCKETS = """
SELECT key, version, gone_since IS NOT NULL AS gone FROM {table}
WHERE tenant = :tenant AND version IS NOT NULL AND key > :after
  AND left(md5(key), :digits) = ANY(CAST(:buckets AS text[]))
ORDER BY key LIMIT :size
"""


@dataclass(frozen=True, slots=True)
class Digests:
    """Reads, as the tenant who asks."""

    database: Database

    async def digest(self, tenant: TenantId, table: Table, buckets: Literal[16, 256, 4096]) -> Digest:
        """Raises Invalid for parts of a Kunde."""
        check_is_object_table(table)
        async with self.database.tenant(tenant) as session:
            rows = await fetch_all(
                session, _DIGEST.format(table=table), tenant=tenant, digits=_DIGITS[buckets]
            )
            as_of = store.as_of_objects(table, await store.delivered_tables(session, tenant))
        return Digest(buckets=tuple(BucketDigest(**row) for row in rows), as_of=as_of)

    async def in_buckets(
        self, tenant: TenantId, table: Table, buckets: Sequence[str], after: AmeiseKey | None
    ) -> BucketObjects:
        """Raises Invalid for parts of a Kunde, or buckets of several sizes."""
        check_is_object_table(table)
        [digits, *others] = {len(bucket) for bucket in buckets}
        if others:
            raise Invalid("buckets of several sizes", remedy="ask for those of one digest")
        async with self.database.tenant(tenant) as session:
            rows = await fetch_all(
                session, _IN_BUCKETS.format(table=table), tenant=tenant, digits=digits,
                buckets=list(buckets), after=after or "", size=PAGE + 1,
            )  # fmt: skip
        return BucketObjects(objects=tuple(KeyVersion(**row) for row in rows[:PAGE]), more=len(rows) > PAGE)
