"""The gate before each outside system of each connection: limits, pauses and the breaker, in one place.

A replica leases a share of the connection's simultaneous calls and gives it out by itself, so that a call
costs no question to PostgreSQL. Once a second, while there are calls, it tells what it spent and reads what
the others did; failures and refusals are told at once, and so is that a newcomer needs places or that a
share became smaller. After kill -9 its share is free when its lease ends; what it spent in its last second is
not counted by us, but by Zoho.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter, Histogram
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.cause import Cause
from chassis.database import Database
from chassis.deadline import end
from chassis.outbox import Outbox
from chassis.wakeups import listen
from contracts.events import SystemReachable, SystemUnreachable
from contracts.ids import TenantId, Uuid
from contracts.names import Service, System
from sync import limit_store
from sync.limit_store import Share, State
from sync.limits import Health, Terms, credits_left, health_after, may_spend
from sync.outside_words import named
from sync.retry import NOT_CONNECTED_DELAY
from sync.turnstile import UNLIMITED, Need, Turnstile
from vendor import Call, Gate, NotNow, Standing
from zoho.costs import COMPLEX_CALLS, credits_of, is_complex

log: structlog.stdlib.BoundLogger = structlog.get_logger()

RENEW_SECONDS = 1.0
SHARE_LASTS = timedelta(seconds=10)
IDLE_SECONDS = 3.0
PLACE_PATIENCE_SECONDS = 10.0
NO_PLACE_DELAY = timedelta(seconds=1)
PROBE_RUNNING_DELAY = timedelta(seconds=1)
NO_CREDITS_DELAY = timedelta(minutes=5)
DISCONNECTED = timedelta(seconds=5)
CREDITS_HEADER = "x-api-credits-remaining"
SUCCESS = range(200, 300)

calls_total = Counter(
    "sync_calls_total", "Calls to outside systems by how they ended", ["system", "standing"]
)
refused_total = Counter("sync_calls_refused_total", "Calls not sent because of our limits", ["system", "why"])
credits_total = Counter("sync_zoho_credits_total", "API credits of Zoho spent, by our own count")
place_seconds = Histogram(
    "sync_call_place_seconds", "Waiting for one of the simultaneous calls", ["system", "urgent"]
)


@dataclass(frozen=True, slots=True)
class GateSettings:
    """The same for all connections; `reserve` credits and `kept_calls` places are for webhooks alone."""

    defaults: Terms
    reserve: int
    kept_calls: int
    breaker_threshold: int
    probe_patience: timedelta
    tell_after: timedelta


@dataclass(slots=True)
class ConnectionGate:
    """One connection, as this replica (`owner`) sees it."""

    database: Database
    outbox: Outbox
    settings: GateSettings
    tenant: TenantId
    connection: Uuid
    system: System
    owner: str
    turnstile: Turnstile = field(init=False)
    _state: State | None = None
    _read_at: float = 0.0
    _safe_until: float = 0.0
    _used_at: float = 0.0
    _spent: int = 0
    """Not yet told to the others."""
    _remaining: int | None = None
    _remaining_told: bool = True
    _token_refused: int = 0
    _renewing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _keeper: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.turnstile = Turnstile(self.settings.kept_calls)

    def lane(self, *, urgent: bool) -> Gate:
        """The gate for calls of webhooks and people (`urgent`), or of batches."""
        return _Lane(self, urgent=urgent)

    async def admit(self, call: Call, *, urgent: bool) -> "_Admitted":
        """Let one call pass. Raises NotNow."""
        self._used_at = time.monotonic()
        if self._used_at >= self._safe_until:
            await self._renew_once()
        self._keep_up()
        zoho = self.system is System.ZOHO
        cost = credits_of(call) if zoho else 0
        need = Need(urgent, is_complex=zoho and is_complex(call))
        await self._refuse(cost, urgent=urgent)
        is_probe = await self._probe_or_refuse()
        waited_from = time.monotonic()
        try:
            await self.turnstile.enter(need, patience_seconds=PLACE_PATIENCE_SECONDS)
        except TimeoutError:
            raise self._not_now("place", "alle gleichzeitigen Aufrufe sind belegt", NO_PLACE_DELAY) from None
        place_seconds.labels(self.system.value, urgent).observe(time.monotonic() - waited_from)
        try:
            await self._refuse(cost, urgent=urgent)
            if not is_probe:  # it may have opened while we waited
                await self._probe_or_refuse()
        except BaseException:
            self.turnstile.leave(need)
            raise
        self._spent += cost
        if self._remaining is not None:
            self._remaining -= cost
        credits_total.inc(cost)
        return _Admitted(self, need, begun=time.monotonic())

    async def refuse_if_disconnected(self, *, urgent: bool) -> None:
        """Before auth is asked for a token. Raises NotNow while all know that there is none."""
        if self._state is None:
            await self._renew_once()
        state = self._state
        if state is None or state.disconnected_until is None:
            return
        wait = timedelta(seconds=self._seconds_until(state.disconnected_until))
        if wait > timedelta(0):
            # A backlog that asked again every few seconds would keep PostgreSQL busy.
            after = wait if urgent else NOT_CONNECTED_DELAY
            raise self._not_now("disconnected", f"{named(self.system)} ist nicht verbunden", after)

    async def note_disconnected(self) -> None:
        """The token is dead: all replicas pause for a while."""
        await self._in_transaction(
            lambda session: limit_store.note_disconnected(session, self.connection, DISCONNECTED)
        )

    async def close(self) -> None:
        """Tell what is untold, and give the share back."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        await self._give_back()

    # -- may this call be sent? -----------------------------------------------------------------------------

    async def _refuse(self, cost: int, *, urgent: bool) -> None:
        state = self._state
        if state is None:
            return
        await self.refuse_if_disconnected(urgent=urgent)
        health = state.health
        if health.paused_until is not None and (wait := self._seconds_until(health.paused_until)) > 0:
            raise self._not_now(
                "throttled", f"{named(self.system)} bat um eine Pause", timedelta(seconds=wait)
            )
        left = credits_left(state.terms, spent=state.spent + self._spent, remaining=self._remaining)
        if self.system is System.ZOHO and not may_spend(
            cost, left, urgent=urgent, reserve=self.settings.reserve
        ):
            kept = "" if urgent else f", {self.settings.reserve} davon sind für Webhooks reserviert"
            why = f"das Tageskontingent der Zoho-API reicht nicht: {left} übrig{kept}"
            raise self._not_now("credits", why, NO_CREDITS_DELAY)

    async def _probe_or_refuse(self) -> bool:
        """While the breaker is open, one call at a time may try. Whether it is this one; raises NotNow."""
        health = self._state.health if self._state else Health()
        if health.opened_at is None:
            return False
        wait = self._seconds_until(health.open_until) if health.open_until else 0.0
        if wait <= 0:
            taken = False

            async def take(session: AsyncSession) -> None:
                nonlocal taken
                taken = await limit_store.take_probe(session, self.connection, self.settings.probe_patience)

            await self._in_transaction(take)
            if taken or (self._state and self._state.health.opened_at is None):
                return taken
            wait = PROBE_RUNNING_DELAY.total_seconds()
        why = f"{named(self.system)} antwortet seit einer Weile nicht"
        raise self._not_now("breaker", why, timedelta(seconds=wait))

    def _not_now(self, why: str, words: str, after: timedelta) -> NotNow:
        refused_total.labels(self.system.value, why).inc()
        return NotNow(self.system, words, after=after * random.uniform(1, 1.2))  # noqa: S311 (jitter)

    def _seconds_until(self, moment: datetime) -> float:
        """By PostgreSQL's clock as it was when the state was read, and ours since."""
        state = self._state
        assert state is not None
        passed = time.monotonic() - self._read_at
        return (moment - state.now).total_seconds() - passed

    # -- what a call taught us ------------------------------------------------------------------------------

    async def over(self, need: Need, begun: float, standing: Standing, headers: Mapping[str, str]) -> None:
        """A call ended. Never raises: its answer matters more than our books."""
        self.turnstile.leave(need)
        self._used_at = time.monotonic()
        calls_total.labels(self.system.value, standing.value).inc()
        if standing is Standing.ANSWERED and self.system is System.ZOHO:
            self._note_remaining(headers.get(CREDITS_HEADER))
        refused_again = standing is Standing.TOKEN_REFUSED and self._token_refused > 0
        if standing is not Standing.CUT_OFF:
            self._token_refused = self._token_refused + 1 if standing is Standing.TOKEN_REFUSED else 0
        spotless = self._state is not None and self._state.health.is_spotless
        try:
            if refused_again:
                await self.note_disconnected()
            if standing in (Standing.FAILED, Standing.THROTTLED) or (
                not spotless and standing is not Standing.CUT_OFF
            ):
                await self._note_health(begun, standing)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("limits.not_noted", system=self.system.value, error=type(error).__name__)

    def _note_remaining(self, text: str | None) -> None:
        remaining = int(text) if text and text.isdigit() else None
        if remaining is not None or self._remaining is not None:
            self._remaining, self._remaining_told = remaining, False

    async def _note_health(self, begun: float, standing: Standing) -> None:
        ago = timedelta(seconds=time.monotonic() - begun)

        async def note(session: AsyncSession) -> None:
            state = await limit_store.load(session, self.connection, self.system, self.settings.defaults)
            before = state.health
            after = health_after(
                before, standing, begun=state.now - ago, now=state.now,
                threshold=self.settings.breaker_threshold,
            )  # fmt: skip
            after = await self._tell(session, before, after, state)
            if after != before:
                await limit_store.save_health(session, self.connection, after)

        await self._in_transaction(note)

    async def _tell(self, session: AsyncSession, before: Health, after: Health, state: State) -> Health:
        """Tell a person that it lasts, once, and that it is over."""
        cause = Cause.of_service(Service.SYNC, self.tenant)
        if before.told_at is not None and after.opened_at is None:
            over = SystemReachable(connection=self.connection, system=self.system)
            await self.outbox.tell(session, cause, over)
        opened = after.opened_at
        if opened is None or after.told_at is not None or state.now - opened < self.settings.tell_after:
            return after
        minutes = int((state.now - opened).total_seconds() // 60)
        reason = f"antwortet seit {minutes} Minuten nicht; die Arbeit wartet"
        lasts = SystemUnreachable(connection=self.connection, system=self.system, since=opened, reason=reason)
        await self.outbox.tell(session, cause, lasts)
        return replace(after, told_at=state.now)

    # -- in step with the other replicas --------------------------------------------------------------------

    async def _in_transaction(self, work: Callable[[AsyncSession], Awaitable[object]]) -> None:
        """Do it, and read the state anew in the same transaction."""
        async with self.database.tenant(self.tenant) as session:
            await limit_store.load(session, self.connection, self.system, self.settings.defaults)
            await work(session)
            state = await limit_store.load(session, self.connection, self.system, self.settings.defaults)
        self._state, self._read_at = state, time.monotonic()

    async def _renew_once(self) -> None:
        async with self._renewing:
            if time.monotonic() >= self._safe_until:
                await self._renew()

    async def _renew(self) -> None:
        """Tell what we spent, read what holds, renew our share: one transaction."""
        begun = time.monotonic()
        spent, told, remaining = self._spent, self._remaining_told, self._remaining
        self._remaining_told = True
        async with self.database.tenant(self.tenant) as session:
            state = await limit_store.load(session, self.connection, self.system, self.settings.defaults)
            if spent:
                await limit_store.spend(session, self.connection, spent)
            if not told:
                await limit_store.note_remaining(session, self.connection, remaining)
            share = await self._share(session, state)
        self._spent -= spent
        self._state = replace(state, spent=state.spent + spent)
        if told and self._remaining_told:
            self._remaining = state.remaining
        self._read_at = time.monotonic()
        # Half of the lease: clocks do not run alike, and a call lasts.
        self._safe_until = begun + SHARE_LASTS.total_seconds() / 2
        self.turnstile.resize(calls=share.calls, complex_calls=share.complex_calls)

    async def _share(self, session: AsyncSession, state: State) -> Share:
        if self.system is not System.ZOHO:
            return Share(UNLIMITED, UNLIMITED)
        total = Share(state.terms.simultaneous_calls, min(COMPLEX_CALLS, state.terms.simultaneous_calls))
        in_flight = Share(self.turnstile.in_flight, self.turnstile.complex_in_flight)
        return await limit_store.take_share(
            session, self.connection, self.owner, total=total, in_flight=in_flight, lasting=SHARE_LASTS
        )

    def _keep_up(self) -> None:
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(self._keep(), name=f"gate:{self.connection}")

    async def _keep(self) -> None:
        """Renew while there are calls; then let go."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            async with self._renewing:
                if self.turnstile.is_idle and time.monotonic() - self._used_at > IDLE_SECONDS:
                    await self._give_back()
                    return
            await self.keep_in_step()

    async def keep_in_step(self) -> None:
        """Renew now, if there are calls. Never raises: what held before holds for a while."""
        async with self._renewing:
            if self._keeper is None or self._keeper.done():
                return
            try:
                await self._renew()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("limits.not_renewed", system=self.system.value, error=type(error).__name__)

    async def _give_back(self) -> None:
        spent, self._spent = self._spent, 0
        self._safe_until = 0.0
        try:
            async with self.database.tenant(self.tenant) as session:
                await limit_store.give_share_back(session, self.connection, self.owner)
                if spent:
                    await limit_store.spend(session, self.connection, spent)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            self._spent += spent
            log.warning("limits.share_kept", system=self.system.value, error=type(error).__name__)


@dataclass(frozen=True, slots=True)
class _Lane:
    gate: ConnectionGate
    urgent: bool

    async def admit(self, call: Call) -> "_Admitted":
        return await self.gate.admit(call, urgent=self.urgent)


@dataclass(frozen=True, slots=True)
class _Admitted:
    gate: ConnectionGate
    need: Need
    begun: float

    async def leave(self, standing: Standing, headers: Mapping[str, str]) -> None:
        await self.gate.over(self.need, self.begun, standing, headers)


@dataclass(slots=True)
class Gates:
    """The gates of this replica, made when a connection is first used."""

    database: Database
    outbox: Outbox
    settings: GateSettings
    owner: str
    _made: dict[tuple[TenantId, Uuid], ConnectionGate] = field(
        default_factory=dict[tuple[TenantId, Uuid], ConnectionGate]
    )

    def of(self, tenant: TenantId, connection: Uuid, system: System) -> ConnectionGate:
        made = self._made.get((tenant, connection))
        if made is None:
            made = ConnectionGate(
                self.database, self.outbox, self.settings, tenant, connection, system, self.owner
            )
            self._made[tenant, connection] = made
        return made

    async def run(self, listen_url: SecretStr) -> None:
        """Renew the shares at once when another replica needs places or gave some up, so that a webhook
        taken there does not wait for our next second. Runs until cancelled."""
        wake = asyncio.Event()
        listener = asyncio.create_task(listen(listen_url, limit_store.SHARES_CHANNEL, wake))
        try:
            while True:
                await wake.wait()
                wake.clear()
                await asyncio.gather(*(gate.keep_in_step() for gate in list(self._made.values())))
        finally:
            await end(listener)

    async def close(self) -> None:
        """Give all shares back."""
        await asyncio.gather(*(gate.close() for gate in self._made.values()))
