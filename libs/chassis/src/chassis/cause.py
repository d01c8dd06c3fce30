"""Why something is being done: for which tenant, on whose behalf, in which chain of messages.

A `Cause` is made where a message or request comes in and handed down to every function that tells
events or asks for work.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

import structlog

from contracts.actor import Actor, ActorKind
from contracts.ids import TenantId, Uuid, new_id
from contracts.names import Service


@dataclass(frozen=True, slots=True)
class Cause:
    """`tenant` may be `_system` only where no tenant could be verified."""

    tenant: TenantId | Literal["_system"]
    actor_kind: ActorKind
    actor_id: str
    correlationid: Uuid
    causationid: Uuid | None = None

    @classmethod
    def of_actor(cls, actor: Actor, correlationid: Uuid, causationid: Uuid | None = None) -> "Cause":
        return cls(actor.tenant, actor.kind, actor.id, correlationid, causationid)

    @classmethod
    def of_service(cls, service: Service, tenant: TenantId | Literal["_system"]) -> "Cause":
        """A service acts by itself, on a schedule or at start; begins a new chain."""
        return cls(tenant, ActorKind.SCHEDULE, service.value, new_id())

    def bound(self, **more: Any) -> AbstractContextManager[None]:
        """Put the chain's ids on every log line inside the `with`."""
        return structlog.contextvars.bound_contextvars(
            tenant=str(self.tenant), correlationid=str(self.correlationid), **more
        )
