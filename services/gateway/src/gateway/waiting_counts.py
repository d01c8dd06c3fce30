"""How much of a team waits for a person, conflicts and parked work: the numbers in the navigation."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from contracts.ids import TenantId
from contracts.problems import Problem
from contracts.rpc import Rpc, RpcModel
from contracts.rpc.sync_parked import GROUP_PARKED, ParkedFilter
from contracts.rpc.sync_pipelines import LIST_CONFLICTS, ListConflicts

MOST_CONFLICTS = 100
"""Counted up to here; whoever has more has enough to do."""
KEPT_SECONDS = 15.0
PATIENCE_SECONDS = 1.0
"""No page waits longer than this for its numbers."""

Req = TypeVar("Req", bound=RpcModel)
Res = TypeVar("Res", bound=RpcModel)


class Asks(Protocol):
    """An `Asking`."""

    @property
    def tenant(self) -> TenantId: ...

    async def call(self, rpc: Rpc[Req, Res], request: Req, /) -> Res: ...


class Counts:
    """Numbers by tenant, kept for a moment: the question is asked with every page."""

    def __init__(self, count: Callable[[Asks], Awaitable[int]]) -> None:
        self._count = count
        self._known: dict[TenantId, tuple[float, int]] = {}

    async def of(self, asking: Asks) -> int:
        """0 also if sync does not answer: its own page says so."""
        known = self._known.get(asking.tenant)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                count = await self._count(asking)
        except (Problem, TimeoutError):
            count = 0
        return self.note(asking.tenant, count)

    def note(self, tenant: TenantId, count: int) -> int:
        """Somebody counted them anyway; returns the number."""
        self._known[tenant] = (time.monotonic() + KEPT_SECONDS, count)
        return count

    def forget(self, tenant: TenantId) -> None:
        """Somebody decided: the next page counts anew."""
        self._known.pop(tenant, None)


async def conflicts(asking: Asks) -> int:
    """Up to `MOST_CONFLICTS`."""
    return len((await asking.call(LIST_CONFLICTS, ListConflicts(limit=MOST_CONFLICTS))).conflicts)


async def parked(asking: Asks) -> int:
    return sum(group.count for group in (await asking.call(GROUP_PARKED, ParkedFilter())).groups)
