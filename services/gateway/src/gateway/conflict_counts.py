"""How many conflicts of a team wait for a decision: the number in the navigation of every page."""

import asyncio
import time
from typing import Protocol

from contracts.ids import TenantId
from contracts.problems import Problem
from contracts.rpc import Rpc
from contracts.rpc.sync_pipelines import LIST_CONFLICTS, ListConflicts, OpenConflicts

MOST = 100
"""Counted up to here; whoever has more has enough to do."""
KEPT_SECONDS = 15.0
PATIENCE_SECONDS = 1.0
"""No page waits longer than this for its number."""


class Asks(Protocol):
    """An `Asking`."""

    @property
    def tenant(self) -> TenantId: ...

    async def call(
        self, rpc: Rpc[ListConflicts, OpenConflicts], request: ListConflicts, /
    ) -> OpenConflicts: ...


class ConflictCounts:
    """Numbers by tenant, kept for a moment: the question is asked with every page."""

    def __init__(self) -> None:
        self._known: dict[TenantId, tuple[float, int]] = {}

    async def of(self, asking: Asks) -> int:
        """0 also if sync does not answer: its own page says so."""
        known = self._known.get(asking.tenant)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                count = len((await asking.call(LIST_CONFLICTS, ListConflicts(limit=MOST))).conflicts)
        except (Problem, TimeoutError):
            count = 0
        return self.note(asking.tenant, count)

    def note(self, tenant: TenantId, count: int) -> int:
        """Somebody counted them anyway; returns the number as it is shown."""
        shown = min(count, MOST)
        self._known[tenant] = (time.monotonic() + KEPT_SECONDS, shown)
        return shown

    def forget(self, tenant: TenantId) -> None:
        """Somebody decided: the next page counts anew."""
        self._known.pop(tenant, None)
