"""What the routes work with. They reach it by `request.app.state.parts`."""

from dataclasses import dataclass, field
from typing import Annotated, Self

from fastapi import Depends, Request

from chassis.batching import Batcher
from chassis.process import Foundation
from contracts.ids import TenantId
from contracts.problems import Unavailable
from gateway.attempts import Attempts
from gateway.endpoints import Endpoints
from gateway.rate_limit import RateLimit
from gateway.refusals import Refusals
from gateway.settings import Settings
from gateway.waiting_counts import Counts, conflicts, parked
from gateway.webhook_store import MOST_AT_ONCE, Webhook, store


@dataclass(slots=True)
class Parts:
    """The parts that need no other process, and `foundation` once PostgreSQL and NATS have answered."""

    settings: Settings
    addresses: RateLimit
    tenants: RateLimit
    attempts: Attempts
    refusals: Refusals
    endpoints: Endpoints
    foundation: Foundation | None = None
    webhooks: Batcher[TenantId, Webhook] = field(init=False)
    conflict_counts: Counts = field(default_factory=lambda: Counts(conflicts))
    parked_counts: Counts = field(default_factory=lambda: Counts(parked))

    def __post_init__(self) -> None:
        self.webhooks = Batcher(self._store_webhooks, size=MOST_AT_ONCE)

    async def _store_webhooks(self, tenant: TenantId, webhooks: list[Webhook]) -> None:
        await store(self.base, tenant, webhooks)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(
            settings=settings,
            addresses=RateLimit(
                per_second=settings.address_requests_per_second, burst=settings.address_burst
            ),
            tenants=RateLimit(per_second=settings.tenant_requests_per_second, burst=settings.tenant_burst),
            attempts=Attempts(),
            refusals=Refusals(),
            endpoints=Endpoints(keep=settings.endpoint_cache),
        )

    @property
    def base(self) -> Foundation:
        """Raises Unavailable while the process starts: the port is open before everything answers."""
        if self.foundation is None:
            raise Unavailable("Der Connector startet noch.", remedy="Gleich noch einmal versuchen.")
        return self.foundation


async def parts_of(request: Request) -> Parts:
    return request.app.state.parts


PartsOf = Annotated[Parts, Depends(parts_of)]
