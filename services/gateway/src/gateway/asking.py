"""The admin's questions to other services: one actor, one tenant, one correlation id per request."""

import asyncio
from dataclasses import dataclass, replace
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from chassis.cause import Cause
from contracts.actor import Actor, ActorKind, Role
from contracts.ids import TenantId, Uuid
from contracts.problems import NotFound
from contracts.rpc import Rpc, RpcModel
from gateway import store
from gateway.parts import Parts, PartsOf
from gateway.session import ADMIN
from gateway.signing_in import require_basic, require_session

Req = TypeVar("Req", bound=RpcModel)
Res = TypeVar("Res", bound=RpcModel)


@dataclass(frozen=True, slots=True)
class Asking:
    """The signed-in admin at work for one tenant that exists."""

    parts: Parts
    tenant: TenantId
    name: str
    correlationid: Uuid
    open_conflicts: int = 0
    parked: int = 0
    """Both are shown in the navigation of pages; see `waiting_counts`."""

    @property
    def actor(self) -> Actor:
        return admin_of(self.tenant)

    @property
    def cause(self) -> Cause:
        return Cause.of_actor(self.actor, self.correlationid)

    async def call(self, rpc: Rpc[Req, Res], request: Req) -> Res:
        """Raises the Problem that the service answers, or Unavailable if it does not answer."""
        return await self.parts.base.rpc.call(
            rpc, request, actor=self.actor, correlationid=self.correlationid
        )


def admin_of(tenant: TenantId) -> Actor:
    """The installation's admin, acting for one tenant."""
    return Actor(kind=ActorKind.USER, id=ADMIN, tenant=tenant, role=Role.ADMIN)


async def _asking(request: Request, tenant: TenantId, parts: Parts) -> Asking:
    async with parts.base.database.tenant(tenant) as session:
        known = await store.find_tenant(session, tenant)
    if known is None:
        raise NotFound(f"Das Team {tenant} gibt es nicht.")
    request.state.team = tenant  # where the page of a problem leads back to
    return Asking(parts, tenant, known.name, Uuid(request.state.correlationid))


async def _of_the_api(request: Request, tenant: TenantId, parts: PartsOf) -> Asking:
    await require_basic(request)
    return await _asking(request, tenant, parts)


async def _of_a_page(request: Request, tenant: TenantId, parts: PartsOf) -> Asking:
    await require_session(request)
    asking = await _asking(request, tenant, parts)
    if request.method != "GET":
        return asking
    conflicts, parked = await asyncio.gather(parts.conflict_counts.of(asking), parts.parked_counts.of(asking))
    return replace(asking, open_conflicts=conflicts, parked=parked)


ApiAsking = Annotated[Asking, Depends(_of_the_api)]
PageAsking = Annotated[Asking, Depends(_of_a_page)]
