"""Digests find what a lost message would have told, and a bucket says what it holds."""

import hashlib
from functools import reduce
from operator import xor
from typing import Any

import pytest

from contracts.actor import Role
from contracts.names import Table
from contracts.problems import Forbidden, Invalid
from contracts.rpc.ingest import BUCKETS, DIGEST, BucketsRequest, DigestRequest


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


async def digest(ingest: Any, table: Table = Table.KUNDE, **asked: Any) -> dict[str, tuple[int, str]]:
    reply = await ingest.call(DIGEST, DigestRequest(table=table, buckets=asked.pop("buckets", 16)), **asked)
    return {bucket.bucket: (bucket.objects, bucket.digest) for bucket in reply.buckets}


async def in_buckets(ingest: Any, *buckets: str, after: str | None = None) -> Any:
    request = BucketsRequest.model_validate({"table": Table.KUNDE, "buckets": buckets, "after": after})
    return await ingest.call(BUCKETS, request)


async def test_a_digest_is_what_the_contract_says(ingest: Any, kit: Any) -> None:
    book = kit.a_book(40)
    await ingest.deliver(book.files())
    book.tables[Table.KUNDE].pop()
    await ingest.deliver(book.files())
    told = {o.key: o for m in await ingest.work() if m.table is Table.KUNDE for o in m.objects}
    expected: dict[str, list[int]] = {}
    for key, last in told.items():
        line = f"{key} {last.version} {'true' if last.gone else 'false'}"
        expected.setdefault(md5(key)[0], []).append(int(md5(line)[:16], 16))
    assert any(changed.gone for changed in told.values())
    assert await digest(ingest) == {b: (len(h), f"{reduce(xor, h):016x}") for b, h in expected.items()}


async def test_a_change_shows_in_its_bucket_alone(ingest: Any, kit: Any) -> None:
    book = kit.a_book(20)
    await ingest.deliver(book.files())
    before = await digest(ingest, buckets=256)
    book.tables[Table.KUNDENKOMMUNIKATION][4]["wert"] = "neu@example.org"
    await ingest.deliver(book.files())
    after = await digest(ingest, buckets=256)
    changed = {bucket for bucket in after if after[bucket] != before[bucket]}
    assert changed == {md5("5000000005")[:2]}


async def test_buckets_tell_their_objects_page_by_page(
    ingest: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ingest.deliver(kit.a_book(60).files())
    versions = {o.key: o.version for m in await ingest.work() if m.table is Table.KUNDE for o in m.objects}
    wanted = [key for key in sorted(versions) if md5(key)[0] in "03f"]
    assert len(wanted) > 4
    monkeypatch.setattr("ingest.digest.PAGE", len(wanted) - 1)
    first = await in_buckets(ingest, "0", "3", "f")
    last = await in_buckets(ingest, "0", "3", "f", after=first.objects[-1].key)
    assert (first.more, last.more) == (True, False)
    assert [(o.key, o.version) for o in (*first.objects, *last.objects)] == [
        (key, versions[key]) for key in wanted
    ]


async def test_a_tenant_compares_only_its_own(ingest: Any, kit: Any) -> None:
    other = type(kit.tenant)("hamburg")
    await ingest.deliver(kit.a_book(3).files())
    assert await digest(ingest, tenant=other) == {}


async def test_parts_of_a_kunde_and_mixed_buckets_are_refused(ingest: Any) -> None:
    with pytest.raises(Invalid, match="part of the Kunde"):
        await digest(ingest, Table.KUNDENDETAIL)
    with pytest.raises(Invalid, match="several sizes"):
        await in_buckets(ingest, "0", "00")


async def test_only_a_service_may_compare(ingest: Any) -> None:
    with pytest.raises(Forbidden):
        await digest(ingest, role=Role.ADMIN)
