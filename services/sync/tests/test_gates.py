"""The gate before an outside system, as two replicas see it over one database."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from chassis.database import Database
from chassis.deadline import end
from chassis.outbox import Outbox
from contracts.ids import Uuid, new_id
from contracts.names import Service, System
from sync import gates as gates_module
from sync.gates import ConnectionGate, Gates, GateSettings
from sync.limits import Terms
from vendor import Call, NotNow, Standing

if TYPE_CHECKING:
    from conftest import Rows

    from parts.databases import DatabaseUrls

from contracts.ids import TenantId

BERLIN = TenantId("berlin")
READ = Call("GET", "/Contacts/1")
WRITE = Call("PUT", "/Contacts", body={"data": [{}] * 100}, write=True)
NewReplica = Callable[..., ConnectionGate]


@pytest.fixture
async def replica(database: Database, urls: "DatabaseUrls") -> AsyncIterator[NewReplica]:
    """`replica("a", system=..., daily_credits=..., calls=...)`: the gate of one connection in one process;
    `listens`: it hears at once what the others do."""
    connection: Uuid = new_id()
    made: list[Gates] = []
    listening: list[asyncio.Task[None]] = []

    def make(
        name: str,
        *,
        system: System = System.ZOHO,
        daily_credits: int = 1_000,
        calls: int = 10,
        listens: bool = False,
    ) -> ConnectionGate:
        settings = GateSettings(
            defaults=Terms(daily_credits, share_percent=100, simultaneous_calls=calls),
            reserve=100,
            kept_calls=1,
            breaker_threshold=3,
            probe_patience=timedelta(seconds=30),
            tell_after=timedelta(0),
        )
        gates = Gates(database, Outbox(Service.SYNC), settings, name)
        made.append(gates)
        if listens:
            listening.append(asyncio.create_task(gates.run(SecretStr(urls.all_tenants))))
        return gates.of(BERLIN, connection, system)

    yield make
    for task in listening:
        await end(task)
    for gates in made:
        await gates.close()


async def call(
    gate: ConnectionGate,
    what: Call = READ,
    *,
    urgent: bool = True,
    standing: Standing = Standing.ANSWERED,
    headers: dict[str, str] | None = None,
) -> None:
    passage = await gate.lane(urgent=urgent).admit(what)
    await passage.leave(standing, headers or {})


async def refused(gate: ConnectionGate, what: Call = READ, *, urgent: bool = True) -> NotNow | None:
    try:
        await call(gate, what, urgent=urgent)
    except NotNow as error:
        return error
    return None


async def renewed(gate: ConnectionGate) -> None:
    """What happens every second."""
    await gate._renew()  # pyright: ignore[reportPrivateUsage]


async def test_two_replicas_share_the_calls_of_one_connection(replica: NewReplica) -> None:
    a, b = replica("a"), replica("b")
    await call(a)
    assert a.turnstile.calls == 10
    await renewed(b)
    assert b.turnstile.calls == 0  # all are a's, until it renews
    await renewed(a)
    await renewed(b)
    assert (a.turnstile.calls, b.turnstile.calls) == (5, 5)


async def test_a_newcomer_gets_places_at_once(replica: NewReplica, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only when those who have them all renew by the clock."""
    monkeypatch.setattr(gates_module, "RENEW_SECONDS", 30.0)
    a, b = replica("a", listens=True), replica("b", listens=True)
    held = [await a.lane(urgent=False).admit(READ) for _ in range(8)]
    async with asyncio.timeout(5):
        held.append(await b.lane(urgent=True).admit(READ))  # a has places that it does not use
    assert a.turnstile.calls + b.turnstile.calls <= 10
    for passage in held:
        await passage.leave(Standing.ANSWERED, {})


async def test_the_share_of_a_dead_replica_is_free_when_its_lease_ends(
    replica: NewReplica, rows: "Rows"
) -> None:
    a, b = replica("a"), replica("b")
    await call(a)
    rows.change("UPDATE call_share SET until = now() - interval '1 second'")
    await renewed(b)
    assert b.turnstile.calls == 10


async def test_what_one_replica_spent_the_other_does_not_spend_again(replica: NewReplica) -> None:
    a, b = replica("a", daily_credits=125), replica("b", daily_credits=125)
    for _ in range(2):
        await call(a, WRITE, urgent=False)
    await renewed(a)
    assert await refused(b, WRITE, urgent=False)  # 105 left, 100 of them for webhooks
    assert await refused(b, READ, urgent=False) is None
    assert await refused(b, WRITE, urgent=True) is None


async def test_zohos_own_word_counts_and_reaches_the_other(replica: NewReplica) -> None:
    a, b = replica("a"), replica("b")
    await call(a, headers={"x-api-credits-remaining": "90"})
    assert await refused(a, urgent=False)
    await renewed(a)
    assert await refused(b, urgent=False)
    assert await refused(b, urgent=True) is None
    # Without the header more than half is left again.
    await call(a)
    await renewed(a)
    await renewed(b)
    assert await refused(b, urgent=False) is None


async def test_one_refused_call_pauses_all_replicas_and_an_answer_ends_it(
    replica: NewReplica, rows: "Rows"
) -> None:
    a, b = replica("a"), replica("b")
    await call(b)
    await call(a, standing=Standing.THROTTLED)
    await renewed(b)
    for gate in (a, b):
        told = await refused(gate)
        assert told is not None
        assert timedelta(seconds=1) < told.after < timedelta(seconds=4)
    rows.change("UPDATE connection_limit SET paused_until = now()")
    await renewed(b)
    await call(b)
    assert rows.select("SELECT throttled, paused_until FROM connection_limit") == [
        {"throttled": 0, "paused_until": None}
    ]


async def test_failures_of_all_replicas_open_one_breaker_that_one_probe_closes(
    replica: NewReplica, rows: "Rows"
) -> None:
    a, b = replica("a", system=System.AMEISE), replica("b", system=System.AMEISE)
    await call(a, standing=Standing.FAILED)
    await call(b, standing=Standing.FAILED)
    await call(a, standing=Standing.FAILED)
    await renewed(b)
    assert await refused(a)
    assert await refused(b)
    rows.change("UPDATE connection_limit SET open_until = now()")
    await renewed(a)
    await renewed(b)
    probe = await b.lane(urgent=True).admit(READ)
    assert await refused(a)  # one at a time
    await probe.leave(Standing.ANSWERED, {})
    await renewed(a)
    assert await refused(a) is None


async def test_a_system_that_stays_away_is_told_once_and_so_is_its_return(
    replica: NewReplica, rows: "Rows"
) -> None:
    gate = replica("a", system=System.AMEISE)
    for _ in range(3):
        await call(gate, standing=Standing.FAILED)
    for _ in range(2):
        rows.change("UPDATE connection_limit SET open_until = now()")
        await renewed(gate)
        await call(gate, standing=Standing.FAILED)
    assert len(rows.events("system_unreachable")) == 1
    rows.change("UPDATE connection_limit SET open_until = now()")
    await renewed(gate)
    await call(gate)
    assert len(rows.events("system_reachable")) == 1


async def test_a_token_refused_twice_pauses_the_connection(replica: NewReplica) -> None:
    a, b = replica("a"), replica("b")
    await call(a, standing=Standing.TOKEN_REFUSED)  # exchanged for a fresh one
    await call(a, standing=Standing.TOKEN_REFUSED)
    await renewed(b)
    told = await refused(b)
    assert told is not None
    assert "nicht verbunden" in str(told)


async def test_an_idle_replica_gives_its_share_back(
    replica: NewReplica, rows: "Rows", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gates_module, "IDLE_SECONDS", 0.0)
    monkeypatch.setattr(gates_module, "RENEW_SECONDS", 0.01)
    gate = replica("a")
    await call(gate)
    async with asyncio.timeout(5):
        while rows.select("SELECT * FROM call_share"):
            await asyncio.sleep(0.01)
    assert rows.select("SELECT credits FROM credit_spent") == [{"credits": 1}]
    await call(gate)


async def test_a_call_costs_no_question_to_postgresql(replica: NewReplica) -> None:
    gate = replica("a", daily_credits=10_000)
    await call(gate)
    begun = time.perf_counter()
    for _ in range(1_000):
        await call(gate)
    assert time.perf_counter() - begun < 1_000 * 0.002
